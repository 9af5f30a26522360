import path from 'node:path';
import { ConfigError, type FieldError } from '../errors.js';
import { nearest } from '../suggestion.js';
import { countryOf } from './sms-countries.js';
import { EnvSchema, OPTION_NAMES, optionMeta, type Env, type LOG_LEVELS, type OptionName } from './env.schema.js';

/** Everything that the operator can set, read once at start. */
export interface Settings {
  port: number;
  host: string;
  /** Without a slash at the end. */
  publicUrl?: string;
  secret?: string;
  adminKey?: string;
  hookPassword?: string;
  dataDir: string;
  database: { kind: 'sqlite'; file: string } | { kind: 'postgres'; url: string };
  role: 'all' | 'api' | 'worker';
  deepgram: {
    apiKey?: string;
    /** Without a slash at the end. */
    baseUrl: string;
    maxOutstanding: number;
    /** Which phrases of enabled rules go along with a job. */
    phrases: 'off' | 'keyterm' | 'search';
    /** Absent: computed for each job. */
    overdueMinutes?: number;
    maxResubmissions: number;
  };
  /** Absent: e-mail is captured. */
  smtp?: { url: string; from: string };
  /** Absent: SMS are captured. At least one of `from` and `messagingServiceSid` is there. */
  twilio?: {
    accountSid: string;
    authToken: string;
    from?: string;
    messagingServiceSid?: string;
    baseUrl?: string;
    /** ISO codes; absent: SMS go to any country. */
    countries?: string[];
  };
  /** What is planned and sent at most, by kind of message. */
  limits: { email: ChannelLimits; sms: ChannelLimits };
  /** What an SMS needs of its recipient. */
  smsConsent: 'off' | 'required' | 'double';
  operatorEmail?: string;
  /** How the operator is told what is wrong with Herald itself. Both absent: the log at error level. */
  alerts: { webhookUrl?: string; mail?: { url: string; to: string; from: string } };
  /** Less than this free in the data directory is a problem. */
  minFreeBytes: number;
  brand: string;
  /** IANA name. */
  timeZone: string;
  /** BCP 47 tag. */
  locale: string;
  /** Absent: the templates of the package. */
  templatesDir?: string;
  presetsFile?: string;
  maxCallbackBytes: number;
  maxAudioBytes: number;
  /** Absent: nothing is erased by age. */
  retentionDays?: number;
  /** Absent: words are kept as long as their job. */
  contentRetentionDays?: number;
  audioRetentionDays: number;
  logLevel: (typeof LOG_LEVELS)[number];
}

/** Absent: no limit. */
export interface ChannelLimits {
  /** Planned in a clock hour (UTC). */
  perHour?: number;
  perRecipientPerHour?: number;
  /** Begun in a second by one process. */
  perSecond?: number;
}

type Given = Partial<Record<string, string>>;

/**
 * Reads the settings from environment variables; an empty value counts as not set.
 * @throws ConfigError that lists every problem at once; no value, and so no secret, is ever part of it
 */
export function parseEnv(env: Record<string, string | undefined>): Settings {
  const given: Given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = EnvSchema.safeParse(given);
  const problems = [
    ...(parsed.success ? [] : wrongValues(parsed.error.issues, given)),
    ...missingPartners(given),
    ...unknownNames(given),
  ];
  if (!parsed.success || problems.length > 0) throw new ConfigError(report(problems), { errors: problems });
  return toSettings(parsed.data);
}

function report(problems: FieldError[]): string {
  const count = problems.length === 1 ? '1 problem' : `${String(problems.length)} problems`;
  return [`The configuration has ${count}:`, ...problems.map(({ message }) => `  ${message}`)].join('\n');
}

function wrongValues(issues: readonly { path: PropertyKey[] }[], given: Given): FieldError[] {
  const wrong = new Set(issues.map((issue) => issue.path[0]));
  return OPTION_NAMES.filter((name) => wrong.has(name)).map((name) => {
    const { expected, hint } = optionMeta(name);
    const got = `text of ${String(given[name]?.length ?? 0)} characters`;
    return { pointer: name, message: sentence(`${name} must be ${expected} (got ${got})`, hint) };
  });
}

