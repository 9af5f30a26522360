import { gunzipSync } from 'node:zlib';
import { answerTasks } from '../thread-answer.service.js';
import { transcriptFileOf, type FileTask } from './transcript-file.js';
import type { Transcript } from './transcript.js';

answerTasks(({ packed, ...task }: FileTask & { packed: Uint8Array }) => {
  const transcript = JSON.parse(gunzipSync(packed).toString('utf8')) as Transcript;
  const value = new TextEncoder().encode(transcriptFileOf(transcript, task));
  return Promise.resolve({ value, transfer: [value.buffer] });
});
