import { OptionInvalidError, type FieldError } from '../../errors.js';
import { isObject, type Json, type JsonObject } from '../../json.js';
import { DEEPGRAM_OPTIONS, MAX_ITEMS, MAX_TEXT, MISNOMERS, type OptionSpec } from './deepgram-option-table.js';
import { nearest } from '../../suggestion.js';

/** Sent when a job names no model: Deepgram's own default is its oldest model. */
export const DEFAULT_MODEL = 'nova-3';

const SPECS = new Map(DEEPGRAM_OPTIONS.map((spec) => [spec.name, spec]));
const SETTABLE = DEEPGRAM_OPTIONS.filter((spec) => spec.reserved === undefined).map((spec) => spec.name);
const MAX_FIELDS = 100;

type Checked = { value: Json } | { errors: FieldError[] };

export interface ValidOptions {
  /** Only documented options, `model` always; repeatable texts are arrays even when one was given. */
  options: JsonObject;
  /** What Deepgram would take but hardly as it was meant, in sentences that name the option. */
  warnings: string[];
}

/**
 * @param input the `options` of a job as they came; nothing counts as `{}`
 * @throws OptionInvalidError with every fault at once, pointers `/options/NAME`
 */
export function validateOptions(input: unknown): ValidOptions {
  if (input !== undefined && input !== null && !isObject(input)) {
    fail([
      { pointer: '/options', message: `options must be an object of option names and values (got ${kindOf(input)})` },
    ]);
  }
  const given = Object.entries(input ?? {});
  if (given.length > MAX_FIELDS) {
    fail([
      {
        pointer: '/options',
        message: `options holds ${String(given.length)} names; Deepgram knows ${String(SPECS.size)}`,
      },
    ]);
  }
  const options: JsonObject = {};
  const errors: FieldError[] = [];
  for (const [name, value] of given) {
    // null is how a JSON client says "not set"
    if (value === null || value === undefined) continue;
    const checked = checkOption(name, value);
    if ('errors' in checked) errors.push(...checked.errors);
    else options[name] = checked.value;
  }
  options.model ??= DEFAULT_MODEL;
  errors.push(...conflicts(options));
  if (errors.length > 0) fail(errors);
  return { options, warnings: warningsFor(options) };
}

/**
 * Query parameters as on Deepgram's own `/v1/listen`, turned into the JSON that {@link validateOptions} takes. What does not convert stays
 * a string, so that validation can name it.
 */
export function optionsFromQuery(query: Record<string, string | string[]>): JsonObject {
  return Object.fromEntries(
    Object.entries(query).map(([name, value]) => {
      const spec = SPECS.get(name);
      if (Array.isArray(value) && value.length !== 1) return [name, value];
      const text = Array.isArray(value) ? (value[0] ?? '') : value;
      return [name, spec ? fromText(spec, text) : text];
    }),
  );
}

/** Query of the request: a repeated option is its name repeated, never a comma list. */
export function toQuery(options: JsonObject): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (typeof item === 'string' || typeof item === 'number' || typeof item === 'boolean')
        query.append(name, String(item));
    }
  }
  return query;
}

