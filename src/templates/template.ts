import type { ChannelKind } from '../channels/channel.js';

/** Parts of a template, by file name: `email.subject.hbs`, `email.html.hbs`, `email.text.hbs`, `sms.hbs`. */
export const TEMPLATE_PARTS = ['email.subject', 'email.html', 'email.text', 'sms'] as const;
export type TemplatePart = (typeof TEMPLATE_PARTS)[number];

/** Parts that a kind of channel needs. `email.text` is derived from the HTML when it is absent. */
export const PARTS_BY_KIND: Record<ChannelKind, { required: TemplatePart[]; optional: TemplatePart[] }> = {
  email: { required: ['email.subject', 'email.html'], optional: ['email.text'] },
  sms: { required: ['sms'], optional: [] },
};

/** Sources of one template; absent parts mean that the template cannot serve that kind of channel. */
export type TemplateParts = Partial<Record<TemplatePart, string>>;

/** Version 0 is the folder under `templates/`; later ones were saved over the API. */
export interface Template {
  name: string;
  version: number;
  description: string;
  parts: TemplateParts;
  /** Epoch milliseconds; 0 for files. */
  updatedAt: number;
}

/** Kinds of channel that the parts suffice for. */
export function kindsOf(parts: TemplateParts): ChannelKind[] {
  const kinds = Object.entries(PARTS_BY_KIND) as [ChannelKind, (typeof PARTS_BY_KIND)[ChannelKind]][];
  return kinds.filter(([, { required }]) => required.every((part) => parts[part] !== undefined)).map(([kind]) => kind);
}
