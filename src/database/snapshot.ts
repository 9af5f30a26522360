/**
 * A value read from the database and kept for a while. Several replicas share one database: what another one wrote is seen after at
 * most `maxAgeMs`, what this one wrote at once, when it calls {@link invalidate}.
 */
export class Snapshot<T> {
  private value: Promise<T> | undefined;
  private takenAt = 0;

  /**
   * @param load reads the value; one read serves all who ask at the same time
   * @param now epoch milliseconds
   */
  constructor(
    private readonly load: () => Promise<T>,
    private readonly now: () => number,
    private readonly maxAgeMs = 5_000,
  ) {}

  get(): Promise<T> {
    const now = this.now();
    const age = now - this.takenAt;
    // A clock that was set back must not keep a value for longer.
    if (this.value && age >= 0 && age < this.maxAgeMs) return this.value;
    const value = this.load();
    this.value = value;
    this.takenAt = now;
    value.catch(() => {
      if (this.value === value) this.value = undefined;
    });
    return value;
  }

  /** The next {@link get} reads again. A read that is under way still answers those who asked before. */
  invalidate(): void {
    this.value = undefined;
  }
}
