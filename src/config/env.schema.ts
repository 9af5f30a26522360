import validator from 'validator';
import { z } from 'zod';
import { parseCountries } from './sms-countries.js';

/** What people read about an option: in the README's table and in the message when its value is wrong. */
export interface OptionMeta {
  /** Goes after "NAME must be". */
  expected: string;
  /** As the README prints it; absent: not set. */
  default?: string;
  meaning: string;
  /** One sentence on the mend, after the problem. */
  hint?: string;
}

/** Metadata of every option in {@link EnvSchema}. */
export const options = z.registry<OptionMeta>();

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const UNITS: Record<string, number> = { '': 1, b: 1, kib: KIB, mib: MIB, gib: GIB };

/** Bytes of `64MiB`, `2 GiB` or `1048576`; undefined when the text is no size. Decimal units (MB) are refused, not guessed at. */
export function parseSize(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,15})\s*([a-z]*)$/i.exec(text) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}

const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .pipe(z.int().min(min).max(max));

/** With a decimal point or without. */
const amount = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}(\.\d{1,6})?$/)
    .transform(Number)
    .pipe(z.number().min(min).max(max));
const cap = z.union([z.literal('none').transform(() => null), wholeNumber(1, 1_000_000)]);
const CAP = 'a whole number from 1 to 1000000, or none';

const rate = z
  .string()
  .regex(/^\d{1,4}(\.\d{1,3})?$/)
  .transform(Number)
  .pipe(z.number().min(0.01).max(1_000));
const RATE = 'a number from 0.01 to 1000';

const countries = z.union([
  z.literal('all'),
  z
    .string()
    .refine((text) => parseCountries(text) !== undefined)
    .transform((text) => parseCountries(text) ?? []),
]);

const size = (min: number, max: number) =>
  z
    .string()
    .transform((text) => parseSize(text) ?? NaN)
    .pipe(z.int().min(min).max(max));

const matching = (test: (text: string) => boolean) => z.string().refine(test);
const text = matching((value) => value.trim() !== '');
const secretOf = (length: number) => matching((value) => value.length >= length);
const oneLine = (max: number) => matching((value) => value.length <= max && !/\p{Cc}/u.test(value));

const url = (...schemes: string[]) =>
  matching((value) => URL.canParse(value) && schemes.includes(new URL(value).protocol.slice(0, -1)));

