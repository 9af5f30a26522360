// From a POSTed callback to the message accepted by an SMTP server on loopback; start to ready; memory at rest.
//   npm run build && node bench/latency.mjs
import { once } from 'node:events';
import { SMTPServer } from 'smtp-server';
import { basic, bodies, quantile, startHerald } from './herald.mjs';

const RUNS = 200;
let accepted = () => {};
const smtp = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  onData(stream, _session, done) {
    stream.resume();
    stream.on('end', () => {
      done(null, 'stored');
      accepted();
    });
  },
});
smtp.listen(0, '127.0.0.1');
await once(smtp.server, 'listening');
const herald = await startHerald({
  SMTP_URL: `smtp://127.0.0.1:${smtp.server.address().port}`,
  MAIL_FROM: 'bench@herald.example',
});
const body = bodies(28_700, { email: 'reader@bench.example' });
await new Promise((resolve) => setTimeout(resolve, 1_000));
const idle = await herald.rssMb();

const acks = [];
const mails = [];
for (let i = 0; i < RUNS; i++) {
  const mail = new Promise((resolve) => (accepted = resolve));
  const started = performance.now();
  const response = await fetch(`${herald.url}/hook`, {
    method: 'POST',
    body: body(i),
    headers: { authorization: basic(), 'content-type': 'application/json' },
  });
  if (!response.ok) throw new Error(`status ${response.status}`);
  await response.arrayBuffer();
  acks.push(performance.now() - started);
  await mail;
  mails.push(performance.now() - started);
}
const busy = await herald.rssMb();
await herald.stop();
smtp.close();

const warm = (values) => values.slice(20).sort((a, b) => a - b);
const line = (name, values) =>
  `${name}: median ${quantile(warm(values), 0.5).toFixed(1)} ms, p95 ${quantile(warm(values), 0.95).toFixed(1)} ms`;
console.log(`start to ready: ${herald.readyMs.toFixed(0)} ms`);
console.log(`RSS one second after the start: ${idle.toFixed(0)} MB; after ${RUNS} callbacks: ${busy.toFixed(0)} MB`);
console.log(line('callback to 200', acks));
console.log(line('callback to mail accepted', mails));
