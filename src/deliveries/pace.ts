/**
 * A smooth limit on how many things begin in a second: what was not used is saved for a tenth of a second at the most, so there is no
 * burst after a pause. Times are milliseconds of a clock that never jumps.
 */
export class Pace {
  private readonly most: number;
  private credit: number;
  private at: number | undefined;

  constructor(private readonly perSecond: number) {
    this.most = Math.max(1, perSecond / 10);
    this.credit = this.most;
  }

  /** How many may begin now. */
  allowed(now: number): number {
    const gained = this.at === undefined ? 0 : ((now - this.at) * this.perSecond) / 1_000;
    this.credit = Math.min(this.most, this.credit + Math.max(0, gained));
    this.at = now;
    return Math.floor(this.credit + 1e-9);
  }

  spend(count: number): void {
    this.credit -= count;
  }

  /** Milliseconds until one more may begin, as of the last {@link allowed}. */
  wait(): number {
    return Math.max(0, Math.ceil(((1 - this.credit) * 1_000) / this.perSecond));
  }
}
