import { convert } from 'html-to-text';
import type { ChannelKind } from '../channels/channel.js';
import type { EmailParts, RenderedParts } from '../channels/message.js';
import { TemplateRenderError } from '../errors.js';
import type { Redaction } from '../redaction/redaction.js';
import { cutText, fitPreview, previewSource, wellFormed } from '../transcripts/preview.js';
import type { CompiledTemplate } from './compile.js';
import { withholdsWords } from './content-limit.js';
import type { RenderState } from './helpers.js';
import { type RenderData, type TemplateView, toView, withFewerTurns } from './view.js';

export type { RenderData } from './view.js';

export interface RenderOptions {
  /** SMS only: most segments that the preview may fill; default 1. */
  smsSegments?: number;
}

const MAX_SUBJECT_LENGTH = 200;
/** Gmail cuts a message off at about 102 kB of HTML. */
const MAX_HTML_BYTES = 100_000;
const MAX_PART_LENGTH = 1_000_000;
const TEXT_WIDTH = 76;
/** The line above a signature ends in a blank, by which mail programs know it. */
const SIGNATURE = '-- ';

/**
 * Renders the parts for one kind of channel. There is no second pass: what people said is data, whatever it looks like.
 *
 * An empty subject becomes the brand. HTML of more than 100 kB is rendered again with fewer turns of the transcript.
 * @throws TemplateRenderError when the template lacks a part, renders nothing or too much; never holds a word of the message
 */
export function renderTemplate(
  template: CompiledTemplate,
  kind: ChannelKind,
  data: RenderData,
  options: RenderOptions = {},
): RenderedParts {
  return renderView(template, kind, toView(data), options);
}

/**
 * {@link renderTemplate} for data that was trimmed before.
 * @param redaction applied to each part as it was rendered, before anything is cut or counted
 */
export function renderView(
  template: CompiledTemplate,
  kind: ChannelKind,
  view: TemplateView,
  options: RenderOptions = {},
  redaction?: Redaction,
): RenderedParts {
  if (kind === 'email') return { kind, parts: renderEmail(template, view, redaction) };
  return { kind, parts: { text: renderSms(template, view, options.smsSegments ?? 1, redaction) } };
}

function renderEmail(template: CompiledTemplate, full: TemplateView, redaction: Redaction | undefined): EmailParts {
  const subjectPart = required(template, 'email.subject');
  const state = (view: TemplateView): RenderState => ({ view, preview: previewOf(view), cutPreview: true });
  const { html, view } = renderHtml(template, full, state, redaction);
  const textPart = template['email.text'];
  const plain = textPart ? run('email.text', () => textPart(view, state(view))) : textOf(html);
  const text = redaction ? redaction.text('text', plain) : plain;
  const head = run('email.subject', () => subjectPart(view, state(view)));
  const subject = oneLine(redaction ? redaction.text('subject', head) : head);
  return { subject: cutText(subject || view.brand, MAX_SUBJECT_LENGTH), html, text: tidyLines(text) };
}

function renderHtml(
  template: CompiledTemplate,
  full: TemplateView,
  state: (view: TemplateView) => RenderState,
  redaction: Redaction | undefined,
): { html: string; view: TemplateView } {
  const part = required(template, 'email.html');
  let view = full;
  for (;;) {
    const current = view;
    const rendered = run('email.html', () => part(current, state(current)));
    const html = redaction ? redaction.html(rendered) : rendered;
    if (html.trim() === '') throw new TemplateRenderError('email.html rendered nothing; an empty message is not sent');
    if (utf8Length(html) <= MAX_HTML_BYTES) return { html, view };
    if (!view.transcript || view.transcript.turns.length === 0) {
      throw new TemplateRenderError('email.html rendered more than 100 kB; mail programs cut such messages off');
    }
    view = withFewerTurns(view);
  }
}

function renderSms(
  template: CompiledTemplate,
  view: TemplateView,
  segments: number,
  redaction: Redaction | undefined,
): string {
  const part = required(template, 'sms');
  const text = fitPreview(previewOf(view), segments, (preview) => {
    const plain = withoutControls(run('sms', () => part(view, { view, preview, cutPreview: false })));
    return redaction ? redaction.text('text', plain) : plain;
  });
  if (text === '') throw new TemplateRenderError('sms rendered nothing; an empty message is not sent');
  return text;
}

function previewOf({ transcript, recipient }: TemplateView): string {
  return transcript && !withholdsWords(recipient.content) ? previewSource(transcript) : '';
}

function required(template: CompiledTemplate, name: 'email.subject' | 'email.html' | 'sms') {
  const part = template[name];
  if (!part) throw new TemplateRenderError(`The template has no part ${name}, so it cannot serve this channel`);
  return part;
}

/** Messages of Handlebars and of the engine may quote data: only the name of the part goes on. */
function run(name: string, render: () => string): string {
  let text: string;
  try {
    text = render();
  } catch (error) {
    const reason =
      error instanceof RangeError ? 'nests too deep or grows too long' : 'cannot be rendered with this data';
    throw new TemplateRenderError(`${name} ${reason}`, { cause: error });
  }
  if (text.length > MAX_PART_LENGTH) throw new TemplateRenderError(`${name} rendered more than 1 MB`);
  return wellFormed(text);
}

function textOf(html: string): string {
  return convert(html, {
    wordwrap: TEXT_WIDTH,
    selectors: [
      { selector: 'img', format: 'skip' },
      { selector: '.preheader', format: 'skip' },
      { selector: 'a', options: { hideLinkHrefIfSameAsText: true, ignoreHref: false } },
      ...['h1', 'h2', 'h3'].map((selector) => ({ selector, options: { uppercase: false } })),
    ],
  });
}

/** A header is one line: a line break would begin another header. */
function oneLine(text: string): string {
  return text
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .replace(/ {2,}/g, ' ')
    .trim();
}

function withoutControls(text: string): string {
  // eslint-disable-next-line no-control-regex -- these are what is taken out; tab and line breaks stay
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (character) =>
    character === '\r' ? character : '',
  );
}

/** Lines of at most 76 characters where words allow it, no trailing blanks, at most one empty line in a row. */
function tidyLines(text: string): string {
  const lines = withoutControls(text)
    .split(/\r\n?|\n/)
    .flatMap((line) => wrapped(line === SIGNATURE ? line : line.trimEnd()));
  return `${lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()}\n`;
}

/** Breaks at spaces only, so that addresses stay whole; goes on under the indentation of the line. */
function wrapped(line: string): string[] {
  if (line.length <= TEXT_WIDTH) return [line];
  const indent = /^ */.exec(line)?.[0] ?? '';
  const lines: string[] = [];
  let current = '';
  for (const word of line.trimStart().split(' ')) {
    if (current !== '' && indent.length + current.length + 1 + word.length > TEXT_WIDTH) {
      lines.push(indent + current);
      current = word;
    } else {
      current = current === '' ? word : `${current} ${word}`;
    }
  }
  return [...lines, indent + current];
}

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}
