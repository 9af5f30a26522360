import type { Settings } from './env.js';

/** The only ports that hosted Deepgram calls. */
const CALLABLE_PORTS = ['80', '443', '8080', '8443'];

/**
 * What lets Herald start but will not work as the operator hopes: one sentence each, with the mend.
 * The limits are those of hosted Deepgram; a Deepgram of your own may call any address.
 */
export function startWarnings(settings: Settings): string[] {
  return [...callbackWarnings(settings), ...alertWarnings(settings), ...smsWarnings(settings)];
}

/** An alert over the server that it tells of would not arrive. */
function alertWarnings({ smtp, alerts }: Settings): string[] {
  if (!smtp || !alerts.mail || new URL(smtp.url).host !== new URL(alerts.mail.url).host) return [];
  return [
    'HERALD_ALERT_SMTP_URL is the mail server of SMTP_URL, so nobody is told when that one fails: use another server, or HERALD_ALERT_WEBHOOK_URL as well.',
  ];
}

/** Who can make transcripts could have messages sent to any number on earth, at the owner's cost. */
function smsWarnings({ twilio }: Settings): string[] {
  if (!twilio || twilio.countries) return [];
  return [
    'SMS go to every country, because TWILIO_FROM does not tell one: set HERALD_SMS_COUNTRIES to those of your recipients, such as US,CA.',
  ];
}

function callbackWarnings({ publicUrl, deepgram }: Settings): string[] {
  if (!isHostedDeepgram(deepgram.baseUrl)) return [];
  if (publicUrl !== undefined) return callbackUrlWarnings(new URL(publicUrl));
  if (deepgram.apiKey === undefined) return [];
  return [
    'DEEPGRAM_API_KEY is set but HERALD_PUBLIC_URL is not, so Deepgram cannot call back and no job will finish: set HERALD_PUBLIC_URL to the address at which the internet reaches this Herald.',
  ];
}

function isHostedDeepgram(baseUrl: string): boolean {
  return /(^|\.)deepgram\.com$/.test(new URL(baseUrl).hostname);
}

function callbackUrlWarnings({ protocol, port, hostname }: URL): string[] {
  const warnings: string[] = [];
  const actualPort = port || (protocol === 'https:' ? '443' : '80');
  if (!CALLABLE_PORTS.includes(actualPort)) {
    warnings.push(
      `HERALD_PUBLIC_URL has port ${actualPort}, which Deepgram does not call: use 80, 443, 8080 or 8443, for example through a proxy.`,
    );
  }
  if (hostname.includes('_')) {
    warnings.push(
      'HERALD_PUBLIC_URL has an underscore in its host name, and Deepgram refuses such a callback: use a host name without one.',
    );
  }
  if (isPrivateHost(hostname)) {
    warnings.push(
      'HERALD_PUBLIC_URL is a local or private address, which Deepgram cannot reach: use a public host name or a tunnel.',
    );
  } else if (protocol === 'http:') {
    warnings.push(
      'HERALD_PUBLIC_URL is plain http, so transcripts and callback passwords cross the internet unencrypted: use https.',
    );
  }
  return warnings;
}

const PRIVATE_IPV4 =
  /^(0|10|127)\.|^192\.168\.|^169\.254\.|^172\.(1[6-9]|2\d|3[01])\.|^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./;
const PRIVATE_IPV6 = /^\[(::1?\]|::ffff:|f[cd]|fe[89ab])/;

/** True for loopback, private, link-local and shared addresses and for names that only a local network resolves. */
export function isPrivateHost(hostname: string): boolean {
  if (hostname.startsWith('[')) return PRIVATE_IPV6.test(hostname);
  if (/^[\d.]+$/.test(hostname)) return PRIVATE_IPV4.test(hostname);
  return !hostname.includes('.') || /\.(localhost|local|internal|lan|home\.arpa)\.?$/.test(hostname);
}
