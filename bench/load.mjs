// 28.7 kB callbacks over 64 connections for 10 seconds: errors, what was lost, how health answered meanwhile.
//   npm run build && node bench/load.mjs [seconds]
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { basic, bodies, quantile, startHerald } from './herald.mjs';

const SECONDS = Number(process.argv[2] ?? 10);
const DRAIN_SECONDS = 600;
const herald = await startHerald();
const body = bodies(28_700, { email: 'reader@bench.example' });

const health = [];
let probing = true;
const probe = (async () => {
  while (probing) {
    const started = performance.now();
    const { ok } = await fetch(`${herald.url}/healthz`);
    health.push(ok ? performance.now() - started : Infinity);
    await sleep(100);
  }
})();

let n = 0;
const result = await autocannon({
  url: `${herald.url}/hook`,
  connections: 64,
  duration: SECONDS,
  requests: [
    {
      method: 'POST',
      headers: { authorization: basic(), 'content-type': 'application/json' },
      setupRequest: (request) => ({ ...request, body: body(n++) }),
    },
  ],
});
const peak = await herald.rssMb();
const settled = performance.now();
let counts = {};
for (let waited = 0; waited < DRAIN_SECONDS; waited++) {
  const metrics = await herald.get('/metrics');
  const value = (name) =>
    [...metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)$`, 'gm'))].reduce(
      (sum, match) => sum + Number(match[1]),
      0,
    );
  counts = {
    stored: value('herald_callbacks_total'),
    settled: value('herald_settles_total'),
    delivered: value('herald_deliveries_total'),
  };
  if (counts.delivered >= counts.stored && counts.stored >= result['2xx']) break;
  await sleep(1_000);
}
const drained = (performance.now() - settled) / 1_000;
probing = false;
await probe;
await herald.stop();

health.sort((a, b) => a - b);
console.log(
  `${result['2xx']} answers 2xx (${Math.round(result['2xx'] / SECONDS)}/s), ${result.non2xx} others, ${result.errors} errors, ${result.timeouts} time-outs`,
);
console.log(`ack: median ${result.latency.p50} ms, p99 ${result.latency.p99} ms`);
console.log(
  `rows stored ${counts.stored}, settled ${counts.settled}, deliveries sent ${counts.delivered}; drained ${drained.toFixed(0)} s after the last answer`,
);
console.log(
  `acknowledged and lost: ${Math.max(0, result['2xx'] - Math.min(counts.stored, counts.settled, counts.delivered))}`,
);
console.log(
  `health over all of it: median ${quantile(health, 0.5).toFixed(1)} ms, max ${health.at(-1).toFixed(1)} ms; RSS after the load ${peak.toFixed(0)} MB`,
);
if (result.non2xx + result.errors > 0 || counts.delivered < result['2xx']) process.exitCode = 1;
