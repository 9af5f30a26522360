import { DAY } from '../duration.js';
import type { RuleDefinition } from '../rules/rule.js';
import type { ShownLists, ShownMessage, SimulationSummary } from '../settle/simulation.schema.js';
import type { Change } from './changes.js';
import { isValidOn, type CheckedFolder, type Known } from './check.js';
import type { Stock } from './stock.js';

type Answer = Pick<SimulationSummary, 'transcripts' | 'totals' | 'faults'> & Omit<ShownLists, 'messages'>;

/** What is asked of `POST /v1/rules/simulate`. */
export interface Trial {
  rules: RuleDefinition[];
  /** Rules that could not be tried in their new form: they name what is only made by the apply. */
  left: string[];
}

/** Messages of each list that are shown. */
export const SHOWN_MAX = 20;

/**
 * The whole set as it would be. What names something that is not there yet is tried as it is in force, or not at all.
 * @param there what the server has now
 */
export function trialOf(folder: CheckedFolder, stock: Stock, there: Known, prune: boolean): Trial {
  const inForce = new Map(stock.rules.map(({ name, definition }) => [name, definition]));
  const left: string[] = [];
  const rules = folder.rules.flatMap(({ name, definition }) => {
    if (definition === inForce.get(name) || isValidOn(definition, there)) return [definition];
    left.push(name);
    return inForce.get(name) ?? [];
  });
  const names = new Set(folder.rules.map(({ name }) => name));
  const others =
    prune && names.size > 0 ? [] : stock.rules.flatMap(({ name, definition }) => (names.has(name) ? [] : [definition]));
  return { rules: [...rules, ...others], left };
}

/** True when the effect of rules is worth asking for. */
export function changesRules(changes: readonly Change[]): boolean {
  return changes.some(({ kind }) => kind === 'rule');
}

/** @param days that were looked back */
export function effectLines(answer: Answer, days: number, { left }: Pick<Trial, 'left'>, rest: boolean): string[] {
  const { transcripts, totals } = answer;
  const span = days === 1 ? 'day' : `${String(days)} days`;
  return [
    `Over the ${counted(transcripts, 'transcript')} of the last ${span} the rules would have sent ${counted(totals.messages, 'message')}:`,
    `${String(totals.added)} added, ${String(totals.removed)} removed, ${String(totals.changed)} changed against the rules in force.`,
    ...listed('+', answer.added, totals.added),
    ...listed('-', answer.removed, totals.removed),
    ...listed('~', answer.changed, totals.changed),
    ...answer.faults.map(({ ruleName, error, count }) => `  ! ${ruleName} fails on ${String(count)}: ${error}`),
    ...(left.length === 0
      ? []
      : [`Not in it, because it names what is not there yet: ${left.join(', ')}. Plan again after the apply.`]),
    ...(rest ? ['Changes of contacts, groups, templates and redactions are not in it.'] : []),
  ];
}

/** @param now epoch milliseconds */
export function rangeOf(now: number, days: number): { from: number; to: number } {
  return { from: now - days * DAY, to: now };
}

function listed(sign: string, messages: readonly ShownMessage[], total: number): string[] {
  const shown = messages.slice(0, SHOWN_MAX).map((message) => {
    const state = message.state === 'queued' ? '' : ` (${message.state})`;
    return `  ${sign} ${message.at.slice(0, 16)}Z ${message.ruleName}: ${message.channel} to ${message.to}${state}${wordsOf(message)}`;
  });
  return total > shown.length ? [...shown, `  ${sign} and ${String(total - shown.length)} more`] : shown;
}

function wordsOf({ matches }: ShownMessage): string {
  const words = [...new Set(matches.map(({ text }) => text))].slice(0, 3);
  return words.length === 0 ? '' : ` for ${words.map((word) => JSON.stringify(word)).join(', ')}`;
}

function counted(count: number, word: string): string {
  return `${String(count)} ${word}${count === 1 ? '' : 's'}`;
}
