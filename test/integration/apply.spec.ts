import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { applyChanges, refusalLines } from '../../src/code/apply.service.js';
import { changesTo, type Change } from '../../src/code/changes.js';
import { exported } from '../../src/code/export.js';
import { readFolder, type Folder, type FolderFile } from '../../src/code/folder.js';
import { HeraldClient } from '../../src/code/herald-client.service.js';
import { planFolder } from '../../src/code/plan.service.js';
import { readStock } from '../../src/code/stock-reader.service.js';
import { ADMIN_KEY, databases, TestApp } from '../support/app.js';

const FILES: FolderFile[] = [
  { path: 'redactions/sms.yaml', text: 'channel: sms\nrules: [{ kind: cards }, { kind: numbers, minDigits: 6 }]\n' },
  { path: 'contacts/ann.yaml', text: 'name: Ann\nemail: ann@example.com\nphone: +12125550145\n' },
  { path: 'contacts/bob.yaml', text: 'name: Bob\nemail: bob@example.com\nquiet: { from: 21:00, until: 07:00 }\n' },
  { path: 'groups/team.yaml', text: 'name: team\nmembers: [ann, bob]\n' },
  { path: 'templates/short/sms.hbs', text: 'About a refund: {{preview}}\n' },
  {
    path: 'rules/refund.yaml',
    text: "name: refund\nwhen: speech.says('refund')\nactions: [{ channel: sms, to: ['contact:ann'], template: short }]\n",
  },
];

