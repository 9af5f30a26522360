import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { OneThread, ThreadStoppedError } from '../one-thread.service.js';
import { threadFile } from '../thread-file.js';
import type { StoredOccasion } from '../transcripts/occasion.js';
import type { RuleSets } from './simulate.js';
import type { JudgedOccasion, SimulationTask } from './simulation-task.js';

/** For one page of transcripts; the memory is that of a transcript of a million words. */
const LIMITS = { timeLimitMs: 60_000, heapLimitMb: 1_024 };

type Thread = OneThread<SimulationTask, JudgedOccasion[]>;

/** What a page came to. `unreadable`: occasions that broke the thread's limits of time or memory. */
export interface JudgedPage {
  judged: JudgedOccasion[];
  unreadable: number;
}

/** Tries rules on what is stored in threads of their own, page by page: callbacks, mails and requests go on meanwhile. */
@Injectable()
export class SimulationThreads implements OnApplicationShutdown {
  private readonly open = new Set<SimulationRun>();

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([...this.open].map((run) => run.end()));
  }

  /** @returns the thread of one simulation, to be ended by the caller */
  begin(sets: RuleSets): SimulationRun {
    const file = threadFile(import.meta.url, './simulate.worker.js');
    const run = new SimulationRun(sets, new OneThread({ file, ...LIMITS }), () => this.open.delete(run));
    this.open.add(run);
    return run;
  }
}

/** One simulation's thread. It remembers the calls that it has gone through, so pages come in the order of time. */
export class SimulationRun {
  constructor(
    private readonly sets: RuleSets,
    private readonly thread: Thread,
    private readonly ended: () => void,
  ) {}

  /**
   * A transcript that breaks a limit is left out, and the others of its page are not.
   * @throws ThreadUnavailableError, also after {@link end}
   */
  async judge(occasions: StoredOccasion[]): Promise<JudgedPage> {
    try {
      return { judged: await this.ask(occasions), unreadable: 0 };
    } catch (error) {
      if (!(error instanceof ThreadStoppedError)) throw error;
    }
    if (occasions.length <= 1) return { judged: [], unreadable: occasions.length };
    const page: JudgedPage = { judged: [], unreadable: 0 };
    for (const [index, occasion] of occasions.entries()) {
      const one = await this.judge([occasion]);
      page.judged.push(...one.judged.map((judged) => ({ ...judged, index })));
      page.unreadable += one.unreadable;
    }
    return page;
  }

  /** Stops what it is at. */
  async end(): Promise<void> {
    this.ended();
    await this.thread.close();
  }

  private ask(occasions: StoredOccasion[]): Promise<JudgedOccasion[]> {
    return this.thread.run((memory) => {
      const isTold = memory.has('sets');
      memory.set('sets', true);
      return { task: { ...(isTold ? {} : { sets: this.sets }), occasions } };
    });
  }
}
