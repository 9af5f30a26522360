import { availableParallelism, loadavg } from 'node:os';

/** Whether so much else runs here that bounds of time say nothing about Herald. What is not of time holds all the same. */
export function machineIsBusy(): boolean {
  return (loadavg()[0] ?? 0) > 4 * availableParallelism();
}
