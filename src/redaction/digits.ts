/** Where something stands in a text. */
export interface Place {
  start: number;
  end: number;
}

/** Digits that are written or said without a break: `4111`, `four`, `forty-one`, `double seven`. */
interface Group extends Place {
  digits: string;
  isWord: boolean;
}

const ZERO_TO_NINE: readonly string[][] = [
  ['zero', 'oh', 'o', 'nought', 'null', 'nul', 'cero'],
  ['one', 'eins', 'un', 'une', 'uno', 'um', 'uma', 'een'],
  ['two', 'zwei', 'zwo', 'deux', 'dos', 'due', 'dois', 'duas', 'twee'],
  ['three', 'drei', 'trois', 'tres', 'tre', 'drie'],
  ['four', 'vier', 'quatre', 'cuatro', 'quattro', 'quatro'],
  ['five', 'funf', 'fuenf', 'cinq', 'cinco', 'cinque', 'vijf'],
  ['six', 'sechs', 'seis', 'sei', 'meia', 'zes'],
  ['seven', 'sieben', 'sept', 'siete', 'sette', 'sete', 'zeven'],
  ['eight', 'acht', 'huit', 'ocho', 'otto', 'oito'],
  ['nine', 'neun', 'neuf', 'nueve', 'nove', 'negen'],
];
const TEENS = 'ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(' ');
const TENS = 'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ');

const WORDS = new Map<string, string>([
  ...ZERO_TO_NINE.flatMap((words, digit) => words.map((word) => [word, String(digit)] as const)),
  ...TEENS.map((word, i) => [word, String(10 + i)] as const),
  ...TENS.map((word, i) => [word, `${String(i + 2)}0`] as const),
]);
const TIMES = new Map([
  ['double', 2],
  ['triple', 3],
  ['treble', 3],
]);
const LONGEST_WORD = 9;

/** What people write or say between the groups of one number. */
const BETWEEN = /^[\s.,;\-\u2010-\u2015\u2212_/()*·•+|]{0,4}$/;
/** This ends a number in writing; between digits said one by one it is the transcriber's punctuation. */
const ENDS = /[.,;]\s/;
const DATE = /^(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d{2}))$/;

/** Runs of at least `minDigits` digits, in groups or not, also said. @param text readable, see `readable.ts` */
export function findNumbers(text: string, minDigits: number): Place[] {
  return runsOf(text, false).flatMap((run) => (digitsIn(run) >= minDigits ? [placeOf(text, run)] : []));
}

/** Runs of seven digits or more that are no date. */
export function findPhones(text: string): Place[] {
  return findNumbers(text, 7).filter(({ start, end }) => !DATE.test(text.slice(start, end)));
}

/** Card numbers: 12 to 19 digits in whole groups whose check digit is right. The longest first, from the left. */
export function findCards(text: string): Place[] {
  return runsOf(text, true).flatMap((run) => cardsIn(run));
}

/** Every run of digits, written or said, with its digits. @param text readable, see `readable.ts` */
export function findDigits(text: string): (Place & { digits: string })[] {
  return runsOf(text, false).map((run) => ({
    ...placeOf(text, run),
    digits: run.map(({ digits }) => digits).join(''),
  }));
}

/** Groups of digits that may be of one number, also over what would end it in writing. @param text readable, see `readable.ts` */
export function findGroups(text: string): (Place & { digits: string })[][] {
  return runsOf(text, true);
}

function cardsIn(run: Group[]): Place[] {
  const found: Place[] = [];
  for (let first = 0; first < run.length; first++) {
    const last = cardFrom(run, first);
    if (last === undefined) continue;
    found.push({ start: run[first]?.start ?? 0, end: run[last]?.end ?? 0 });
    first = last;
  }
  return found;
}

/** @returns index of the last group of the longest card number that begins with this one */
function cardFrom(run: Group[], first: number): number | undefined {
  let digits = '';
  let best: number | undefined;
  for (let i = first; i < run.length; i++) {
    digits += run[i]?.digits ?? '';
    if (digits.length > 19) break;
    if (digits.length >= 12 && isLuhn(digits)) best = i;
  }
  return best;
}

function isLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 48;
    const weighed = i % 2 === 1 ? 2 * digit : digit;
    sum += weighed > 9 ? weighed - 9 : weighed;
  }
  return sum % 10 === 0;
}

/** @param loose a comma or full stop with a blank does not end a number */
function runsOf(text: string, loose: boolean): Group[][] {
  const runs: Group[][] = [];
  let last: Group | undefined;
  for (const group of groupsOf(text)) {
    const run = last && joined(text, last, group, loose) ? runs.at(-1) : undefined;
    if (run) run.push(group);
    else runs.push([group]);
    last = group;
  }
  return runs;
}

function joined(text: string, a: Group, b: Group, loose: boolean): boolean {
  if (b.start - a.end > 4) return false;
  const between = text.slice(a.end, b.start);
  return BETWEEN.test(between) && (loose || a.isWord || b.isWord || !ENDS.test(between));
}

function groupsOf(text: string): Group[] {
  const groups: Group[] = [];
  let times: { count: number; start: number; end: number } | undefined;
  for (const { 0: token, index } of text.matchAll(/\d+|\p{L}+/gu)) {
    const end = index + token.length;
    const isWord = !/^\d/.test(token);
    const word = isWord && token.length <= LONGEST_WORD ? folded(token) : '';
    const digits = isWord ? WORDS.get(word) : token;
    const count = TIMES.get(word);
    if (digits === undefined) {
      times = count === undefined ? undefined : { count, start: index, end };
      continue;
    }
    const last = groups.at(-1);
    if (last && isUnitOf(text, last, { start: index, digits, isWord })) {
      last.digits = last.digits.slice(0, -1) + digits;
      last.end = end;
    } else if (times && digits.length === 1 && index - times.end <= 3) {
      groups.push({ start: times.start, end, digits: digits.repeat(times.count), isWord });
    } else {
      groups.push({ start: index, end, digits, isWord });
    }
    times = undefined;
  }
  return groups;
}

/** `one` after `forty`. */
function isUnitOf(text: string, tens: Group, unit: { start: number; digits: string; isWord: boolean }): boolean {
  const isTens = tens.isWord && /^[2-9]0$/.test(tens.digits);
  return (
    isTens && unit.isWord && /^[1-9]$/.test(unit.digits) && /^(?:\s{1,2}|-)$/.test(text.slice(tens.end, unit.start))
  );
}

function digitsIn(run: Group[]): number {
  return run.reduce((sum, { digits }) => sum + digits.length, 0);
}

/** With the plus sign or bracket before it. */
function placeOf(text: string, run: Group[]): Place {
  const start = run[0]?.start ?? 0;
  const sign = /[+(]{1,2}$/.exec(text.slice(Math.max(0, start - 2), start))?.[0] ?? '';
  return { start: start - sign.length, end: run.at(-1)?.end ?? start };
}

function folded(word: string): string {
  return word
    .normalize('NFD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase();
}
