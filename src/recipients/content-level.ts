/**
 * How much of a transcript a person is sent. `full`: whatever the template shows. `preview`: an excerpt, no attachment. `link`: none of its
 * words. `fact`: not even the link.
 */
export const CONTENT_LEVELS = ['full', 'preview', 'link', 'fact'] as const;
export type ContentLevel = (typeof CONTENT_LEVELS)[number];

/** The one that shows less; absent counts as `full`. */
export function lowerLevel(a: ContentLevel | undefined, b: ContentLevel | undefined): ContentLevel {
  const rank = (level: ContentLevel | undefined): number => CONTENT_LEVELS.indexOf(level ?? 'full');
  return CONTENT_LEVELS[Math.max(rank(a), rank(b))] ?? 'fact';
}
