import { Worker } from 'node:worker_threads';
import type { ChannelKind } from '../channels/channel.js';
import type { RenderedParts } from '../channels/message.js';
import { RedactionError, RendererUnavailableError, TemplateInvalidError, TemplateRenderError } from '../errors.js';
import type { AppliedPolicy, Masked } from '../redaction/policy.js';
import type { Partials } from './compile.js';
import type { RenderOptions } from './render.js';
import type { RenderAnswer, RenderRequest } from './render.worker.js';
import type { TemplateParts } from './template.js';
import { type RenderData, toView } from './view.js';

export interface RenderPoolOptions {
  /** Shared pieces that every template may include. */
  partials?: Partials;
  /** Milliseconds of processor time for one render or check; default 2,000. */
  timeLimitMs?: number;
  /** Heap of the worker in megabytes; default 96. */
  heapLimitMb?: number;
}

/** A request without its number: `Omit` on each member of the union. */
type Task = RenderRequest extends infer R ? (R extends RenderRequest ? Omit<R, 'id'> : never) : never;

type Done = Pick<Extract<RenderAnswer, { ok: true }>, 'rendered' | 'masked'>;

interface Pending {
  task: Task;
  resolve(done: Done): void;
  reject(error: Error): void;
}

/** Loading the libraries takes some 300 ms; on a machine under load, more. */
const START_LIMIT_MS = 20_000;
/** A thread that gets no processor is stopped after so many times its limit. */
const STARVED = 10;
const LOOK_AGAIN_MS = 20;
/** So many are with the worker at a time: it need not wait for the main thread between two. */
const AHEAD = 4;

/**
 * Checks and renders templates in a thread of their own, which starts with the first of them: until then a server does without its 25 MB.
 * A function call cannot be ended, a thread can: a template without an end costs its time limit, and the next one in the queue goes on in a
 * fresh worker. Memory is limited in the same way.
 * Time is that of the processor, so that no message dies of a machine that is busy with something else. It is counted for the whole
 * process, which is never less than what the thread has used.
 */
export class RenderPool {
  private readonly queue: Pending[] = [];
  private readonly partials: Partials;
  private readonly timeLimitMs: number;
  private readonly heapLimitMb: number;
  private worker: Worker | undefined;
  private ready = false;
  /** With the worker, which answers in this order: it works on the first. */
  private readonly given: (Pending & { id: number })[] = [];
  private timer: NodeJS.Timeout | undefined;
  private lastId = 0;
  private closed = false;

  constructor(options: RenderPoolOptions = {}) {
    this.partials = options.partials ?? {};
    this.timeLimitMs = options.timeLimitMs ?? 2_000;
    this.heapLimitMb = options.heapLimitMb ?? 96;
  }

  /**
   * Renders one message. A round trip with a template that was rendered before takes 1 to 2 ms.
   * @throws TemplateRenderError over the limits of time, memory or size; TemplateInvalidError when the sources do not compile;
   *   RendererUnavailableError when there is no thread to be had
   */
  async render(
    parts: TemplateParts,
    kind: ChannelKind,
    data: RenderData,
    options: RenderOptions = {},
  ): Promise<RenderedParts> {
    const { rendered } = await this.enqueue({ do: 'render', parts, kind, view: toView(data), options });
    return required(rendered);
  }

  /**
   * {@link render} with a policy over every part.
   * @param data under the same policy, see `Redactor.facts`: what is cut before it is rendered must be masked before
   * @throws RedactionError as well
   */
  async renderRedacted(
    parts: TemplateParts,
    kind: ChannelKind,
    data: RenderData,
    policy: AppliedPolicy,
    options: RenderOptions = {},
  ): Promise<{ rendered: RenderedParts; masked: Masked[] }> {
    const task = { do: 'render', parts, kind, view: toView(data), options, policy } as const;
    const { rendered, masked } = await this.enqueue(task);
    if (!masked) throw new RedactionError('The redaction policy could not be applied: the renderer does not know it');
    return { rendered: required(rendered), masked };
  }

  /**
   * Compiles the parts as a save would, and tries them with sample facts.
   * @throws TemplateInvalidError with every problem, also for a template that exceeds the limits here
   */
  async check(parts: TemplateParts): Promise<void> {
    try {
      await this.enqueue({ do: 'check', parts: plainParts(parts) });
    } catch (error) {
      if (!(error instanceof TemplateRenderError) || this.closed) throw error;
      throw new TemplateInvalidError(`The template cannot be used: ${error.message}`, {
        errors: [{ pointer: '/parts', message: error.message }],
        cause: error,
      });
    }
  }

  /** Ends the worker; what still waits is refused. */
  async close(): Promise<void> {
    this.closed = true;
    const waiting = [...this.given, ...this.queue.splice(0)];
    const worker = this.detach();
    for (const pending of waiting) pending.reject(new TemplateRenderError('The renderer was closed'));
    await worker?.terminate();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.close();
  }

