import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { ConfigError, OptionInvalidError, type FieldError } from '../../src/errors.js';
import { DEEPGRAM_OPTIONS, MISNOMERS } from '../../src/providers/deepgram/deepgram-option-table.js';
import { optionsFromQuery, toQuery, validateOptions } from '../../src/providers/deepgram/deepgram-options.js';
import { nearest } from '../../src/suggestion.js';
import { applyPreset, parsePresets } from '../../src/providers/deepgram/presets.js';

function errorsOf(work: () => unknown): FieldError[] {
  try {
    work();
  } catch (error) {
    if (error instanceof OptionInvalidError || error instanceof ConfigError) return error.errors;
    throw error;
  }
  throw new Error('nothing was refused');
}

const refused = (options: unknown): FieldError[] => errorsOf(() => validateOptions(options));
const warnings = (options: unknown): string[] => validateOptions(options).warnings;

describe('the option table', () => {
  it('holds the 37 documented options, each once', () => {
    const names = DEEPGRAM_OPTIONS.map(({ name }) => name);
    expect(names).toHaveLength(37);
    expect(new Set(names).size).toBe(37);
    expect([...MISNOMERS.keys()].filter((name) => names.includes(name))).toEqual([]);
  });

  it('suggests real options only', () => {
    const names = DEEPGRAM_OPTIONS.map(({ name }) => name);
    const suggested = [...MISNOMERS.values()].flatMap(({ suggestion }) => suggestion ?? []);
    expect(suggested.filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe('validateOptions', () => {
  it('takes nothing for nothing, and names the model: the default of Deepgram is its oldest', () => {
    for (const input of [undefined, null, {}, { model: null }]) {
      expect(validateOptions(input)).toEqual({ options: { model: 'nova-3' }, warnings: [] });
    }
  });

  it('takes a legal value of every type, and makes lists of repeatable texts', () => {
    const options = {
      model: 'my-own/model:7',
      smart_format: true,
      utterances: true,
      utt_split: 1,
      redact: 'pci',
      tag: ['a', 'b'],
      summarize: 'v2',
      detect_language: ['en', 'pt-BR'],
      encoding: 'mulaw',
      extra: 'client:acme:7',
    };
    const valid = validateOptions(options);
    expect(valid.options).toEqual({ ...options, redact: ['pci'], extra: ['client:acme:7'] });
    expect(validateOptions({ detect_language: true }).options.detect_language).toBe(true);
  });

  it('tells every fault at once, each by its pointer', () => {
    const errors = refused({
      diarise: true,
      punctuate: 'true',
      utt_split: -1,
      tag: ['ok', ''],
      language: 'english!',
      nope_nope_nope: 1,
    });
    expect(errors.map(({ pointer }) => pointer)).toEqual([
      '/options/diarise',
      '/options/punctuate',
      '/options/utt_split',
      '/options/tag/1',
      '/options/language',
      '/options/nope_nope_nope',
    ]);
    expect(errors[0]).toMatchObject({ suggestion: 'diarize' });
    expect(errors[1]?.message).toBe('punctuate must be true or false (got the text "true")');
    expect(errors[5]?.suggestion).toBeUndefined();
  });

  it('refuses what Herald sets itself, and says why', () => {
    const errors = refused({ callback: 'https://x', callback_method: 'PUT' });
    expect(errors.map(({ message }) => message)).toEqual([
      expect.stringContaining('callback cannot be set: Herald sets it'),
      expect.stringContaining('takes both POST and PUT'),
    ]);
    expect(refused({ extra: ['callback_secret:x1y2z3'] })[0]?.message).toMatch(/authenticates the callbacks/);
    expect(JSON.stringify(refused({ extra: ['callback_secret:x1y2z3'] }))).not.toContain('x1y2z3');
  });

  it.each([
    ['callback_url', /sets the callback itself/, undefined],
    ['utterance_split', /did you mean utt_split/, 'utt_split'],
    ['async', /every job is asynchronous/, undefined],
    ['channels', /streaming; did you mean multichannel/, 'multichannel'],
    ['sample_rate', /streaming/, undefined],
    ['interim_results', /streaming/, undefined],
  ])('says why %s is none of the options', (name, message, suggestion) => {
    const [error] = refused({ [name]: 1 });
    expect(error?.message).toMatch(message);
    expect(error?.suggestion).toBe(suggestion);
  });

  it('finds the option that a misspelt one meant', () => {
    const meant = {
      smartFormat: 'smart_format',
      diarise_model: 'diarize_model',
      sentiments: 'sentiment',
      'detect-language': 'detect_language',
      sumarize: 'summarize',
    };
    for (const [typed, suggestion] of Object.entries(meant))
      expect(refused({ [typed]: true })[0]?.suggestion).toBe(suggestion);
    expect(refused({ diarize_model: 'lastest' })[0]).toMatchObject({
      message: 'diarize_model must be "latest", "v1", "v2"',
      suggestion: 'latest',
    });
  });

  it('keeps to the documented limits', () => {
    const many = (n: number): string[] => Array.from({ length: n }, (_, i) => `term ${String(i)}`);
    expect(refused({ search: many(51) })[0]?.message).toBe('search takes at most 50 values (got 51)');
    expect(refused({ custom_topic: many(101), topics: true })).toHaveLength(1);
    expect(refused({ custom_intent: many(101), intents: true })).toHaveLength(1);
    expect(refused({ tag: 'x'.repeat(129) })[0]?.message).toBe('tag takes at most 128 characters (got 129)');
    expect(refused({ extra: `k:${'x'.repeat(2_047)}` })).toHaveLength(1);
    expect(
      validateOptions({ search: many(50), tag: 'x'.repeat(128), extra: `k:${'x'.repeat(2_046)}` }).warnings,
    ).toEqual([]);
    expect(warnings({ keyterm: many(101) })).toEqual(['keyterm has 101 values; Deepgram advises at most 100']);
  });

  it('takes lists for repeatable options only, of texts only, and no comma lists', () => {
    expect(refused({ model: ['a', 'b'] })[0]?.message).toBe('model may be given once only (got a list)');
    expect(refused({ tag: [1] })[0]).toEqual({
      pointer: '/options/tag/0',
      message: 'each tag must be text (got a number)',
    });
    expect(refused({ tag: [] })[0]?.message).toMatch(/empty list/);
    expect(refused({ redact: 'pci,numbers' })[0]?.message).toMatch(/not separated by commas/);
    expect(refused({ detect_language: [true] })).toHaveLength(1);
    expect(validateOptions({ search: 'well, well' }).options.search).toEqual(['well, well']);
  });

  it('checks the form of texts that have one', () => {
    expect(refused({ extra: 'acme' })[0]?.message).toBe('extra must be key:value');
    expect(refused({ replace: 'acme' })[0]?.message).toBe('replace must be find:replace');
    expect(refused({ keywords: 'a:b', model: 'nova-2' })[0]?.message).toMatch(/word:boost/);
    expect(validateOptions({ keywords: ['herald', 'acme:-2.5'], model: 'nova-2' }).warnings).toEqual([]);
    expect(refused({ model: 'a\r\nb' })[0]?.message).toMatch(/control characters/);
  });

  it('refuses combinations that Deepgram refuses', () => {
    expect(refused({ keyterm: 'x', model: 'nova-2-meeting' })[0]).toMatchObject({
      pointer: '/options/keyterm',
      suggestion: 'keywords',
    });
    expect(refused({ keywords: 'x' })[0]).toMatchObject({ pointer: '/options/keywords', suggestion: 'keyterm' });
    expect(refused({ summarize: true, language: 'de' })[0]?.pointer).toBe('/options/summarize');
    expect(validateOptions({ keyterm: 'x', model: 'custom-7' }).warnings).toEqual([]);
    expect(validateOptions({ summarize: false, language: 'de' }).warnings).toEqual([]);
    expect(validateOptions({ summarize: 'v2', language: 'en-GB' }).warnings).toEqual([]);
  });

  it('warns of what does nothing, or is about to go', () => {
    expect(warnings({ diarize: true })).toEqual([expect.stringContaining('diarize is deprecated: use diarize_model')]);
    expect(warnings({ utt_split: 1 })).toEqual(['utt_split does nothing without utterances']);
    expect(warnings({ utt_split: 1, utterances: true })).toEqual([]);
    expect(warnings({ custom_topic: 'x' })).toEqual(['custom_topic does nothing without topics']);
    expect(warnings({ custom_intent_mode: 'strict' })).toHaveLength(1);
    expect(warnings({ summarize: true, detect_language: true })).toHaveLength(1);
    expect(warnings({ model: 'flux-general-en' })).toHaveLength(1);
    expect(warnings({ language: 'multi', model: 'base' })).toHaveLength(1);
  });

  it('refuses what is no object, and more names than there are options, in one error', () => {
    for (const input of [[], 'model=nova-3', 7, true]) expect(refused(input)).toMatchObject([{ pointer: '/options' }]);
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`option${String(i)}`, true]));
    expect(refused(many)).toHaveLength(1);
  });

  it('makes a valid pointer of any name, and cuts a long one', () => {
    expect(refused({ 'a/b~c': 1 })[0]?.pointer).toBe('/options/a~1b~0c');
    expect(refused({ ['x'.repeat(9_999)]: 1 })[0]?.message.length).toBeLessThan(120);
    const proto = JSON.parse('{"__proto__":{"model":"x"},"constructor":1}') as unknown;
    expect(refused(proto).map(({ pointer }) => pointer)).toEqual(['/options/__proto__', '/options/constructor']);
  });

  it('throws nothing but its own error, whatever it is given', () => {
    const names = fc.constantFrom(...DEEPGRAM_OPTIONS.map(({ name }) => name), '__proto__', 'x');
    fc.assert(
      fc.property(fc.dictionary(names, fc.oneof(fc.anything(), fc.jsonValue())), (input) => {
        try {
          const { options } = validateOptions(input);
          expect(validateOptions(options).options).toEqual(options);
        } catch (error) {
          if (!(error instanceof OptionInvalidError)) throw error;
          expect(error.errors.length).toBeGreaterThan(0);
        }
      }),
    );
  });
});

describe('options in a query', () => {
  it('become the JSON that they stand for', () => {
    const query = {
      diarize_model: 'latest',
      utterances: 'true',
      punctuate: 'false',
      utt_split: '1.5',
      tag: ['a', 'true'],
      detect_language: ['en', 'es'],
      summarize: 'v2',
      model: '7',
      topics: ['true'],
    };
    expect(optionsFromQuery(query)).toEqual({
      ...query,
      utterances: true,
      punctuate: false,
      utt_split: 1.5,
      topics: true,
    });
    expect(optionsFromQuery({ detect_language: 'true', summarize: 'false', tag: 'true' })).toEqual({
      detect_language: true,
      summarize: false,
      tag: 'true',
    });
  });

  it('are left as they are where they do not convert, for validation to name', () => {
    const options = optionsFromQuery({ utterances: 'yes', utt_split: '', model: ['a', 'b'], nope: 'x' });
    expect(refused(options).map(({ pointer }) => pointer)).toEqual([
      '/options/utterances',
      '/options/utt_split',
      '/options/model',
      '/options/nope',
    ]);
  });

  it('are repeated by name, never joined by commas', () => {
    const query = toQuery({
      model: 'nova-3',
      redact: ['pci', 'numbers'],
      search: ['a,b & c'],
      utt_split: 0.5,
      diarize: false,
      odd: { a: 1 },
    });
    expect(query.toString()).toBe(
      'model=nova-3&redact=pci&redact=numbers&search=a%2Cb+%26+c&utt_split=0.5&diarize=false',
    );
  });

  it('survive the way to Deepgram and back', () => {
    const { options } = validateOptions({
      tag: ['x y', 'ü'],
      utterances: true,
      utt_split: 2,
      detect_language: ['en', 'de'],
      search: 'a=b',
    });
    const back: Record<string, string[]> = {};
    for (const [name, value] of toQuery(options)) (back[name] ??= []).push(value);
    expect(validateOptions(optionsFromQuery(back)).options).toEqual(options);
  });
});

describe('presets', () => {
  const shipped = parsePresets(readFileSync(new URL('../../presets/deepgram.json', import.meta.url), 'utf8'));

  it('that are shipped are valid and raise no warning', () => {
    expect([...shipped.keys()]).toEqual(['phone-call', 'meeting', 'voicemail']);
    for (const name of shipped.keys()) expect(warnings(applyPreset(shipped, name, {}))).toEqual([]);
  });

  it('give way to explicit options', () => {
    const options = applyPreset(shipped, 'phone-call', { model: 'nova-2', utterances: null, tag: 'x' });
    expect(validateOptions(options).options).toEqual({
      model: 'nova-2',
      smart_format: true,
      diarize_model: 'latest',
      tag: ['x'],
    });
  });

  it('that are unknown are refused with the near one', () => {
    expect(errorsOf(() => applyPreset(shipped, 'phonecall', {}))).toMatchObject([
      { pointer: '/preset', suggestion: 'phone-call' },
    ]);
    expect(errorsOf(() => applyPreset(shipped, 'constructor', {}))[0]?.message).toContain(
      'known: phone-call, meeting, voicemail',
    );
  });

  it('that are wrong are named with the option', () => {
    const text = JSON.stringify({
      loud: { description: 'x', options: { diarise: true, utterances: 'yes' } },
      'Bad Name': {},
      quiet: { options: {} },
      none: 7,
    });
    const errors = errorsOf(() => parsePresets(text));
    expect(errors.map(({ pointer }) => pointer)).toEqual([
      '/loud/options/diarise',
      '/loud/options/utterances',
      '/Bad Name',
      '/quiet/description',
      '/none',
    ]);
    expect(errors[0]?.message).toContain('preset "loud": diarise');
    expect(() => parsePresets(text)).toThrow(/diarise.*utterances/);
    expect(() => parsePresets('{')).toThrow(ConfigError);
    expect(() => parsePresets('[]')).toThrow(ConfigError);
  });
});

describe('nearest', () => {
  it('gives nothing when nothing is near, or the name is too long to be a slip', () => {
    expect(nearest('zebra', ['model', 'tag'])).toBeUndefined();
    expect(nearest('x'.repeat(10_000), ['model'])).toBeUndefined();
    expect(nearest('mdoel', ['model'])).toBe('model');
  });
});
