import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readFile } from 'node:fs/promises';
import { configurationTable, describeSettings, parseEnv, type Settings } from '../../src/config/env.js';
import { EnvSchema, OPTION_NAMES, optionMeta, parseSize } from '../../src/config/env.schema.js';
import { startWarnings } from '../../src/config/start-warnings.js';
import { ConfigError } from '../../src/errors.js';

const SECRET = 'a-secret-of-more-than-thirty-two-characters';
const SID = `AC${'0'.repeat(32)}`;

function problemsOf(env: Record<string, string>): ConfigError {
  try {
    parseEnv(env);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('expected a ConfigError');
}

const pointersOf = (env: Record<string, string>) => problemsOf(env).errors.map(({ pointer }) => pointer);

describe('parseEnv', () => {
  it('needs no variable at all', () => {
    expect(parseEnv({})).toEqual({
      port: 3000,
      host: '127.0.0.1',
      dataDir: './data',
      database: { kind: 'sqlite', file: 'data/herald.sqlite' },
      role: 'all',
      deepgram: { baseUrl: 'https://api.deepgram.com', maxOutstanding: 50, phrases: 'off', maxResubmissions: 2 },
      limits: { email: {}, sms: { perHour: 500, perRecipientPerHour: 20 } },
      smsConsent: 'off',
      alerts: {},
      minFreeBytes: 1024 ** 3,
      brand: 'Herald',
      timeZone: 'UTC',
      locale: 'en',
      maxCallbackBytes: 64 * 1024 * 1024,
      audioRetentionDays: 7,
      maxAudioBytes: 2 * 1024 * 1024 * 1024,
      logLevel: 'info',
    } satisfies Settings);
  });

  it('reads every option into its place', () => {
    const settings = parseEnv({
      PORT: '8080',
      HOST: '0.0.0.0',
      HERALD_PUBLIC_URL: 'https://herald.example.com/base//',
      HERALD_SECRET: SECRET,
      HERALD_ADMIN_KEY: 'admin-key-of-16-or-more',
      HERALD_HOOK_PASSWORD: 'hook-password-of-16',
      HERALD_DATA_DIR: '/var/lib/herald',
      DATABASE_URL: 'postgresql://u:p@db/herald',
      HERALD_ROLE: 'worker',
      DEEPGRAM_API_KEY: 'dg-key',
      DEEPGRAM_BASE_URL: 'https://api.eu.deepgram.com/',
      HERALD_MAX_OUTSTANDING_JOBS: '7',
      HERALD_OVERDUE_MINUTES: '2.5',
      HERALD_MAX_RESUBMISSIONS: '0',
      SMTP_URL: 'smtps://u:p@mail.example.com',
      MAIL_FROM: 'Herald <herald@example.com>',
      TWILIO_ACCOUNT_SID: SID,
      TWILIO_AUTH_TOKEN: 'token',
      TWILIO_FROM: '+15551234567',
      TWILIO_MESSAGING_SERVICE_SID: `MG${'1'.repeat(32)}`,
      TWILIO_BASE_URL: 'http://127.0.0.1:4620',
      HERALD_SMS_COUNTRIES: 'us, ca,us',
      HERALD_SMS_PER_HOUR: '100',
      HERALD_SMS_PER_RECIPIENT_PER_HOUR: 'none',
      HERALD_EMAIL_PER_HOUR: '2000',
      HERALD_EMAIL_PER_RECIPIENT_PER_HOUR: '50',
      HERALD_SMS_PER_SECOND: '0.5',
      HERALD_EMAIL_PER_SECOND: '20',
      HERALD_SMS_CONSENT: 'double',
      HERALD_OPERATOR_EMAIL: 'operator@example.com',
      HERALD_ALERT_WEBHOOK_URL: 'https://hooks.example.com/T0/B0',
      HERALD_ALERT_SMTP_URL: 'smtp://u:p@other.example.com',
      HERALD_ALERT_TO: 'on-call@example.com',
      HERALD_ALERT_FROM: 'Alerts <alerts@example.com>',
      HERALD_MIN_FREE_BYTES: '5GiB',
      HERALD_PHRASES: 'keyterm',
      HERALD_BRAND: 'Acme Calls',
      HERALD_TIME_ZONE: 'Europe/Berlin',
      HERALD_LOCALE: 'de-AT',
      HERALD_TEMPLATES_DIR: '/etc/herald/templates',
      HERALD_PRESETS_FILE: '/etc/herald/presets.json',
      HERALD_MAX_CALLBACK_BYTES: '1 MiB',
      HERALD_MAX_AUDIO_BYTES: '4096',
      HERALD_RETENTION_DAYS: '30',
      HERALD_CONTENT_RETENTION_DAYS: '14',
      HERALD_AUDIO_RETENTION_DAYS: '2',
      HERALD_LOG_LEVEL: 'silent',
    });
    expect(settings).toEqual({
      port: 8080,
      host: '0.0.0.0',
      publicUrl: 'https://herald.example.com/base',
      secret: SECRET,
      adminKey: 'admin-key-of-16-or-more',
      hookPassword: 'hook-password-of-16',
      dataDir: '/var/lib/herald',
      database: { kind: 'postgres', url: 'postgresql://u:p@db/herald' },
      role: 'worker',
      deepgram: {
        apiKey: 'dg-key',
        baseUrl: 'https://api.eu.deepgram.com',
        maxOutstanding: 7,
        phrases: 'keyterm',
        overdueMinutes: 2.5,
        maxResubmissions: 0,
      },
      smtp: { url: 'smtps://u:p@mail.example.com', from: 'Herald <herald@example.com>' },
      twilio: {
        accountSid: SID,
        authToken: 'token',
        from: '+15551234567',
        messagingServiceSid: `MG${'1'.repeat(32)}`,
        baseUrl: 'http://127.0.0.1:4620',
        countries: ['US', 'CA'],
      },
      limits: {
        email: { perHour: 2000, perRecipientPerHour: 50, perSecond: 20 },
        sms: { perHour: 100, perSecond: 0.5 },
      },
      smsConsent: 'double',
      operatorEmail: 'operator@example.com',
      alerts: {
        webhookUrl: 'https://hooks.example.com/T0/B0',
        mail: {
          url: 'smtp://u:p@other.example.com',
          to: 'on-call@example.com',
          from: 'Alerts <alerts@example.com>',
        },
      },
      minFreeBytes: 5 * 1024 ** 3,
      brand: 'Acme Calls',
      timeZone: 'Europe/Berlin',
      locale: 'de-AT',
      templatesDir: '/etc/herald/templates',
      presetsFile: '/etc/herald/presets.json',
      maxCallbackBytes: 1024 * 1024,
      maxAudioBytes: 4096,
      retentionDays: 30,
      contentRetentionDays: 14,
      audioRetentionDays: 2,
      logLevel: 'silent',
    } satisfies Settings);
  });

  it('takes an empty value for an option that is not set', () => {
    const empty = Object.fromEntries(OPTION_NAMES.map((name) => [name, '']));
    expect(parseEnv(empty)).toEqual(parseEnv({}));
  });

  it('sends alerts from the sender of all mail, else from the operator', () => {
    const env = { HERALD_ALERT_SMTP_URL: 'smtp://mail.example.com', HERALD_ALERT_TO: 'on-call@example.com' };
    expect(parseEnv(env).alerts.mail?.from).toBe('on-call@example.com');
    expect(parseEnv({ ...env, SMTP_URL: 'smtp://m', MAIL_FROM: 'a@example.com' }).alerts.mail?.from).toBe(
      'a@example.com',
    );
  });

  it('needs server and address of alert mails together', () => {
    expect(pointersOf({ HERALD_ALERT_SMTP_URL: 'smtp://mail.example.com' })).toEqual(['HERALD_ALERT_TO']);
    expect(pointersOf({ HERALD_ALERT_TO: 'a@example.com' })).toEqual(['HERALD_ALERT_SMTP_URL']);
    expect(pointersOf({ HERALD_ALERT_FROM: 'a@example.com' })).toEqual(['HERALD_ALERT_SMTP_URL']);
  });

  it('needs a public URL for consent that people give by SMS', () => {
    expect(pointersOf({ HERALD_SMS_CONSENT: 'double' })).toEqual(['HERALD_PUBLIC_URL']);
    expect(parseEnv({ HERALD_SMS_CONSENT: 'required' }).smsConsent).toBe('required');
    expect(pointersOf({ HERALD_SMS_CONSENT: 'yes' })).toEqual(['HERALD_SMS_CONSENT']);
  });

  it('lists every problem at once, in the order of the options', () => {
    const error = problemsOf({ HERALD_LOG_LEVEL: 'loud', PORT: 'web', MAIL_FROM: 'a@example.com', HERALD_PORT: '1' });
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message.split('\n')).toEqual([
      'The configuration has 4 problems:',
      '  PORT must be a whole number from 1 to 65535 (got text of 3 characters)',
      '  HERALD_LOG_LEVEL must be trace, debug, info, warn, error, fatal or silent (got text of 4 characters)',
      '  SMTP_URL must be set, because MAIL_FROM is. Set it, or remove MAIL_FROM to capture e-mail',
      '  HERALD_PORT is not an option of Herald. Did you mean PORT?',
    ]);
    expect(error.errors).toHaveLength(4);
  });

  it.each([
    ['PORT', '0'],
    ['PORT', '65536'],
    ['PORT', '80.5'],
    ['PORT', ' 80'],
    ['HOST', '  '],
    ['HERALD_PUBLIC_URL', 'herald.example.com'],
    ['HERALD_PUBLIC_URL', 'ftp://herald.example.com'],
    ['HERALD_PUBLIC_URL', 'https://user:pass@herald.example.com'],
    ['HERALD_PUBLIC_URL', 'https://herald.example.com/?a=1'],
    ['HERALD_SECRET', 'x'.repeat(31)],
    ['HERALD_ADMIN_KEY', 'x'.repeat(15)],
    ['HERALD_HOOK_PASSWORD', 'x'.repeat(15)],
    ['DATABASE_URL', 'mysql://db/herald'],
    ['REDIS_URL', 'redis://127.0.0.1'],
    ['HERALD_ROLE', 'relay'],
    ['HERALD_MAX_OUTSTANDING_JOBS', '0'],
    ['HERALD_OVERDUE_MINUTES', '0'],
    ['HERALD_OVERDUE_MINUTES', '1e3'],
    ['HERALD_OVERDUE_MINUTES', '100001'],
    ['HERALD_MAX_RESUBMISSIONS', '11'],
    ['HERALD_MAX_RESUBMISSIONS', '1.5'],
    ['SMTP_URL', 'mail.example.com:25'],
    ['MAIL_FROM', 'herald'],
    ['MAIL_FROM', 'a@example.com, b@example.com'],
    ['MAIL_FROM', 'a@example.com\r\nBcc: b@example.com'],
    ['TWILIO_ACCOUNT_SID', 'AC123'],
    ['TWILIO_FROM', '+1 555'],
    ['TWILIO_MESSAGING_SERVICE_SID', SID],
    ['HERALD_OPERATOR_EMAIL', 'Operator <o@example.com>'],
    ['HERALD_BRAND', 'two\nlines'],
    ['HERALD_TIME_ZONE', 'Mars/Olympus'],
    ['HERALD_LOCALE', 'english please'],
    ['HERALD_MAX_CALLBACK_BYTES', '64MB'],
    ['HERALD_MAX_CALLBACK_BYTES', '1GiB'],
    ['HERALD_MAX_AUDIO_BYTES', 'lots'],
    ['HERALD_RETENTION_DAYS', '-1'],
    ['HERALD_CONTENT_RETENTION_DAYS', 'soon'],
    ['HERALD_AUDIO_RETENTION_DAYS', '0'],
    ['HERALD_LOG_LEVEL', 'INFO'],
  ])('refuses %s=%j and names what is expected', (name, value) => {
    const problem = problemsOf({ [name]: value }).errors.find(({ pointer }) => pointer === name);
    expect(problem?.message).toMatch(
      new RegExp(`^${name} must be .+ \\(got text of ${String(value.length)} characters\\)`),
    );
  });

  it.each([
    ['a number', '+15551234567'],
    ['a short code', '72404'],
    ['a sender name', 'Acme Calls'],
  ])('takes %s as TWILIO_FROM', (_kind, from) => {
    const env = { TWILIO_ACCOUNT_SID: SID, TWILIO_AUTH_TOKEN: 'token', TWILIO_FROM: from };
    expect(parseEnv(env).twilio?.from).toBe(from);
  });

  it('says that the BullMQ dispatcher is not there instead of ignoring REDIS_URL', () => {
    expect(problemsOf({ REDIS_URL: 'redis://127.0.0.1' }).message).toContain(
      'this version has no BullMQ dispatcher yet',
    );
  });

  it.each([
    [{ TWILIO_ACCOUNT_SID: SID }, ['TWILIO_AUTH_TOKEN', 'TWILIO_FROM']],
    [{ TWILIO_AUTH_TOKEN: 'token' }, ['TWILIO_ACCOUNT_SID', 'TWILIO_FROM']],
    [{ TWILIO_FROM: '+15551234567' }, ['TWILIO_ACCOUNT_SID', 'TWILIO_AUTH_TOKEN']],
    [{ SMTP_URL: 'smtp://localhost' }, ['MAIL_FROM']],
    [{ MAIL_FROM: 'a@example.com' }, ['SMTP_URL']],
    [{ DATABASE_URL: 'postgres://db/herald' }, ['HERALD_SECRET']],
    [{ HERALD_ROLE: 'worker' }, ['DATABASE_URL']],
    [{ HERALD_ROLE: 'api' }, ['DATABASE_URL']],
  ])('with only %j asks for %j', (env, missing) => {
    expect(pointersOf(env)).toEqual(missing);
  });

  it('takes a Messaging Service instead of a sender', () => {
    const service = `MG${'1'.repeat(32)}`;
    const env = { TWILIO_ACCOUNT_SID: SID, TWILIO_AUTH_TOKEN: 'token', TWILIO_MESSAGING_SERVICE_SID: service };
    expect(parseEnv(env).twilio).toEqual({ accountSid: SID, authToken: 'token', messagingServiceSid: service });
  });

  it.each([
    ['HERALD_SECERT', 'HERALD_SECRET'],
    ['HERALD_DEEPGRAM_API_KEY', 'DEEPGRAM_API_KEY'],
    ['HERALD_TIMEZONE', 'HERALD_TIME_ZONE'],
  ])('refuses the unknown %s and suggests %s', (name, suggestion) => {
    expect(problemsOf({ [name]: 'x' }).errors[0]).toMatchObject({ pointer: name, suggestion });
  });

  it('suggests nothing where no option is near', () => {
    expect(problemsOf({ HERALD_FLUX_CAPACITOR: 'x' }).errors[0]?.suggestion).toBeUndefined();
  });

  it('leaves variables of other programs alone', () => {
    expect(parseEnv({ PATH: '/usr/bin', TWILIO_CLI: 'x', HERALDRY: 'x' })).toEqual(parseEnv({}));
  });

  it('never repeats a value in a problem, whatever is wrong with it', () => {
    const marked = fc.string({ minLength: 1, maxLength: 20 }).map((tail) => `zqx7${tail}`);
    fc.assert(
      fc.property(fc.constantFrom(...OPTION_NAMES), marked, (name, value) => {
        try {
          parseEnv({ [name]: value });
        } catch (error) {
          expect(JSON.stringify([(error as Error).message, (error as ConfigError).errors])).not.toContain('zqx7');
        }
      }),
    );
  });
});

