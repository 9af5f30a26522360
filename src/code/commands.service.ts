import { parseArgs } from 'node:util';
import { parseEnv, type Settings } from '../config/env.js';
import { HeraldError } from '../errors.js';
import { applyChanges, refusalLines } from './apply.service.js';
import { exported } from './export.js';
import { FolderFault, readFiles, readFilesIfAny, writeFiles } from './folder-files.service.js';
import { readFolder } from './folder.js';
import { HeraldClient, HeraldRefusal } from './herald-client.service.js';
import { planFolder, planLines, type PlanOptions } from './plan.service.js';
import { problemLine, type FolderProblem } from './problem-place.js';
import { readStock } from './stock-reader.service.js';
import { runFolderTests } from './test-bench.service.js';

type Env = Record<string, string | undefined>;

interface Print {
  out(text: string): void;
  error(text: string): void;
}

/** A command as it was called. */
interface Call {
  dir: string;
  values: Record<string, string | boolean | undefined>;
  env: Env;
  settings: Settings;
  print: Print;
}

/** Nothing to do, or all is done; it failed; there are changes (of `plan` only). */
const DONE = 0;
const FAILED = 1;
const CHANGES = 2;
const DAYS = 7;
const DAYS_MAX = 366;

class UsageError extends Error {}

/**
 * Runs `export`, `plan`, `apply` or `test` on a folder. Keys are never printed.
 * @returns the exit code: 0 when there is nothing more to do, 1 when it failed, 2 when `plan` found changes
 */
export async function runCodeCommand(
  name: keyof typeof COMMANDS,
  args: string[],
  env: Env,
  print: Print,
): Promise<number> {
  try {
    const { run, options, usage } = COMMANDS[name];
    const { positionals, values } = parsed(args, options, usage);
    const [dir, ...more] = positionals;
    if (dir === undefined || more.length > 0) throw new UsageError(`name one folder: ${usage}`);
    return await run({ dir, values, env, settings: parseEnv(env), print });
  } catch (error) {
    print.error(`herald ${name}: ${reasonOf(error)}\n`);
    return FAILED;
  }
}

const SERVER = { url: { type: 'string' }, key: { type: 'string' } } as const;
const PLAN = { ...SERVER, days: { type: 'string' }, prune: { type: 'boolean' } } as const;

async function exportTo({ dir, values, env, settings, print }: Call): Promise<number> {
  const client = clientOf(values, env, settings);
  const existing = readFolder(await readFilesIfAny(dir));
  if (existing.problems.length > 0) return refuse(existing.problems, print);
  const { files, leftOver } = exported(await readStock(client), existing);
  const written = await writeFiles(dir, files);
  say(print, [
    ...written.map((file) => `wrote ${file}`),
    written.length === 0
      ? 'Nothing to write: the folder is as Herald is.'
      : `${String(written.length)} ${written.length === 1 ? 'file' : 'files'} in ${dir}.`,
    ...(leftOver.length === 0 ? [] : [`Herald has nothing for these, which are left alone: ${leftOver.join(', ')}.`]),
  ]);
  return DONE;
}

async function plan(call: Call): Promise<number> {
  const { dir, values, env, settings, print } = call;
  const client = clientOf(values, env, settings);
  const folder = readFolder(await readFiles(dir));
  const options = planOptions(values);
  const planned = await planFolder(client, folder, options.prune);
  if (planned.problems) return refuse(planned.problems, print);
  say(print, await planLines(client, planned, options));
  return planned.changes.length === 0 ? DONE : CHANGES;
}

