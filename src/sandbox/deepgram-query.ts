/**
 * Reads the query of `POST /v1/listen` as Deepgram does, so that a mistake shows here first. Kept apart from the provider's own table of options
 * on purpose: what one of the two has wrong, the other one finds.
 */

const BOOLEANS = [
  ...['smart_format', 'punctuate', 'paragraphs', 'numerals', 'measurements', 'dictation', 'filler_words', 'utterances'],
  ...[
    'profanity_filter',
    'diarize',
    'multichannel',
    'topics',
    'intents',
    'sentiment',
    'detect_entities',
    'mip_opt_out',
  ],
];

const CHOICES: Record<string, readonly string[]> = {
  callback_method: ['POST', 'PUT', 'post', 'put'],
  diarize_model: ['latest', 'v1', 'v2'],
  summarize: ['v1', 'v2', 'true', 'false'],
  custom_topic_mode: ['extended', 'strict'],
  custom_intent_mode: ['extended', 'strict'],
  encoding: ['linear16', 'flac', 'mulaw', 'amr-nb', 'amr-wb', 'opus', 'speex', 'g729'],
};

const LENGTHS: Record<string, number> = { tag: 128, extra: 2048 };
const COUNTS: Record<string, number> = { search: 50, custom_topic: 100, custom_intent: 100 };
const PORTS = ['', '80', '443', '8080', '8443'];

export interface QueryFault {
  code: string;
  message: string;
}

/**
 * @param options.anyPort callbacks may go to any port, as in tests and in the demo; Deepgram itself takes four
 * @returns what Deepgram would refuse, in its words; names that it does not know pass in silence, as they do there
 */
export function faultOf(query: URLSearchParams, options: { anyPort: boolean }): QueryFault | undefined {
  return optionFault(query) ?? callbackFault(query.get('callback'), options.anyPort) ?? languageFault(query);
}

function optionFault(query: URLSearchParams): QueryFault | undefined {
  for (const [name, value] of query) {
    if (BOOLEANS.includes(name) && value !== 'true' && value !== 'false') {
      return unreadable(`${name}: provided string was not \`true\` or \`false\``);
    }
    const choices = CHOICES[name];
    if (choices && !choices.includes(value)) {
      return unreadable(
        `${name}: unknown variant, expected one of ${choices.map((choice) => `\`${choice}\``).join(', ')}`,
      );
    }
    if (name === 'utt_split' && !(Number(value) > 0)) return unreadable('utt_split: invalid float literal');
    if (value.length > (LENGTHS[name] ?? Infinity)) return unreadable(`${name}: value is too long`);
    if (name === 'extra' && !value.includes(':')) return unreadable('extra: expected `key:value`');
  }
  const crowded = Object.keys(COUNTS).find((name) => query.getAll(name).length > (COUNTS[name] ?? 0));
  return crowded === undefined ? undefined : unreadable(`${crowded}: too many values`);
}

function callbackFault(callback: string | null, anyPort: boolean): QueryFault | undefined {
  if (callback === null) return undefined;
  const invalid = { code: 'INVALID_QUERY_PARAMETER', message: 'Invalid callback url.' };
  if (!URL.canParse(callback)) return invalid;
  const url = new URL(callback);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return invalid;
  if (!anyPort && !PORTS.includes(url.port)) return invalid;
  return url.hostname.includes('_') ? { code: 'Bad Request', message: 'Failed to resolve callback.' } : undefined;
}

function languageFault(query: URLSearchParams): QueryFault | undefined {
  const summarizes = ['v2', 'true'].includes(query.get('summarize') ?? 'false');
  const english = /^en\b/i.test(query.get('language') ?? 'en');
  return summarizes && !english
    ? { code: 'Bad Request', message: 'Bad Request: Summarization v2 not supported for non-English languages.' }
    : undefined;
}

function unreadable(message: string): QueryFault {
  return { code: 'INVALID_QUERY_PARAMETER', message: `Failed to deserialize query parameters: ${message}` };
}

/** The query as it may be recorded: without the callback's credentials and the `extra` secret. */
export function shownOptions(query: URLSearchParams): Record<string, string[]> {
  const names = [...new Set(query.keys())];
  return Object.fromEntries(names.map((name) => [name, query.getAll(name).map((value) => shown(name, value))]));
}

function shown(name: string, value: string): string {
  if (name === 'extra' && value.startsWith('callback_secret:')) return 'callback_secret:…';
  if (name !== 'callback' || !URL.canParse(value)) return value;
  const url = new URL(value);
  return `${url.origin}${url.pathname}`;
}
