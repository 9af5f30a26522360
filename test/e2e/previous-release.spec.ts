import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { migrations } from '../../src/database/data-source.js';
import { readFixture } from '../fixtures/deepgram/index.js';
import { runCli } from '../support/cli.js';
import { JOB, PreviousRelease, WAITING } from '../support/previous-release.js';
import { databases, PATIENCE_MS, Stage } from '../support/stage.js';

describe.each(await databases())('the file of the release before on %s', (kind) => {
  let stage: Stage;
  let previous: PreviousRelease;
  beforeEach(async () => {
    stage = await Stage.start(kind);
    stage.deepgram.holdCallbacks();
    previous = await PreviousRelease.make(stage);
  }, PATIENCE_MS);
  afterEach(() => stage.stop());

  it(
    'goes up with every row and back again as it was (herald migrate --undo)',
    async () => {
      const before = await previous.dump();
      expect(await runCli(['migrate'], previous.env)).toMatchObject({ code: 0 });
      expect(await stage.count('erasures')).toBe(0);
      expect(await stage.count('jobs', 'deadline_at is not null')).toBe(1);
      for (let release = migrations.length; release > 1; release--) {
        const undone = await runCli(['migrate', '--undo'], previous.env);
        expect(undone).toMatchObject({ code: 0, output: expect.stringContaining('Lost is what only this version') });
      }
      expect(await previous.dump()).toEqual(before);
      const further = await runCli(['migrate', '--undo'], previous.env);
      expect(further).toMatchObject({ code: 1, output: expect.stringContaining('no earlier release') });
      expect(await previous.dump()).toEqual(before);
    },
    2 * PATIENCE_MS,
  );

  it(
    'is taken over by this one: old transcripts are found, a late callback settles, a mail goes out',
    async () => {
      await stage.server.restart();
      const found = await stage.server.get<{ items: { jobId: string }[] }>('/v1/transcripts?q=wombat');
      expect(found.body.items).toMatchObject([{ jobId: JOB }]);
      expect((await stage.server.hook(WAITING, readFixture('diarized.json'))).status).toBe(200);
      await stage.job(WAITING, ({ deliveries }) =>
        deliveries.some(({ state, to }) => state === 'sent' && to === 'dana@clinic.example'),
      );
      expect((await stage.server.api('DELETE', `/v1/jobs/${JOB}`)).status).toBe(204);
      expect(await stage.count('transcripts_fts')).toBe(1);
    },
    2 * PATIENCE_MS,
  );
});
