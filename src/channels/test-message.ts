import type { ChannelKind } from './channel.js';
import type { RenderedParts } from './message.js';

const SUBJECT = 'Herald test message';
const TEXT = 'This is a test message from Herald. The channel works.';

/** What `POST /v1/channels/:name/test` sends: one segment as SMS, nothing of any transcript. */
export function testMessage(kind: ChannelKind): RenderedParts {
  if (kind === 'sms') return { kind, parts: { text: TEXT } };
  const html = `<!doctype html><html lang="en"><head><title>${SUBJECT}</title></head><body><p>${TEXT}</p></body></html>`;
  return { kind, parts: { subject: SUBJECT, html, text: `${TEXT}\n` } };
}
