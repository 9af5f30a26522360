import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  ERROR_CODES,
  NotFoundError,
  TemplateRenderError,
  UnauthorizedError,
  type ErrorCode,
} from '../../src/errors.js';
import { bodyKind, isMediaType, parseForm } from '../../src/http/body-kind.js';
import { bearerToken } from '../../src/http/api-key.guard.js';
import { NestLog } from '../../src/http/nest-log.service.js';
import { allows } from '../../src/http/principal.js';
import { toAnswer } from '../../src/http/problem.filter.js';
import { QueryRunnerAlreadyReleasedError, QueryRunnerProviderAlreadyReleasedError } from 'typeorm';
import { storageFaultOf } from '../../src/database/storage-fault.js';
import { codeOfStatus, errorsPage, problemOf } from '../../src/http/problem.js';
import { RouteTable } from '../../src/http/route-table.js';
import { Log } from '../../src/log.service.js';

describe('which body goes where', () => {
  const kind = (method: string, route: string, contentType?: string) => bodyKind({ method, route, contentType });

  it('streams everything under /hook, and only there', () => {
    fc.assert(
      fc.property(fc.option(fc.string(), { nil: undefined }), (type) => {
        expect(kind('POST', '/hook', type)).toBe('stream');
        expect(kind('PUT', '/hook/:jobId', type)).toBe('stream');
      }),
    );
    expect(kind('POST', '/hooks', 'text/plain')).toBe('unsupported');
    expect(kind('POST', '/v1/hook', undefined)).toBe('unsupported');
  });

  it.each([
    ['POST', '/v1/jobs', 'audio/wav', 'stream'],
    ['POST', '/v1/jobs', 'Video/MP4;codecs=x', 'stream'],
    ['POST', '/v1/jobs', 'application/json', 'json'],
    ['POST', '/v1/jobs', 'audio/', 'unsupported'],
    ['POST', '/v1/jobs', undefined, 'unsupported'],
    ['PUT', '/v1/jobs', 'audio/wav', 'unsupported'],
    ['POST', '/v1/jobs/:id', 'audio/wav', 'unsupported'],
    ['POST', '/v1/rules', 'application/merge-patch+json', 'json'],
    ['POST', '/v1/rules', 'application/json;charset="utf-8"', 'json'],
    ['POST', '/v1/rules', 'application/json; charset=iso-8859-1', 'unsupported'],
    ['POST', '/v1/rules', 'application/jsonp', 'unsupported'],
    ['POST', '/v1/rules', 'text/json', 'unsupported'],
    ['POST', '/reports/twilio/:id', 'application/x-www-form-urlencoded; charset=UTF-8', 'form'],
    ['POST', '/inbound/twilio', 'application/x-www-form-urlencoded', 'form'],
    ['POST', '/a/:token', 'application/x-www-form-urlencoded', 'form'],
    ['POST', '/v1/rules', 'application/x-www-form-urlencoded', 'unsupported'],
  ])('%s %s with %s is %s', (method, route, type, expected) => {
    expect(kind(method, route, type)).toBe(expected);
  });

  it('knows a media type that the server would take', () => {
    expect(['audio/wav', 'a/b; x=y', 'a/b ;'].map(isMediaType)).toEqual([true, true, true]);
    expect(['', 'audio', ';;', 'a/', '/b', 'a b/c'].map(isMediaType)).toEqual([
      false,
      false,
      false,
      false,
      false,
      false,
    ]);
  });

  it('parses a form without a prototype to inherit from', () => {
    const fields = parseForm('__proto__=x&a=1&a=2&b=');
    expect(Object.getPrototypeOf(fields)).toBeNull();
    expect(Object.entries(fields)).toEqual([
      ['__proto__', 'x'],
      ['a', '2'],
      ['b', ''],
    ]);
  });
});

