import { stat, statfs } from 'node:fs/promises';
import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../clock.js';
import { SETTINGS } from '../config/settings.js';
import type { DatabaseSettings } from '../database/data-source.js';
import { Database } from '../database/database.service.js';
import { SECOND } from '../duration.js';
import type { DatabaseFault } from '../operator/problem.js';
import { within } from './within.service.js';

/** What the probe needs of the settings. */
export interface StorageSettings {
  dataDir: string;
  database?: DatabaseSettings;
}

/** Together under the three seconds in which health has to answer. */
const ANSWER_WITHIN = 1 * SECOND;
const WRITE_WITHIN = 1.5 * SECOND;
/** Milliseconds for which an answer stands: each one costs a commit. A fault is looked at again sooner. */
const GOOD_FOR = 5 * SECOND;
const FAULT_FOR = 0.5 * SECOND;
/** Less free than this and a callback does not fit, even where a small write still finds a place. */
const FULL = 512 * 1024;

/** Whether what has to be kept can be kept: asks the database for a commit, and the disk for its room. */
@Injectable()
export class StorageProbe {
  private last: { at: number; fault: DatabaseFault | undefined } | undefined;
  private looking: Promise<DatabaseFault | undefined> | undefined;
  /** A write that has not come back yet; there is never a second one beside it. */
  private writing: Promise<void> | undefined;
  /** The file that was opened, as device and inode. */
  private file: string | undefined;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    @Inject(SETTINGS) private readonly settings: StorageSettings,
  ) {}

  /** What is wrong with the database, if anything; answers within 2.5 seconds, never rejects. */
  databaseFault(): Promise<DatabaseFault | undefined> {
    const { last } = this;
    const age = last ? performance.now() - last.at : Infinity;
    if (last && age < (last.fault ? FAULT_FOR : GOOD_FOR)) return Promise.resolve(last.fault);
    this.looking ??= this.look().then((fault) => {
      this.last = { at: performance.now(), fault };
      this.looking = undefined;
      return fault;
    });
    return this.looking;
  }

  /** Bytes of the disk of the data directory. @throws when the directory cannot be looked at */
  async disk(): Promise<{ free: number; total: number }> {
    const { bavail, blocks, bsize } = await statfs(this.settings.dataDir);
    return { free: bavail * bsize, total: blocks * bsize };
  }

  async isDiskFull(): Promise<boolean> {
    return this.disk().then(
      ({ free }) => free < FULL,
      () => false,
    );
  }

  private async look(): Promise<DatabaseFault | undefined> {
    try {
      await within(ANSWER_WITHIN, this.database.ping());
    } catch {
      return 'silent';
    }
    if (await this.moved()) return 'moved';
    try {
      this.writing ??= this.write().finally(() => {
        this.writing = undefined;
      });
      await within(WRITE_WITHIN, this.writing);
      return undefined;
    } catch {
      return 'unwritable';
    }
  }

  private write(): Promise<void> {
    const { dialect, uow } = this.database;
    const statement = dialect.bind(
      'insert into meta (name, value) values (?, ?) on conflict (name) do update set value = excluded.value',
    );
    return uow
      .run((tx) => tx.query(statement, ['probe', String(this.clock.now())]), { urgent: true })
      .then(() => undefined);
  }

  /** An open SQLite file that was deleted or replaced takes every write and keeps none of them beyond the end of the process. */
  private async moved(): Promise<boolean> {
    const { database } = this.settings;
    if (database?.kind !== 'sqlite') return false;
    const file = await stat(database.file).then(
      ({ dev, ino }) => `${dev}:${ino}`,
      () => 'gone',
    );
    this.file ??= file;
    return file === 'gone' || file !== this.file;
  }
}
