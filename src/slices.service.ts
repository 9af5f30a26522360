/** Milliseconds of work after which everybody else gets a turn. */
const SLICE_MS = 8;

/**
 * Runs work that can be put down after each step, so that a long one holds up no request: after some milliseconds all else goes first.
 * @returns what the work returns
 */
export async function inSlices<T>(work: Iterator<unknown, T>): Promise<T> {
  let started = performance.now();
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    if (performance.now() - started < SLICE_MS) continue;
    await othersFirst();
    started = performance.now();
  }
}

/** Resolves when what waits for the event loop has had its turn. */
export function othersFirst(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
