/** What the settle step, which lies above this layer, has to know of the inbox. */
export class CallbackArrivals {
  private listener: () => void = () => undefined;
  private depth: () => number = () => 0;

  onArrival(listener: () => void): void {
    this.listener = listener;
  }

  /** The inbox holds something new. */
  tell(): void {
    this.listener();
  }

  measure(depth: () => number): void {
    this.depth = depth;
  }

  /** Callbacks that wait for their acknowledgement. */
  get waiting(): number {
    return this.depth();
  }
}
