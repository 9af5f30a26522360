import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';
import { runCli } from '../test/support/cli.js';
import { figure, scaled } from './support/scale.js';
import { Sender } from './support/sender.js';
import { Victim } from './support/victim.js';

const BACKUPS = scaled(5, 1);
/** Between two backups. */
const ACKNOWLEDGED = scaled(500, 60);
const CONNECTIONS = 12;
const PAUSE_MS = 20;

describe('backups of a loaded server on SQLite', () => {
  let folder: string | undefined;
  let victim: Victim | undefined;
  let sender: Sender | undefined;
  afterEach(async () => {
    sender?.stop();
    await victim?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  it('each holds all that was acknowledged before it began, and restored sends nothing that was sent (C21)', async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'herald-chaos-backup-'));
    victim = await Victim.start('SQLite');
    const { server } = victim.stage;
    sender = new Sender(victim.url);
    const load = sender.load(CONNECTIONS, PAUSE_MS);
    const taken: { backup: string; before: string[] }[] = [];
    for (let i = 0; i < BACKUPS; i++) {
      const goal = sender.acknowledged.length + ACKNOWLEDGED;
      while (sender.acknowledged.length < goal) await sleep(20);
      const before = sender.acknowledged.map(({ requestId }) => requestId);
      const backup = path.join(folder, `backup-${i}`);
      expect(await runCli(['backup', backup], { HERALD_DATA_DIR: server.dataDir })).toMatchObject({ code: 0 });
      taken.push({ backup, before });
    }
    const during = sender.acknowledged.length;
    sender.stop();
    await load;
    await victim.drained();
    await server.end();
    const sent = { mails: victim.smtp.mails.length, sms: victim.twilio.messages.length };

    let lost = 0;
    let held = 0;
    for (const [i, { backup, before }] of taken.entries()) {
      const data = path.join(folder, `data-${i}`);
      expect(await runCli(['restore', backup, '--to', data], {})).toMatchObject({ code: 0 });
      await server.restart({ HERALD_DATA_DIR: data });
      const file = new BetterSqlite3(path.join(data, 'herald.sqlite'), { readonly: true });
      const numberOf = (statement: string): number => file.prepare(statement).pluck().get() as number;
      while (numberOf(`select count(*) from callbacks where state = 'pending'`) > 0) await sleep(50);
      const there = new Set(file.prepare('select request_id from jobs').pluck().all());
      lost += before.filter((requestId) => !there.has(requestId)).length;
      expect(numberOf(`select count(*) from deliveries where state in ('queued', 'sending', 'unknown')`)).toBe(0);
      held += numberOf(`select count(*) from deliveries where state = 'held'`);
      file.close();
      await server.end();
    }
    figure('backups under load: taken', BACKUPS);
    figure('backups under load: callbacks acknowledged', during);
    figure('backups under load: acknowledged before a backup and not in it', lost);
    figure('backups under load: deliveries held after the restores', held);
    figure(
      'backups under load: messages sent again',
      victim.smtp.mails.length + victim.twilio.messages.length - sent.mails - sent.sms,
    );
    expect(lost).toBe(0);
    expect(victim.smtp.mails).toHaveLength(sent.mails);
    expect(victim.twilio.messages).toHaveLength(sent.sms);
  });
});
