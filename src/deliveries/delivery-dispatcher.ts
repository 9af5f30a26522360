/** Injection token of the {@link DeliveryDispatcher}. */
export const DISPATCHER = Symbol('DISPATCHER');

/**
 * Brings due deliveries to `DeliverService.deliver`. It only says "look at delivery 42": state, attempts and times are in the row,
 * so losing a dispatcher loses nothing. Contract, checked by `dispatcherContract`:
 *
 * - a delivery that is due is delivered without a `wake`, within a minute
 * - after `wake` it is delivered at once; `wake` never throws
 * - one delivery is never in two hands at a time
 * - after `stop` resolves nothing is in hand and nothing new begins
 */
export interface DeliveryDispatcher {
  start(): Promise<void>;
  /** Something may be due. */
  wake(): void;
  /** Ends what is in hand, within `graceMs`; what is not done by then is aborted and released. */
  stop(graceMs: number): Promise<void>;
}
