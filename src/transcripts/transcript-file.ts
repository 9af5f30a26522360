import { toPlainText, toSrt, toVtt } from './captions.js';
import { transcriptPage, type TranscriptPageOptions } from './transcript-page.js';
import type { Transcript } from './transcript.js';

/** What is made of a transcript. */
export type FileTask = { format: 'txt' | 'srt' | 'vtt' | 'json' } | ({ format: 'page' } & TranscriptPageOptions);

export function transcriptFileOf(transcript: Transcript, task: FileTask): string {
  switch (task.format) {
    case 'txt':
      return toPlainText(transcript);
    case 'srt':
      return toSrt(transcript);
    case 'vtt':
      return toVtt(transcript);
    case 'json':
      return JSON.stringify(transcript, null, 2);
    case 'page':
      return transcriptPage(transcript, task);
  }
}

/** An attachment grows by a third on its way, and 25 MB is what many servers take. */
export const MAIL_BYTES = 10_000_000;

export const CONTENT_TYPES = {
  txt: 'text/plain; charset=utf-8',
  srt: 'application/x-subrip; charset=utf-8',
  vtt: 'text/vtt; charset=utf-8',
  json: 'application/json',
} as const;