/** http(s) without credentials, query or fragment, so that it may be logged and paths can be added; gives it without a slash at the end. */
const baseUrl = url('http', 'https')
  .refine((value) => {
    // A URL that cannot be read is the problem of the check before, and zod runs this one all the same.
    const parsed = URL.canParse(value) ? new URL(value) : undefined;
    return !parsed?.username && !parsed?.password && !/[?#]/.test(value);
  })
  .transform((value) => value.replace(/\/+$/, ''));

const mailAddress = (allowDisplayName: boolean) =>
  oneLine(320).refine((value) =>
    validator.isEmail(value, { allow_display_name: allowDisplayName, require_tld: false, allow_ip_domain: true }),
  );

const timeZone = matching((value) => succeeds(() => new Intl.DateTimeFormat('en', { timeZone: value })));
const locale = matching((value) => succeeds(() => Intl.getCanonicalLocales(value)));

function succeeds(act: () => unknown): boolean {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}

const BASE_URL = 'an http or https URL without user, query or fragment';
const SIZE = 'a size such as 64MiB, 2GiB or a number of bytes';

function option<T extends z.ZodType>(schema: T, meta: OptionMeta): T {
  options.add(schema, meta);
  return schema;
}

/**
 * Every environment variable that Herald reads, each by itself; rules that span several are in env.ts.
 * An empty value has to be removed before: it means "not set".
 */
export const EnvSchema = z.object({
  PORT: option(wholeNumber(1, 65_535).default(3000), {
    expected: 'a whole number from 1 to 65535',
    default: '3000',
    meaning: 'Port to listen on.',
  }),
  HOST: option(text.default('127.0.0.1'), {
    expected: 'a host name or address',
    default: '127.0.0.1',
    meaning: 'Address to listen on; `0.0.0.0` in a container.',
  }),
  HERALD_PUBLIC_URL: option(baseUrl.optional(), {
    expected: BASE_URL,
    meaning: 'How the internet reaches this Herald: callbacks, status reports and links start with it.',
    hint: 'Write it as https://herald.example.com',
  }),
  HERALD_SECRET: option(secretOf(32).optional(), {
    expected: 'at least 32 characters',
    meaning:
      'Key of the callback credentials. On SQLite one is made and kept in the data directory; on PostgreSQL it is required.',
    hint: 'Make one with: openssl rand -hex 32',
  }),
  HERALD_ADMIN_KEY: option(secretOf(16).optional(), {
    expected: 'at least 16 characters',
    meaning: 'Bearer key with every scope. When not set, the first start makes one and prints it once.',
    hint: 'Make one with: openssl rand -hex 24',
  }),
  HERALD_HOOK_PASSWORD: option(secretOf(16).optional(), {
    expected: 'at least 16 characters',
    meaning: 'Password of `/hook`, for jobs that you submit to Deepgram yourself. Not set: that route is off.',
    hint: 'Make one with: openssl rand -hex 24',
  }),
  HERALD_DATA_DIR: option(text.default('./data'), {
    expected: 'the path of a directory',
    default: './data',
    meaning: 'Where the SQLite file, kept audio, large callbacks and the made secret lie.',
  }),
  DATABASE_URL: option(url('postgres', 'postgresql').optional(), {
    expected: 'a URL that starts with postgres:// or postgresql://',
    meaning: 'PostgreSQL. Not set: SQLite in the data directory.',
    hint: 'Leave it unset for SQLite; the file then lies in HERALD_DATA_DIR',
  }),
  REDIS_URL: option(z.never().optional(), {
    expected: 'left unset: this version has no BullMQ dispatcher yet',
    meaning: 'Reserved. This version refuses it: deliveries are dispatched by the database on any number of replicas.',
    hint: 'Remove it; replicas share the work through PostgreSQL',
  }),
  HERALD_ROLE: option(z.enum(['all', 'api', 'worker']).default('all'), {
    expected: 'all, api or worker',
    default: 'all',
    meaning:
      '`api` takes requests and callbacks, `worker` settles and sends, `all` does both. Others than `all` need PostgreSQL.',
  }),
  DEEPGRAM_API_KEY: option(text.optional(), {
    expected: 'the API key as text',
    meaning: 'Needed to submit audio. Not set: only callbacks of jobs that you submit yourself are taken.',
  }),
  DEEPGRAM_BASE_URL: option(baseUrl.default('https://api.deepgram.com'), {
    expected: BASE_URL,
    default: 'https://api.deepgram.com',
    meaning: 'Another region (`https://api.eu.deepgram.com`) or your own Deepgram.',
  }),
  HERALD_MAX_OUTSTANDING_JOBS: option(wholeNumber(1, 10_000).default(50), {
    expected: 'a whole number from 1 to 10000',
    default: '50',
    meaning: 'Jobs at Deepgram at one time; further ones wait.',
  }),
  HERALD_PHRASES: option(z.enum(['off', 'keyterm', 'search']).default('off'), {
    expected: 'off, keyterm or search',
    default: 'off',
    meaning:
      'Phrases of enabled rules that go to Deepgram with every job: `keyterm` has them recognised better (nova-3, one language), ' +
      '`search` has the sound searched for those of `speech.heard()`. Deepgram keeps them in its usage logs.',
  }),
  HERALD_OVERDUE_MINUTES: option(amount(0.01, 100_000).optional(), {
    expected: 'a number from 0.01 to 100000',
    meaning:
      'How long a callback may take before the job is submitted again, or overdue. Not set: 11 to 29 minutes, from the audio and the model.',
  }),
  HERALD_MAX_RESUBMISSIONS: option(wholeNumber(0, 10).default(2), {
    expected: 'a whole number from 0 to 10',
    default: '2',
    meaning:
      'How often a job whose callback does not come is submitted again by itself. Each time may cost again; `0` for never.',
  }),
  SMTP_URL: option(url('smtp', 'smtps').optional(), {
    expected: 'a URL that starts with smtp:// or smtps://',
    meaning: 'Mail server, with user and password where it needs them. Not set: e-mail is captured, not sent.',
    hint: 'Write it as smtps://USER:PASSWORD@smtp.example.com, with special characters percent-encoded',
  }),
  MAIL_FROM: option(mailAddress(true).optional(), {
    expected: 'one mail address, with or without a name',
    meaning: 'Sender of every e-mail: `Herald <herald@example.com>`.',
    hint: 'Write it as Herald <herald@example.com>',
  }),
  TWILIO_ACCOUNT_SID: option(matching((sid) => /^AC[0-9a-f]{32}$/i.test(sid)).optional(), {
    expected: 'AC and 32 hexadecimal digits',
    meaning: 'Twilio account. Not set: SMS are captured, not sent.',
  }),
  TWILIO_AUTH_TOKEN: option(text.optional(), {
    expected: 'the token as text',
    meaning: "The account's auth token; it also checks the signature of status reports.",
  }),
  TWILIO_FROM: option(matching((from) => /^(\+\d{7,15}|\d{3,8}|(?=.*[a-z])[a-z0-9 ]{1,11})$/i.test(from)).optional(), {
    expected: 'a number such as +15551234567, a short code, or a sender name of up to 11 letters and digits',
    meaning: 'Sender of every SMS: number, short code or sender name.',
  }),
  TWILIO_MESSAGING_SERVICE_SID: option(matching((sid) => /^MG[0-9a-f]{32}$/i.test(sid)).optional(), {
    expected: 'MG and 32 hexadecimal digits',
    meaning: 'A Messaging Service that picks the sender, instead of `TWILIO_FROM`.',
  }),
  TWILIO_BASE_URL: option(baseUrl.optional(), {
    expected: BASE_URL,
    meaning: "Another API host than Twilio's, for tests.",
  }),
  HERALD_SMS_COUNTRIES: option(countries.optional(), {
    expected: 'a list of ISO country codes such as US,CA, or all',
    meaning: 'Countries that SMS may go to; a number of another one is refused. Not set: the country of `TWILIO_FROM`.',
  }),
  HERALD_SMS_PER_HOUR: option(cap.default(500), {
    expected: CAP,
    default: '500',
    meaning: 'At most so many SMS are planned in a clock hour; what is over is held until a person retries it.',
  }),
  HERALD_SMS_PER_RECIPIENT_PER_HOUR: option(cap.default(20), {
    expected: CAP,
    default: '20',
    meaning: 'The same, for one recipient.',
  }),
  HERALD_EMAIL_PER_HOUR: option(cap.optional(), {
    expected: CAP,
    meaning: 'The same for e-mail. Not set: no cap.',
  }),
  HERALD_EMAIL_PER_RECIPIENT_PER_HOUR: option(cap.optional(), {
    expected: CAP,
    meaning: 'The same for e-mail to one recipient. Not set: no cap.',
  }),
  HERALD_SMS_PER_SECOND: option(rate.optional(), {
    expected: RATE,
    meaning: 'At most so many SMS begin in a second, in each process; the others wait. Not set: as fast as they go.',
  }),
  HERALD_EMAIL_PER_SECOND: option(rate.optional(), {
    expected: RATE,
    meaning: 'The same for e-mail.',
  }),
  HERALD_SMS_CONSENT: option(z.enum(['off', 'required', 'double']).default('off'), {
    expected: 'off, required or double',
    default: 'off',
    meaning:
      'Whether an SMS needs consent on record: `required`, or `double` (the person is asked by SMS and answers YES).',
  }),
  HERALD_OPERATOR_EMAIL: option(mailAddress(false).optional(), {
    expected: 'one mail address',
    meaning: 'Who is told of failed and late transcripts.',
  }),
  HERALD_ALERT_WEBHOOK_URL: option(url('http', 'https').optional(), {
    expected: 'an http or https URL',
    meaning: 'Where Herald posts what is wrong with itself, as JSON that Slack understands too.',
  }),
  HERALD_ALERT_SMTP_URL: option(url('smtp', 'smtps').optional(), {
    expected: 'a URL that starts with smtp:// or smtps://',
    meaning: 'Mail server for what is wrong with Herald itself; best another one than that of `SMTP_URL`.',
    hint: 'Write it as smtps://USER:PASSWORD@smtp.example.com, with special characters percent-encoded',
  }),
  HERALD_ALERT_TO: option(mailAddress(false).optional(), {
    expected: 'one mail address',
    meaning: 'Who gets that mail.',
  }),
  HERALD_ALERT_FROM: option(mailAddress(true).optional(), {
    expected: 'one mail address, with or without a name',
    meaning: 'Its sender. Not set: `MAIL_FROM`, else `HERALD_ALERT_TO`.',
  }),
  HERALD_MIN_FREE_BYTES: option(size(0, 1024 * GIB).default(GIB), {
    expected: `${SIZE}, from 0 to 1024GiB`,
    default: '1GiB',
    meaning: 'Less free space than this on the disk of the data directory is told as a problem.',
  }),
  HERALD_BRAND: option(
    oneLine(30)
      .refine((value) => value.trim() !== '')
      .default('Herald'),
    {
      expected: 'one line of at most 30 characters',
      default: 'Herald',
      meaning: 'Name at the start of every SMS and in the e-mails.',
    },
  ),
  HERALD_TIME_ZONE: option(timeZone.default('UTC'), {
    expected: 'an IANA time zone such as Europe/Berlin',
    default: 'UTC',
    meaning: 'Time zone of dates in messages.',
  }),
  HERALD_LOCALE: option(locale.default('en'), {
    expected: 'a language tag such as en or de-AT',
    default: 'en',
    meaning: 'Language of dates and numbers in messages.',
  }),
  HERALD_TEMPLATES_DIR: option(text.optional(), {
    expected: 'the path of a directory',
    meaning: "Your own template files instead of the package's.",
  }),
  HERALD_PRESETS_FILE: option(text.optional(), {
    expected: 'the path of a JSON file',
    meaning: "Your own option presets (`phone-call`, `meeting` …) instead of the package's.",
  }),
  HERALD_MAX_CALLBACK_BYTES: option(size(KIB, 512 * MIB).default(64 * MIB), {
    expected: `${SIZE}, from 1KiB to 512MiB`,
    default: '64MiB',
    meaning: 'Largest callback that is taken. A proxy in front needs the same limit.',
  }),
  HERALD_MAX_AUDIO_BYTES: option(size(KIB, 1024 * GIB).default(2 * GIB), {
    expected: `${SIZE}, from 1KiB to 1024GiB`,
    default: '2GiB',
    meaning: 'Largest upload that is taken; Deepgram itself takes 2 GB.',
  }),
  HERALD_RETENTION_DAYS: option(wholeNumber(1, 36_500).optional(), {
    expected: 'a whole number from 1 to 36500',
    meaning: 'Jobs, transcripts and messages are erased after so many days. Not set: kept.',
  }),
  HERALD_CONTENT_RETENTION_DAYS: option(wholeNumber(1, 36_500).optional(), {
    expected: 'a whole number from 1 to 36500',
    meaning:
      'Words (transcripts, callback bodies, message texts) are dropped after so many days, and the rest is kept. Not set: kept.',
  }),
  HERALD_AUDIO_RETENTION_DAYS: option(wholeNumber(1, 36_500).default(7), {
    expected: 'a whole number from 1 to 36500',
    default: '7',
    meaning:
      'Uploaded audio of failed and overdue jobs is dropped after so many days; that of completed ones is at once.',
  }),
  HERALD_LOG_LEVEL: option(z.enum(LOG_LEVELS).default('info'), {
    expected: `${LOG_LEVELS.slice(0, -1).join(', ')} or ${LOG_LEVELS.at(-1) ?? ''}`,
    default: 'info',
    meaning: 'Least level that is logged; `silent` for none.',
  }),
});

export type Env = z.output<typeof EnvSchema>;
export type OptionName = keyof Env;

export const OPTION_NAMES = Object.keys(EnvSchema.shape) as OptionName[];

export function optionMeta(name: OptionName): OptionMeta {
  const meta = options.get(EnvSchema.shape[name]);
  if (meta === undefined) throw new Error(`${name} has no metadata`);
  return meta;
}
