import { describe, expect, it } from '@jest/globals';
import { RecipientInvalidError, RuleInvalidError, type FieldError } from '../../src/errors.js';
import { toDirectory } from '../../src/recipients/directory.js';
import { DEFAULT_RULES } from '../../src/rules/default-rules.js';
import { parseRule, type RuleContext } from '../../src/rules/rule.schema.js';

const KNOWN: RuleContext = {
  channels: [
    { name: 'email', kind: 'email' },
    { name: 'sms', kind: 'sms' },
  ],
  templates: [
    { name: 'transcript-ready', kinds: ['email', 'sms'] },
    { name: 'transcript-late', kinds: ['email', 'sms'] },
    { name: 'transcript-failed', kinds: ['email'] },
  ],
  directory: toDirectory(
    [{ id: '1', name: 'operator', email: 'op@example.com' }],
    [{ id: '2', name: 'billing', members: ['operator'] }],
    [],
  ),
  parseRecipient: (channel, address) => {
    if (address.includes(',')) throw new RecipientInvalidError(`not one ${channel} recipient`);
    return { address };
  },
};

const ACTION = { channel: 'email', to: ['a@b.co'], template: 'transcript-ready' };
const RULE = { name: 'refund-risk', actions: [ACTION] };

function errorsOf(input: unknown): FieldError[] {
  try {
    parseRule(input, KNOWN);
  } catch (error) {
    if (error instanceof RuleInvalidError) return error.errors;
    throw error;
  }
  return [];
}

const withAction = (changes: object): object => ({ ...RULE, actions: [{ ...ACTION, ...changes }] });