describe('problems', () => {
  it('has a title, a type and an anchor on the page for every code', () => {
    const page = errorsPage();
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      expect(problemOf(code)).toMatchObject({ type: `/docs/errors#${code}`, title: expect.stringMatching(/^[A-Z].+/) });
      expect(page).toContain(`id="${code}"`);
    }
  });

  it('shows an error of Herald with its challenge, and hides one that should not have come to a request', () => {
    expect(toAnswer(new NotFoundError('No job has this id'), 'r1')).toEqual({
      problem: {
        type: '/docs/errors#NOT_FOUND',
        title: 'There is nothing of this name',
        status: 404,
        code: 'NOT_FOUND',
        detail: 'No job has this id',
        requestId: 'r1',
      },
      headers: {},
    });
    const challenge = 'Basic realm="herald"';
    expect(toAnswer(new UnauthorizedError('x', challenge), 'r').headers).toEqual({ 'www-authenticate': challenge });
    const hidden = toAnswer(new TemplateRenderError('canary'), 'r1').problem;
    expect(hidden).toMatchObject({ status: 500, code: 'INTERNAL', requestId: 'r1' });
    expect(JSON.stringify(hidden)).not.toContain('canary');
  });

  it('never gives a detail to what is thrown and is no error of ours', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 8 }), fc.integer({ min: 300, max: 599 }), (secret, statusCode) => {
        fc.pre(!JSON.stringify(toAnswer(new Error('x'), 'r')).includes(secret));
        for (const thrown of [secret, new Error(secret), Object.assign(new Error(secret), { statusCode })]) {
          const { detail = '' } = toAnswer(thrown, 'r').problem;
          expect(detail).not.toContain(secret);
        }
      }),
    );
  });

  it('tells a storage that is away from a statement that is wrong', () => {
    const away = {
      SQLITE_BUSY: 'locked',
      SQLITE_BUSY_SNAPSHOT: 'locked',
      SQLITE_FULL: 'full',
      ENOSPC: 'full',
      SQLITE_IOERR_FSYNC: 'unsynced',
      SQLITE_CORRUPT: 'damaged',
      SQLITE_NOTADB: 'damaged',
      SQLITE_IOERR_WRITE: 'unreachable',
      EMFILE: 'unreachable',
      ECONNREFUSED: 'unreachable',
      '08006': 'unreachable',
      '53300': 'unreachable',
      '57P01': 'unreachable',
      '57014': 'unreachable',
    };
    for (const [code, fault] of Object.entries(away)) {
      expect([code, storageFaultOf(Object.assign(new Error(), { code }))]).toEqual([code, fault]);
      expect(storageFaultOf({ driverError: { code } })).toBe(fault);
    }
    for (const message of [
      'Query read timeout',
      'Connection terminated unexpectedly',
      'timeout exceeded when trying to connect',
      new QueryRunnerProviderAlreadyReleasedError().message,
      new QueryRunnerAlreadyReleasedError().message,
    ])
      expect([message, storageFaultOf(new Error(message))]).toEqual([message, 'unreachable']);
    for (const code of [
      'SQLITE_CONSTRAINT_UNIQUE',
      'SQLITE_ERROR',
      'SQLITE_CORRUPT_VTAB',
      '23505',
      '42601',
      'ENOENT',
      undefined,
    ])
      expect([code, storageFaultOf(Object.assign(new Error('no'), { code }))]).toEqual([code, undefined]);
  });

  it('tells statuses without a code of their own as a wrong request or a fault', () => {
    expect([408, 414, 431, 418].map(codeOfStatus)).toEqual(Array(4).fill('REQUEST_INVALID'));
    expect([500, 502].map(codeOfStatus)).toEqual(['INTERNAL', 'INTERNAL']);
  });
});

describe('scopes and credentials', () => {
  it('lets admin do everything, and jobs:write read', () => {
    const may = (scopes: ('admin' | 'jobs:read' | 'jobs:write')[]) =>
      (['jobs:read', 'jobs:write', 'admin'] as const).map((scope) => allows({ id: '1', name: 'n', scopes }, scope));
    expect(may(['admin'])).toEqual([true, true, true]);
    expect(may(['jobs:write'])).toEqual([true, true, false]);
    expect(may(['jobs:read'])).toEqual([true, false, false]);
    expect(may([])).toEqual([false, false, false]);
  });

  it('reads a bearer token and nothing else', () => {
    expect(bearerToken('Bearer abc-_.~+/=')).toBe('abc-_.~+/=');
    expect(bearerToken('bearer  abc ')).toBe('abc');
    for (const header of [
      undefined,
      '',
      'Bearer',
      'Bearer a b',
      'Bearer a,b',
      'Basic abc',
      `Bearer ${'a'.repeat(513)}`,
    ]) {
      expect(bearerToken(header)).toBeUndefined();
    }
  });
});

describe('methods of a path', () => {
  it('matches parameters, suffixes and wildcards as the router does', () => {
    const table = new RouteTable();
    table.add('GET', '/v1/jobs/:id');
    table.add(['PUT', 'DELETE'], '/v1/jobs/:id');
    table.add('GET', '/v1/transcripts/:jobId.txt');
    table.add('GET', '/docs/*');
    expect(table.methodsOf('/v1/jobs/5')).toEqual(['DELETE', 'GET', 'PUT']);
    expect(table.methodsOf('/v1/jobs/')).toEqual([]);
    expect(table.methodsOf('/v1/jobs/5/6')).toEqual([]);
    expect(table.methodsOf('/v1/transcripts/a.txt')).toEqual(['GET']);
    expect(table.methodsOf('/v1/transcripts/atxt')).toEqual([]);
    expect(table.methodsOf('/docs/a/b.css')).toEqual(['GET']);
    expect(table.methodsOf('/docs')).toEqual([]);
  });
});

describe('lines of the framework', () => {
  it('are structured, one line each, with neither stack nor message of an error', () => {
    const lines: string[] = [];
    const log = new NestLog(new Log('debug', { write: (line) => lines.push(line) }));
    log.error(Object.assign(new TypeError('canary'), { code: 'E_X' }), 'Error: canary\n at x', 'ExceptionsHandler');
    log.log('Mapped {/v1/jobs, GET} route', 'RouterExplorer');
    log.warn({ canary: 1 }, 'Context');
    log.error(`first line\r\n${'canary '.repeat(1_000)}`);
    const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(parsed[0]).toMatchObject({
      event: 'nest.error',
      context: 'ExceptionsHandler',
      error: 'TypeError',
      errorCode: 'E_X',
    });
    expect(parsed[1]).toMatchObject({
      event: 'nest.log',
      context: 'RouterExplorer',
      message: 'Mapped {/v1/jobs, GET} route',
    });
    expect(lines.join('')).not.toContain('canary');
    expect(lines.every((line) => line.length < 400)).toBe(true);
  });
});
