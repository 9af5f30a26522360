import { describe, expect, it } from '@jest/globals';
import { toAnswer } from '../../src/http/problem.filter.js';
import { AudioUrl, Tags } from '../../src/jobs/jobs.schema.js';

const url = 'https://example.com/a.wav';

describe('text that PostgreSQL does not store', () => {
  it.each(['x\0y', '\ud800'])('is refused as the value of a tag: %j', (value) => {
    expect(Tags.safeParse({ client: value }).success).toBe(false);
    expect(Tags.safeParse({ client: 'Zoë 😀 "quoted"' }).success).toBe(true);
  });

  it.each([`${url}\0`, 'https://example.com/a b.wav'])('is refused in the URL of audio: %j', (value) => {
    expect(AudioUrl.safeParse(value).success).toBe(false);
    expect(AudioUrl.safeParse(url).success).toBe(true);
  });

  it.each(['22021', '22P05'])('is the fault of the request when only the database finds it (%s)', (code) => {
    const error = Object.assign(new Error('secret text'), { driverError: Object.assign(new Error(), { code }) });
    const { problem } = toAnswer(error, 'r1');
    expect(problem).toMatchObject({ status: 400, code: 'REQUEST_INVALID', requestId: 'r1' });
    expect(JSON.stringify(problem)).not.toContain('secret');
  });
});
