/** Which vendors the demo really uses, and with which variables; decided before anything is started. */
export interface DemoPlan {
  real: { deepgram: boolean; email: boolean; sms: boolean };
  /** Variables of the caller that Herald gets. Data directory, database, secret and keys are always the demo's own. */
  passed: Record<string, string>;
  /** Where the messages go. */
  email: string;
  manager: string;
  phone: string;
  /** The port that must be taken; undefined: the first free one from 3000. */
  port: number | undefined;
  /** Set: the address at which vendors reach Herald. Unset: loopback. */
  publicUrl: string | undefined;
}

/** The demo cannot run as the variables are; the message says what to do. */
export class DemoPlanError extends Error {}

const LOOKS = ['HERALD_BRAND', 'HERALD_TIME_ZONE', 'HERALD_LOCALE', 'HERALD_TEMPLATES_DIR', 'HERALD_PRESETS_FILE'];
const DEEPGRAM = ['DEEPGRAM_API_KEY', 'DEEPGRAM_BASE_URL'];
const SMTP = ['SMTP_URL', 'MAIL_FROM'];
const TWILIO = [
  ...['TWILIO_ACCOUNT_SID', 'TWILIO_AUTH_TOKEN', 'TWILIO_FROM'],
  ...['TWILIO_MESSAGING_SERVICE_SID', 'TWILIO_BASE_URL'],
];

/**
 * @param env the caller's variables; an empty one counts as not set
 * @throws DemoPlanError when a real service lacks what only the caller can give
 */
export function planDemo(env: Record<string, string | undefined>): DemoPlan {
  const given = (name: string): string | undefined => env[name] || undefined;
  const real = {
    deepgram: given('DEEPGRAM_API_KEY') !== undefined,
    email: given('SMTP_URL') !== undefined,
    sms: given('TWILIO_ACCOUNT_SID') !== undefined,
  };
  const publicUrl = real.deepgram || real.sms ? given('HERALD_PUBLIC_URL')?.replace(/\/+$/, '') : undefined;
  if (publicUrl === undefined && (real.deepgram || real.sms)) throw new DemoPlanError(missingPublicUrl(real, env));
  const email = recipientOf(given('DEMO_EMAIL') ?? given('MAIL_FROM'), real.email);
  const phone = given('DEMO_PHONE');
  if (real.sms && phone === undefined) {
    throw new DemoPlanError(
      'TWILIO_ACCOUNT_SID is set, so a real SMS would go out. Say to whom: DEMO_PHONE=+14155550123',
    );
  }
  return {
    real,
    passed: pick(env, [
      ...LOOKS,
      ...(real.deepgram ? DEEPGRAM : []),
      ...(real.email ? SMTP : []),
      ...(real.sms ? TWILIO : []),
    ]),
    email: email ?? 'nadia@birchandbrook.example',
    manager: email ?? 'manager@birchandbrook.example',
    phone: real.sms && phone !== undefined ? phone : '+12125550142',
    port: portOf(given('PORT')),
    publicUrl,
  };
}

/** A real mail goes where the caller says, or to the sender; the stand-in takes any. */
function recipientOf(address: string | undefined, real: boolean): string | undefined {
  if (!real) return undefined;
  const bare = address === undefined ? undefined : (/<([^<>]+)>\s*$/.exec(address)?.[1] ?? address);
  if (bare === undefined) {
    throw new DemoPlanError(
      'SMTP_URL is set, so a real e-mail would go out. Set MAIL_FROM to its sender, and DEMO_EMAIL to who gets it (otherwise the sender does).',
    );
  }
  return bare;
}

function missingPublicUrl(real: DemoPlan['real'], env: Record<string, string | undefined>): string {
  const port = env.PORT || '3000';
  const who = real.deepgram ? 'DEEPGRAM_API_KEY is set, and Deepgram' : 'TWILIO_ACCOUNT_SID is set, and Twilio';
  return [
    `${who} calls back over the internet: it must reach this machine.`,
    `Open a tunnel to port ${port}, for example:`,
    `  cloudflared tunnel --url http://localhost:${port}`,
    'Then run the demo again with the address that it shows:',
    '  HERALD_PUBLIC_URL=https://…',
    `(Or unset ${real.deepgram ? 'DEEPGRAM_API_KEY' : 'TWILIO_ACCOUNT_SID'} to use the stand-in.)`,
  ].join('\n');
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new DemoPlanError('PORT must be a whole number from 1 to 65535');
  return port;
}

function pick(env: Record<string, string | undefined>, names: string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}
