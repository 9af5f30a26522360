import { describe, expect, it } from '@jest/globals';
import { checkFolder } from '../../src/code/check.js';
import { staying } from '../../src/code/changes.js';
import { effectLines, trialOf } from '../../src/code/effect.js';
import { exported } from '../../src/code/export.js';
import { readFolder, type FolderFile } from '../../src/code/folder.js';
import { smallStock } from '../support/folder.js';

function trial(more: FolderFile[], prune = false) {
  const stock = smallStock();
  const files = exported(stock, readFolder([])).files;
  const folder = readFolder([...files.filter(({ path }) => !more.some((one) => one.path === path)), ...more]);
  const there = staying(readFolder([]), stock, false);
  const { checked, problems } = checkFolder(folder, staying(folder, stock, prune), stock.rules);
  expect(problems).toEqual([]);
  return trialOf(checked, stock, there, prune);
}

const named = (name: string, to: string): FolderFile => ({
  path: `rules/${name}.yaml`,
  text: `name: ${name}\nactions: [{channel: email, to: ['${to}'], template: short}]\n`,
});

describe('the set of rules whose effect is asked for', () => {
  it('is that of the folder, with what else is in force', () => {
    const { rules, left } = trial([named('second', 'group:billing')]);
    expect(rules.map(({ name }) => name)).toEqual(['refund-risk', 'second']);
    expect(left).toEqual([]);
  });

  it('has a rule as it is in force, or not at all, when it names what is still to be made', () => {
    const eve = { path: 'contacts/eve.yaml', text: 'name: eve\nemail: eve@example.com\n' };
    const { rules, left } = trial([eve, named('second', 'contact:eve'), named('refund-risk', 'contact:eve')]);
    expect(rules).toMatchObject([{ name: 'refund-risk', actions: [{ to: ['group:billing'] }] }]);
    expect([...left].sort()).toEqual(['refund-risk', 'second']);
  });

  it('is without the rules that would be deleted', () => {
    const stock = smallStock();
    const folder = readFolder([named('second', 'someone@example.com')]);
    const there = staying(readFolder([]), stock, false);
    const { checked } = checkFolder(folder, staying(folder, stock, true), stock.rules);
    expect(trialOf(checked, stock, there, false).rules.map(({ name }) => name)).toEqual(['second', 'refund-risk']);
    expect(trialOf(checked, stock, there, true).rules.map(({ name }) => name)).toEqual(['second']);
  });
});

describe('the effect for people', () => {
  const message = {
    jobId: 'j',
    at: '2026-01-05T12:34:56.000Z',
    on: 'transcript.completed',
    ruleName: 'refund-risk',
    action: 0,
    channel: 'email',
    kind: 'email' as const,
    to: 'ann@example.com',
    template: 'short',
    attach: [],
    state: 'queued',
    dueAt: '2026-01-05T12:34:56.000Z',
    matches: [{ text: 'refund', channel: 0, start: 1, end: 2 }],
  };
  const answer = {
    range: { from: message.at, to: message.at },
    transcripts: 40,
    matched: 3,
    totals: { messages: 3, added: 2, removed: 1, changed: 0 },
    rules: [],
    skipped: [],
    faults: [],
    stopped: [],
    unreadable: 0,
    truncated: true,
    ms: 5,
    messages: [],
    added: [message],
    removed: [{ ...message, state: 'waiting', matches: [] }],
    changed: [],
  };

  it('names each message that comes or goes, and counts those that are not shown', () => {
    expect(effectLines(answer, 7, { left: ['late'] }, true)).toEqual([
      'Over the 40 transcripts of the last 7 days the rules would have sent 3 messages:',
      '2 added, 1 removed, 0 changed against the rules in force.',
      '  + 2026-01-05T12:34Z refund-risk: email to ann@example.com for "refund"',
      '  + and 1 more',
      '  - 2026-01-05T12:34Z refund-risk: email to ann@example.com (waiting)',
      'Not in it, because it names what is not there yet: late. Plan again after the apply.',
      'Changes of contacts, groups, templates and redactions are not in it.',
    ]);
  });
});
