import { z } from 'zod';
import { pageQuery, timeQuery } from '../http/page.js';
import { JOB_STATES } from './job.js';

/** A tag's name: usable as `job.tags.NAME` in rules when it has no `-` or `.`. Names with two leading underscores are refused. */
export const TAG_NAME = /^(?!__)[A-Za-z0-9_.-]{1,64}$/;
const TAGS = 50;

/** PostgreSQL takes neither of the two into a text, and one such tag would break each filter by tag. */
function isStorable(text: string): boolean {
  return !/[\0\p{Cs}]/u.test(text);
}

export const Tags = z
  .record(
    z.string().regex(TAG_NAME),
    z
      .string({ error: 'a tag value must be text' })
      .max(512, { error: 'a tag value has at most 512 characters' })
      .refine(isStorable, { error: 'a tag value holds no NUL and no half of a surrogate pair' }),
    {
      error: ({ code }) =>
        code === 'invalid_key'
          ? 'a tag name has 1 to 64 letters, digits, "_", "." or "-", and does not begin with "__"'
          : undefined,
    },
  )
  .refine((tags) => Object.keys(tags).length <= TAGS, { error: `a job has at most ${String(TAGS)} tags` });

/** Where the audio is. Deepgram fetches it, without a User-Agent. */
export const AudioUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .max(4096, { error: 'a URL has at most 4096 characters' })
  .refine((url) => !/[\p{Cc}\s]/u.test(url), { error: 'a URL holds no blank and no control character' });

/** `options` is checked against Deepgram's own table, with its own messages (deepgram-options.ts). */
const request = {
  options: z.record(z.string(), z.json()).default({}),
  preset: z.string().min(1).max(64).optional(),
  tags: Tags.default({}),
};

export const SubmitUrl = z.strictObject({ audio: z.strictObject({ url: AudioUrl }), ...request });
export type SubmitUrl = z.infer<typeof SubmitUrl>;

/** The `request` part of a multipart upload. */
export const SubmitUpload = z.strictObject(request);
export type SubmitUpload = z.infer<typeof SubmitUpload>;

export const IdempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, { error: 'Idempotency-Key has 1 to 255 visible ASCII characters' })
  .optional();

export const JobId = z.uuid();

export const ListJobs = z
  .object({
    ...pageQuery,
    state: z.enum(JOB_STATES).optional(),
    origin: z.enum(['api', 'external']).optional(),
    /** Epoch milliseconds or ISO 8601. */
    from: timeQuery.optional(),
    to: timeQuery.optional(),
  })
  .catchall(z.string());