describe.each(await databases())('a folder that is applied, on %s', (kind) => {
  let herald: TestApp;
  let client: HeraldClient;
  beforeAll(async () => {
    herald = await TestApp.start(kind);
    client = new HeraldClient(herald.url, ADMIN_KEY);
  });
  afterAll(() => herald.close());

  async function planned(files: FolderFile[], prune = false): Promise<{ folder: Folder; changes: Change[] }> {
    const folder = readFolder(files);
    const plan = await planFolder(client, folder, prune);
    if (plan.problems) throw new Error(JSON.stringify(plan.problems));
    return { folder, changes: plan.changes };
  }

  async function apply(files: FolderFile[], prune = false): Promise<string[]> {
    const { changes } = await planned(files, prune);
    const lines: string[] = [];
    expect(await applyChanges(client, changes, (line) => lines.push(line))).toBeUndefined();
    return lines.filter((line) => !line.startsWith('  '));
  }

  const edited = (path: string, from: string, to: string) =>
    FILES.map((file) => (file.path === path ? { path, text: file.text.replace(from, to) } : file));

  it('is made in an order in which each thing finds what it names, and then there is nothing to do', async () => {
    expect(await apply(FILES)).toEqual([
      'redaction sms: made',
      'contact Ann: made',
      'contact Bob: made',
      'group team: made',
      'template short: made',
      'rule refund: made',
    ]);
    expect(await apply(FILES)).toEqual([]);
    const { items } = (await herald.get('/v1/audit?limit=200')).body as { items: { action: string }[] };
    expect(items.filter(({ action }) => action === 'rule.created').length).toBeGreaterThan(0);
  });

  it('can be exported again as it is', async () => {
    const stock = await readStock(client);
    const { files } = exported(stock, readFolder([]));
    const { changes } = await planned(files, true);
    expect(changes).toEqual([]);
  });

  it('does not overwrite what somebody else changed after it was read', async () => {
    for (const [path, from, to, route, body] of [
      ['redactions/sms.yaml', 'minDigits: 6', 'minDigits: 5', '/v1/redactions/sms', { rules: [{ kind: 'emails' }] }],
      ['contacts/bob.yaml', 'bob@', 'robert@', '/v1/contacts', { name: 'Bob', email: 'bobby@example.com' }],
      ['groups/team.yaml', '[ann, bob]', '[bob]', '/v1/groups', { name: 'team', members: ['Ann'] }],
      ['templates/short/sms.hbs', 'About', 'On', '/v1/templates/short', { parts: { sms: 'Theirs {{preview}}' } }],
      ['rules/refund.yaml', "says('refund')", "says('money')", '/v1/rules', undefined],
    ] as const) {
      const { folder, changes } = await planned(edited(path, from, to));
      expect(changes).toHaveLength(1);
      await theirs(route, body);
      const refused = await applyChanges(client, changes, () => undefined);
      expect(refused?.refusal.status).toBe(412);
      if (refused) expect(refusalLines(refused.refusal, refused.change, folder).join()).toContain('somebody else');
      expect((await apply(FILES)).length).toBe(1);
    }
  });

  it('tells that somebody else made meanwhile what it would make, or deleted what it would change', async () => {
    const email = { path: 'redactions/email.yaml', text: 'channel: email\nrules: [{ kind: cards }]\n' };
    const { folder, changes } = await planned([...FILES, email]);
    expect((await herald.api('PUT', '/v1/redactions/email', { rules: [{ kind: 'phones' }] })).status).toBe(201);
    const refused = await applyChanges(client, changes, () => undefined);
    expect(refused && refusalLines(refused.refusal, refused.change, folder)).toEqual([
      'redaction email: somebody else made it meanwhile. Plan again.',
    ]);
    const next = await planned([...FILES, email]);
    const etag = (await herald.get('/v1/redactions/email')).headers.get('etag') ?? '';
    expect((await herald.api('DELETE', '/v1/redactions/email', undefined, { 'if-match': etag })).status).toBe(204);
    const gone = await applyChanges(client, next.changes, () => undefined);
    expect(gone && refusalLines(gone.refusal, gone.change, folder).join()).toContain('Plan again');
  });

  /** What another person saves. */
  async function theirs(route: string, body: object | undefined): Promise<void> {
    if (route.startsWith('/v1/templates') || route.startsWith('/v1/redactions')) {
      const etag = (await herald.get(route)).headers.get('etag') ?? '';
      expect((await herald.api('PUT', route, body, { 'if-match': etag })).status).toBe(200);
      return;
    }
    const { items } = await herald.all<{ id: string; name: string }>(route, 100);
    const name = body && 'name' in body ? body.name : 'refund';
    const found = `${route}/${items.find((one) => one.name === name)?.id ?? ''}`;
    const answer = body
      ? await herald.api('PUT', found, body)
      : await herald.api('PATCH', found, { enabled: false }, { 'if-match': '*' });
    expect(answer.status).toBe(200);
  }

  it('keeps the snooze of a contact that it changes', async () => {
    const { items } = await herald.all<{ id: string; name: string }>('/v1/contacts', 100);
    const route = `/v1/contacts/${items.find(({ name }) => name === 'Bob')?.id ?? ''}`;
    const until = '2027-01-01T00:00:00.000Z';
    expect((await herald.api('POST', `${route}/snooze`, { until })).status).toBe(200);
    await apply(edited('contacts/bob.yaml', 'bob@', 'robert@'));
    expect((await herald.get(route)).body).toMatchObject({ email: 'robert@example.com', snoozedUntil: until });
  });

  it('deletes what it does not have only when asked to, rules before what they name', async () => {
    const less = [
      { path: 'redactions/email.yaml', text: 'channel: email\nrules: [{ kind: emails }]\n' },
      { path: 'contacts/bob.yaml', text: 'name: Bob\nemail: bob@example.com\n' },
      { path: 'groups/few.yaml', text: 'name: few\nmembers: [Bob]\n' },
      { path: 'templates/other/sms.hbs', text: '{{preview}}\n' },
      {
        path: 'rules/all.yaml',
        text: "name: all\nactions: [{ channel: email, to: ['group:few'], template: transcript-ready }]\n",
      },
    ];
    expect((await apply(less)).some((line) => line.endsWith('deleted'))).toBe(false);
    const lines = await apply(less, true);
    expect(lines).toContain('rule refund: deleted');
    expect(lines.slice(-4)).toEqual([
      'template short: deleted',
      'group team: deleted',
      'contact Ann: deleted',
      'redaction sms: deleted',
    ]);
    const stock = await readStock(client);
    expect(stock.rules.map(({ name }) => name)).toEqual(['all']);
    expect(stock.redactions.map(({ name }) => name)).toEqual(['email']);
    expect(changesTo({ redactions: [], contacts: [], groups: [], templates: [], rules: [] }, stock, true)).toEqual([]);
  });
});
