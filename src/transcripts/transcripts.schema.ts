import { z } from 'zod';
import { pageQuery } from '../http/page.js';
import { isUuid } from '../ids.js';

const time = z.coerce
  .number()
  .int()
  .min(0)
  .max(8.64e15)
  .or(z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)));

export const listTranscripts = z.strictObject({
  ...pageQuery,
  /** Words that the transcript holds, all of them, in any order. */
  q: z.string().max(500, { error: 'has at most 500 characters' }).optional(),
  /** Epoch milliseconds or ISO 8601, of the moment at which the transcript was stored. */
  from: time.optional(),
  to: time.optional(),
  /** `en` finds `en-GB` as well. */
  language: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,35}$/, { error: 'must be a language tag like en or en-GB' })
    .optional(),
});
export type ListTranscripts = z.infer<typeof listTranscripts>;

export const TRANSCRIPT_FORMATS = ['json', 'txt', 'srt', 'vtt'] as const;

/** `JOB`, `JOB.txt`, `JOB.srt`, `JOB.vtt`, `JOB.json`. */
export const transcriptFile = z.string().transform((text, context) => {
  const [, jobId, suffix = 'json'] = /^([^.]*)(?:\.(\w+))?$/.exec(text) ?? [];
  const format = TRANSCRIPT_FORMATS.find((one) => one === suffix);
  if (jobId === undefined || !isUuid(jobId) || format === undefined) {
    context.addIssue({ code: 'custom', message: 'must be the id of a job, alone or with .txt, .srt, .vtt or .json' });
    return z.NEVER;
  }
  return { jobId, format };
});
export type TranscriptFile = z.infer<typeof transcriptFile>;

export const jobIdParam = z.string().refine(isUuid, { error: 'must be the id of a job' });

/** The last part of `/t/TOKEN`; whether it is one of ours is found out by its signature. */
export const linkToken = z.string().max(256);

export const shownTranscriptItem = z.object({
  jobId: z.uuid(),
  requestId: z.string(),
  language: z.string().optional(),
  /** Seconds. */
  duration: z.number(),
  /** Where the first word of the search stands; the beginning without a search. */
  snippet: z.string(),
  createdAt: z.iso.datetime(),
});
export type ShownTranscriptItem = z.infer<typeof shownTranscriptItem>;
