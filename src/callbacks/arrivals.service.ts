/** Tells the settle step, which lies above this layer, that the inbox holds something new. */
export class CallbackArrivals {
  private listener: () => void = () => undefined;

  onArrival(listener: () => void): void {
    this.listener = listener;
  }

  tell(): void {
    this.listener();
  }
}