describe('a rule in a request', () => {
  it('needs a name and actions only', () => {
    expect(parseRule(RULE, KNOWN)).toEqual({
      name: 'refund-risk',
      enabled: true,
      on: 'transcript.completed',
      when: 'true',
      actions: [ACTION],
      stop: false,
      order: 100,
    });
  });

  it('keeps everything that was given', () => {
    const full = {
      name: 'A rule_1.b',
      enabled: false,
      on: 'transcript.failed',
      when: "failure.code == 'X'",
      actions: [
        {
          ...ACTION,
          to: ['contact:OPERATOR', 'group:billing', '{{job.tags.email}}'],
          attach: ['vtt', 'json'],
          urgent: true,
        },
        { ...ACTION, channel: 'sms', to: ['+14155550100'], preview: { segments: 6 } },
      ],
      stop: true,
      order: -5,
      description: 'why',
      merge: false,
      throttle: { times: 2, within: '1h', per: 'tag:client' },
    };
    expect(parseRule(full, KNOWN)).toEqual(full);
  });

  it('may say how often it tells of calls; once for the rule unless it says otherwise', () => {
    expect(parseRule({ ...RULE, throttle: { within: '15m' } }, KNOWN)).toMatchObject({
      throttle: { times: 1, within: '15m', per: 'rule' },
    });
  });

  it.each([
    [{ within: 'an hour' }, '/throttle/within'],
    [{ within: '0s' }, '/throttle/within'],
    [{ within: '91d' }, '/throttle/within'],
    [{ within: '1h', times: 0 }, '/throttle/times'],
    [{ within: '1h', per: 'tag:' }, '/throttle/per'],
    [{ within: '1h', per: 'contact' }, '/throttle/per'],
    [{ within: '1h', every: 2 }, '/throttle/every'],
    [{ times: 1 }, '/throttle/within'],
  ])('refuses a throttle that means nothing: %j', (throttle, pointer) => {
    expect(errorsOf({ ...RULE, throttle })).toMatchObject([{ pointer }]);
  });

  it('may have no actions when it stops the others', () => {
    expect(errorsOf({ name: 'mute', actions: [], stop: true })).toEqual([]);
    expect(errorsOf({ name: 'mute', actions: [] })).toMatchObject([{ pointer: '/actions' }]);
  });

  it('of the default set is right', () => {
    for (const definition of DEFAULT_RULES) expect(parseRule(definition, KNOWN)).toEqual(definition);
  });

  it.each<[string, unknown, string, string]>([
    ['an unknown field', { ...RULE, whenn: 'true' }, '/whenn', 'when'],
    ['an unknown field of an action', withAction({ templat: 'x' }), '/actions/0/templat', 'template'],
    ['an unknown channel', withAction({ channel: 'emial' }), '/actions/0/channel', 'email'],
    ['an unknown template', withAction({ template: 'transcript-redy' }), '/actions/0/template', 'transcript-ready'],
    ['an unknown contact', withAction({ to: ['contact:operater'] }), '/actions/0/to/0', 'contact:operator'],
    ['an unknown group', withAction({ to: ['a@b.co', 'group:biling'] }), '/actions/0/to/1', 'group:billing'],
    ['an unknown path', withAction({ to: ['{{job.tag.email}}'] }), '/actions/0/to/0', '{{job.tags.email}}'],
    ['a misspelt fact', { ...RULE, when: 'transcript.duratoin > 3' }, '/when', 'duration'],
    ['an address that is two', withAction({ to: ['a@b.co,c@d.co'] }), '/actions/0/to/0', ''],
    ['attachments of an SMS', withAction({ channel: 'sms', attach: ['vtt'] }), '/actions/0/attach', ''],
    ['segments of an e-mail', withAction({ preview: { segments: 1 } }), '/actions/0/preview', ''],
    [
      'a template without the part',
      withAction({ channel: 'sms', template: 'transcript-failed' }),
      '/actions/0/template',
      '',
    ],
    ['no name', { actions: [ACTION] }, '/name', ''],
    ['an empty name', { ...RULE, name: '' }, '/name', ''],
    ['a name with a slash', { ...RULE, name: 'a/b' }, '/name', ''],
    ['a name that ends in a blank', { ...RULE, name: 'a ' }, '/name', ''],
    ['a name of 101 letters', { ...RULE, name: 'a'.repeat(101) }, '/name', ''],
    ['an object for a name', { ...RULE, name: {} }, '/name', ''],
    ['an object for a condition', { ...RULE, when: { a: 1 } }, '/when', ''],
    ['an object for a recipient', withAction({ to: [{}] }), '/actions/0/to/0', ''],
    ['an object for a template', withAction({ template: {} }), '/actions/0/template', ''],
    ['no recipient', withAction({ to: [] }), '/actions/0/to', ''],
    ['51 recipients', withAction({ to: Array(51).fill('a@b.co') }), '/actions/0/to', ''],
    ['21 actions', { ...RULE, actions: Array(21).fill(ACTION) }, '/actions', ''],
    ['0 segments', withAction({ channel: 'sms', preview: { segments: 0 } }), '/actions/0/preview/segments', ''],
    ['7 segments', withAction({ channel: 'sms', preview: { segments: 7 } }), '/actions/0/preview/segments', ''],
    ['half a segment', withAction({ channel: 'sms', preview: { segments: 1.5 } }), '/actions/0/preview/segments', ''],
    ['an unknown format', withAction({ attach: ['pdf'] }), '/actions/0/attach/0', ''],
    ['an urgency that is no yes or no', withAction({ urgent: 'very' }), '/actions/0/urgent', ''],
    ['an unknown trigger', { ...RULE, on: 'transcript.complete' }, '/on', ''],
    ['a text for a switch', { ...RULE, enabled: 'false' }, '/enabled', ''],
    ['no object', [], '', ''],
    ['nothing', null, '', ''],
  ])('is refused with %s', (_name, input, pointer, suggestion) => {
    const errors = errorsOf(input);
    expect(errors.map((error) => error.pointer)).toContain(pointer);
    expect(errors.find((error) => error.pointer === pointer)?.suggestion ?? '').toBe(suggestion);
  });

  it('is refused with all its problems at once', () => {
    const input = {
      name: '',
      enabld: true,
      when: 'foo > 1 && bar > 2',
      actions: [
        { ...ACTION, channel: 'fax' },
        { ...ACTION, to: ['contact:x', '{{job.y}}'], segments: 1 },
        { ...ACTION, to: ['a,b'] },
      ],
    };
    const pointers = errorsOf(input).map(({ pointer }) => pointer);
    expect(pointers.sort()).toEqual([
      '/actions/0/channel',
      '/actions/1/segments',
      '/actions/2/to/0',
      '/enabld',
      '/name',
      '/when',
      '/when',
    ]);
  });

  it('leaves the prototype of objects alone', () => {
    const input: unknown = JSON.parse('{"name":"a","actions":[],"stop":true,"__proto__":{"polluted":1}}');
    expect(errorsOf(input).length).toBeGreaterThan(0);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('the steps of a rule', () => {
  const step = (changes: object = {}): object => ({ after: '15m', actions: [ACTION], ...changes });
  const withSteps = (...escalate: object[]): object => ({ ...RULE, escalate });

  it('are kept as they are written', () => {
    const escalate = [step(), step({ after: '2h', actions: [{ ...ACTION, to: ['group:billing'], attach: ['vtt'] }] })];
    expect(parseRule({ ...RULE, escalate }, KNOWN)).toMatchObject({ escalate });
    expect(parseRule(RULE, KNOWN)).not.toHaveProperty('escalate');
  });

  it.each(['1s', '90s', '15m', '2h', '7d'])('may wait %s', (after) => {
    expect(errorsOf(withSteps(step({ after })))).toEqual([]);
  });

  it.each(['15', '0s', '8d', '169h', '1.5h', 'soon', 15])('may not wait %j', (after) => {
    expect(errorsOf(withSteps(step({ after })))).toMatchObject([{ pointer: '/escalate/0/after' }]);
  });

  it.each([
    ['no step at all', [], '/escalate'],
    ['more than five', [step(), step(), step(), step(), step(), step()], '/escalate'],
    ['a step that sends nothing', [step({ actions: [] })], '/escalate/0/actions'],
    ['a step without a time', [{ actions: [ACTION] }], '/escalate/0/after'],
    ['a word that is none of a step', [step({ before: '1h' })], '/escalate/0/before'],
  ])('are refused with %s', (_what, escalate, pointer) => {
    expect(errorsOf({ ...RULE, escalate })).toMatchObject([{ pointer }]);
  });

  it('are checked to the last name, like the actions of the rule', () => {
    const wrong = { channel: 'sms', to: ['contact:opertor'], template: 'transcript-raedy' };
    expect(errorsOf(withSteps(step(), step({ actions: [ACTION, wrong] })))).toMatchObject([
      { pointer: '/escalate/1/actions/1/template', suggestion: 'transcript-ready' },
      { pointer: '/escalate/1/actions/1/to/0', suggestion: 'contact:operator' },
    ]);
  });

  it('need actions of the rule itself: there would be nothing to acknowledge', () => {
    expect(errorsOf({ name: 'mute', actions: [], stop: true, escalate: [step()] })).toMatchObject([
      { pointer: '/escalate' },
    ]);
  });
});
