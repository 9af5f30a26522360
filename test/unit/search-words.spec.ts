import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { indexedWords, searchWords } from '../../src/database/dialect.js';
import { snippetOf } from '../../src/transcripts/snippet.js';

describe('words of the full-text index', () => {
  it('know no case, accents or punctuation', () => {
    expect(searchWords(`L'Été, "über-ALL" naïve 3rd`)).toEqual(['l', 'ete', 'uber', 'all', 'naive', '3rd']);
    expect(searchWords('!?. -- ')).toEqual([]);
  });

  it('are letters and digits only, whatever comes in', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        for (const word of searchWords(text)) expect(word).toMatch(/^[\p{L}\p{N}]+$/u);
      }),
    );
  });

  it('are indexed once each, without words that nobody says, and within the limit of a row', () => {
    expect(indexedWords(`to be or not to be ${'x'.repeat(101)}`)).toBe('to be or not');
    const many = Array.from({ length: 500_000 }, (_, i) => i.toString(36)).join(' ');
    expect(indexedWords(many).length).toBeLessThan(1_000_000);
  });
});

describe('a snippet', () => {
  const filler = 'and so on '.repeat(30);

  it('stands around the first of the words, cut at words, on one line', () => {
    const snippet = snippetOf(`${filler}the\nÉléphant left ${filler}`, ['elephant']);
    expect(snippet).toContain('the Éléphant left');
    expect(snippet).toMatch(/^…(and|so|on) .* (and|so|on)…$/);
  });

  it('is the whole of a short text, and the beginning when no word is found', () => {
    expect(snippetOf('short text', ['text'])).toBe('short text');
    expect(snippetOf(filler, [])).toMatch(/^and so on .*…$/);
    expect(snippetOf('', ['x'])).toBe('');
  });

  it('is bounded, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), fc.string(), (text, word) => {
        expect(snippetOf(text, [word]).length).toBeLessThanOrEqual(260);
        expect(snippetOf(text, [word])).not.toMatch(/\p{Surrogate}/u);
      }),
    );
  });
});
