import { gunzipSync } from 'node:zlib';
import { adoptedTags } from '../jobs/adopted-tags.js';
import type { TranscriptionProvider } from '../providers/provider.js';
import { answerTasks } from '../thread-answer.service.js';
import { toFacts, type JobFacts } from '../transcripts/facts.js';
import { toStored } from '../transcripts/pack.service.js';
import { toSpeech } from '../transcripts/speech.js';
import type { Transcript } from '../transcripts/transcript.js';
import { compileRule, evaluateRules, type CompiledRule } from './evaluate.js';
import { forPlanning } from './planning-facts.js';
import type {
  EvaluateAnswer,
  EvaluateTask,
  ExplainAnswer,
  ExplainTask,
  Judged,
  ReadAnswer,
  ReadingAnswer,
  ReadingTask,
  ReadTask,
} from './reading.js';
import type { Rule } from './rule.js';
import type { SeriesSnapshot } from './series.js';
import { whyStepwise } from './why.js';

/** Those of the last callback, by id and version: compiled once a version. */
let rules = new Map<string, CompiledRule>();

answerTasks<ReadingTask, ReadingAnswer>(async (task) => {
  switch (task.do) {
    case 'read':
      return { value: await read(task) };
    case 'evaluate':
      return { value: evaluate(task) };
    case 'explain':
      return { value: explain(task) };
  }
});

async function read(task: ReadTask): Promise<ReadAnswer> {
  const parser = (await import(task.parser.url)) as Record<string, TranscriptionProvider['parseCallback']>;
  const result = parser[task.parser.name]?.(task.bytes) ?? { kind: 'unreadable', reason: 'there is no parser' };
  if (result.kind !== 'transcript') return result;
  const { transcript, requestId } = result;
  const { extra } = transcript;
  const job = task.adopt ? { ...task.job, tags: adoptedTags(extra) } : task.job;
  if (task.rules) rules = compiled(task.rules);
  const judged = judge(transcript, job, [...rules.values()], task.series);
  return { kind: 'transcript', requestId, extra, stored: toStored(transcript), judged };
}

function evaluate({ packed, job, rules: asked, series }: EvaluateTask): EvaluateAnswer {
  return { kind: 'judged', judged: judge(unpacked(packed), job, asked.map(compileRule), series) };
}

function explain({ packed, job, rule, series }: ExplainTask): ExplainAnswer {
  const transcript = unpacked(packed);
  const steps = whyStepwise(rule, toFacts(job, { transcript }), toSpeech(transcript), series);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return { kind: 'explained', why: step.value };
  }
}

function unpacked(packed: Uint8Array): Transcript {
  return JSON.parse(gunzipSync(packed).toString('utf8')) as Transcript;
}

function judge(transcript: Transcript, job: JobFacts, toEvaluate: CompiledRule[], series: SeriesSnapshot): Judged {
  const whole = toFacts(job, { transcript });
  const { evaluations, observations } = evaluateRules(toEvaluate, whole, toSpeech(transcript), series);
  return { evaluations, observations, facts: toFacts(job, { transcript: forPlanning(transcript) }) };
}

function compiled(told: Rule[]): Map<string, CompiledRule> {
  return new Map(
    told.map((rule) => {
      const key = `${rule.id}:${String(rule.version)}`;
      return [key, rules.get(key) ?? compileRule(rule)];
    }),
  );
}
