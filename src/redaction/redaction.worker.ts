import { gunzipSync } from 'node:zlib';
import { answerTasks } from '../thread-answer.service.js';
import { transcriptFileOf } from '../transcripts/transcript-file.js';
import type { Transcript } from '../transcripts/transcript.js';
import { maskFacts, maskTranscript, spellOut } from './facts.js';
import { Masker, spellMarks } from './masker.js';
import { maskedOf, type AppliedPolicy, type Masked, type RedactionKind } from './policy.js';
import { Redaction } from './redaction.js';

/** What is done in the thread. */
export type RedactionTask = { policy: AppliedPolicy } & (
  | { do: 'facts'; data: object }
  | { do: 'file'; format: 'txt' | 'srt' | 'vtt' | 'json'; transcript: Transcript }
  | { do: 'file'; format: 'txt' | 'srt' | 'vtt' | 'json'; packed: Uint8Array }
  | { do: 'text'; text: string }
);

export type RedactionAnswer =
  | { do: 'facts'; data: object }
  | { do: 'file'; content: string; masked: Masked[] }
  | { do: 'text'; text: string; masked: Masked[] };

answerTasks((task: RedactionTask) => Promise.resolve().then(() => ({ value: answerOf(task) })));

function answerOf(task: RedactionTask): RedactionAnswer {
  switch (task.do) {
    case 'facts':
      return { do: 'facts', data: maskFacts(task.data, new Masker(task.policy)) };
    case 'file':
      return fileOf(task);
    case 'text': {
      const redaction = new Redaction(task.policy);
      return { do: 'text', text: redaction.text('text', task.text), masked: redaction.masked() };
    }
  }
}

function fileOf(task: Extract<RedactionTask, { do: 'file' }>): RedactionAnswer {
  const whole =
    'packed' in task ? (JSON.parse(gunzipSync(task.packed).toString('utf8')) as Transcript) : task.transcript;
  const { rules } = task.policy;
  const marked = maskTranscript(whole, new Masker(task.policy));
  const counts = new Map<RedactionKind, number>();
  for (const { text } of marked.utterances) {
    spellMarks(text, rules, ({ kind }) => counts.set(kind, (counts.get(kind) ?? 0) + 1));
  }
  const content = transcriptFileOf(spellOut(marked, rules), { format: task.format });
  return { do: 'file', content, masked: maskedOf(counts) };
}
