// Posts callbacks at a steady rate, whatever the answers take, from a process of its own: what it does must not slow down who measures.
//   node load-generator.mjs '{"url","rate","seconds","connections","authorization","body"}'
// `body` is a file with a callback whose REQUEST-ID-000000000000 and u000000000000@ become numbers. Prints one line of JSON at the end.
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const { url, rate, seconds, connections, authorization, body } = JSON.parse(process.argv[2]);
const template = readFileSync(body);
const places = ['REQUEST-ID-', '"u'].map((text) => [text.length, template.indexOf(`${text}000000000000`)]);
const agent = new Agent({ keepAlive: true, maxSockets: connections });
const milliseconds = [];
const statuses = {};
const acknowledged = [];
let errors = 0;

function bytesOf(number) {
  const bytes = Buffer.from(template);
  for (const [length, at] of places) bytes.write(String(number).padStart(12, '0'), at + length);
  return bytes;
}

function post(number) {
  const bytes = bytesOf(number);
  return new Promise((resolve) => {
    const started = performance.now();
    const outgoing = request(
      url,
      {
        method: 'POST',
        agent,
        headers: { authorization, 'content-type': 'application/json', 'content-length': bytes.length },
      },
      (response) => {
        response.resume();
        response.on('end', () => {
          milliseconds.push(performance.now() - started);
          statuses[response.statusCode] = (statuses[response.statusCode] ?? 0) + 1;
          if (response.statusCode === 200) acknowledged.push(number);
          resolve();
        });
      },
    );
    outgoing.on('error', () => {
      errors++;
      resolve();
    });
    outgoing.end(bytes);
  });
}

const total = rate * seconds;
const began = performance.now();
const open = new Set();
for (let number = 0; number < total;) {
  const due = Math.min(total, Math.floor(((performance.now() - began) / 1000) * rate));
  for (; number < due; number++) {
    const one = post(number).finally(() => open.delete(one));
    open.add(one);
  }
  await sleep(5);
}
await Promise.all(open);
agent.destroy();
milliseconds.sort((a, b) => a - b);
const quantile = (q) => milliseconds[Math.min(milliseconds.length - 1, Math.floor(milliseconds.length * q))];
console.log(
  JSON.stringify({
    sent: total,
    acknowledged,
    statuses,
    errors,
    p50: quantile(0.5),
    p99: quantile(0.99),
    max: milliseconds.at(-1),
    seconds: (performance.now() - began) / 1000,
  }),
);
