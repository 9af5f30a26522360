export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Seconds as people read them: `0:07`, `4:05`, `1:02:09`. Fractions are dropped; negative or not finite gives `0:00`. */
export function clockTime(seconds: number): string {
  const whole = Number.isFinite(seconds) && seconds > 0 ? Math.floor(seconds) : 0;
  const s = String(whole % 60).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${String(minutes)}:${s}`;
  return `${String(Math.floor(minutes / 60))}:${String(minutes % 60).padStart(2, '0')}:${s}`;
}

const UNITS: Readonly<Record<string, number>> = { s: SECOND, m: MINUTE, h: HOUR, d: DAY };

/**
 * A length of time as people write it in JSON: a whole number and one unit, `90s`, `15m`, `2h`, `7d`.
 * @returns milliseconds; undefined for every other text
 */
export function parseDuration(text: string): number | undefined {
  const [, amount, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  return amount === undefined || unit === undefined ? undefined : Number(amount) * (UNITS[unit] ?? NaN);
}

/** How long people have to wait: `45s`, `23m`, `1h 5m`, `2d 4h`. Rounded up to seconds; negative gives `0s`. */
export function durationText(ms: number): string {
  let left = Math.max(0, Math.ceil(ms / SECOND)) * SECOND;
  const parts: string[] = [];
  for (const [unit, size] of Object.entries(UNITS).reverse()) {
    const amount = Math.floor(left / size);
    left -= amount * size;
    if (amount > 0) parts.push(`${String(amount)}${unit}`);
    if (parts.length === 2 || (parts.length === 1 && amount === 0)) break;
  }
  return parts.join(' ') || '0s';
}