async function apply(call: Call): Promise<number> {
  const { dir, values, env, settings, print } = call;
  if (values['dry-run'] === true) return plan(call);
  const client = clientOf(values, env, settings);
  const folder = readFolder(await readFiles(dir));
  const planned = await planFolder(client, folder, planOptions(values).prune);
  if (planned.problems) return refuse(planned.problems, print);
  const { changes } = planned;
  const refused = await applyChanges(client, changes, (line) => {
    say(print, [line]);
  });
  if (!refused) {
    say(print, [
      changes.length === 0 ? 'Nothing to do: Herald is as the folder says.' : 'Herald is as the folder says.',
    ]);
    return DONE;
  }
  const { change, refusal } = refused;
  print.error(`${refusalLines(refusal, change, folder).join('\n')}\n`);
  const done = changes.indexOf(change);
  print.error(`${String(done)} of ${String(changes.length)} changes are done; the next apply goes on from there.\n`);
  return FAILED;
}

async function test({ dir, settings, print }: Call): Promise<number> {
  const { problems, results } = await runFolderTests(dir, readFolder(await readFiles(dir)), settings);
  if (problems.length > 0) return refuse(problems, print);
  const failed = results.filter(({ faults }) => faults.length > 0);
  say(print, [
    ...results.flatMap(({ file, name, faults }) => [
      `${faults.length === 0 ? 'ok  ' : 'FAIL'} ${file}: ${name}`,
      ...faults.map((fault) => `       ${fault}`),
    ]),
    results.length === 0
      ? 'There are no tests: write rules/NAME.test.yaml beside rules/NAME.yaml.'
      : `${String(results.length - failed.length)} of ${String(results.length)} tests pass.`,
  ]);
  return failed.length === 0 ? DONE : FAILED;
}

const COMMANDS = {
  export: { run: exportTo, options: SERVER, usage: 'herald export DIR [--url URL] [--key KEY]' },
  plan: { run: plan, options: PLAN, usage: 'herald plan DIR [--days 7] [--prune] [--url URL] [--key KEY]' },
  apply: {
    run: apply,
    options: { ...PLAN, 'dry-run': { type: 'boolean' } },
    usage: 'herald apply DIR [--dry-run] [--prune] [--url URL] [--key KEY]',
  },
  test: { run: test, options: {}, usage: 'herald test DIR' },
} as const;

function planOptions({ days, prune }: Call['values']): PlanOptions {
  const span = days === undefined ? DAYS : Number(days);
  if (!Number.isInteger(span) || span < 0 || span > DAYS_MAX)
    throw new UsageError(`--days is a whole number from 0 to ${String(DAYS_MAX)}`);
  return { prune: prune === true, days: span, now: Date.now() };
}

/** Of the options, else of the environment, else the server of this machine. */
function clientOf({ url, key }: Call['values'], env: Env, settings: Settings): HeraldClient {
  const address = text(url) ?? text(env.HERALD_URL) ?? `http://127.0.0.1:${String(settings.port)}`;
  const secret = text(key) ?? settings.adminKey;
  if (secret === undefined) throw new UsageError('set HERALD_ADMIN_KEY, or give --key: it needs a key of scope admin');
  if (!URL.canParse(address) || !/^https?:\/\/[^@]*$/.test(address))
    throw new UsageError('--url (HERALD_URL) is the address of a Herald, such as https://herald.example.com');
  return new HeraldClient(address.replace(/\/+$/, ''), secret);
}

function text(value: string | boolean | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function say(print: Print, lines: readonly string[]): void {
  print.out(`${lines.join('\n')}\n`);
}

function refuse(problems: readonly FolderProblem[], print: Print): number {
  print.error(`${problems.map(problemLine).join('\n')}\n`);
  print.error(`${String(problems.length)} ${problems.length === 1 ? 'problem' : 'problems'}; nothing was done.\n`);
  return FAILED;
}

function parsed(args: string[], options: Record<string, { type: 'string' | 'boolean' }>, usage: string) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : 'wrong arguments'}\n${usage}`);
  }
}

function reasonOf(error: unknown): string {
  const isTold =
    error instanceof HeraldError ||
    error instanceof HeraldRefusal ||
    error instanceof FolderFault ||
    error instanceof UsageError;
  // Of the file system: its message holds paths, which the person gave.
  if (isTold || (error instanceof Error && 'code' in error)) return error.message;
  return error instanceof Error ? error.name : 'failed';
}