  private enqueue(task: Task): Promise<Done> {
    if (this.closed) return Promise.reject(new TemplateRenderError('The renderer was closed'));
    return new Promise((resolve, reject) => {
      this.queue.push({ task, resolve, reject });
      this.next();
    });
  }

  private next(): void {
    if (this.queue.length === 0) return;
    const worker = this.worker ?? this.start();
    worker.ref();
    if (!this.ready) return;
    while (this.given.length < AHEAD) {
      const pending = this.queue.shift();
      if (!pending) return;
      const id = ++this.lastId;
      this.given.push({ ...pending, id });
      if (this.given.length === 1) this.limitFirst();
      worker.postMessage({ ...pending.task, id });
    }
  }

  /** Its time counts from when the worker is known to have no other before it. */
  private limitFirst(): void {
    this.limit(this.timeLimitMs, process.cpuUsage(), performance.now());
  }

  /** @param leftMs of the limit, for a thread that has a processor for itself from now on */
  private limit(leftMs: number, cpu: NodeJS.CpuUsage, started: number): void {
    this.timer = setTimeout(() => {
      const { user, system } = process.cpuUsage(cpu);
      const left = this.timeLimitMs - (user + system) / 1_000;
      if (left <= 0 || performance.now() - started > STARVED * this.timeLimitMs) {
        this.replace(`took longer than ${String(this.timeLimitMs / 1_000)} s and was stopped`);
      } else {
        this.limit(Math.max(LOOK_AGAIN_MS, left), cpu, started);
      }
    }, leftMs);
  }

  private start(): Worker {
    this.ready = false;
    const worker = new Worker(workerFile(), {
      workerData: { partials: this.partials },
      resourceLimits: { maxOldGenerationSizeMb: this.heapLimitMb, maxYoungGenerationSizeMb: 4 },
      // Nothing of the parent's start: no test runner's flags, no inspector.
      execArgv: [],
      stdout: false,
    });
    this.worker = worker;
    this.timer = setTimeout(() => {
      this.replace('has no renderer');
    }, START_LIMIT_MS);
    this.timer.unref();
    worker.unref();
    worker.on('message', (message: RenderAnswer | 'ready') => {
      if (worker === this.worker) this.receive(message);
    });
    worker.on('error', (error) => {
      if (worker !== this.worker) return;
      const memory = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
      this.replace(memory ? `needed more than ${String(this.heapLimitMb)} MB and was stopped` : 'stopped its renderer');
    });
    worker.on('exit', () => {
      if (worker === this.worker) this.replace('stopped its renderer');
    });
    return worker;
  }

  private receive(message: RenderAnswer | 'ready'): void {
    if (message === 'ready') {
      clearTimeout(this.timer);
      this.ready = true;
    } else {
      const [first] = this.given;
      if (message.id !== first?.id) return;
      this.given.shift();
      clearTimeout(this.timer);
      if (this.given.length > 0) this.limitFirst();
      if (message.ok) first.resolve(message);
      else first.reject(toError(message));
    }
    if (this.given.length === 0 && this.queue.length === 0) this.worker?.unref();
    this.next();
  }

  /** Ends a worker that is stuck or gone. What it worked on fails, or, when it never got ready, what waits first; the rest goes on. */
  private replace(reason: string): void {
    const { ready } = this;
    const victim = this.given.shift() ?? this.queue.shift();
    this.queue.unshift(...this.given);
    const worker = this.detach();
    void worker?.terminate();
    victim?.reject(
      ready
        ? new TemplateRenderError(`The template ${reason}`)
        : new RendererUnavailableError('The renderer did not start'),
    );
    if (!this.closed) this.next();
  }

  private detach(): Worker | undefined {
    const { worker } = this;
    clearTimeout(this.timer);
    this.worker = undefined;
    this.given.length = 0;
    this.ready = false;
    return worker;
  }
}

/** Functions and other things that cannot cross a thread become what JSON makes of them: the worker says what is wrong with the rest. */
function plainParts(parts: TemplateParts): TemplateParts {
  return JSON.parse(JSON.stringify(parts)) as TemplateParts;
}

const ERRORS = {
  TEMPLATE_INVALID: TemplateInvalidError,
  TEMPLATE_RENDER_FAILED: TemplateRenderError,
  REDACTION_FAILED: RedactionError,
};

function toError({ code, message, errors }: Extract<RenderAnswer, { ok: false }>): Error {
  return new ERRORS[code](message, { errors });
}

function required(rendered: RenderedParts | undefined): RenderedParts {
  if (!rendered) throw new TemplateRenderError('The renderer gave no message');
  return rendered;
}

/** Threads load JavaScript only: where this file runs as TypeScript (tests), the build's worker is taken. */
function workerFile(): URL {
  const compiled = import.meta.url.endsWith('.ts') ? '../../dist/templates/render.worker.js' : './render.worker.js';
  return new URL(compiled, import.meta.url);
}
