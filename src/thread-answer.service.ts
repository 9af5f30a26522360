import { parentPort, type Transferable } from 'node:worker_threads';
import type { ThreadAnswer } from './one-thread.service.js';

/**
 * The thread's side of {@link OneThread}: answers each task, one at a time.
 * @param work its error becomes the reason, by its class only: the text could quote what was worked on
 */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- both cross the thread untyped; the caller says what they are
export function answerTasks<T, R>(work: (task: T) => Promise<{ value: R; transfer?: Transferable[] }>): void {
  parentPort?.on('message', ({ id, task }: { id: number; task: T }) => {
    const answer = (message: ThreadAnswer<R>, transfer: Transferable[] = []): void => {
      parentPort?.postMessage(message, transfer);
    };
    work(task).then(
      ({ value, transfer }) => {
        answer({ id, ok: true, value }, transfer);
      },
      (error: unknown) => {
        answer({ id, ok: false, reason: `broke (${error instanceof Error ? error.name : 'unknown fault'})` });
      },
    );
  });
  parentPort?.postMessage('ready');
}
