/** `npm run chaos` runs the figures that docs/reliability.md quotes; `npm run chaos:short` the form for CI, in a few minutes. */
export const SHORT = process.env.CHAOS === 'short';

/** The full number, or that of the short form. */
export function scaled(full: number, short: number): number {
  return SHORT ? short : full;
}

/** A figure for the reader of the run, on a line of its own, whatever becomes of the test. */
export function figure(name: string, value: string | number): void {
  process.stdout.write(`chaos: ${name}: ${String(value)}\n`);
}
