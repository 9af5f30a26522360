import { spawn, spawnSync, type ChildProcess } from 'node:child_process';

/** Whether this machine has strace and lets it look at another process; says so when not. With CI=true it throws instead. */
export function canTrace(): boolean {
  if (spawnSync('strace', ['-f', '-e', 'trace=fsync', '-o', '/dev/null', 'true']).status === 0) return true;
  const reason = 'strace is missing or may not trace here (apt-get install -y strace)';
  if (process.env.CI === 'true') throw new Error(`CI must not skip the tests that trace: ${reason}`);
  console.warn(`Skipped: ${reason}.`);
  return false;
}

/**
 * Attaches strace to a process and its threads.
 * @param options of strace: what to watch, or what to do to the process
 * @returns it, once it is attached, or what it said when it could not
 */
export async function attach(pid: number, options: readonly string[]): Promise<ChildProcess | string> {
  const strace = spawn('strace', ['-f', ...options, '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  return new Promise((resolve) => {
    strace.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (/^strace: Process \d+ attached/m.test(said)) resolve(strace);
    });
    strace.once('error', (error) => {
      resolve(error.message);
    });
    strace.once('exit', () => {
      resolve(said);
    });
  });
}

/** Lets the process go on alone; resolves when the whole trace is written. */
export async function detach(strace: ChildProcess): Promise<void> {
  if (strace.exitCode !== null || strace.signalCode !== null) return;
  const ended = new Promise((resolve) => strace.once('exit', resolve));
  strace.kill('SIGINT');
  await ended;
}
