import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DAY } from '../../src/duration.js';
import { observationOf, SeriesMemory, seriesNeed, type Observation, type SeriesNeed } from '../../src/rules/series.js';
import { SeriesMovedError, SeriesStore } from '../../src/rules/series.store.js';
import { databases } from '../support/app.js';
import { TestDatabase } from '../support/database.js';

const ON = 'transcript.completed';
const NEEDS: SeriesNeed[] = [
  seriesNeed('count', ON, 'a', { windowMs: 7 * DAY }),
  seriesNeed('count', ON, 'a', { windowMs: DAY }),
  seriesNeed('count', ON, 'a', { windowMs: 7 * DAY, tag: 'client' }),
  seriesNeed('changed', ON, 'b', { windowMs: 30 * DAY, tag: 'client' }),
];

interface Call {
  id: string;
  tags: Record<string, string>;
  holds: boolean;
  value: string;
}

describe.each(await databases())('series on %s', (kind) => {
  let own: TestDatabase;
  let store: SeriesStore;
  beforeAll(async () => {
    own = await TestDatabase.open(kind);
    store = new SeriesStore(own.database, own.clock);
  });
  afterAll(() => own.close());
  beforeEach(async () => {
    own.clock.aheadMs = 0;
    await own.database.uow.run((tx) => tx.query('delete from series'));
  });

  /** Each series once, for as long as the longest look back needs: the first of the needs. */
  const observationsOf = ({ holds, value, tags }: Call): Observation[] => {
    const all = NEEDS.flatMap((need) => observationOf(need, need.kind === 'count' ? holds : value, tags) ?? []);
    return [...new Map(all.toReversed().map((one) => [one.series, one])).values()];
  };
  const settle = async (call: Call, exact = true): Promise<Awaited<ReturnType<SeriesStore['before']>>> => {
    const looked = await store.before(NEEDS, call);
    await own.database.uow.run((tx) => store.record(tx, observationsOf(call), call, looked, exact));
    return looked;
  };
  const call = (id: string, over: Partial<Call> = {}): Call => ({ id, tags: {}, holds: true, value: 'x', ...over });
  const stored = (where = "job_id <> ''"): Promise<unknown[]> =>
    own.database.read(`select series from series where ${where}`);

  it('answer as a simulation in memory would, call by call', async () => {
    const memory = new SeriesMemory();
    const calls = Array.from({ length: 60 }, (_, i) =>
      call(String(i), {
        tags: i % 5 === 0 ? {} : { client: i % 2 === 0 ? 'acme' : 'birch' },
        holds: i % 3 !== 0,
        value: String(Math.floor(i / 7)),
      }),
    );
    for (const [i, one] of calls.entries()) {
      own.clock.aheadMs = i * (DAY / 4);
      const { snapshot } = await settle(one);
      const { counts, lasts } = memory.before(NEEDS, one, snapshot.at);
      // Where nothing came before, one has no entry.
      const zeros = Object.fromEntries(Object.keys(snapshot.counts).map((id) => [id, 0]));
      expect(snapshot).toMatchObject({ counts: { ...zeros, ...counts }, lasts });
      memory.add(observationsOf(one), one.id, snapshot.at);
    }
  });

  it('count a call once, and never for itself', async () => {
    for (let i = 0; i < 3; i++) expect((await settle(call('same'), false)).snapshot.counts[NEEDS[0]!.id]).toBe(0);
    expect((await settle(call('other'))).snapshot.counts[NEEDS[0]!.id]).toBe(1);
  });

  it('tell a call that another was settled between its look and its write; done again, every count is met once', async () => {
    const counts = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        for (;;) {
          try {
            return (await settle(call(String(i)))).snapshot.counts[NEEDS[0]!.id];
          } catch (error) {
            if (!(error instanceof SeriesMovedError)) throw error;
          }
        }
      }),
    );
    expect(counts.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  it('keep no more than the longest look back needs, and nothing of an erased job', async () => {
    await settle(call('1', { tags: { client: 'acme' } }));
    own.clock.aheadMs = 40 * DAY;
    await settle(call('2'));
    expect(await stored("job_id = '1'")).toEqual([]);
    expect(await stored("job_id = '2'")).not.toEqual([]);
    expect(JSON.stringify(await own.database.read('select * from series'))).not.toContain('acme');
  });

  it('ask nothing of the database when no rule looks at many calls', async () => {
    const looked = await store.before([], call('1'));
    await own.database.uow.run((tx) => store.record(tx, [], call('1'), looked, true));
    expect(await stored('1 = 1')).toEqual([]);
  });
});
