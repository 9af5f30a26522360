import { HOOK_PASSWORD, type AnyBody, type TestApp } from './app.js';
import type { RandomCall } from './random-rules.js';
import { basic } from './server.js';
import { until } from './until.js';

let serial = 0;

/** As Deepgram sends it: a word a second, five a turn. */
export function bodyOf({ turns, tags }: RandomCall): string {
  const words = turns.flatMap((turn, i) =>
    turn.map((word, at) => ({
      word,
      punctuated_word: word,
      start: i * 5 + at,
      end: i * 5 + at + 0.8,
      confidence: 0.97,
      speaker: i % 2,
    })),
  );
  const transcript = words.map(({ word }) => word).join(' ');
  const requestId = `00000000-0000-4000-8000-${String(++serial).padStart(12, '0')}`;
  const metadata = { request_id: requestId, extra: tags, duration: turns.length * 5, channels: 1 };
  return JSON.stringify({
    metadata,
    results: { channels: [{ alternatives: [{ transcript, confidence: 0.97, words }] }] },
  });
}

/** Posts a callback of a job that Herald did not submit. */
export async function hook(herald: TestApp, body: string): Promise<void> {
  const headers = { authorization: basic(HOOK_PASSWORD), 'content-type': 'application/json' };
  const { status } = await fetch(`${herald.url}/hook`, { method: 'POST', body, headers });
  if (status !== 200) throw new Error(`the callback was answered ${String(status)}`);
}

/** When every callback is worked off. */
export async function settled(herald: TestApp): Promise<void> {
  await until(
    async () => (await herald.get('/v1/callbacks?state=pending')).body.items as unknown[],
    (waiting) => waiting.length === 0,
  );
}

export async function dropRules(herald: TestApp): Promise<void> {
  for (const { id } of (await herald.all<{ id: string }>('/v1/rules', 100)).items)
    await herald.api('DELETE', `/v1/rules/${id}`, undefined, { 'if-match': '*' });
}

/** As if no call had ever come; rules and people stay. */
export async function forgetCalls(herald: TestApp): Promise<void> {
  for (const table of [
    'deliveries',
    'evaluations',
    'transcripts',
    'callbacks',
    'jobs',
    'throttles',
    'series',
    'escalations',
  ])
    await herald.database.uow.run((tx) => tx.query(`delete from ${table}`));
}

/** What is the same of a simulated message and of the row that a settle writes. */
export const comparable = (message: AnyBody): string =>
  JSON.stringify([
    message.jobId,
    message.ruleName,
    message.alsoFor ?? [],
    message.action,
    message.channel,
    message.to,
    message.template,
    message.attach,
    message.state,
    message.reason ?? null,
    message.matches,
  ]);

/** The deliveries as they stand, each to be taken for {@link comparable}. */
export async function plannedMessages(herald: TestApp): Promise<AnyBody[]> {
  const rows = await herald.database.read<AnyBody>(
    `select job_id as "jobId", rule_name as "ruleName", also_for as "alsoFor", action, channel, recipient as "to", template, attach, state, reason,
            matches, due_at as "dueAt", escalation_step as step
       from deliveries`,
  );
  return rows.map((row) => ({
    ...row,
    attach: JSON.parse(row.attach),
    matches: JSON.parse(row.matches),
    alsoFor: namesOf(row.alsoFor),
    dueAt: Number(row.dueAt),
  }));
}

export async function plannedRows(herald: TestApp): Promise<string[]> {
  return (await plannedMessages(herald)).map(comparable).sort();
}

/** A rule that merges two actions of its own is named once. */
function namesOf(alsoFor: string): string[] {
  return [...new Set((JSON.parse(alsoFor) as { ruleName: string }[]).map(({ ruleName }) => ruleName))];
}
