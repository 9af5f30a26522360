import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { OneThread, ThreadStoppedError } from '../one-thread.service.js';
import { threadFile } from '../thread-file.js';
import type { CompiledRule } from './evaluate.js';
import type { EvaluateTask, ExplainTask, Judged, ReadAnswer, ReadingAnswer, ReadingTask, ReadTask } from './reading.js';
import type { Why } from './why-node.js';

/** A million words and ten thousand rules stay below both; see docs/adr/0015. */
const LIMITS = { timeLimitMs: 60_000, heapLimitMb: 1_024, idleMs: 30_000 };

const OTHER_ANSWER = 'The reading thread gave another answer than asked for';

/** Reads large bodies and evaluates rules on them in a thread, one at a time: whatever they hold, they hold up nobody else. */
@Injectable()
export class ReadingThread implements OnApplicationShutdown {
  private readonly thread = new OneThread<ReadingTask, ReadingAnswer>({
    file: threadFile(import.meta.url, './reading.worker.js'),
    ...LIMITS,
  });

  async onApplicationShutdown(): Promise<void> {
    await this.close();
  }

  /** What is read just now, or waits, is rejected with ThreadUnavailableError. */
  close(): Promise<void> {
    return this.thread.close();
  }

  /**
   * @param task `bytes` are gone afterwards
   * @returns also `unreadable` for a body that broke a limit
   * @throws ThreadUnavailableError: nothing is wrong with the body
   */
  async read(task: Omit<ReadTask, 'do' | 'rules'>, rules: readonly CompiledRule[]): Promise<ReadAnswer> {
    try {
      return (await this.thread.run((memory) => {
        const known = memory.get('rules') === rules;
        memory.set('rules', rules);
        const whole: ReadTask = { do: 'read', ...task, ...(known ? {} : { rules: rules.map(({ rule }) => rule) }) };
        return { task: whole, transfer: [task.bytes.buffer as ArrayBuffer] };
      })) as ReadAnswer;
    } catch (error) {
      if (!(error instanceof ThreadStoppedError)) throw error;
      return { kind: 'unreadable', reason: `reading it ${error.message}` };
    }
  }

  /** @throws ThreadStoppedError, ThreadUnavailableError */
  async evaluate(task: Omit<EvaluateTask, 'do'>): Promise<Judged> {
    const answer = await this.thread.run(() => ({ task: { do: 'evaluate', ...task } }));
    if (answer.kind !== 'judged') throw new Error(OTHER_ANSWER);
    return answer.judged;
  }

  /** @throws ThreadStoppedError, ThreadUnavailableError */
  async explain(task: Omit<ExplainTask, 'do'>): Promise<Why> {
    const answer = await this.thread.run(() => ({ task: { do: 'explain', ...task } }));
    if (answer.kind !== 'explained') throw new Error(OTHER_ANSWER);
    return answer.why;
  }
}
