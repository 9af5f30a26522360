import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { databases, Stage } from '../support/stage.js';

interface Body {
  evaluations: { ruleName: string; matched: boolean; matches: { text: string; confidence?: number }[] }[];
}

/** A call in which Deepgram hears the terms that it is asked for, though its words say something else. */
const SEARCHED = JSON.parse(
  readFileSync(new URL('../fixtures/deepgram/search-hits.json', import.meta.url), 'utf8'),
) as { results: { channels: Record<string, unknown>[] } };

function hearing(queries: string[]): object {
  const search = queries.map((query) => ({
    query,
    hits: [{ confidence: 0.93, start: 0.5, end: 1.2, snippet: 'acne' }],
  }));
  const [channel] = SEARCHED.results.channels;
  return { ...SEARCHED, results: { ...SEARCHED.results, channels: [{ ...channel, search }] } };
}

describe.each(await databases())('phrases of rules at Deepgram, on %s', (kind) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start(kind, {
      env: { HERALD_PHRASES: 'search' },
      deepgram: { bodyFor: ({ query }) => hearing(query.getAll('search')) as never },
    });
  });
  afterAll(() => stage.stop());

  it('are searched for with every job, and what is heard makes the rule match', async () => {
    const rule = { name: 'brand', when: "speech.heard('ACME', 0.9)", actions: [], stop: true };
    const made = await stage.server.api<{ warnings?: unknown }>('POST', '/v1/rules', rule);
    expect(made.status).toBe(201);
    expect(made.body.warnings).toBeUndefined();

    const id = await stage.create({}, { search: ['ours'] });
    await stage.settled(id);
    expect(stage.deepgram.requests[0]?.options.search).toEqual(['ours', 'ACME']);
    const { body } = await stage.server.get<Body>(`/v1/jobs/${id}`);
    const evaluation = body.evaluations.find(({ ruleName }) => ruleName === 'brand');
    expect(evaluation).toMatchObject({ matched: true, matches: [{ text: 'acne', confidence: 0.93 }] });
  });
});
