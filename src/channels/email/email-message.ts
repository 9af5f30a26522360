import { PluginError } from '../../errors.js';
import type { Recipient } from '../channel.js';
import type { Attachment, EmailMessage, RenderedParts } from '../message.js';

const MAX_SUBJECT = 255;

/** A subject is one line: control characters and Unicode line breaks become blanks. At most 255 characters. */
function oneLine(subject: string): string {
  const line = subject
    .replace(/\p{Cs}/gu, '\ufffd')
    .replace(/[\p{Cc}\u2028\u2029\s]+/gu, ' ')
    .trim();
  if (line.length <= MAX_SUBJECT) return line;
  return `${line.slice(0, MAX_SUBJECT - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/**
 * The e-mail for exactly this recipient.
 * @throws PluginError when the parts were rendered for another kind of channel
 */
export function composeEmail(rendered: RenderedParts, recipient: Recipient, attachments: Attachment[]): EmailMessage {
  if (rendered.kind !== 'email') throw new PluginError(`An e-mail channel cannot send parts of kind ${rendered.kind}.`);
  const { subject, text, html } = rendered.parts;
  return { kind: 'email', to: recipient.address, subject: oneLine(subject), text, html, attachments };
}
