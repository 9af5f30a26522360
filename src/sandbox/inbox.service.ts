/** Keeps what arrived, and lets a test or the demo wait for the next one. */
export class Inbox<T> {
  readonly all: T[] = [];
  private read = 0;
  private readonly waiting = new Set<() => void>();

  add(item: T): void {
    this.all.push(item);
    for (const wake of [...this.waiting]) wake();
  }

  /** @returns the oldest one that was not returned before; rejects when none comes within `timeoutMs` */
  async next(timeoutMs = 5_000): Promise<T> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const item = this.all[this.read];
      if (item !== undefined) {
        this.read++;
        return item;
      }
      if (!(await this.arrivalBefore(deadline))) throw new Error(`nothing arrived within ${String(timeoutMs)} ms`);
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.all.length = 0;
    this.read = 0;
  }

  private async arrivalBefore(deadline: number): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (arrived: boolean): void => {
        clearTimeout(timer);
        this.waiting.delete(wake);
        resolve(arrived);
      };
      const wake = (): void => {
        end(true);
      };
      const timer = setTimeout(
        () => {
          end(false);
        },
        Math.max(0, deadline - Date.now()),
      );
      this.waiting.add(wake);
    });
  }
}
