import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { changesTo, staying, surplus, type Change } from '../../src/code/changes.js';
import { channelProblems, checkFolder } from '../../src/code/check.js';
import { exported, fileName } from '../../src/code/export.js';
import { readFolder, type FolderFile } from '../../src/code/folder.js';
import { changeLines } from '../../src/code/plan-lines.js';
import { problemLine } from '../../src/code/problem-place.js';
import type { Stock } from '../../src/code/stock.js';
import { smallStock } from '../support/folder.js';

const EMPTY = readFolder([]);
const exportOf = (stock: Stock): FolderFile[] => exported(stock, EMPTY).files;

/** Changes that the files ask of the stock. Fails on problems of the files. */
function planned(files: FolderFile[], stock: Stock, prune = false): Change[] {
  const folder = readFolder(files);
  const { checked, problems } = checkFolder(folder, staying(folder, stock, prune), stock.rules);
  expect(problems.map(problemLine)).toEqual([]);
  return changesTo(checked, stock, prune);
}

function problemsOf(...files: FolderFile[]): string[] {
  const folder = readFolder(files);
  const stock = smallStock();
  const { problems } = checkFolder(folder, staying(folder, stock, false));
  return [...problems, ...channelProblems(folder, stock.channels, stock.redactions)].map(problemLine);
}

const edited = (files: FolderFile[], path: string, from: string, to: string) =>
  files.map((file) => (file.path === path ? { path, text: file.text.replace(from, to) } : file));

describe('an exported folder', () => {
  it('holds a file for each rule, contact, group and redaction, and the parts of each saved template', () => {
    expect(exportOf(smallStock()).map(({ path }) => path)).toEqual([
      'redactions/email.yaml',
      'contacts/on-call.yaml',
      'groups/billing.yaml',
      'rules/refund-risk.yaml',
      'templates/short/email.subject.hbs',
      'templates/short/email.html.hbs',
      'templates/short/sms.hbs',
      'templates/short/template.json',
    ]);
  });

  it('holds no ids, versions or times, and leaves out what has its usual value', () => {
    const rule = exportOf(smallStock()).find(({ path }) => path === 'rules/refund-risk.yaml');
    expect(rule?.text).toBe(
      [
        'name: refund-risk',
        'on: transcript.completed',
        "when: speech.says('refund')",
        'actions:',
        '  - channel: email',
        '    to:',
        '      - group:billing',
        '    template: short',
        '',
      ].join('\n'),
    );
  });

  it('holds a redaction as people read it', () => {
    const stock = smallStock();
    const text = (one: Stock) => exportOf(one).find(({ path }) => path === 'redactions/email.yaml')?.text;
    expect(text(stock)).toBe('channel: email\nrules:\n  - kind: cards\n  - kind: numbers\n    minDigits: 6\n');
    const [policy] = stock.redactions;
    const off = {
      ...stock,
      redactions: policy ? [{ ...policy, definition: { ...policy.definition, enabled: false } }] : [],
    };
    expect(text(off)).toContain('channel: email\nenabled: false\n');
    expect(planned(exportOf(off), off)).toEqual([]);
  });

  it('is what the server is: there is nothing to do', () => {
    const steps = [{ after: '15m', actions: [{ channel: 'sms', to: ['contact:on-call'], template: 'short' }] }];
    const throttle = { times: 1, within: '1h', per: 'rule' } as const;
    const stock = smallStock({
      escalate: steps,
      throttle,
      merge: false,
      stop: true,
      order: -5,
      enabled: false,
      description: 'a: "b"\n# c',
    });
    expect(planned(exportOf(stock), stock)).toEqual([]);
    expect(planned(exportOf(stock), stock, true)).toEqual([]);
  });

  it('keeps every text byte for byte, in a condition as in a description', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (description) => {
        const folder = readFolder(exportOf(smallStock({ description, when: `${description}\n` })));
        expect(folder.rules[0]?.definition).toMatchObject({ description, when: `${description}\n` });
      }),
    );
  });

  it('keeps files that say the same as somebody wrote them, with their comments and names', () => {
    const stock = smallStock();
    const files = exportOf(stock).map(({ path, text }) => ({
      path: path.replace('rules/refund-risk', 'rules/of-billing'),
      text: path.startsWith('rules/') ? `# asked for by billing\n${text}` : text,
    }));
    const again = exported(stock, readFolder(files));
    expect(again.files.filter(({ path }) => path.endsWith('.yaml'))).toEqual([]);
    expect(again.leftOver).toEqual([]);
  });

  it('keeps files that say the same in another way: usual values, addresses, order', () => {
    const stock = smallStock();
    const files = [
      {
        path: 'rules/mine.yaml',
        text: "name: refund-risk\nenabled: true\nactions:\n  - { to: ['group:billing'], channel: email, template: short }\nwhen: speech.says('refund')\n",
      },
      { path: 'contacts/c.yaml', text: 'phone: +1 (212) 555-0145\nemail: on-call@Example.COM\nname: on-call\n' },
      {
        path: 'redactions/mail.yaml',
        text: 'rules: [{ kind: cards }, { minDigits: 6, kind: numbers }]\nenabled: true\nchannel: email\n',
      },
    ];
    const again = exported(stock, readFolder(files)).files.map(({ path }) => path);
    expect(again.filter((path) => path.endsWith('.yaml'))).toEqual(['groups/billing.yaml']);
  });

  it('tells of files for which the server has nothing any more', () => {
    const stock = smallStock();
    const files = exportOf(stock);
    expect(exported({ ...stock, rules: [] }, readFolder(files)).leftOver).toEqual(['rules/refund-risk.yaml']);
  });

  it('calls files by names that stay in their folder on every system', () => {
    expect(fileName('../etc')).not.toContain('/');
    expect(fileName('..')).toBe('%2E%2E');
    expect(fileName('a.test')).toBe('a%2Etest');
    expect(fileName('Dr. Müller')).toBe('Dr. M%C3%BCller');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 50 }), (name) => {
        fc.pre(name === name.trim());
        expect(fileName(name)).toMatch(/^[A-Za-z0-9_%-](?:[A-Za-z0-9 _.%-]*[A-Za-z0-9_%-])?$/);
      }),
    );
  });
});