/** `/options/NAME` as a JSON pointer; a name too long to be an option is cut. */
export function optionPointer(name: string): string {
  return `/options/${shortName(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

function fail(errors: FieldError[]): never {
  const first = errors[0]?.message ?? 'an option is wrong';
  const rest = errors.length > 1 ? ` (and ${String(errors.length - 1)} more)` : '';
  throw new OptionInvalidError(`${first}${rest}`, { errors });
}

function fromText(spec: OptionSpec, text: string): Json {
  if (spec.types.includes('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  if (spec.types.includes('number') && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  return text;
}

// ---- one option ----

function checkOption(name: string, value: unknown): Checked {
  const spec = SPECS.get(name);
  if (!spec) return { errors: [unknownOption(name)] };
  if (spec.reserved !== undefined) {
    return { errors: [{ pointer: optionPointer(name), message: `${name} cannot be set: ${spec.reserved}` }] };
  }
  if (Array.isArray(value)) return checkList(spec, value);
  const message = problemOf(spec, value);
  if (message !== undefined)
    return { errors: [{ pointer: optionPointer(name), message, ...suggestValue(spec, value) }] };
  return { value: spec.repeatable && typeof value === 'string' ? [value] : (value as Json) };
}

function checkList(spec: OptionSpec, values: unknown[]): Checked {
  const pointer = optionPointer(spec.name);
  if (!spec.repeatable) return { errors: [{ pointer, message: `${spec.name} may be given once only (got a list)` }] };
  const max = spec.maxItems ?? MAX_ITEMS;
  if (values.length === 0) return { errors: [{ pointer, message: `${spec.name} is an empty list: leave it out` }] };
  if (values.length > max) {
    return {
      errors: [{ pointer, message: `${spec.name} takes at most ${String(max)} values (got ${String(values.length)})` }],
    };
  }
  const errors = values.flatMap((value, i) => {
    const message =
      typeof value === 'string' ? problemOf(spec, value) : `each ${spec.name} must be text (got ${kindOf(value)})`;
    return message === undefined ? [] : [{ pointer: `${pointer}/${String(i)}`, message }];
  });
  return errors.length > 0 ? { errors } : { value: values as Json };
}

/** What is wrong with one value; undefined when nothing is. Shows no text that the user gave: `extra` may hold anything. */
function problemOf(spec: OptionSpec, value: unknown): string | undefined {
  if (typeof value === 'boolean' && spec.types.includes('boolean')) return undefined;
  if (typeof value === 'number' && spec.types.includes('number')) return numberProblem(spec, value);
  if (typeof value === 'string' && spec.types.includes('text')) return textProblem(spec, value);
  return `${spec.name} must be ${expected(spec)} (got ${kindOf(value)})`;
}

function numberProblem(spec: OptionSpec, value: number): string | undefined {
  if (Number.isFinite(value) && value >= (spec.min ?? -Infinity)) return undefined;
  return `${spec.name} must be a number of ${String(spec.min ?? 0)} or more`;
}

function textProblem(spec: OptionSpec, text: string): string | undefined {
  const { name, values, form, maxLength = MAX_TEXT } = spec;
  if (values) return values.includes(text) ? undefined : `${name} must be ${expected(spec)}`;
  if (text.trim() === '') return `${name} is empty`;
  if (text.length > maxLength)
    return `${name} takes at most ${String(maxLength)} characters (got ${String(text.length)})`;
  if (/\p{Cc}/u.test(text)) return `${name} must not hold control characters`;
  if (form && !form.pattern.test(text)) {
    const list = text.includes(',') ? '; give several as a list, not separated by commas' : '';
    return `${name} must be ${form.hint}${list}`;
  }
  if (name === 'extra' && text.startsWith('callback_secret:')) {
    return 'extra must not carry callback_secret: Herald authenticates the callbacks of its own jobs by itself';
  }
  return undefined;
}

function expected({ types, values, form }: OptionSpec): string {
  const parts: string[] = [];
  if (types.includes('boolean')) parts.push('true or false');
  if (types.includes('number')) parts.push('a number');
  if (values) parts.push(values.map((value) => `"${value}"`).join(', '));
  else if (types.includes('text')) parts.push(form?.hint ?? 'text');
  return parts.join(', or ');
}

function kindOf(value: unknown): string {
  if (value === 'true' || value === 'false') return `the text "${value}"`;
  if (typeof value === 'string') return 'text';
  if (Array.isArray(value)) return 'a list';
  if (value === null) return 'null';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function suggestValue(spec: OptionSpec, value: unknown): { suggestion?: string } {
  const near = typeof value === 'string' && spec.values ? nearest(value, spec.values) : undefined;
  return near === undefined ? {} : { suggestion: near };
}

function unknownOption(name: string): FieldError {
  const pointer = optionPointer(name);
  const known = MISNOMERS.get(name);
  const suggestion = known ? known.suggestion : nearest(name, SETTABLE);
  const reason = known
    ? `${shortName(name)} is not an option: ${known.reason}`
    : `${shortName(name)} is not an option of Deepgram`;
  if (suggestion === undefined) return { pointer, message: reason };
  return { pointer, message: `${reason}; did you mean ${suggestion}?`, suggestion };
}

function shortName(name: string): string {
  return name.length > 64 ? `${name.slice(0, 64)}…` : name;
}

// ---- options against each other ----

const family = (model: Json | undefined): string | undefined =>
  typeof model === 'string' ? /^(nova-3|nova-2|nova|enhanced|base|whisper)(?=-|$)/.exec(model)?.[1] : undefined;

/** Combinations that Deepgram answers with 400. Models that we do not know are left to Deepgram. */
function conflicts(options: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const model = family(options.model);
  if (options.keyterm !== undefined && model !== undefined && model !== 'nova-3') {
    errors.push({
      pointer: optionPointer('keyterm'),
      message: `keyterm works with nova-3 only, not with ${model}; use keywords`,
      suggestion: 'keywords',
    });
  }
  if (options.keywords !== undefined && model === 'nova-3') {
    errors.push({
      pointer: optionPointer('keywords'),
      message: 'keywords does not work with nova-3; use keyterm',
      suggestion: 'keyterm',
    });
  }
  if (isOn(options.summarize) && isForeign(options.language)) {
    errors.push({
      pointer: optionPointer('summarize'),
      message: 'summarize works with English only; leave it out for this language',
    });
  }
  return errors;
}

const isOn = (value: Json | undefined): boolean => value !== undefined && value !== false;
const isForeign = (language: Json | undefined): boolean =>
  typeof language === 'string' && language !== 'multi' && !/^en(-|$)/i.test(language);

/** Each row: when it holds, what to say. */
const WARNINGS: readonly { when: (options: JsonObject) => boolean; say: string }[] = [
  { when: (o) => o.utt_split !== undefined && !isOn(o.utterances), say: 'utt_split does nothing without utterances' },
  { when: (o) => o.custom_topic !== undefined && !isOn(o.topics), say: 'custom_topic does nothing without topics' },
  { when: (o) => o.custom_intent !== undefined && !isOn(o.intents), say: 'custom_intent does nothing without intents' },
  {
    when: (o) => o.custom_topic_mode !== undefined && o.custom_topic === undefined,
    say: 'custom_topic_mode does nothing without custom_topic',
  },
  {
    when: (o) => o.custom_intent_mode !== undefined && o.custom_intent === undefined,
    say: 'custom_intent_mode does nothing without custom_intent',
  },
  {
    when: (o) => isOn(o.summarize) && (isOn(o.detect_language) || o.language === 'multi'),
    say: 'summarize works with English only: Deepgram refuses a recording in another language',
  },
  {
    when: (o) => o.language === 'multi' && ['nova', 'enhanced', 'base'].includes(family(o.model) ?? ''),
    say: 'language multi needs a nova-2 or nova-3 model',
  },
  {
    when: (o) => typeof o.model === 'string' && o.model.startsWith('flux'),
    say: 'flux models are for streaming only: Deepgram refuses them for a recording',
  },
];

function warningsFor(options: JsonObject): string[] {
  const warnings = WARNINGS.filter(({ when }) => when(options)).map(({ say }) => say);
  for (const { name, deprecated, advisedItems = Infinity } of DEEPGRAM_OPTIONS) {
    const value = options[name];
    if (value === undefined) continue;
    if (deprecated !== undefined) warnings.push(`${name} is deprecated: ${deprecated}`);
    if (Array.isArray(value) && value.length > advisedItems) {
      warnings.push(`${name} has ${String(value.length)} values; Deepgram advises at most ${String(advisedItems)}`);
    }
  }
  return warnings;
}
