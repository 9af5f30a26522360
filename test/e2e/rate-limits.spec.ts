import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hookPassword } from '../../src/callbacks/hook-credential.js';
import { basic, SECRET } from '../support/server.js';
import { PATIENCE_MS, Stage } from '../support/stage.js';

/** Refusals a minute that one address may collect, as the two guards state them. */
const OF_KEYS = 20;
const OF_CALLBACKS = 120;
const BODY = JSON.stringify({ metadata: { request_id: 'r', channels: 0 }, results: { channels: [] } });

describe('a flood of wrong credentials', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start('SQLite');
    stage.deepgram.holdCallbacks();
  }, PATIENCE_MS);
  afterAll(async () => {
    await stage.stop();
  }, PATIENCE_MS);

  /** What ten times the stated rate is answered, all at once. */
  async function flood(
    stated: number,
    one: () => Promise<{ status: number; headers: Headers }>,
  ): Promise<Record<number, number>> {
    const seen: Record<number, number> = {};
    for (const { status, headers } of await Promise.all(Array.from({ length: 10 * stated }, one))) {
      seen[status] = (seen[status] ?? 0) + 1;
      if (status === 429) expect(headers.get('retry-after')).toMatch(/^([1-9]|[1-5]\d|60)$/);
    }
    return seen;
  }

  it(
    'is told to wait, and empties neither the bucket of the callback route nor that of a right key (X20)',
    async () => {
      const id = await stage.submitted();
      const wrongKey = { headers: { authorization: 'Bearer herald_wrong' } };
      const keys = await flood(OF_KEYS, () => stage.server.api('GET', '/v1/jobs', undefined, wrongKey));
      expect(keys).toEqual({ 401: OF_KEYS, 429: 9 * OF_KEYS });
      expect((await stage.server.get('/v1/jobs')).status).toBe(200);

      const wrong = { headers: { authorization: basic('wrong') } };
      const callbacks = await flood(OF_CALLBACKS, () => stage.server.hook(id, BODY, wrong));
      expect(callbacks).toEqual({ 401: OF_CALLBACKS, 429: 9 * OF_CALLBACKS });
      const right = { headers: { authorization: basic(hookPassword(id, SECRET)) } };
      expect((await stage.server.hook(id, BODY, right)).status).toBe(200);
      await stage.settled(id);
    },
    PATIENCE_MS,
  );
});