describe('a plan', () => {
  it('tells field by field what changes', () => {
    const stock = smallStock();
    const files = edited(exportOf(stock), 'rules/refund-risk.yaml', "says('refund')", "says('money back')");
    const changes = planned(files, stock);
    expect(changeLines(changes)).toEqual([
      '~ rule refund-risk',
      `    when: "speech.says('refund')" -> "speech.says('money back')"`,
    ]);
    expect(changes[0]?.before).toMatchObject({ etag: '"v3"', path: '/v1/rules/r1' });
  });

  it('masks before anything else is made, and people are made before groups, groups before templates, and those before the rules that name them', () => {
    const stock = smallStock();
    const none = { ...stock, redactions: [], contacts: [], groups: [], rules: [], templates: [] };
    expect(planned(exportOf(stock), none).map(({ kind, action }) => `${action} ${kind}`)).toEqual([
      'create redaction',
      'create contact',
      'create group',
      'create template',
      'create rule',
    ]);
  });

  it('deletes only with prune, rules first, and never what is a file of the server', () => {
    const stock = smallStock();
    const files = [
      { path: 'redactions/sms.yaml', text: 'channel: sms\nrules: [{ kind: cards }]\n' },
      { path: 'contacts/ann.yaml', text: 'name: ann\nemail: ann@example.com\n' },
      { path: 'groups/team.yaml', text: 'name: team\nmembers: [ann]\n' },
      { path: 'templates/other/sms.hbs', text: '{{preview}}\n' },
      {
        path: 'rules/all.yaml',
        text: 'name: all\nactions: [{channel: sms, to: ["+12125550145"], template: other}]\n',
      },
    ];
    expect(planned(files, stock).filter(({ action }) => action === 'delete')).toEqual([]);
    const gone = planned(files, stock, true).filter(({ action }) => action === 'delete');
    expect(gone.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'rule refund-risk',
      'template short',
      'group billing',
      'contact on-call',
      'redaction email',
    ]);
  });

  it('tells field by field what a channel masks from then on', () => {
    const stock = smallStock();
    const changes = planned(edited(exportOf(stock), 'redactions/email.yaml', 'minDigits: 6', 'minDigits: 4'), stock);
    expect(changeLines(changes)).toEqual(['~ redaction email', '    rules/1/minDigits: 6 -> 4']);
    expect(changes[0]?.before).toMatchObject({ etag: '"v4"', path: '/v1/redactions/email' });
  });

  it('leaves a redaction alone that is as it was, also when its channel is gone', () => {
    const stock = smallStock();
    const folder = readFolder(exportOf(stock));
    expect(channelProblems(folder, [], stock.redactions)).toEqual([]);
    expect(channelProblems(folder, [], []).map(problemLine)).toEqual([
      'redactions/email.yaml:1:10 there is no channel "email"; there is ',
    ]);
  });

  it('leaves a kind alone of which the folder has nothing', () => {
    const stock = smallStock();
    const rules = exportOf(stock).filter(({ path }) => path.startsWith('rules/'));
    expect(planned(rules, stock, true)).toEqual([]);
  });

  it('leaves a rule alone that is as it was, also when what it names is gone', () => {
    const stock = smallStock({ actions: [{ channel: 'email', to: ['contact:gone'], template: 'short' }] });
    expect(planned(exportOf(stock), stock)).toEqual([]);
  });

  it('takes an address that is written another way for the same', () => {
    const stock = smallStock();
    const files = edited(exportOf(stock), 'contacts/on-call.yaml', '"+12125550145"', '+1 (212) 555-0145');
    expect(files.find(({ path }) => path === 'contacts/on-call.yaml')?.text).toContain('phone: +1 (212) 555-0145');
    expect(planned(files, stock)).toEqual([]);
  });

  it('counts nothing surplus of a folder that is whole', () => {
    const stock = smallStock();
    const folder = readFolder(exportOf(stock));
    const { checked } = checkFolder(folder, staying(folder, stock, false));
    expect(surplus(checked, stock)).toEqual([]);
  });
});

