import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
/** Nothing of the caller's: a real key in the environment must not make the test send anything. */
const BARE = { PATH: process.env.PATH ?? '' };

interface Run {
  child: ChildProcess;
  output: () => string;
  ended: Promise<number | null>;
}

describe('herald demo', () => {
  let child: ChildProcess | undefined;

  afterEach(() => {
    child?.kill('SIGKILL');
  });

  function run(args: string[], env: Record<string, string> = {}): Run {
    const started = spawn(process.execPath, [CLI, 'demo', ...args], { env: { ...BARE, ...env } });
    child = started;
    let text = '';
    const collect = (chunk: Buffer): void => {
      text += chunk.toString();
    };
    started.stdout.on('data', collect);
    started.stderr.on('data', collect);
    return { child: started, output: () => text, ended: new Promise((resolve) => started.on('close', resolve)) };
  }

  async function shown(running: Run, what: RegExp): Promise<RegExpExecArray> {
    for (let i = 0; i < 300; i++) {
      const found = what.exec(running.output());
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${String(what)} was not shown in:\n${running.output()}`);
  }

  const folderOf = (text: string): string => /data in (\S+)/.exec(text)?.[1] ?? '';

  it('turns the bundled call into an e-mail and an SMS, and ends with 0', async () => {
    const running = run(['--exit']);
    expect(await running.ended).toBe(0);
    const text = running.output();
    expect(text).toMatch(/✓ refund-risk\n +✓ speech\.by\('1'\)\.says\('refund'\) +“refund,” Speaker 2 at 28\.8 s/);
    expect(text).toMatch(/✗ legal-threat/);
    expect(text).toMatch(/│ To +manager@birchandbrook\.example/);
    expect(text).toMatch(/│ To +\+12125550142/);
    expect(text).toMatch(/GSM-7, \d+ of 160 characters, 1 segment/);
    expect(text).not.toContain('\u001b');
    expect(folderOf(text)).not.toBe('');
    expect(existsSync(folderOf(text))).toBe(false);
  });

  it('stays up to be played with, shows what arrives, and leaves nothing behind', async () => {
    const running = run([]);
    await shown(running, /Ctrl-C/);
    const [, key = ''] = await shown(running, /KEY=(\S+)/);
    const [, url = ''] = await shown(running, /(http:\S+)\/docs/);
    const [page = ''] = await shown(running, /http:\S+\/t\/\S+/);
    expect((await fetch(page)).status).toBe(200);
    const request = { audio: { url: 'https://a.example/a.wav' }, tags: { email: 'me@example.com' } };
    const answer = await fetch(`${url}/v1/jobs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(request),
    });
    expect(answer.status).toBe(202);
    await shown(running, /e-mail to me@example\.com/);
    running.child.kill('SIGINT');
    expect(await running.ended).toBe(0);
    expect(existsSync(folderOf(running.output()))).toBe(false);
  });

  it('says what to do when a real Deepgram could not call back, and ends with 1', async () => {
    const running = run(['--exit'], { DEEPGRAM_API_KEY: 'dg-secret' });
    expect(await running.ended).toBe(1);
    expect(running.output()).toContain('HERALD_PUBLIC_URL');
    expect(running.output()).not.toContain('dg-secret');
  });

  it('says that the port is taken', async () => {
    const taken: Server = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const address = taken.address();
    const port = typeof address === 'object' ? String(address?.port) : '';
    const running = run(['--exit'], { PORT: port });
    expect(await running.ended).toBe(1);
    expect(running.output()).toContain(`Port ${port} is taken`);
    taken.close();
  });
});
