import { SegmentedMessage } from 'sms-segments-calculator';
import { PluginError } from '../../errors.js';
import type { Recipient } from '../channel.js';
import type { RenderedParts, SmsMessage } from '../message.js';

/** Twilio refuses a longer body (21617). Counting one exactly takes seconds, so above it the count is an estimate. */
const MAX_BODY = 1_600;
const UCS2_PART = 67;

function measure(text: string): Pick<SmsMessage, 'segments' | 'encoding'> {
  if (text.length > MAX_BODY) return { segments: Math.ceil(text.length / UCS2_PART), encoding: 'UCS-2' };
  const counted = new SegmentedMessage(text, 'auto', true);
  return { segments: counted.segmentsCount, encoding: counted.encodingName };
}

/**
 * The text message for exactly this recipient. Segments are counted as Twilio bills them with Smart Encoding, which we switch on.
 * @throws PluginError when the parts were rendered for another kind of channel
 */
export function composeSms(rendered: RenderedParts, recipient: Recipient): SmsMessage {
  if (rendered.kind !== 'sms') throw new PluginError(`An SMS channel cannot send parts of kind ${rendered.kind}.`);
  const text = rendered.parts.text
    .replace(/\p{Cs}/gu, '\ufffd')
    .replace(/\r\n?/g, '\n')
    .trim();
  return { kind: 'sms', to: recipient.address, text, ...measure(text) };
}
