import { z } from 'zod';
import { simulationLine, type ShownLists, type SimulationSummary } from '../settle/simulation.schema.js';
import { changesTo, staying, surplus, type Change } from './changes.js';
import { channelProblems, checkFolder, type CheckedFolder } from './check.js';
import { changesRules, effectLines, rangeOf, SHOWN_MAX, trialOf } from './effect.js';
import { templateFile, type Folder } from './folder.js';
import { HeraldRefusal, type HeraldClient } from './herald-client.service.js';
import { changeLines, countLine } from './plan-lines.js';
import { messageOf, type FolderProblem } from './problem-place.js';
import { stocked, type Stock } from './stock.js';
import { readStock } from './stock-reader.service.js';

export interface PlanOptions {
  /** Whether what the folder does not have goes. */
  prune: boolean;
  /** Whose transcripts the effect is computed over; 0: it is not. */
  days: number;
  /** Epoch milliseconds. */
  now: number;
}

/** What would be done, or why nothing can be. */
export type FolderPlan =
  { problems: FolderProblem[] } | { problems?: never; changes: Change[]; stock: Stock; checked: CheckedFolder };

/** Compares a folder with a running Herald; nothing is changed. @throws HeraldRefusal */
export async function planFolder(client: HeraldClient, folder: Folder, prune: boolean): Promise<FolderPlan> {
  const stock = await readStock(client);
  const { checked, problems } = checkFolder(folder, staying(folder, stock, prune), stock.rules);
  problems.push(...channelProblems(folder, stock.channels, stock.redactions));
  problems.push(...(await templateProblems(client, checked, stock)));
  if (problems.length > 0) return { problems };
  return { changes: changesTo(checked, stock, prune), stock, checked };
}

/** The plan for people: what would be done, what else there is, and what it would have meant for the last days' messages. */
export async function planLines(
  client: HeraldClient,
  { changes, stock, checked }: Exclude<FolderPlan, { problems: FolderProblem[] }>,
  { prune, days, now }: PlanOptions,
): Promise<string[]> {
  const more = prune ? [] : surplus(checked, stock);
  const names = more.map(({ kind, name }) => `${kind} ${name}`);
  return [
    ...(changes.length === 0
      ? ['Nothing to do: Herald is as the folder says.']
      : [...changeLines(changes), countLine(changes)]),
    ...(more.length === 0 ? [] : [`Not in the folder, and left alone without --prune: ${names.join(', ')}.`]),
    ...(days > 0 && changesRules(changes)
      ? await effect(client, { changes, stock, checked }, { prune, days, now })
      : []),
  ];
}

async function effect(
  client: HeraldClient,
  { changes, stock, checked }: { changes: Change[]; stock: Stock; checked: CheckedFolder },
  { prune, days, now }: PlanOptions,
): Promise<string[]> {
  const there = {
    channels: stock.channels,
    contacts: stock.contacts.map(({ definition }) => definition),
    groups: stock.groups.map(({ definition }) => definition),
    templates: stock.templates.map(({ definition }) => definition),
  };
  const trial = trialOf(checked, stock, there, prune);
  const body = { rules: trial.rules, ...rangeOf(now, days), limit: SHOWN_MAX };
  try {
    const answer = await simulated(client, body);
    const rest = changes.some(({ kind }) => kind !== 'rule');
    return ['', ...effectLines(answer, days, trial, rest)];
  } catch (error) {
    if (!(error instanceof HeraldRefusal)) throw error;
    return ['', `The effect on the last ${String(days)} days could not be computed: ${error.message}`];
  }
}

/** As a stream: over many transcripts a simulation takes its time, and an answer in one piece is refused. */
async function simulated(client: HeraldClient, body: object): Promise<SimulationSummary & ShownLists> {
  const lists: ShownLists = { messages: [], added: [], removed: [], changed: [] };
  for await (const line of client.lines('/v1/rules/simulate', simulationLine, body)) {
    if (line.type === 'error') throw new HeraldRefusal(line.problem.detail, line.problem.status);
    if (line.type === 'summary') return { ...line, ...lists };
    if (line.type !== 'job') continue;
    lists.added.push(...line.added);
    lists.removed.push(...line.removed);
    lists.changed.push(...line.changed);
  }
  throw new HeraldRefusal('the simulation broke off');
}

/** The server compiles templates with its own partials, so it is asked; only what would be saved is. */
async function templateProblems(
  client: HeraldClient,
  { templates }: CheckedFolder,
  stock: Stock,
): Promise<FolderProblem[]> {
  const problems: FolderProblem[] = [];
  for (const { name, definition } of templates) {
    const there = stocked(stock, 'template', name)?.definition as { parts?: object } | undefined;
    if (JSON.stringify(there?.parts) === JSON.stringify(definition.parts)) continue;
    try {
      await client.ask('POST', `/v1/templates/${name}/preview`, z.unknown(), { body: { parts: definition.parts } });
    } catch (error) {
      if (!(error instanceof HeraldRefusal) || error.status !== 422) throw error;
      const faults = error.errors.length > 0 ? error.errors : [{ pointer: '/parts', message: error.message }];
      for (const fault of faults) {
        const { line, column } = fault;
        const place = line === undefined ? {} : { line, column: column ?? 1 };
        problems.push({ file: templateFile(name, fault.pointer), ...place, message: messageOf(fault) });
      }
    }
  }
  return problems;
}
