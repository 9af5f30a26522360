import { shortForm } from '../transcripts/stored-form.js';
import type { Transcript } from '../transcripts/transcript.js';

/** What planning needs of a transcript: a recipient is made of texts and numbers of the facts, and no address has more characters. */
export function forPlanning(transcript: Transcript): Transcript {
  const short = shortForm(transcript);
  return { ...short, text: short.text.slice(0, 4_000), utterances: [] };
}