function sentence(problem: string, hint: string | undefined): string {
  return hint === undefined ? problem : `${problem}. ${hint}`;
}

/** Options that make sense only together. Works on what was given, so that it adds to the problems of single values. */
function missingPartners(given: Given): FieldError[] {
  const problems: FieldError[] = [];
  const has = (name: OptionName) => given[name] !== undefined;
  const need = (pointer: OptionName, because: string, hint?: string) => {
    if (!has(pointer))
      problems.push({ pointer, message: sentence(`${pointer} must be set, because ${because}`, hint) });
  };

  if (has('SMTP_URL')) need('MAIL_FROM', 'SMTP_URL is', optionMeta('MAIL_FROM').hint);
  if (has('MAIL_FROM')) need('SMTP_URL', 'MAIL_FROM is', 'Set it, or remove MAIL_FROM to capture e-mail');
  const twilio = (
    ['TWILIO_ACCOUNT_SID', 'TWILIO_AUTH_TOKEN', 'TWILIO_FROM', 'TWILIO_MESSAGING_SERVICE_SID'] as const
  ).find(has);
  if (twilio !== undefined) {
    need('TWILIO_ACCOUNT_SID', `${twilio} is`);
    need('TWILIO_AUTH_TOKEN', `${twilio} is`);
    if (!has('TWILIO_MESSAGING_SERVICE_SID')) {
      need('TWILIO_FROM', `${twilio} is`, 'Set it or TWILIO_MESSAGING_SERVICE_SID');
    }
  }
  if (given.HERALD_SMS_CONSENT === 'double')
    need('HERALD_PUBLIC_URL', 'HERALD_SMS_CONSENT is double', 'Answers by SMS come in under it');
  if (has('HERALD_ALERT_SMTP_URL')) need('HERALD_ALERT_TO', 'HERALD_ALERT_SMTP_URL is');
  const alertMail = (['HERALD_ALERT_TO', 'HERALD_ALERT_FROM'] as const).find(has);
  if (alertMail !== undefined) need('HERALD_ALERT_SMTP_URL', `${alertMail} is`);
  if (has('DATABASE_URL')) {
    need('HERALD_SECRET', 'all replicas on one PostgreSQL have to share it', optionMeta('HERALD_SECRET').hint);
  }
  if (given.HERALD_ROLE === 'api' || given.HERALD_ROLE === 'worker') {
    need('DATABASE_URL', 'HERALD_ROLE is not all', 'Only PostgreSQL can be shared between processes');
  }
  return problems;
}

/** Of the commands that talk to a running Herald; it may stand beside the options of the server. */
const OF_COMMANDS = ['HERALD_URL'];

/** A misspelt option must not be ignored: it would silently run with the default. Only our own prefix can be judged. */
function unknownNames(given: Given): FieldError[] {
  const known = new Set<string>([...OPTION_NAMES, ...OF_COMMANDS]);
  const withoutPrefix = (name: string) => name.replace(/^HERALD_/, '');
  const unknown = Object.keys(given).filter((name) => name.startsWith('HERALD_') && !known.has(name));
  return unknown.map((name) => {
    const near = nearest(withoutPrefix(name), OPTION_NAMES.map(withoutPrefix));
    const suggestion = OPTION_NAMES.find((option) => withoutPrefix(option) === near);
    const hint = suggestion === undefined ? 'The README lists every option' : `Did you mean ${suggestion}?`;
    const problem = { pointer: name, message: `${name} is not an option of Herald. ${hint}` };
    return suggestion === undefined ? problem : { ...problem, suggestion };
  });
}

