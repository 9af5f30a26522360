// Writes docs/openapi.json from the built program: `npm run build && node scripts/openapi.mjs`. With --check it only says whether the file is current.
// Herald is started on an empty directory and asked for the document, so that what is written is what is served.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const FILE = new URL('../docs/openapi.json', import.meta.url);
const MAIN = new URL('../dist/main.js', import.meta.url);
const START_MS = 20_000;

const folder = await mkdtemp(path.join(tmpdir(), 'herald-openapi-'));
const port = await freePort();
const { PATH } = process.env;
const herald = spawn(process.execPath, [MAIN.pathname], {
  env: { PATH, PORT: String(port), HOST: '127.0.0.1', HERALD_DATA_DIR: folder },
  stdio: ['ignore', 'ignore', 'inherit'],
});
const ended = new Promise((resolve) => herald.once('exit', resolve));
try {
  const text = `${JSON.stringify(await ask(`http://127.0.0.1:${port}/openapi.json`), null, 2)}\n`;
  if (!process.argv.includes('--check')) {
    await writeFile(FILE, text);
  } else if ((await readFile(FILE, 'utf8').catch(() => '')) !== text) {
    console.error('docs/openapi.json is not what the program serves: run node scripts/openapi.mjs');
    process.exitCode = 1;
  }
} finally {
  herald.kill('SIGTERM');
  await ended;
  await rm(folder, { recursive: true, force: true });
}

async function ask(url) {
  for (const until = Date.now() + START_MS; Date.now() < until && herald.exitCode === null; await wait(100)) {
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok) return response.json();
  }
  throw new Error('Herald did not start, or does not serve /openapi.json');
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
