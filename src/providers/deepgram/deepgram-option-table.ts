/** Every query option of `POST /v1/listen`, as data: validation, conversion from a query string and documentation read the same rows. */

export interface OptionSpec {
  name: string;
  /** A value of any of these types is taken. */
  types: readonly ('boolean' | 'number' | 'text')[];
  /** May be given several times: an array in JSON, the name repeated in a query. Booleans never repeat. */
  repeatable?: true;
  /** The only texts that are legal. Absent: free text. */
  values?: readonly string[];
  /** Form of a text, and how to say it. */
  form?: { pattern: RegExp; hint: string };
  /** Characters of one text; {@link MAX_TEXT} when absent. */
  maxLength?: number;
  /** Values that Deepgram takes at most; {@link MAX_ITEMS} when absent. */
  maxItems?: number;
  /** Number of values above which Deepgram advises against it: a warning. */
  advisedItems?: number;
  /** Smallest number. */
  min?: number;
  /** Still works; says what to use instead. */
  deprecated?: string;
  /** Herald sets it itself; says why it is refused. */
  reserved?: string;
  about: string;
}

/** Bounds where Deepgram documents none: a request line of a few hundred kB is refused anyway (414). */
export const MAX_TEXT = 2_048;
export const MAX_ITEMS = 500;

const flag = (name: string, about: string): OptionSpec => ({ name, types: ['boolean'], about });
const texts = (name: string, about: string, more: Partial<OptionSpec> = {}): OptionSpec => ({
  name,
  types: ['text'],
  repeatable: true,
  about,
  ...more,
});
const choice = (name: string, values: readonly string[], about: string): OptionSpec => ({
  name,
  types: ['text'],
  values,
  about,
});

const LANGUAGE_TAG = {
  pattern: /^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/,
  hint: 'one BCP-47 language tag such as en or pt-BR',
};

export const DEEPGRAM_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'callback',
    types: ['text'],
    reserved: 'Herald sets it, so that the transcript comes back to this job',
    about: 'URL that Deepgram calls with the transcript',
  },
  {
    name: 'callback_method',
    types: ['text'],
    reserved: 'Herald sets it; its callback route takes both POST and PUT',
    about: 'HTTP method of the callback',
  },
  texts('extra', 'key:value pair that comes back with the transcript', {
    form: { pattern: /^[^:]+:/, hint: 'key:value' },
    maxLength: 2_048,
  }),
  texts('tag', "label in Deepgram's usage reports", { maxLength: 128 }),
  { name: 'model', types: ['text'], maxLength: 256, about: 'model that transcribes, or the id of a custom one' },
  { name: 'version', types: ['text'], maxLength: 128, about: 'version of the model, or latest' },
  {
    name: 'language',
    types: ['text'],
    form: LANGUAGE_TAG,
    about: 'main language as a BCP-47 tag; multi for several in one recording',
  },
  {
    name: 'detect_language',
    types: ['boolean', 'text'],
    repeatable: true,
    form: LANGUAGE_TAG,
    about: 'finds the main language; language tags limit the candidates',
  },
  flag('smart_format', 'readable formatting, with punctuation'),
  flag('punctuate', 'punctuation and capitals'),
  flag('paragraphs', 'splits the transcript into paragraphs'),
  flag('numerals', 'numbers as digits'),
  flag('measurements', 'units abbreviated'),
  flag('dictation', 'spoken punctuation commands become punctuation'),
  flag('filler_words', 'keeps "uh" and "um"'),
  flag('profanity_filter', 'replaces or removes known profanity'),
  flag('utterances', 'splits the transcript into utterances'),
  { name: 'utt_split', types: ['number'], min: 0, about: 'pause in seconds that ends an utterance' },
  {
    name: 'diarize',
    types: ['boolean'],
    deprecated: 'use diarize_model ("latest") instead, which switches speakers on by itself',
    about: 'tells speakers apart',
  },
  choice('diarize_model', ['latest', 'v1', 'v2'], 'tells speakers apart, with this model'),
  flag('multichannel', 'transcribes each audio channel by itself, at most 20'),
  texts('redact', 'replaces sensitive text: pci, pii, numbers, or an entity type', {
    form: { pattern: /^[A-Za-z0-9_-]+$/, hint: 'one of pci, pii, numbers, or one entity type such as email_address' },
    maxLength: 64,
  }),
  texts('replace', 'find:replace, changes a term in the transcript', {
    form: { pattern: /^[^:]+:/, hint: 'find:replace' },
    advisedItems: 200,
  }),
  texts('search', 'term to look for in the audio', { maxItems: 50 }),
  texts('keywords', 'word:boost for models before nova-3', {
    form: { pattern: /^[^:]+(:-?\d+(\.\d+)?)?$/, hint: 'word:boost, such as herald:2' },
    advisedItems: 100,
  }),
  texts('keyterm', 'term to listen for, nova-3 only', { advisedItems: 100 }),
  { name: 'summarize', types: ['boolean', 'text'], values: ['v2'], about: 'summary of the transcript, English only' },
  flag('topics', 'finds topics'),
  texts('custom_topic', 'topic to look for', { maxItems: 100 }),
  choice('custom_topic_mode', ['extended', 'strict'], 'strict: only the topics given'),
  flag('intents', 'finds what speakers intend'),
  texts('custom_intent', 'intent to look for', { maxItems: 100 }),
  choice('custom_intent_mode', ['extended', 'strict'], 'strict: only the intents given'),
  flag('sentiment', 'finds the sentiment'),
  flag('detect_entities', 'finds names, numbers, dates and other entities'),
  choice(
    'encoding',
    ['linear16', 'flac', 'mulaw', 'amr-nb', 'amr-wb', 'opus', 'speex', 'g729'],
    'encoding of audio without a header',
  ),
  flag('mip_opt_out', "leaves Deepgram's Model Improvement Program"),
];

/** Names that people try and Deepgram ignores without a word: why not, and what to write. */
export const MISNOMERS: ReadonlyMap<string, { reason: string; suggestion?: string }> = new Map([
  ['callback_url', { reason: 'Deepgram knows no such option, and Herald sets the callback itself: leave it out' }],
  ['webhook_url', { reason: 'Herald sets the callback itself: leave it out' }],
  ['url', { reason: 'the audio is not an option: give it as audio.url' }],
  ['async', { reason: 'every job is asynchronous: leave it out' }],
  ['utterance_split', { reason: 'Deepgram knows no such option', suggestion: 'utt_split' }],
  ['alternatives', { reason: 'Deepgram gives one alternative for a recording: leave it out' }],
  ['channels', { reason: 'it belongs to streaming', suggestion: 'multichannel' }],
  ['sample_rate', { reason: 'it belongs to streaming; a recording carries its own: leave it out' }],
  ['interim_results', { reason: 'it belongs to streaming: leave it out' }],
  ['endpointing', { reason: 'it belongs to streaming', suggestion: 'utt_split' }],
  ['utterance_end_ms', { reason: 'it belongs to streaming', suggestion: 'utt_split' }],
  ['vad_events', { reason: 'it belongs to streaming: leave it out' }],
  ['no_delay', { reason: 'it belongs to streaming: leave it out' }],
  ['tier', { reason: 'it was replaced', suggestion: 'model' }],
  ['ner', { reason: 'it was replaced', suggestion: 'detect_entities' }],
  ['entities', { reason: 'Deepgram knows no such option', suggestion: 'detect_entities' }],
  ['speaker_labels', { reason: 'Deepgram knows no such option', suggestion: 'diarize_model' }],
]);
