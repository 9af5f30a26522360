import { gzipSync } from 'node:zlib';
import { indexedWords } from '../database/dialect.js';
import { wellFormed } from './preview.js';
import { shortForm, SHORT, type StoredForm } from './stored-form.js';
import type { Transcript } from './transcript.js';

/** Characters of JSON above which a transcript is packed: some eight hours. Parsing so many takes the event loop 30 ms. */
const PACK_ABOVE = 4_000_000;

/** Takes seconds for 50 MB: of large ones in a thread. The smaller they are packed, the shorter the commit holds up all else. */
export function toStored(transcript: Transcript): StoredForm {
  const whole = JSON.stringify(transcript);
  const isLarge = whole.length > PACK_ABOVE;
  const text = storable(transcript.text);
  return {
    requestId: storable(transcript.requestId),
    language: transcript.language === undefined ? null : storable(transcript.language),
    duration: transcript.duration,
    text: isLarge ? wellFormed(text.slice(0, SHORT.characters)) : text,
    indexed: indexedWords(text),
    data: isLarge ? JSON.stringify(shortForm(transcript)) : whole,
    ...(isLarge ? { packed: gzipSync(whole) } : {}),
  };
}

/** A provider may send anything as text; a text column of PostgreSQL takes no NUL, UTF-8 no half of a surrogate pair. */
function storable(text: string): string {
  return wellFormed(text).replaceAll('\0', ' ');
}
