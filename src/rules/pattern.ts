import { RE2JS } from 're2js';

/** Longer patterns are refused: a rule listens for something, it is no parser. */
export const PATTERN_LENGTH_MAX = 500;

/** The pattern cannot be used; `message` says why in plain words. */
export class PatternError extends Error {}

/** A compiled pattern of `regex()`: re2 syntax, whose time grows with the length of the text only. */
export class Pattern {
  readonly source: string;
  readonly #compiled: RE2JS;

  /** @throws PatternError */
  constructor(source: string) {
    this.source = source;
    this.#compiled = compile(source);
  }

  /** True when the pattern is found anywhere in the text. */
  isIn(text: string): boolean {
    return this.#compiled.matcher(text).find();
  }
}

/** True for a pattern that is found in every text, because it fits the empty one and asks for no place: `a*`, `refund|`. */
export function alwaysFound(source: string): boolean {
  const bare = source.replace(/\\[^AbBz]|\[(?:\\[^]|[^\]\\])*\]/g, 'x');
  return !/[\^$]|\\[AbBz]/.test(bare) && new Pattern(source).isIn('');
}

function compile(source: string): RE2JS {
  if (source === '') throw new PatternError('an empty pattern matches everything');
  if (source.length > PATTERN_LENGTH_MAX) {
    throw new PatternError(`a pattern has at most ${String(PATTERN_LENGTH_MAX)} characters`);
  }
  const unsupported = unsupportedSyntax(source);
  if (unsupported !== undefined) throw new PatternError(unsupported);
  try {
    return RE2JS.compile(source);
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : 'it cannot be read';
    throw new PatternError(`the pattern is wrong: ${reason}`);
  }
}

/** What people know from other engines and re2 has not, because it cannot be done in linear time. */
function unsupportedSyntax(source: string): string | undefined {
  // Escapes and classes stand for one character each, whatever is in them.
  const bare = source.replace(/\\[^1-9k]|\[(?:\\[^]|[^\]\\])*\]/g, 'x');
  if (/\(\?<?[=!]/.test(bare)) {
    return 'look-ahead and look-behind are not supported; write two regex() joined by && instead';
  }
  if (/\\[1-9]|\\k/.test(bare)) return 'back-references (\\1) are not supported; write the repeated part out';
  if (/\(\?>|[*+?}]\+/.test(bare))
    return 'atomic groups and possessive quantifiers are not supported, nor needed: no pattern backtracks';
  return undefined;
}
