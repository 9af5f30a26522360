import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * What Herald counts. Labels are from closed sets (outcomes, channel names, events): never an id, an address or a name that
 * somebody typed. One instance a process; the registry is its own, so that tests and embedding applications do not collide.
 */
export class Metrics {
  readonly registry = new Registry();

  readonly callbacks = this.counter('herald_callbacks_total', 'Callbacks received, by outcome', ['outcome']);
  readonly callbackBytes = new Histogram({
    name: 'herald_callback_bytes',
    help: 'Size of the callback bodies taken',
    buckets: [1_024, 16_384, 65_536, 262_144, 1_048_576, 8_388_608, 67_108_864],
    registers: [this.registry],
  });
  readonly settles = this.counter('herald_settles_total', 'Callbacks settled, by outcome', ['outcome']);
  readonly deliveries = this.counter('herald_deliveries_total', 'Delivery attempts, by channel and outcome', [
    'channel',
    'outcome',
  ]);
  readonly jobs = this.counter('herald_jobs_total', 'What happened to jobs', ['event']);
  readonly escalations = this.counter('herald_escalations_total', 'What happened to escalations', ['event']);
  readonly authFailures = this.counter('herald_auth_failures_total', 'Refused credentials, by area', ['area']);
  /** Seconds from the first byte of a callback to the answer that acknowledges it. */
  readonly ackSeconds = new Histogram({
    name: 'herald_ack_seconds',
    help: 'Time to acknowledge a callback',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers: [this.registry],
  });

  private readonly depths = new Map<string, () => number | Promise<number>>();
  private channels: () => { channel: string; open: boolean }[] = () => [];

  constructor() {
    collectDefaultMetrics({ register: this.registry });
    const { depths } = this;
    const channels = (): { channel: string; open: boolean }[] => this.channels();
    new Gauge({
      name: 'herald_channel_open',
      help: '1 when the channel sends, 0 when it is paused, throttled or broken',
      labelNames: ['channel'],
      registers: [this.registry],
      collect() {
        for (const { channel, open } of channels()) this.set({ channel }, open ? 1 : 0);
      },
    });
    new Gauge({
      name: 'herald_queue_depth',
      help: 'Rows that wait, by queue',
      labelNames: ['queue'],
      registers: [this.registry],
      async collect() {
        for (const [queue, read] of depths) this.set({ queue }, await read());
      },
    });
  }

  /**
   * Shows a queue's depth as `herald_queue_depth{queue}`.
   * @param read asked at each scrape; a read that fails fails the scrape, so let it answer NaN when the depth is not known
   */
  watchQueue(queue: string, read: () => number | Promise<number>): void {
    this.depths.set(queue, read);
  }

  /** Shows whether each channel sends as `herald_channel_open{channel}`. */
  watchChannels(read: () => { channel: string; open: boolean }[]): void {
    this.channels = read;
  }

  private counter<Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }
}
