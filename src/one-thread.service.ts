import { Worker, type Transferable } from 'node:worker_threads';
import { isObject } from './json.js';

/** The work was stopped; `message` completes "it …" and tells people which limit it broke. */
export class ThreadStoppedError extends Error {}

/** The thread could not be started: nothing is wrong with the work. */
export class ThreadUnavailableError extends Error {}

export interface ThreadOptions {
  /** Module that answers each `{ id, task }` with a {@link ThreadAnswer} and says `ready` once it listens. */
  file: URL;
  timeLimitMs: number;
  heapLimitMb: number;
  /** After so long without work the thread ends and gives its memory back. */
  idleMs?: number;
}

export type ThreadAnswer<R> = { id: number; ok: true; value: R } | { id: number; ok: false; reason: string };

/** What is handed to the thread: the task, and buffers that go over without a copy and are gone here. */
export interface Handed<T> {
  task: T;
  transfer?: Transferable[];
}

interface Pending<T, R> {
  /** @param memory lives as long as the thread: what it has been told before */
  make: (memory: Map<string, unknown>) => Handed<T>;
  resolve(value: R): void;
  reject(error: Error): void;
}

interface Thread {
  worker: Worker;
  ready: boolean;
  memory: Map<string, unknown>;
}

/** Loading the code takes some 200 ms; on a machine under load, more. */
const START_LIMIT_MS = 20_000;

/**
 * Work in one thread of its own, one piece at a time, in order. A function call cannot be ended, a thread can: work over its limit of
 * time or memory is stopped and rejected, and the next goes on in a fresh thread.
 */
export class OneThread<T, R> {
  private readonly queue: Pending<T, R>[] = [];
  private thread: Thread | undefined;
  private current: (Pending<T, R> & { id: number }) | undefined;
  private timer: NodeJS.Timeout | undefined;
  private lastId = 0;
  private closed = false;

  constructor(private readonly options: ThreadOptions) {}

  /**
   * @throws ThreadStoppedError when the work broke a limit or the thread under it; ThreadUnavailableError when there is no thread to be
   *   had, also after {@link close}
   */
  run(make: Pending<T, R>['make']): Promise<R> {
    if (this.closed) return Promise.reject(new ThreadUnavailableError('The thread was closed'));
    return new Promise((resolve, reject) => {
      this.queue.push({ make, resolve, reject });
      this.next();
    });
  }

  /** Ends the thread; what still waits is refused. */
  async close(): Promise<void> {
    this.closed = true;
    const waiting = [...(this.current ? [this.current] : []), ...this.queue.splice(0)];
    const thread = this.detach();
    for (const pending of waiting) pending.reject(new ThreadUnavailableError('The thread was closed'));
    await thread?.worker.terminate();
  }

  private next(): void {
    if (this.current || this.queue.length === 0) return;
    const thread = this.thread ?? this.start();
    if (!thread.ready) return;
    const pending = this.queue.shift();
    if (!pending) return;
    const id = ++this.lastId;
    this.current = { ...pending, id };
    const { timeLimitMs } = this.options;
    this.limit(timeLimitMs, () => {
      this.replace(new ThreadStoppedError(`took longer than ${String(timeLimitMs / 1_000)} s and was stopped`));
    });
    const { task, transfer = [] } = pending.make(thread.memory);
    thread.worker.ref();
    thread.worker.postMessage({ id, task }, transfer);
  }

  private start(): Thread {
    const { file, heapLimitMb } = this.options;
    const worker = new Worker(file, {
      resourceLimits: { maxOldGenerationSizeMb: heapLimitMb, maxYoungGenerationSizeMb: 32 },
      // Nothing of the parent's start: no test runner's flags, no inspector.
      execArgv: [],
    });
    const thread = { worker, ready: false, memory: new Map<string, unknown>() };
    this.thread = thread;
    this.limit(START_LIMIT_MS, () => {
      this.replace(new ThreadUnavailableError('The thread did not start in time'));
    });
    worker.on('message', (message: ThreadAnswer<R> | 'ready') => {
      if (thread === this.thread) this.receive(thread, message);
    });
    worker.on('error', (error) => {
      if (thread === this.thread) this.replace(this.faultOf(error, thread));
    });
    worker.on('exit', () => {
      if (thread === this.thread) this.replace(this.faultOf(undefined, thread));
    });
    return thread;
  }

  private faultOf(error: unknown, { ready }: Thread): Error {
    if (!ready) return new ThreadUnavailableError('The thread did not start', { cause: error });
    const memory = isObject(error) && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
    return new ThreadStoppedError(
      memory ? `needed more than ${String(this.options.heapLimitMb)} MB and was stopped` : 'ended its thread',
    );
  }

  private receive(thread: Thread, message: ThreadAnswer<R> | 'ready'): void {
    clearTimeout(this.timer);
    if (message === 'ready') {
      thread.ready = true;
    } else {
      const { current } = this;
      if (message.id !== current?.id) return;
      this.current = undefined;
      if (message.ok) current.resolve(message.value);
      else current.reject(new ThreadStoppedError(message.reason));
    }
    if (this.queue.length === 0) this.rest(thread);
    this.next();
  }

  private rest({ worker }: Thread): void {
    worker.unref();
    const { idleMs } = this.options;
    if (idleMs === undefined) return;
    this.limit(idleMs, () => {
      void this.detach()?.worker.terminate();
    });
  }

  private limit(ms: number, over: () => void): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(over, ms);
    this.timer.unref();
  }

  /** Ends a thread that is stuck or gone. What it worked on fails, or, when it never got ready, what waits first; the rest goes on. */
  private replace(error: Error): void {
    const victim = this.current ?? this.queue.shift();
    const thread = this.detach();
    void thread?.worker.terminate();
    victim?.reject(error);
    if (!this.closed) this.next();
  }

  private detach(): Thread | undefined {
    const { thread } = this;
    clearTimeout(this.timer);
    this.thread = undefined;
    this.current = undefined;
    return thread;
  }
}
