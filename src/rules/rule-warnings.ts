import type { ASTNode } from '@marcbachmann/cel-js';
import type { FieldError } from '../errors.js';
import type { JsonObject } from '../json.js';
import { tokenize } from '../transcripts/phrase.js';
import type { Scope } from './condition-ast.js';
import { asLoop, children, literalNumber, literalText, pathOf, typeOf, withVariable } from './condition-ast.js';
import { environmentOf } from './condition-environment.js';
import { FACTS_BY_TRIGGER } from './condition-facts.js';
import { PHRASE_ARGUMENTS } from './condition-names.js';
import { comparableText, report, scan, shownText, type CheckPlace } from './condition-scan.js';
import type { RuleDefinition } from './rule.js';

/** What the jobs of this Herald ask the provider for. */
export interface Requested {
  /** Options of each preset, by name. */
  presets: ReadonlyMap<string, { options: JsonObject }>;
  /** The phrases of rules are sent as search terms. */
  searches: boolean;
}

/** Something that a transcript holds only when the job asked for it. */
interface Feature {
  name: string;
  /** As a person writes it into the options of a job. */
  option: string;
  isOn: (options: JsonObject) => boolean;
  englishOnly?: true;
}

const isSet = (name: string) => (options: JsonObject) => options[name] !== undefined && options[name] !== false;
const feature = (name: string, option: string): Feature => ({ name, option: `"${option}": true`, isOn: isSet(option) });
const english = (name: string, option: string): Feature => ({ ...feature(name, option), englishOnly: true });

const SPEAKERS: Feature = {
  name: 'speakers',
  option: '"diarize_model": "latest"',
  isOn: (options) => ['diarize_model', 'diarize', 'multichannel'].some((name) => isSet(name)(options)),
};
const CHANNELS = feature('more than one channel', 'multichannel');
const SEARCH: Feature = { name: 'search', option: '"search": ["…"]', isOn: isSet('search') };
const FILLERS = feature('filler words', 'filler_words');

const BY_FACT: Readonly<Record<string, Feature>> = {
  'transcript.sentiment': english('sentiment', 'sentiment'),
  'transcript.topics': english('topics', 'topics'),
  'transcript.intents': english('intents', 'intents'),
  'transcript.summary': english('a summary', 'summarize'),
  'transcript.entities': feature('entities', 'detect_entities'),
  'transcript.search': SEARCH,
  'transcript.speakers': SPEAKERS,
};
const FILLER_WORDS = ['uh', 'um', 'mhm', 'uhm', 'hmm', 'mm'];
const NUMBER_WORDS = new Set(
  'one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty seventy eighty ninety hundred thousand'.split(
    ' ',
  ),
);

/**
 * What a person should know about a rule that is saved all the same: it needs what no job asks for, or it may fail or come out
 * otherwise than it reads.
 * @param definition of which the condition compiles
 */
