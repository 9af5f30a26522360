import { gunzipSync } from 'node:zlib';
import { answerTasks } from '../thread-answer.service.js';
import { toFacts } from '../transcripts/facts.js';
import type { StoredOccasion } from '../transcripts/occasion.js';
import { toSpeech } from '../transcripts/speech.js';
import type { Transcript } from '../transcripts/transcript.js';
import { forPlanning } from './planning-facts.js';
import { compileSets, isEmpty, judge, type CompiledSets } from './simulate.js';
import type { JudgedOccasion, SimulationTask } from './simulation-task.js';

let sets: CompiledSets | undefined;

answerTasks<SimulationTask, JudgedOccasion[]>((task) =>
  Promise.resolve(task).then((told) => ({ value: answer(told) })),
);

function answer({ sets: told, occasions }: SimulationTask): JudgedOccasion[] {
  if (told) sets = compileSets(told);
  const compiled = sets;
  if (!compiled) throw new Error('The thread has not been told the rules');
  return occasions.flatMap((occasion, index) => judged(compiled, occasion, index));
}

function judged(sets: CompiledSets, occasion: StoredOccasion, index: number): JudgedOccasion[] {
  const { trigger, job, failure, overdue } = occasion;
  const transcript = transcriptOf(occasion);
  const facts = toFacts(job, { ...(transcript && { transcript }), ...(failure && { failure }) });
  if (overdue) facts.overdue = overdue;
  const judgement = judge(sets, trigger, facts, transcript && toSpeech(transcript));
  if (isEmpty(judgement)) return [];
  const planning = transcript ? toFacts(job, { transcript: forPlanning(transcript) }) : facts;
  return [{ index, ...withoutConditions(judgement), facts: planning }];
}

function transcriptOf({ json, packed }: StoredOccasion): Transcript | undefined {
  if (packed) return JSON.parse(gunzipSync(packed).toString('utf8')) as Transcript;
  return json === undefined ? undefined : (JSON.parse(json) as Transcript);
}

/** Nobody asks for them, and they would be copied from thread to thread. */
function withoutConditions<T extends Pick<JudgedOccasion, 'proposed' | 'inForce'>>(judgement: T): T {
  const bare = (evaluations: JudgedOccasion['proposed']) => evaluations.map((one) => ({ ...one, conditions: [] }));
  return {
    ...judgement,
    proposed: bare(judgement.proposed),
    ...(judgement.inForce && { inForce: bare(judgement.inForce) }),
  };
}
