import { z } from 'zod';
import { CHANNEL_KINDS } from '../channels/channel.js';
import { isUuid } from '../ids.js';
import { shownMasked } from '../redaction/redactions.schema.js';

/** As the folders of template files are called; nothing in it can lead to another place. */
export const templateName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, { error: 'must be 1 to 64 of a-z, 0-9 and "-", and not begin with "-"' })
  .refine((name) => name !== 'partials', { error: 'is the folder of shared pieces, not a template' });

/** Sources are checked by the compiler, which says more than a schema can: line, column and what would have been right. */
const parts = z.record(z.string().max(100), z.unknown());

export const templateBody = z
  .strictObject({
    description: z
      .string()
      .max(500)
      .refine((text) => !/[\0\p{Surrogate}]/u.test(text), { error: 'contains a character that cannot be stored' })
      .optional(),
    parts,
  })
  .meta({ examples: [{ description: 'Short SMS', parts: { sms: '{{preview}} {{link}}' } }] });
export type TemplateBody = z.infer<typeof templateBody>;

export const previewBody = z
  .strictObject({
    /** Absent: every kind that the template has the parts for. */
    kind: z.enum(CHANNEL_KINDS).optional(),
    /** A stored job; absent: the sample facts. */
    jobId: z.string().refine(isUuid, { error: 'must be the id of a job' }).optional(),
    /** Sources that are not saved; absent: the template as it is sent now. */
    parts: parts.optional(),
    /** SMS: most segments that the preview may fill. */
    segments: z.int().min(1).max(6).optional(),
  })
  .meta({ examples: [{ kind: 'sms', parts: { sms: '{{preview}} {{link}}' }, segments: 1 }] });
export type PreviewBody = z.infer<typeof previewBody>;

const shownParts = z.record(z.string(), z.string());

export const shownTemplate = z.object({
  name: z.string(),
  /** 0 for the file. */
  version: z.int(),
  description: z.string(),
  /** Kinds of channel that the template has all parts for. */
  kinds: z.array(z.enum(CHANNEL_KINDS)),
  source: z.enum(['file', 'stored']),
  /** Absent for files. */
  updatedAt: z.iso.datetime().optional(),
});
export type ShownTemplate = z.infer<typeof shownTemplate>;

export const shownTemplateWithParts = shownTemplate.extend({ parts: shownParts });
export type ShownTemplateWithParts = z.infer<typeof shownTemplateWithParts>;

export const shownTemplateVersion = z.object({
  version: z.int(),
  description: z.string(),
  /** Absent in the version that went back to the file. */
  parts: shownParts.optional(),
  author: z.string(),
  createdAt: z.iso.datetime(),
});
export type ShownTemplateVersion = z.infer<typeof shownTemplateVersion>;

/** Where the channel has a redaction policy: how many places it masked. */
const masked = shownMasked.optional();

export const shownPreview = z.object({
  email: z.object({ subject: z.string(), html: z.string(), text: z.string(), masked }).optional(),
  sms: z.object({ text: z.string(), segments: z.int(), encoding: z.enum(['GSM-7', 'UCS-2']), masked }).optional(),
});
export type ShownPreview = z.infer<typeof shownPreview>;
