import { SegmentedMessage } from 'sms-segments-calculator';
import type { TranscriptFacts } from './facts.js';

/** What a preview says of a recording in which nobody speaks. */
export const NO_SPEECH = '(no speech)';

/** How far a cut may step back to end at a word. */
const WORD_REACH = 12;
/** More than any message shows; the rest of a long transcript is never touched. */
const PREVIEW_SOURCE_LENGTH = 8_000;

/** The GSM-7 alphabet: characters of one septet, and those that cost two because they need an escape. */
const GSM_SINGLE = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
);
const GSM_DOUBLE = new Set('\f^{}\\[~]|€');

/** Look-alikes inside GSM-7, by replacement. Written for whole messages: one character outside costs more than half of the room. */
const LOOK_ALIKES = new Map<string, string>(
  (
    [
      ["'", '\u2018\u2019\u201b\u02bc\u00b4\u0060\u2032'],
      ['"', '\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033'],
      [',', '\u201a'],
      ['-', '\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u00ad'],
      ['...', '\u2026'],
      [' ', '\t\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000'],
      ['*', '\u2022\u00b7'],
      ['', '\u200b\u200c\u200d\u2060\ufeff\u200e\u200f'],
    ] as const
  ).flatMap(([replacement, characters]) => Array.from(characters, (character) => [character, replacement] as const)),
);

/**
 * The words that a preview is cut from: the summary if there is one, else the first words spoken.
 * @returns one line of at most some thousand characters; {@link NO_SPEECH} for silence
 */
export function previewSource(transcript: Pick<TranscriptFacts, 'text' | 'utterances' | 'summary'>): string {
  if (transcript.summary !== undefined && transcript.summary.trim() !== '') return oneLine(transcript.summary);
  let spoken = '';
  for (const utterance of transcript.utterances) {
    spoken += `${utterance.text} `;
    if (spoken.length >= PREVIEW_SOURCE_LENGTH) break;
  }
  return oneLine(spoken) || oneLine(transcript.text) || NO_SPEECH;
}

/**
 * Cuts `text` to at most `max` UTF-16 units, ellipsis included: never inside a grapheme, at a word where one is near.
 * Text that fits comes back as it is, on one line.
 */
export function cutText(text: string, max: number): string {
  const line = oneLine(text.slice(0, 4 * max + 64));
  if (line.length <= max && text.length <= 4 * max + 64) return line;
  const ends = graphemeEnds(line, max - 1, line.length < text.length);
  return ellipsized(line.slice(0, ends.at(-1) ?? 0), line);
}

/**
 * Fills the preview of an SMS with as many words as keep the **finished** message within `segments`.
 *
 * The finished text decides the encoding, so `finish` is asked for whole messages (about ten times). What comes back has its
 * typographic look-alikes replaced when that makes the whole message GSM-7.
 * @param finish makes the whole message around a preview; must not depend on anything else
 * @returns the finished message. When not even an empty preview fits, that message as it is: a link is never cut.
 */
export function fitPreview(text: string, segments: number, finish: (preview: string) => string): string {
  const room = 4 * segments * 153 + 64;
  const head = oneLine(text.slice(0, room));
  const complete = text.length <= room;
  const message = (preview: string): string => smsText(finish(preview));
  if (complete) {
    const whole = message(head);
    if (estimateSegments(whole) <= segments && countSegments(whole) <= segments) return whole;
  }
  const ends = graphemeEnds(head, head.length, !complete);
  const cut = (count: number): string => (count === 0 ? '' : ellipsized(head.slice(0, ends[count - 1] ?? 0), head));
  let count = largest(ends.length, (candidate) => estimateSegments(message(cut(candidate))) <= segments);
  // The estimate packs code units, the calculator whole graphemes: a step or two apart in UCS-2.
  while (count > 0 && countSegments(message(cut(count))) > segments) count--;
  return message(cut(count));
}

/** Segments as the vendor counts them. Some milliseconds for 600 characters of UCS-2: not for loops. */
export function countSegments(text: string): number {
  return new SegmentedMessage(text).segmentsCount;
}

/** One form of white space and of composed letters, LF only; look-alikes replaced when the whole text is GSM-7 then. */
function smsText(text: string): string {
  const tidy = wellFormed(text)
    .normalize('NFC')
    .replace(/\r\n?/g, '\n')
    .replace(/[ \t]+/g, ' ')
    .replace(/ ?\n ?/g, '\n')
    .trim();
  if (isGsm(tidy)) return tidy;
  let plain = '';
  for (const character of tidy) plain += LOOK_ALIKES.get(character) ?? character;
  return isGsm(plain) ? plain : tidy;
}

function isGsm(text: string): boolean {
  for (const character of text) if (!GSM_SINGLE.has(character) && !GSM_DOUBLE.has(character)) return false;
  return true;
}

function estimateSegments(text: string): number {
  if (!isGsm(text)) return text.length <= 70 ? 1 : packed(text, 67, (character) => character.length);
  const cost = (character: string): number => (GSM_DOUBLE.has(character) ? 2 : 1);
  let total = 0;
  for (const character of text) total += cost(character);
  return total <= 160 ? 1 : packed(text, 153, cost);
}

/** Number of parts of `size` when no character is split. */
function packed(text: string, size: number, cost: (character: string) => number): number {
  let parts = 1;
  let used = 0;
  for (const character of text) {
    const units = cost(character);
    if (used + units > size) {
      parts++;
      used = 0;
    }
    used += units;
  }
  return parts;
}

/** The largest count from 0 to `max` that fits, when every smaller one fits too. */
function largest(max: number, fits: (count: number) => boolean): number {
  let low = 0;
  let high = max;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

const GRAPHEMES = new Intl.Segmenter('und', { granularity: 'grapheme' });

/**
 * Offsets after each grapheme that ends within `limit`. `text` must have been cut before: on Node 20 every record of the segmenter
 * copies the whole string, which is quadratic and has run out of heap on one transcript.
 * @param open the text goes on after its end, so its last grapheme may be half of one
 */
function graphemeEnds(text: string, limit: number, open: boolean): number[] {
  const ends: number[] = [];
  for (const { index, segment } of GRAPHEMES.segment(text)) {
    const end = index + segment.length;
    if (end > limit) return ends;
    ends.push(end);
  }
  if (open) ends.pop();
  return ends;
}

/** `cut` ends inside `line`: back to a word if one ends near, without dangling punctuation, with an ellipsis. */
function ellipsized(cut: string, line: string): string {
  let kept = cut;
  if (line[cut.length] !== ' ') {
    const space = cut.lastIndexOf(' ');
    if (space > 0 && cut.length - space <= WORD_REACH) kept = cut.slice(0, space);
  }
  return `${kept.replace(/[\s,;:.\u2026\u2013\u2014-]+$/u, '')}\u2026`;
}

/** Well-formed, composed, white space collapsed. */
function oneLine(text: string): string {
  return wellFormed(text).normalize('NFC').replace(/\s+/gu, ' ').trim();
}

/** Half of a surrogate pair, left by a cut or sent by somebody, becomes U+FFFD. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}
