/** Milliseconds of work after which everybody else gets a turn. */
const SLICE_MS = 8;

/**
 * Runs work that can be put down after each step, so that a long one holds up no request: after some milliseconds all else goes first.
 * @returns what the work returns
 */
export async function inSlices<T>(work: Iterator<unknown, T>): Promise<T> {
  const stepDone = slices();
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    await stepDone();
  }
}

/** @returns a function to await after each step of a long work: it comes back at once, or, after some milliseconds, when others had a turn */
export function slices(): () => Promise<void> | undefined {
  let started = performance.now();
  return () => {
    if (performance.now() - started < SLICE_MS) return undefined;
    return othersFirst().then(() => {
      started = performance.now();
    });
  };
}

/** Resolves when what waits for the event loop has had its turn. */
function othersFirst(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
