/** As much of what a stranger's callback carries becomes tags; tags are read with every job. */
const TAGS = 100;
const NAME = 200;
const VALUE = 4_000;

/**
 * `metadata.extra` as the tags of a job that is adopted. Without what PostgreSQL takes into no text: one such tag would break each
 * filter by tag.
 */
export function adoptedTags(extra: Record<string, string>): Record<string, string> {
  const clean = (text: string, max: number): string => text.slice(0, max).replace(/[\0\p{Cs}]/gu, '');
  const pairs = Object.entries(extra).slice(0, TAGS);
  return Object.fromEntries(pairs.map(([name, value]) => [clean(name, NAME), clean(value, VALUE)]));
}
