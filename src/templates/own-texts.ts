import type { TemplateView } from './view.js';

/** What a policy leaves alone: links of ours lead nowhere once a number in them is masked. */
export function ownTexts(view: TemplateView): string[] {
  const texts: unknown[] = Object.values(view);
  texts.push(...(view.digest?.items.map(({ url }) => url) ?? []));
  const links = texts.filter((text) => typeof text === 'string' && /^https?:\/\//.test(text)) as string[];
  return [...links, view.job.id];
}
