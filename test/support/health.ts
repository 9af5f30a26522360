/** Asks /healthz again and again, as a load balancer does, and keeps the longest answer. */
export class HealthWatch {
  private slowest = 0;
  private failures = 0;
  private readonly timer: NodeJS.Timeout;
  private readonly asked = new Set<Promise<void>>();

  constructor(
    private readonly url: string,
    everyMs = 100,
  ) {
    this.timer = setInterval(() => {
      const one = this.ask().finally(() => this.asked.delete(one));
      this.asked.add(one);
    }, everyMs);
  }

  /** Milliseconds of the slowest answer; the request itself has to have been answered. */
  async end(): Promise<{ slowestMs: number; failures: number }> {
    clearInterval(this.timer);
    await Promise.all(this.asked);
    return { slowestMs: Math.round(this.slowest), failures: this.failures };
  }

  private async ask(): Promise<void> {
    const started = performance.now();
    const ok = await fetch(`${this.url}/healthz`).then(
      async (response) => response.ok && (await response.text()) !== '',
      () => false,
    );
    if (!ok) this.failures++;
    this.slowest = Math.max(this.slowest, performance.now() - started);
  }
}
