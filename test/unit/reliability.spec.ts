import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

const DOCS = new URL('../../docs/', import.meta.url);
const page = readFileSync(new URL('reliability.md', DOCS), 'utf8');

/** How many faults of each kind the list knows. */
const COUNTS = { C: 25, P: 14, I: 11, T: 8, X: 24 } as const;
const EVERY = Object.entries(COUNTS).flatMap(([letter, count]) =>
  Array.from({ length: count }, (_, index) => `${letter}${String(index + 1)}`),
);

const rows = new Map(
  page
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter(([, id]) => /^[CPITX]\d+$/.test(id ?? ''))
    .map(([, id = '', , promise = '', shown = '']) => [id, { promise, shown }] as const),
);

/** Ids in a text, also those inside `I1 to I4`. */
function idsIn(text: string): string[] {
  return [...text.matchAll(/\b([CPITX])(\d+)(?: to [CPITX](\d+))?\b/g)].flatMap(([, letter = '', from, to]) => {
    const first = Number(from);
    return Array.from({ length: Number(to ?? from) - first + 1 }, (_, n) => `${letter}${String(first + n)}`);
  });
}

describe('docs/reliability.md', () => {
  it('has a row for every fault, once', () => {
    expect([...rows.keys()]).toEqual(EVERY);
    expect(page.match(/^\| [CPITX]\d+ /gm)).toHaveLength(EVERY.length);
  });

  it.each(EVERY)('%s names the test that shows it, and that test names the fault', (id) => {
    const { promise = '', shown = '' } = rows.get(id) ?? {};
    if (promise.startsWith('Does not apply:')) return;
    const files = [...shown.matchAll(/\]\((\.\.\/(?:test|chaos)\/[^)#]+)\)/g)].map(([, file = '']) => file);
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      const url = new URL(file, DOCS);
      expect([file, existsSync(url)]).toEqual([file, true]);
      expect([file, idsIn(readFileSync(url, 'utf8')).includes(id)]).toEqual([file, true]);
    }
  });
});
