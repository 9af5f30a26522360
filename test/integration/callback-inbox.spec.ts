import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CallbackInbox, type IncomingCallback } from '../../src/callbacks/callback-inbox.service.js';
import { StorageUnavailableError } from '../../src/errors.js';
import { Log } from '../../src/log.service.js';
import { databases } from '../support/app.js';
import { TestDatabase } from '../support/database.js';

const callback = (jobId: string, body: Buffer): IncomingCallback => ({
  jobId,
  method: 'POST',
  contentType: 'application/json',
  contentEncoding: undefined,
  bytes: body.length,
  sha256: createHash('sha256').update(body).digest('hex'),
  body,
  blobKey: undefined,
});
const numbered = (n: number): IncomingCallback => callback(`job-${String(n)}`, Buffer.from(`{"n":${String(n)}}`));

describe.each(await databases())('CallbackInbox on %s', (kind) => {
  let own: TestDatabase;
  let inbox: CallbackInbox;
  let lines: string[];
  /** One for each commit that the inbox made. */
  let commits: number;
  beforeEach(async () => {
    own = await TestDatabase.open(kind);
    lines = [];
    commits = 0;
    const log = new Log('debug', { write: (line) => lines.push(line) });
    inbox = new CallbackInbox(own.database, own.ids, own.clock, log, () => commits++);
  });
  afterEach(() => own.close());

  const stored = async (): Promise<{ id: string; job_id: string; repeats: number }[]> =>
    own.database.read('select id, job_id, repeats from callbacks order by job_id');

  /** From now on every row is refused by the database itself, until `mend`. */
  const breakTable = (): Promise<unknown> =>
    own.database.uow.run((tx) => tx.query('alter table callbacks rename to callbacks_away'));
  const mend = (): Promise<unknown> =>
    own.database.uow.run((tx) => tx.query('alter table callbacks_away rename to callbacks'));

  it('callbacks of one tick share commits, and each resolves with its own row', async () => {
    const appended = await Promise.all(Array.from({ length: 300 }, (_, n) => inbox.append(numbered(n))));
    expect(commits).toBe(2);
    const byId = new Map((await stored()).map((row) => [row.id, row.job_id]));
    expect(byId.size).toBe(300);
    appended.forEach(({ id, repeated }, n) => {
      expect(repeated).toBe(false);
      expect(byId.get(id)).toBe(`job-${String(n)}`);
    });
    expect(inbox.depth).toBe(0);
  });

  it('what was appended is there when append resolves', async () => {
    for (let n = 0; n < 10; n++) {
      const { id } = await inbox.append(numbered(n));
      expect((await stored()).map((row) => row.id)).toContain(id);
    }
  });

  it('the same bytes for the same job are one row that counts, also within one commit; for another job they are another', async () => {
    const body = Buffer.from('{"same":true}');
    const first = await inbox.append(callback('a', body));
    const again = await Promise.all([
      inbox.append(callback('a', body)),
      inbox.append(callback('b', body)),
      inbox.append(callback('b', body)),
    ]);
    expect(again.map(({ repeated }) => repeated)).toEqual([true, false, true]);
    expect(again[0].id).toBe(first.id);
    expect(again[2].id).toBe(again[1].id);
    expect((await stored()).map(({ job_id, repeats }) => [job_id, repeats])).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
  });

  it('a commit that fails rejects all that were in it; the next append works, and nothing of the body is logged', async () => {
    await breakTable();
    const settled = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => inbox.append(numbered(n))));
    for (const result of settled) {
      expect(result).toMatchObject({ status: 'rejected' });
      expect((result as PromiseRejectedResult).reason).toBeInstanceOf(StorageUnavailableError);
    }
    expect(inbox.depth).toBe(0);
    expect(commits).toBe(0);
    expect(lines.join('')).toContain('callbacks.not-stored');
    expect(lines.join('')).not.toContain('"n"');
    await mend();
    expect(await stored()).toEqual([]);
    expect(await inbox.append(numbered(1))).toMatchObject({ repeated: false });
    expect(await stored()).toHaveLength(1);
  });

  it('with more than 64 MB waiting the next one is refused at once, and taken again when the others were stored', async () => {
    // One buffer for all: only the count of the bytes matters here. Refused by the database, so that nothing big is written.
    await breakTable();
    const body = Buffer.alloc(48 * 1024 * 1024, 0x20);
    const waiting = Array.from({ length: 2 }, (_, n) => inbox.append({ ...numbered(n), body }));
    const depth = inbox.depth;
    await expect(inbox.append(numbered(7))).rejects.toThrow('Too many callbacks are waiting');
    expect(inbox.depth).toBe(depth);
    expect(depth).toBe(2);
    const settled = await Promise.allSettled(waiting);
    expect(settled.every(({ status }) => status === 'rejected')).toBe(true);
    await mend();
    expect(await inbox.append(numbered(8))).toMatchObject({ repeated: false });
  });
});
