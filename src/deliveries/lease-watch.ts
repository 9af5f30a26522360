/** A claim's owner, and the value that its owner renews. */
export interface Lease {
  owner: string;
  until: number;
}

/**
 * Tells whose process is dead: an owner whose lease nobody has renewed for so long, as seen from here. No wall clock is compared with
 * another's, or with itself later, so a clock that is set takes no claim from a process that lives, and keeps none from being taken.
 */
export class LeaseWatch {
  private seen = new Map<string, { until: number; since: number }>();

  constructor(private readonly leaseMs: number) {}

  /** @param leases every one there is; @param now milliseconds of a clock that never jumps; @returns those that have lapsed; 0 is given up */
  lapsed(leases: readonly Lease[], now: number): Lease[] {
    const before = this.seen;
    this.seen = new Map(
      leases.map(({ owner, until }) => {
        const known = before.get(owner);
        return [owner, known?.until === until ? known : { until, since: now }];
      }),
    );
    return leases.filter(
      ({ owner, until }) => until === 0 || now - (this.seen.get(owner)?.since ?? now) >= this.leaseMs,
    );
  }
}
