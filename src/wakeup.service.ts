/**
 * Runs one piece of work again and again: when it is woken, and when the time that it named has come. Never twice at once;
 * a wake-up during a run causes one more run after it. A run that throws is repeated after a second.
 */
export class Wakeup {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private again = false;
  private started = false;

  /**
   * @param work resolves with the milliseconds until it wants to run again by itself
   * @param broke told of each run that threw
   */
  constructor(
    private readonly work: () => Promise<number>,
    private readonly broke: (error: unknown) => void,
  ) {}

  start(): void {
    this.started = true;
    this.now();
  }

  now(): void {
    if (!this.started) return;
    this.again = true;
    this.running ??= this.run();
  }

  /** Nothing new begins; the run in progress goes on (see {@link idle}). */
  stop(): void {
    this.started = false;
    clearTimeout(this.timer);
  }

  /** Resolves when no run is in progress. */
  async idle(): Promise<void> {
    await this.running;
  }

  private async run(): Promise<void> {
    let pause = 0;
    while (this.again && this.started) {
      this.again = false;
      clearTimeout(this.timer);
      pause = await this.work().catch((error: unknown) => {
        this.broke(error);
        return 1_000;
      });
    }
    this.running = undefined;
    if (!this.started) return;
    this.timer = setTimeout(() => {
      this.now();
    }, pause);
  }
}