function toSettings(env: Env): Settings {
  return {
    port: env.PORT,
    host: env.HOST,
    ...optional('publicUrl', env.HERALD_PUBLIC_URL),
    ...optional('secret', env.HERALD_SECRET),
    ...optional('adminKey', env.HERALD_ADMIN_KEY),
    ...optional('hookPassword', env.HERALD_HOOK_PASSWORD),
    dataDir: env.HERALD_DATA_DIR,
    database:
      env.DATABASE_URL === undefined
        ? { kind: 'sqlite', file: path.join(env.HERALD_DATA_DIR, 'herald.sqlite') }
        : { kind: 'postgres', url: env.DATABASE_URL },
    role: env.HERALD_ROLE,
    deepgram: {
      ...optional('apiKey', env.DEEPGRAM_API_KEY),
      baseUrl: env.DEEPGRAM_BASE_URL,
      maxOutstanding: env.HERALD_MAX_OUTSTANDING_JOBS,
      phrases: env.HERALD_PHRASES,
      ...optional('overdueMinutes', env.HERALD_OVERDUE_MINUTES),
      maxResubmissions: env.HERALD_MAX_RESUBMISSIONS,
    },
    ...channelSettings(env),
    limits: limitSettings(env),
    smsConsent: env.HERALD_SMS_CONSENT,
    ...optional('operatorEmail', env.HERALD_OPERATOR_EMAIL),
    alerts: alertSettings(env),
    minFreeBytes: env.HERALD_MIN_FREE_BYTES,
    brand: env.HERALD_BRAND,
    timeZone: env.HERALD_TIME_ZONE,
    locale: env.HERALD_LOCALE,
    ...optional('templatesDir', env.HERALD_TEMPLATES_DIR),
    ...optional('presetsFile', env.HERALD_PRESETS_FILE),
    maxCallbackBytes: env.HERALD_MAX_CALLBACK_BYTES,
    maxAudioBytes: env.HERALD_MAX_AUDIO_BYTES,
    ...optional('retentionDays', env.HERALD_RETENTION_DAYS),
    ...optional('contentRetentionDays', env.HERALD_CONTENT_RETENTION_DAYS),
    audioRetentionDays: env.HERALD_AUDIO_RETENTION_DAYS,
    logLevel: env.HERALD_LOG_LEVEL,
  };
}

function channelSettings(env: Env): Pick<Settings, 'smtp' | 'twilio'> {
  const { SMTP_URL, MAIL_FROM, TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN } = env;
  const settings: Pick<Settings, 'smtp' | 'twilio'> = {};
  if (SMTP_URL !== undefined && MAIL_FROM !== undefined) settings.smtp = { url: SMTP_URL, from: MAIL_FROM };
  if (TWILIO_ACCOUNT_SID !== undefined && TWILIO_AUTH_TOKEN !== undefined) {
    settings.twilio = {
      accountSid: TWILIO_ACCOUNT_SID,
      authToken: TWILIO_AUTH_TOKEN,
      ...optional('from', env.TWILIO_FROM),
      ...optional('messagingServiceSid', env.TWILIO_MESSAGING_SERVICE_SID),
      ...optional('baseUrl', env.TWILIO_BASE_URL),
      ...optional('countries', allowedCountries(env)),
    };
  }
  return settings;
}

function alertSettings(env: Env): Settings['alerts'] {
  const { HERALD_ALERT_SMTP_URL: url, HERALD_ALERT_TO: to, HERALD_ALERT_FROM, MAIL_FROM } = env;
  const mail =
    url === undefined || to === undefined ? undefined : { url, to, from: HERALD_ALERT_FROM ?? MAIL_FROM ?? to };
  return { ...optional('webhookUrl', env.HERALD_ALERT_WEBHOOK_URL), ...optional('mail', mail) };
}

function allowedCountries({ HERALD_SMS_COUNTRIES, TWILIO_FROM }: Env): string[] | undefined {
  if (HERALD_SMS_COUNTRIES !== undefined) return HERALD_SMS_COUNTRIES === 'all' ? undefined : HERALD_SMS_COUNTRIES;
  const own = TWILIO_FROM === undefined ? undefined : countryOf(TWILIO_FROM);
  return own === undefined ? undefined : [own];
}

