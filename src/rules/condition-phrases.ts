/** What people write into a phrase that is no words: patterns of other tools, and operators. */

export interface PhraseHabit {
  message: string;
  suggestion?: string;
}

const REGEX = /^\/.+\/[a-z]*$|^\^|\w\$$|\\|\.[*+]|\(\?|\[.*\]/;
const REGEX_MARKS = /^\/|\/[a-z]*$|^\^|\$$|\\b|\.[*+]/g;

/** @returns undefined for a phrase that can be meant as it is written */
export function phraseHabit(text: string): PhraseHabit | undefined {
  const parts = text.split(/\s*(?:\|\|?|&&|\b(?:OR|AND)\b)\s*/).filter((part) => part !== '');
  if (parts.length > 1) {
    const list = parts.map((part) => `'${part}'`).join(', ');
    return {
      message: 'a phrase is words in a row; for one of several, write saysAny()',
      suggestion: `saysAny([${list}])`,
    };
  }
  if (REGEX.test(text)) {
    const bare = text.replace(REGEX_MARKS, '');
    const word = /^[\w ]+$/.test(bare) ? `'${bare}${/\.[*+]/.test(text) ? '*' : ''}'` : undefined;
    const message = "a phrase is words, not a pattern; patterns go into regex(transcript.text, '…')";
    return { message, ...(word === undefined ? {} : { suggestion: word }) };
  }
  const like = /^%?([\p{L} ]+)%?$/u.exec(text)?.[1];
  if (like === undefined || !text.includes('%')) return undefined;
  return { message: '% stands for nothing here; * begins or ends a word', suggestion: `'${like}*'` };
}