export function ruleWarnings({ when, on }: Pick<RuleDefinition, 'when' | 'on'>, requested: Requested): FieldError[] {
  const place: CheckPlace = { source: when, tokens: scan(when), errors: [] };
  const { ast } = environmentOf(on).parse(when);
  const told = new Set<string>();
  visit(ast, new Map(Object.entries(FACTS_BY_TRIGGER[on])), (node, scope) => {
    for (const needed of featuresOf(node, scope, requested)) {
      if (told.has(needed.name)) continue;
      told.add(needed.name);
      warnOf(needed, node, place, requested);
    }
    warnOfFailures(node, scope, place);
    warnOfNumbers(node, scope, place, requested);
  });
  warnOfLanguage(ast, told, place);
  return place.errors.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

function visit(node: ASTNode, scope: Scope, look: (node: ASTNode, scope: Scope) => void): void {
  look(node, scope);
  const loop = asLoop(node);
  if (!loop) {
    for (const child of children(node)) visit(child, scope, look);
    return;
  }
  visit(loop.range, scope, look);
  if (loop.body) visit(loop.body, withVariable(scope, loop), look);
}

function featuresOf(node: ASTNode, scope: Scope, { searches }: Requested): Feature[] {
  if (node.op === '.') {
    const found = BY_FACT[pathOf(node) ?? ''];
    if (found) return [found];
    return node.args[1] === 'speaker' && typeOf(node.args[0], scope) === 'Utterance' ? [SPEAKERS] : [];
  }
  if (node.op !== 'rcall' || typeOf(node.args[1], scope) !== 'Speech') return [];
  const [name, , args] = node.args;
  if (name === 'by' || name === 'interruptions') return [SPEAKERS];
  if (name === 'channel') return (literalNumber(args[0]) ?? 0) > 0 ? [CHANNELS] : [];
  if (name === 'heard') return searches ? [] : [SEARCH];
  const isFiller = (phrase: ASTNode): boolean => {
    const words = tokenize(literalText(phrase) ?? '');
    return words.length > 0 && words.every((word) => FILLER_WORDS.includes(word));
  };
  return phrasesOf(name, args).some(isFiller) ? [FILLERS] : [];
}

function phrasesOf(name: string, args: readonly ASTNode[]): ASTNode[] {
  return args.slice(0, PHRASE_ARGUMENTS[name] ?? 0).flatMap((arg) => (arg.op === 'list' ? arg.args : [arg]));
}

function warnOf(
  { name, option, isOn, englishOnly }: Feature,
  node: ASTNode,
  place: CheckPlace,
  { presets }: Requested,
): void {
  const asking = [...presets].filter(([, { options }]) => isOn(options)).map(([preset]) => preset);
  const parts: string[] = [];
  if (asking.length === 0) parts.push(`no preset asks for ${name}, so a job must: ${option}`);
  if (englishOnly) parts.push(`Deepgram finds ${name} in English recordings only`);
  if (parts.length > 0) report(place, node.start, parts.join('; '));
}

/** What is well in most calls and fails in some. */
function warnOfFailures(node: ASTNode, scope: Scope, place: CheckPlace): void {
  const text = shownText(place, node);
  if (node.op === '[]' && typeOf(node.args[0], scope)?.startsWith('list')) {
    const list = comparableText(place, node.args[0]);
    const isAsked =
      place.tokens.some(({ text: name }) => name === 'size') &&
      comparableText(place, { start: 0, end: place.source.length }).includes(list);
    const owner = shownText(place, node.args[0]);
    if (!isAsked)
      report(place, node.start, `${text} fails where the list is shorter; ask first: size(${owner}) > … && …`);
  }
  if (node.op === 'call' && (node.args[0] === 'int' || node.args[0] === 'double')) {
    const [given] = node.args[1];
    if (given && typeOf(given, scope) === 'string') {
      report(
        place,
        node.start,
        `${text} fails where the text is no number, also where a tag is absent; ask first with regex()`,
      );
    }
  }
  if (node.op === 'rcall' && node.args[0] === 'all' && asLoop(node)) {
    report(place, node.start, 'all() is true of an empty list too; ask for size() as well if that is not meant');
  }
  if (node.op === '==' && node.args.some((side) => pathOf(side) === 'transcript.text')) {
    report(place, node.start, "this compares the whole text; to look for words, write speech.says('…')");
  }
}

/** `says('twenty dollars')`: smart formatting writes $20. */
function warnOfNumbers(node: ASTNode, scope: Scope, place: CheckPlace, { presets }: Requested): void {
  if (node.op !== 'rcall' || typeOf(node.args[1], scope) !== 'Speech') return;
  const formatting = [...presets].filter(
    ([, { options }]) => isSet('smart_format')(options) || isSet('numerals')(options),
  );
  if (formatting.length === 0) return;
  for (const phrase of phrasesOf(node.args[0], node.args[2])) {
    const number = tokenize(literalText(phrase) ?? '').find((word) => NUMBER_WORDS.has(word));
    if (number === undefined || number === 'one') continue;
    const names = formatting.map(([name]) => name).join(', ');
    report(
      place,
      phrase.start,
      `presets that write numbers as digits (${names}) have no "${number}" in their transcripts`,
    );
  }
}

/** `transcript.language == 'de' && transcript.sentiment.score < 0`. */
function warnOfLanguage(ast: ASTNode, told: ReadonlySet<string>, place: CheckPlace): void {
  const needed = Object.values(BY_FACT).filter(({ englishOnly, name }) => englishOnly && told.has(name));
  if (needed.length === 0) return;
  visit(ast, new Map(), (node) => {
    if (node.op !== '==') return;
    const [left, right] = node.args;
    const language = pathOf(left) === 'transcript.language' ? literalText(right) : undefined;
    if (language === undefined || /^en\b/i.test(language)) return;
    const names = needed.map(({ name }) => name).join(', ');
    report(
      place,
      node.start,
      `Deepgram finds ${names} in English recordings only, and this asks for "${language.slice(0, 20)}"`,
    );
  });
}