describe('parseSize', () => {
  it.each([
    ['1', 1],
    ['64MiB', 64 * 1024 ** 2],
    ['2 gib', 2 * 1024 ** 3],
    ['3KiB', 3072],
    ['10B', 10],
  ])('reads %j as %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', 'MiB', '1.5MiB', '-1', '1MB', '1e9', '1MiB!'])('does not guess at %j', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });
});

describe('startWarnings', () => {
  const warningsFor = (publicUrl: string, env: Record<string, string> = {}) =>
    startWarnings(parseEnv({ HERALD_PUBLIC_URL: publicUrl, ...env }));

  it.each([
    'https://herald.example.com',
    'https://herald.example.com:8443/base',
    'https://8.8.8.8',
    'https://172.32.0.1',
  ])('has nothing to say about %s', (publicUrl) => {
    expect(warningsFor(publicUrl)).toEqual([]);
  });

  it.each([
    ['https://herald.example.com:3000', 'port 3000'],
    ['https://herald.example.com:8081', 'port 8081'],
    ['https://my_herald.example.com', 'underscore'],
    ['http://herald.example.com', 'unencrypted'],
    ['http://localhost', 'local or private'],
    ['https://herald', 'local or private'],
    ['https://herald.local', 'local or private'],
    ['https://127.0.0.1', 'local or private'],
    ['https://10.1.2.3', 'local or private'],
    ['https://172.16.0.1', 'local or private'],
    ['https://192.168.1.1', 'local or private'],
    ['https://100.64.0.1', 'local or private'],
    ['https://[::1]', 'local or private'],
    ['https://[fd00::1]', 'local or private'],
    ['https://[::ffff:10.0.0.1]', 'local or private'],
  ])('warns of %s: %s', (publicUrl, words) => {
    expect(warningsFor(publicUrl)).toEqual([expect.stringContaining(words)]);
  });

  it('tells of each reason', () => {
    expect(warningsFor('http://my_herald.local:3000')).toHaveLength(3);
  });

  it('leaves the addresses that a Deepgram of your own may call alone', () => {
    expect(warningsFor('http://127.0.0.1:3000', { DEEPGRAM_BASE_URL: 'http://127.0.0.1:9000' })).toEqual([]);
  });

  it('warns when alerts go over the mail server that they tell of', () => {
    const env = {
      SMTP_URL: 'smtp://a:b@mail.example.com',
      MAIL_FROM: 'a@example.com',
      HERALD_ALERT_TO: 'a@example.com',
    };
    expect(startWarnings(parseEnv({ ...env, HERALD_ALERT_SMTP_URL: 'smtp://c:d@mail.example.com' }))).toEqual([
      expect.stringContaining('HERALD_ALERT_SMTP_URL'),
    ]);
    expect(startWarnings(parseEnv({ ...env, HERALD_ALERT_SMTP_URL: 'smtp://other.example.com' }))).toEqual([]);
  });

  it('warns when a job could be submitted but never called back', () => {
    expect(startWarnings(parseEnv({ DEEPGRAM_API_KEY: 'key' }))).toEqual([
      expect.stringContaining('HERALD_PUBLIC_URL'),
    ]);
    expect(startWarnings(parseEnv({}))).toEqual([]);
  });
});