function limitSettings(env: Env): Settings['limits'] {
  return {
    email: {
      ...optional('perHour', env.HERALD_EMAIL_PER_HOUR ?? undefined),
      ...optional('perRecipientPerHour', env.HERALD_EMAIL_PER_RECIPIENT_PER_HOUR ?? undefined),
      ...optional('perSecond', env.HERALD_EMAIL_PER_SECOND),
    },
    sms: {
      ...optional('perHour', env.HERALD_SMS_PER_HOUR ?? undefined),
      ...optional('perRecipientPerHour', env.HERALD_SMS_PER_RECIPIENT_PER_HOUR ?? undefined),
      ...optional('perSecond', env.HERALD_SMS_PER_SECOND),
    },
  };
}

/** An absent setting is an absent key, so that settings print and compare as they are. */
function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}

/** Settings as pairs for the one summary line at start. Secrets and addresses only as "configured" or "not configured". */
export function describeSettings(settings: Settings): Record<string, string> {
  const configured = (value: unknown) => (value === undefined ? 'not configured' : 'configured');
  const { deepgram } = settings;
  return {
    listen: `${settings.host}:${String(settings.port)}`,
    publicUrl: settings.publicUrl ?? 'not configured',
    role: settings.role,
    database: settings.database.kind,
    dataDir: settings.dataDir,
    secret: configured(settings.secret),
    adminKey: configured(settings.adminKey),
    hookPassword: configured(settings.hookPassword),
    'deepgram.apiKey': configured(deepgram.apiKey),
    'deepgram.baseUrl': deepgram.baseUrl,
    'deepgram.maxOutstanding': String(deepgram.maxOutstanding),
    'deepgram.phrases': deepgram.phrases,
    'deepgram.overdueMinutes': deepgram.overdueMinutes === undefined ? 'computed' : String(deepgram.overdueMinutes),
    'deepgram.maxResubmissions': String(deepgram.maxResubmissions),
    smtp: configured(settings.smtp),
    twilio: configured(settings.twilio),
    smsCountries: settings.twilio?.countries?.join(',') ?? 'all',
    ...describeLimits(settings.limits),
    smsConsent: settings.smsConsent,
    operatorEmail: configured(settings.operatorEmail),
    'alerts.webhook': configured(settings.alerts.webhookUrl),
    'alerts.mail': configured(settings.alerts.mail),
    minFreeBytes: String(settings.minFreeBytes),
    brand: settings.brand,
    timeZone: settings.timeZone,
    locale: settings.locale,
    templatesDir: settings.templatesDir ?? 'of the package',
    presetsFile: settings.presetsFile ?? 'of the package',
    maxCallbackBytes: String(settings.maxCallbackBytes),
    maxAudioBytes: String(settings.maxAudioBytes),
    retentionDays: settings.retentionDays === undefined ? 'kept for ever' : String(settings.retentionDays),
    contentRetentionDays:
      settings.contentRetentionDays === undefined ? 'as the job' : String(settings.contentRetentionDays),
    audioRetentionDays: String(settings.audioRetentionDays),
    logLevel: settings.logLevel,
  };
}

function describeLimits({ email, sms }: Settings['limits']): Record<string, string> {
  const shown = (limit: number | undefined) => (limit === undefined ? 'none' : String(limit));
  return Object.fromEntries(
    Object.entries({ email, sms }).flatMap(([kind, limits]: [string, ChannelLimits]) => [
      [`${kind}.perHour`, shown(limits.perHour)],
      [`${kind}.perRecipientPerHour`, shown(limits.perRecipientPerHour)],
      [`${kind}.perSecond`, shown(limits.perSecond)],
    ]),
  );
}

/** The README's table of options, one row an option, in the order of the schema; ends without a line break. */
export function configurationTable(): string {
  const rows = OPTION_NAMES.map((name) => {
    const meta = optionMeta(name);
    const byDefault = meta.default === undefined ? '' : `\`${meta.default}\``;
    return `| \`${name}\` | ${byDefault} | ${meta.meaning} |`;
  });
  return ['| variable | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}
