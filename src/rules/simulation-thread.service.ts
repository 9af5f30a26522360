import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { OneThread, ThreadStoppedError } from '../one-thread.service.js';
import { threadFile } from '../thread-file.js';
import type { StoredOccasion } from '../transcripts/occasion.js';
import type { RuleSets } from './simulate.js';
import type { JudgedOccasion, SimulationTask } from './simulation-task.js';

/** For one page of transcripts; the memory is that of a transcript of a million words. */
const LIMITS = { timeLimitMs: 60_000, heapLimitMb: 1_024, idleMs: 10_000 };

/** What a page came to. `unreadable`: occasions that broke the thread's limits of time or memory. */
export interface JudgedPage {
  judged: JudgedOccasion[];
  unreadable: number;
}

/** One simulation's use of the thread. */
export interface SimulationRun {
  /** @throws ThreadUnavailableError */
  judge(occasions: StoredOccasion[]): Promise<JudgedPage>;
  /** Has its rules forgotten. */
  end(): void;
}

/** Tries rules on what is stored in a thread of its own, page by page: callbacks, mails and requests go on meanwhile. */
@Injectable()
export class SimulationThread implements OnApplicationShutdown {
  private readonly thread = new OneThread<SimulationTask, JudgedOccasion[]>({
    file: threadFile(import.meta.url, './simulate.worker.js'),
    ...LIMITS,
  });
  private readonly alive = new Set<string>();
  private lastId = 0;

  onApplicationShutdown(): Promise<void> {
    return this.thread.close();
  }

  begin(sets: RuleSets): SimulationRun {
    const simulation = String(++this.lastId);
    this.alive.add(simulation);
    return {
      judge: (occasions) => this.judgePage(simulation, sets, occasions),
      end: () => {
        this.alive.delete(simulation);
      },
    };
  }

  /** A transcript that breaks a limit is left out, and the others of its page are not. */
  private async judgePage(simulation: string, sets: RuleSets, occasions: StoredOccasion[]): Promise<JudgedPage> {
    if (!this.alive.has(simulation)) return { judged: [], unreadable: 0 };
    try {
      return { judged: await this.judge(simulation, sets, occasions), unreadable: 0 };
    } catch (error) {
      if (!(error instanceof ThreadStoppedError)) throw error;
    }
    if (occasions.length <= 1) return { judged: [], unreadable: occasions.length };
    const page: JudgedPage = { judged: [], unreadable: 0 };
    for (const [index, occasion] of occasions.entries()) {
      const one = await this.judgePage(simulation, sets, [occasion]);
      page.judged.push(...one.judged.map((judged) => ({ ...judged, index })));
      page.unreadable += one.unreadable;
    }
    return page;
  }

  private judge(simulation: string, sets: RuleSets, occasions: StoredOccasion[]): Promise<JudgedOccasion[]> {
    return this.thread.run((memory) => {
      const isKnown = memory.has(simulation);
      memory.set(simulation, true);
      // This one also when it has ended since it was queued.
      const alive = [...this.alive, simulation];
      return { task: { simulation, ...(isKnown ? {} : { sets }), alive, occasions } };
    });
  }
}