describe('describeSettings', () => {
  it('shows secrets and addresses only as configured or not', () => {
    const hidden = {
      HERALD_SECRET: `zqx7${SECRET}`,
      HERALD_ADMIN_KEY: 'zqx7-admin-key-of-16',
      HERALD_HOOK_PASSWORD: 'zqx7-hook-password',
      DATABASE_URL: 'postgres://zqx7:zqx7@zqx7/zqx7',
      DEEPGRAM_API_KEY: 'zqx7',
      SMTP_URL: 'smtp://zqx7:zqx7@zqx7',
      MAIL_FROM: 'zqx7@example.com',
      TWILIO_ACCOUNT_SID: SID,
      TWILIO_AUTH_TOKEN: 'zqx7',
      TWILIO_FROM: 'zqx7',
      HERALD_OPERATOR_EMAIL: 'zqx7@example.com',
      HERALD_ALERT_WEBHOOK_URL: 'https://zqx7:zqx7@zqx7/zqx7?zqx7',
      HERALD_ALERT_SMTP_URL: 'smtp://zqx7:zqx7@zqx7',
      HERALD_ALERT_TO: 'zqx7@example.com',
    };
    const shown = describeSettings(parseEnv(hidden));
    expect(shown).toMatchObject({ secret: 'configured', smtp: 'configured', database: 'postgres' });
    expect(JSON.stringify(shown)).not.toContain('zqx7');
    expect(JSON.stringify(shown)).not.toContain(SID);
  });

  it('says what is missing', () => {
    expect(describeSettings(parseEnv({}))).toMatchObject({ smtp: 'not configured', twilio: 'not configured' });
  });
});

describe('the documentation of the options', () => {
  it('gives a default in the table exactly where the schema has one', () => {
    const settings = JSON.stringify(parseEnv({}));
    const given = Object.fromEntries(OPTION_NAMES.map((name) => [name, optionMeta(name).default]));
    expect(JSON.stringify(parseEnv(given))).toBe(settings);
    const filledIn = Object.values(EnvSchema.parse({})).filter((value) => value !== undefined);
    expect(Object.values(given).filter((value) => value !== undefined)).toHaveLength(filledIn.length);
  });

  it('is the table in the README: run `npm run readme` after a change', async () => {
    const readme = await readFile('README.md', 'utf8');
    const [, table] = /<!-- configuration:begin -->\n([^]*?)\n<!-- configuration:end -->/.exec(readme) ?? [];
    expect(table?.replace('<!-- prettier-ignore -->', '').trim()).toBe(configurationTable());
  });
});
