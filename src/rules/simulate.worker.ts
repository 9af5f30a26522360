import { gunzipSync } from 'node:zlib';
import { answerTasks } from '../thread-answer.service.js';
import { toFacts } from '../transcripts/facts.js';
import type { StoredOccasion } from '../transcripts/occasion.js';
import { toSpeech } from '../transcripts/speech.js';
import type { Transcript } from '../transcripts/transcript.js';
import { forPlanning } from './planning-facts.js';
import { SeriesMemory } from './series.js';
import { compileSets, isEmpty, judge, needsOf, type CompiledSets } from './simulate.js';
import type { JudgedOccasion, SimulationTask } from './simulation-task.js';

let sets: CompiledSets | undefined;
/** Of the calls that were gone through. */
const series = new SeriesMemory();

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
  const { trigger, job, at, failure, overdue } = occasion;
  const transcript = transcriptOf(occasion);
  const facts = toFacts(job, { ...(transcript && { transcript }), ...(failure && { failure }) });
  if (overdue) facts.overdue = overdue;
  const needs = needsOf(sets, trigger);
  const before = needs.length === 0 ? undefined : series.before(needs, job, at);
  const { observations, ...judgement } = judge(sets, trigger, facts, transcript && toSpeech(transcript), before);
  series.add(observations, job.id, at);
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
