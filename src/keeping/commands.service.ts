import { parseArgs } from 'node:util';
import { parseEnv } from '../config/env.js';
import { Database } from '../database/database.service.js';
import { undoLastMigration } from '../database/undo.service.js';
import { HeraldError } from '../errors.js';
import { isoTime } from '../iso-time.js';
import { takeBackup } from './backup.service.js';
import { holdPending, restoreBackup } from './restore.service.js';

type Env = Record<string, string | undefined>;
type Command = (args: string[], env: Env) => Promise<string[]>;

/**
 * Runs `backup`, `restore`, `hold` or `migrate`, and says what was done. Secrets are never printed.
 * @returns the exit code
 */
export async function runKeepingCommand(
  name: keyof typeof COMMANDS,
  args: string[],
  env: Env,
  print: { out(text: string): void; error(text: string): void },
): Promise<number> {
  try {
    const lines = await COMMANDS[name](args, env);
    print.out(`${lines.join('\n')}\n`);
    return 0;
  } catch (error) {
    print.error(`herald ${name}: ${reasonOf(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

class UsageError extends Error {}

const backup: Command = async (args, env) => {
  const [target, ...more] = parsed(args, {}).positionals;
  if (target === undefined || more.length > 0) throw new UsageError('name one new directory: herald backup DIR');
  const settings = parseEnv(env);
  const manifest = await takeBackup(settings, target);
  const files = Object.entries(manifest.files);
  const bytes = files.reduce((sum, [, file]) => sum + file.bytes, 0);
  const counts = Object.entries(manifest.counts).map(([table, count]) => `${String(count)} ${table}`);
  return [
    `${target} holds ${String(files.length)} files, ${String(bytes)} bytes, of ${isoTime(manifest.takenAt)}.`,
    ...(counts.length > 0 ? [`In its database: ${counts.join(', ')}.`] : POSTGRES_BACKUP),
    'secret' in manifest.files
      ? 'It holds the secret, and addresses and words of people: keep it as safe as the data.'
      : 'It holds addresses and words of people: keep it as safe as the data. HERALD_SECRET is not in it: keep that as well.',
  ];
};

const POSTGRES_BACKUP = [
  'The database is on PostgreSQL and not in it. Dump it as well, before the files, so that no file is missing:',
  '  pg_dump --format=custom --file=herald.dump "$DATABASE_URL"',
];

const restore: Command = async (args, env) => {
  const { positionals, values } = parsed(args, { to: { type: 'string' }, send: { type: 'boolean' } });
  const [from, ...more] = positionals;
  if (from === undefined || more.length > 0)
    throw new UsageError('name one backup: herald restore DIR [--to DATA_DIR]');
  const target = typeof values.to === 'string' ? values.to : parseEnv(env).dataDir;
  const { manifest, held } = await restoreBackup(from, target, { send: values.send === true });
  const taken = isoTime(manifest.takenAt);
  if (manifest.database === 'postgres')
    return [
      `${target} holds the files of ${taken}. Now the database, with every Herald stopped:`,
      '  pg_restore --clean --if-exists --no-owner --dbname="$DATABASE_URL" herald.dump',
      '  herald hold',
      'Without `herald hold` what was pending then is sent, even if it was sent since.',
    ];
  return [
    `${target} is as it was at ${taken}. Start Herald with HERALD_DATA_DIR=${target}.`,
    ...(held === undefined
      ? ['What was queued then is sent at the next start, even if it was sent since.']
      : heldLines(held)),
  ];
};

const hold: Command = async (args, env) => {
  if (parsed(args, {}).positionals.length > 0) throw new UsageError('it takes no arguments');
  return heldLines(await holdPending(parseEnv(env).database, Date.now()));
};

function heldLines(held: number): string[] {
  return [
    `${String(held)} pending deliveries are held, and so is what older jobs and callbacks will still tell.`,
    'Look at them with GET /v1/deliveries?state=held; POST /v1/deliveries/retry {"state": "held"} sends them.',
  ];
}

const migrate: Command = async (args, env) => {
  const { positionals, values } = parsed(args, { undo: { type: 'boolean' } });
  if (positionals.length > 0) throw new UsageError('it takes no arguments but --undo');
  const settings = parseEnv(env).database;
  if (values.undo !== true) {
    await (await Database.open(settings)).close();
    return ['The database has the schema of this version.'];
  }
  const undone = await undoLastMigration(settings);
  return [
    `The migration ${undone} is undone. Start the version before this one now: this one would migrate again.`,
    'Lost is what only this version knew: deadlines, paused channels, caps, alerts, proofs of erasure, senders of opt-outs,',
    'and of very large transcripts all but the beginning: POST /v1/callbacks/{id}/replay brings the rest back.',
  ];
};

const COMMANDS = { backup, restore, hold, migrate } satisfies Record<string, Command>;

function parsed(args: string[], options: Record<string, { type: 'string' | 'boolean' }>) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'wrong arguments');
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof HeraldError || error instanceof UsageError) return error.message;
  // Of the file system: its message holds paths, which the person gave.
  if (error instanceof Error && 'code' in error) return error.message;
  return error instanceof Error ? error.name : 'failed';
}
