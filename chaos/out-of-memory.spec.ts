import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { longBody } from '../test/support/long-transcript.js';
import { basic, HOOK_PASSWORD } from '../test/support/server.js';
import { Stage } from '../test/support/stage.js';
import { figure, scaled } from './support/scale.js';

const CALLBACKS = scaled(400, 48);
const AT_ONCE = 24;
/** About a megabyte each. */
const WORDS = 9_000;
const PATIENCE_MS = 240_000;

describe('memory that runs out', () => {
  it.each([128, 80])('a heap of %i MB under large callbacks loses none that was acknowledged (C18)', async (heapMb) => {
    const stage = await Stage.start('SQLite', {
      env: { NODE_OPTIONS: `--max-old-space-size=${String(heapMb)}`, HERALD_LOG_LEVEL: 'error' },
    });
    let deaths = 0;
    let up = Promise.resolve();
    const deadline = Date.now() + PATIENCE_MS;

    /** A supervisor: whoever finds it dead starts it again, once. */
    const revive = (): Promise<void> =>
      (up = up.then(async () => {
        if (alive(stage.server.pid)) return;
        deaths++;
        await stage.server.restart();
      }));

    const acknowledged: string[] = [];
    const post = async (requestId: string): Promise<void> => {
      const body = longBody(WORDS, requestId);
      while (Date.now() < deadline) {
        await up;
        const answer = await fetch(`${stage.server.url}/hook`, {
          method: 'POST',
          headers: { authorization: basic(HOOK_PASSWORD), 'content-type': 'application/json' },
          body,
        }).catch(() => undefined);
        await answer?.body?.cancel();
        if (answer?.status === 200) {
          acknowledged.push(requestId);
          return;
        }
        if (answer !== undefined) expect(answer.status).toBe(503);
        else await revive();
        await sleep(500);
      }
    };

    try {
      const ids = Array.from({ length: CALLBACKS }, (_, index) => `memory-${String(index)}`);
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          for (let id = ids.pop(); id !== undefined; id = ids.pop()) await post(id);
        }),
      );
      while ((await stage.count('callbacks', `state = 'pending'`)) > 0 && Date.now() < deadline) {
        await revive();
        await sleep(200);
      }
      const rows = await stage.sql<{ request_id: string }>(
        'select j.request_id from jobs j join transcripts t on t.job_id = j.id',
      );
      const stored = rows.map(({ request_id: requestId }) => requestId).sort();
      figure(
        `callbacks of a megabyte at a heap of ${String(heapMb)} MB: acknowledged, lost, deaths`,
        [acknowledged.length, acknowledged.filter((id) => !stored.includes(id)).length, deaths].join(', '),
      );
      expect(acknowledged).toHaveLength(CALLBACKS);
      expect(stored).toEqual([...acknowledged].sort());
    } finally {
      await stage.stop();
    }
  });
});

/** Linux only. */
function alive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX] /.test(readFileSync(`/proc/${String(pid)}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
