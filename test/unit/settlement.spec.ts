import { describe, expect, it } from '@jest/globals';
import { hookPassword, hookUrl, verifyBasic, verifyHookCredential } from '../../src/callbacks/hook-credential.js';
import type { CallbackResult } from '../../src/providers/provider.js';
import { settlementOf, type JobStanding } from '../../src/settle/settlement.js';

const SECRET = 'secret-of-the-tests-0123456789-0123456789';
const header = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

describe('the credential of a callback', () => {
  it('is that of one job, and the URL carries it', () => {
    const url = new URL(hookUrl('https://herald.example', 'job-1', SECRET));
    expect(url.pathname).toBe('/hook/job-1');
    const right = header(`${url.username}:${decodeURIComponent(url.password)}`);
    expect(verifyHookCredential(right, 'job-1', SECRET)).toBe('ok');
    expect(verifyHookCredential(right, 'job-2', SECRET)).toBe('wrong');
    expect(verifyHookCredential(right, 'job-1', `${SECRET}x`)).toBe('wrong');
  });

  it.each([
    [undefined, 'missing'],
    ['', 'wrong'],
    ['Basic', 'wrong'],
    [header('herald:'), 'wrong'],
    [header('Herald:password'), 'wrong'],
    [header('herald:Password'), 'wrong'],
    [header('herald:password').replace('Basic', 'basic'), 'ok'],
    [`  ${header('herald:password')}  `, 'ok'],
  ])('%s is %s', (given, check) => {
    expect(verifyBasic(given, 'password')).toBe(check);
  });

  it('differs from job to job', () => {
    expect(hookPassword('a', SECRET)).not.toBe(hookPassword('b', SECRET));
  });
});

describe('what a callback does to its job', () => {
  const transcript = { kind: 'transcript' } as CallbackResult;
  const failure = { kind: 'failure' } as CallbackResult;
  const unreadable: CallbackResult = { kind: 'unreadable', reason: 'why' };
  const known = (state: 'submitted' | 'failed' | 'completed' | 'overdue', hasTranscript = false) =>
    ({ kind: 'known', state, hasTranscript }) satisfies JobStanding;

  it.each<[string, CallbackResult, JobStanding, boolean, string]>([
    ['a first transcript', transcript, known('submitted'), false, 'complete'],
    ['a transcript after a failure', transcript, known('failed'), false, 'complete'],
    ['a late transcript', transcript, known('overdue'), false, 'complete'],
    ['a second transcript', transcript, known('completed', true), false, 'duplicate'],
    ['a replayed transcript', transcript, known('completed', true), true, 'complete'],
    ['a transcript of nobody', transcript, { kind: 'unknown' }, false, 'complete'],
    ['a first failure', failure, known('submitted'), false, 'fail'],
    ['a second failure', failure, known('failed'), false, 'duplicate'],
    ['a replayed failure', failure, known('failed'), true, 'fail'],
    ['a failure after a transcript', failure, known('completed', true), false, 'duplicate'],
    ['a replayed failure after a transcript', failure, known('completed', true), true, 'duplicate'],
    ['a failure of an earlier submission', failure, { ...known('submitted'), superseded: true }, false, 'duplicate'],
    ['a transcript of an earlier one', transcript, { ...known('submitted'), superseded: true }, false, 'complete'],
    ['a replayed failure of an earlier one', failure, { ...known('overdue'), superseded: true }, true, 'fail'],
    ['nonsense', unreadable, known('submitted'), false, 'quarantine'],
    ['anything for an erased job', unreadable, { kind: 'deleted' }, false, 'erase'],
    ['a transcript for an erased job', transcript, { kind: 'deleted' }, true, 'erase'],
  ])('%s', (_what, result, job, replay, kind) => {
    expect(settlementOf(result, job, replay).kind).toBe(kind);
  });
});
