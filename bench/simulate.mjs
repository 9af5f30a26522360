// Rules tried over 10,000 stored transcripts of 200 words each: time, health answers meanwhile, memory.
//   npm run build && node bench/simulate.mjs [transcripts]
import path from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { parseDeepgramCallback } from '../dist/providers/deepgram/deepgram-payload.js';
import { ADMIN_KEY, bodies, startHerald } from './herald.mjs';

const [count = 10_000] = process.argv.slice(2).map(Number);
const BODY_BYTES = 28_700;
const SPAN_MS = 6 * 24 * 3_600_000;

const herald = await startHerald();
const database = new BetterSqlite3(path.join(herald.dataDir, 'herald.sqlite'), { timeout: 10_000 });
const result = parseDeepgramCallback(bodies(BODY_BYTES, {})(0));
const { transcript } = result;
const json = JSON.stringify(transcript);
const insertJob = database.prepare(
  `insert into jobs (id, state, origin, options, tags, attempts, created_at, settled_at)
   values (?, 'completed', 'api', '{"model":"nova-3"}', ?, 1, ?, ?)`,
);
const insertTranscript = database.prepare(
  `insert into transcripts (job_id, callback_id, request_id, language, duration, text, data, created_at)
   values (?, 'bench', ?, null, ?, ?, ?, ?)`,
);
// One call in fifty is about a refund.
const [about] = [json.replaceAll('"parcel"', '"refund"')];
const now = Date.now();
database.transaction(() => {
  for (let i = 0; i < count; i++) {
    const at = now - SPAN_MS + Math.floor((i * SPAN_MS) / count);
    const id = `01900000-0000-7000-8000-${String(i).padStart(12, '0')}`;
    insertJob.run(
      id,
      JSON.stringify({ email: `client${i % 100}@bench.example`, tier: i % 3 ? 'gold' : 'silver' }),
      at,
      at,
    );
    insertTranscript.run(id, id, transcript.duration, transcript.text, i % 50 === 0 ? about : json, at);
  }
})();
database.pragma('wal_checkpoint(truncate)');
database.close();

const action = { channel: 'email', to: ['{{job.tags.email}}'], template: 'transcript-ready' };
const refund = { name: 'refund', when: "speech.by('1').says('refund') && job.tags.tier == 'gold'", actions: [action] };
const words = ['hello', 'friday morning', 'papers', 'refund', 'lawyer', 'with papers inside', 'invoice*'];
const set = (size) =>
  Array.from({ length: size }, (_, i) => ({
    name: `rule ${i}`,
    when: `speech.saysAny(['${words[i % 7]} ${i}', 'unsaid ${i}']) || speech.by('${i % 2}').says('${words[(i * 3) % 7]} ${i}')`,
    actions: [action],
  }));
const runs = [
  ['one new rule, one call in 75 matches', { rule: refund, limit: 100 }],
  ['one new rule that matches every call, 100 previews', { rule: { ...refund, when: 'true' }, limit: 100 }],
  ['a set of 50 rules instead of those in force', { rules: [refund, ...set(49)], limit: 100 }],
];

console.log(
  `${count} transcripts of ${transcript.words.length} words (${(json.length / 1024).toFixed(0)} kB of JSON each)`,
);
console.log(`RSS before: ${(await herald.rssMb()).toFixed(0)} MB`);
for (const [what, body] of runs) {
  const health = watchHealth();
  const cpu = await herald.cpuSeconds();
  const started = performance.now();
  const response = await fetch(`${herald.url}/v1/rules/simulate`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: {
      authorization: `Bearer ${ADMIN_KEY}`,
      'content-type': 'application/json',
      accept: 'application/x-ndjson',
    },
  });
  if (!response.ok) throw new Error(await response.text());
  const text = await response.text();
  const ms = performance.now() - started;
  const summary = JSON.parse(text.trim().split('\n').at(-1));
  if (summary.type !== 'summary' || summary.transcripts !== count) throw new Error(JSON.stringify(summary));
  const { slowest } = await health.end();
  const used = (await herald.cpuSeconds()) - cpu;
  console.log(
    `${what}: ${(ms / 1000).toFixed(2)} s (${used.toFixed(2)} s of processor time), ${summary.matched} match, ${summary.totals.messages} messages ` +
      `(+${summary.totals.added} -${summary.totals.removed}); slowest health ${slowest.toFixed(0)} ms; RSS ${(await herald.rssMb()).toFixed(0)} MB`,
  );
}
await herald.stop();

function watchHealth() {
  let slowest = 0;
  let on = true;
  const loop = (async () => {
    while (on) {
      const started = performance.now();
      await fetch(`${herald.url}/healthz`).then((response) => response.text());
      slowest = Math.max(slowest, performance.now() - started);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return {
    async end() {
      on = false;
      await loop;
      return { slowest };
    },
  };
}