describe('a folder with mistakes', () => {
  const rule = (text: string): FolderFile => ({ path: 'rules/r.yaml', text: `name: r\n${text}` });
  const ACTIONS = "actions: [{channel: sms, to: ['+12125550145'], template: short}]\n";

  it('has each told with file, line and column', () => {
    expect(problemsOf(rule(`wehn: 'true'\n${ACTIONS}`))).toEqual([
      'rules/r.yaml:2:7 is not known here: did you mean when?',
    ]);
    expect(problemsOf(rule("actions:\n  - channel: sms\n    to: ['group:biling']\n    template: short\n"))).toEqual([
      'rules/r.yaml:4:10 there is no group "biling": did you mean group:billing?',
    ]);
  });

  it('has a mistake in a condition told where it stands in the file, on one line, quoted and in a block', () => {
    const [plain] = problemsOf(rule(`when: transcript.durration > 3\n${ACTIONS}`));
    const [quoted] = problemsOf(rule(`when: "transcript.durration > 3"\n${ACTIONS}`));
    const [block] = problemsOf(rule(`when: |\n  speech.says('a') &&\n    transcript.durration > 3\n${ACTIONS}`));
    const column = Number(/^rules\/r\.yaml:2:(\d+) /.exec(plain ?? '')?.[1]);
    expect(column).toBeGreaterThanOrEqual('when: '.length + 1);
    expect(column).toBeLessThanOrEqual('when: transcript.durration'.length);
    expect(quoted).toContain(`rules/r.yaml:2:${String(column + 1)} `);
    // Two blanks more than the six of `when: `, less those: the block is moved in by two, and the line by two more.
    expect(block).toContain(`rules/r.yaml:4:${String(column - 'when: '.length + 4)} `);
    for (const told of [plain, quoted, block]) expect(told).toContain('duration');
  });

  it('has a telephone number taken as it is written, without quotes', () => {
    const folder = readFolder([{ path: 'contacts/a.yaml', text: 'name: a\nphone: +12125550145\n' }]);
    expect(folder.problems).toEqual([]);
    expect(folder.contacts[0]?.definition.phone).toBe('+12125550145');
  });

  it('has two files of one name told, letter case aside for people', () => {
    const contact = (path: string, name: string) => ({ path, text: `name: ${name}\nemail: a@example.com\n` });
    expect(problemsOf(contact('contacts/a.yaml', 'Ann'), contact('contacts/b.yaml', 'ann'))).toEqual([
      'contacts/b.yaml:1:7 is the name of the contact in contacts/a.yaml too',
    ]);
  });

  const redaction = (text: string): FolderFile => ({ path: 'redactions/a.yaml', text });

  it.each([
    ['a misspelt kind', 'channel: sms\nrules:\n  - kind: card\n', /^redactions\/a\.yaml:3:11 .*"cards"/],
    ['a pattern that is none', 'channel: sms\nrules:\n  - { kind: pattern, pattern: "(a" }\n', /:3:31 is not re2/],
    ['a field of another kind', 'channel: sms\nrules:\n  - kind: cards\n    minDigits: 4\n', /:4:16 is for/],
    [
      'a misspelt channel',
      'channel: emial\nrules: [{ kind: cards }]\n',
      /:1:10 there is no channel .*did you mean email/,
    ],
    ['no channel', 'rules: [{ kind: cards }]\n', /^redactions\/a\.yaml:1:1 "channel" is missing/],
    ['no rules', 'channel: sms\nrules: []\n', /^redactions\/a\.yaml:2:8 needs at least one rule/],
  ])('has %s of a redaction told', (_what, text, message) => {
    const [problem, ...more] = problemsOf(redaction(text));
    expect(problem).toMatch(message);
    expect(more).toEqual([]);
  });

  it('has two redactions of one channel told', () => {
    const text = 'channel: sms\nrules: [{ kind: cards }]\n';
    expect(problemsOf(redaction(text), { path: 'redactions/b.yaml', text })).toEqual([
      'redactions/b.yaml:1:10 is the channel of redactions/a.yaml too: put all its rules into one file',
    ]);
  });

  it.each([
    ['what is no YAML', { path: 'rules/r.yaml', text: 'name: [r\n' }, /^rules\/r\.yaml:\d+:\d+ is not YAML: .*quotes/],
    [
      'a placeholder without quotes',
      { path: 'rules/r.yaml', text: 'name: r\nactions: [{ channel: sms, to: [{{job.tags.phone}}] }]\n' },
      /^rules\/r\.yaml:2:\d+ is a key that is no text.*needs quotes/,
    ],
    ['a redaction in JSON', { path: 'redactions/email.json', text: '{}' }, /a file here is NAME\.yaml/],
    ['a file that would be passed over', { path: 'rules/r.yaml.bak', text: '' }, /a file here is NAME\.yaml/],
    ['a folder below', { path: 'rules/billing/r.yaml', text: 'name: r' }, /put it into rules\/ itself/],
    ['a part that does not exist', { path: 'templates/a/email.txt.hbs', text: '' }, /is not a part/],
    ['partials', { path: 'templates/partials/foot.hbs', text: '' }, /HERALD_TEMPLATES_DIR/],
    [
      'a snooze',
      { path: 'contacts/a.yaml', text: 'name: a\nemail: a@example.com\nsnoozedUntil: 2026-01-01T00:00:00Z\n' },
      /^contacts\/a\.yaml:3:15 is of the moment/,
    ],
    ['an address that is none', { path: 'contacts/a.yaml', text: 'name: a\nemail: a@@b\n' }, /^contacts\/a\.yaml:2:8 /],
    [
      'a member that is nobody',
      { path: 'groups/g.yaml', text: 'name: g\nmembers: [on-cal]\n' },
      /^groups\/g\.yaml:2:11 .*did you mean on-call/,
    ],
    [
      'a bomb of aliases',
      {
        path: 'rules/r.yaml',
        text: `name: r\na: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n`,
      },
      /aliases/,
    ],
  ])('has %s told', (_what, file, message) => {
    expect(problemsOf(file).join('\n')).toMatch(message);
  });
});
