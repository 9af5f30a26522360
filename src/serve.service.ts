import { describeSettings, parseEnv } from './config/env.js';
import { startWarnings } from './config/start-warnings.js';
import { Database } from './database/database.service.js';
import { SECOND } from './duration.js';
import { HeraldError } from './errors.js';
import { errorFields, Log } from './log.service.js';
import { startHerald, type RunningHerald } from './start.service.js';

const STOP_WITHIN = 9.5 * SECOND;
const REFUSING_MS = 200;

/** Runs Herald until it is told to stop. Ends the process with 1, and every problem on standard error, when it cannot start. */
export async function serve(env: Record<string, string | undefined>): Promise<RunningHerald | undefined> {
  const started = performance.now();
  try {
    const settings = parseEnv(env);
    const log = new Log(settings.logLevel);
    const herald = await startHerald(settings, log);
    // Here and not where the application is made: in the demo, or in a program that embeds Herald, signals are somebody else's.
    // With an exit of its own, because a process that ends by the signal does not end with 0.
    herald.app.enableShutdownHooks([], { useProcessExit: true });
    endWhenAsked(log);
    endAfterFailedSync(herald, log);
    log.info('herald.started', {
      url: herald.url,
      ms: Math.round(performance.now() - started),
      ...describeSettings(settings),
    });
    for (const warning of startWarnings(settings)) log.warn('herald.warning', { warning });
    greet(herald);
    return herald;
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n`);
    process.exitCode = 1;
    return undefined;
  }
}

/** A second signal ends at once, and so does the first when something hangs: whoever stops a service waits ten seconds, then kills it. */
function endWhenAsked(log: Log): void {
  let asked = false;
  const onSignal = (): void => {
    if (asked) process.exit(1);
    asked = true;
    setTimeout(() => {
      log.error('herald.stop-hung');
      process.exit(1);
    }, STOP_WITHIN).unref();
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
}

/** See docs/adr/0016: what a disk holds after a failed sync nobody knows, so nothing more is taken; the next start finds out. */
function endAfterFailedSync({ app }: RunningHerald, log: Log): void {
  app.get(Database).onLastingTrouble(({ fault, reason }) => {
    log.error('database.lost', { fault, reason });
    if (fault !== 'unsynced') return;
    process.exitCode = 1;
    // Those who wait are refused first.
    setTimeout(() => process.exit(1), REFUSING_MS);
  });
}

/** For the person who started it; not a log line, because the key is in it. */
function greet({ url, adminKey, settings, secretMade }: RunningHerald): void {
  const lines = [
    `Herald listens on ${url}. API: ${url}/docs`,
    ...(secretMade ? [`Made HERALD_SECRET and keep it in ${settings.dataDir}/secret. Back it up with the data.`] : []),
    ...(adminKey === undefined ? [] : ['', `Admin key, shown only this once: ${adminKey}`, '']),
    ...(settings.smtp ? [] : ['E-mail is captured: nothing is sent until SMTP_URL and MAIL_FROM are set.']),
    ...(settings.twilio ? [] : ['SMS is captured: nothing is sent until TWILIO_ACCOUNT_SID and its partners are set.']),
    ...(settings.deepgram.apiKey === undefined
      ? ['Audio cannot be submitted until DEEPGRAM_API_KEY is set; callbacks are taken all the same.']
      : []),
  ];
  process.stderr.write(`${lines.join('\n')}\n`);
}

function reasonOf(error: unknown): string {
  if (error instanceof HeraldError) {
    const details = error.errors
      .filter(({ message }) => !error.message.includes(message))
      .map(({ pointer, message }) => `  ${pointer}: ${message}`);
    return ['Herald cannot start.', error.message, ...details].join('\n');
  }
  const { error: name, errorCode } = errorFields(error);
  return `Herald cannot start (${name}${errorCode === undefined ? '' : ` ${errorCode}`}).`;
}
