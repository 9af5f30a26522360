import { afterEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { readFixture } from '../fixtures/deepgram/index.js';
import { databases, PATIENCE_MS, Stage, type DeliveryBody, type JobBody } from '../support/stage.js';

const WORD = 'quokkacanary';
const PERSON = 'dana.canary@clinic.example';
const PHONE = '+14155552671';

interface Proof {
  id: string;
  subjectHash: string;
  counts: Record<string, number>;
  remains: { suppressions: number; rules: string[] };
}
interface Check {
  subjectHash: string;
  proofs: Proof[];
  nothingLeft: boolean;
  found: Record<string, number>;
}

describe.each(await databases())('erasure on %s', (kind) => {
  let stage: Stage;
  afterEach(() => stage.stop());

  /** Posts Deepgram's callback of the job; `padding` bytes more make it a file of its own. */
  async function callBack(id: string, padding = 0): Promise<void> {
    const text = readFixture('diarized.json').toString().replace('"transcript": "', `"transcript": "${WORD} `);
    const body = JSON.parse(text) as { metadata: Record<string, unknown>; padding?: string };
    body.metadata.request_id = randomUUID();
    body.padding = `${WORD} `.repeat(padding / WORD.length);
    expect((await stage.server.hook(id, JSON.stringify(body))).status).toBe(200);
  }

  const told = (id: string, deliveries: number): Promise<JobBody> =>
    stage.job(
      id,
      (job) =>
        job.deliveries.length === deliveries && job.deliveries.every(({ state }) => /sent|delivered/.test(state)),
    );
  const post = <T>(route: string, body: object) => stage.server.api<T>('POST', route, body);

  /** Every file under the data directory, and every row of every table, that holds the text. */
  async function places(...texts: string[]): Promise<string[]> {
    const found: string[] = [];
    const folder = stage.server.dataDir;
    for (const name of (await readdir(folder, { recursive: true, withFileTypes: true })).filter((one) =>
      one.isFile(),
    )) {
      const file = path.join(name.parentPath, name.name);
      const bytes = (await readFile(file)).toString('latin1').toLowerCase();
      if (texts.some((text) => bytes.includes(text))) found.push(file);
    }
    const tables =
      'jobs callbacks transcripts evaluations deliveries attempts contacts contact_groups audit meta erasures alerts cap_counters';
    for (const table of tables.split(' ')) {
      const rows = JSON.stringify(await stage.sql(`select * from ${table}`)).toLowerCase();
      if (texts.some((text) => rows.includes(text))) found.push(table);
    }
    return found;
  }

  it(
    'leaves nothing of a person in tables, files, log and index, and answers a proof (X21)',
    async () => {
      stage = await Stage.start(kind);
      stage.deepgram.holdCallbacks();
      const contact = { name: 'dana', email: PERSON, phone: PHONE };
      expect((await post('/v1/contacts', contact)).status).toBe(201);
      expect((await post('/v1/groups', { name: 'desk', members: ['dana'] })).status).toBe(201);
      const action = { channel: 'email', to: ['group:desk'], template: 'transcript-ready' };
      expect(
        (await post('/v1/rules', { name: 'to-the-desk', on: 'transcript.completed', actions: [action] })).status,
      ).toBe(201);

      // Two of the person's own, one spelled otherwise and with a body that is a file; and one of somebody else.
      const own = await stage.submitted({ email: PERSON, client: 'acme' });
      const large = await stage.submitted({ email: ` ${PERSON.toUpperCase()}` });
      const other = await stage.submitted({ client: 'acme' });
      await callBack(own);
      await callBack(large, 1_300_000);
      await callBack(other);
      // Two rules that tell the same person the same are one message.
      await told(own, 1);
      await told(other, 1);
      await stage.settled(large);
      expect(await places(PERSON)).not.toEqual([]);

      const {
        status,
        body: proof,
        headers,
      } = await post<Proof>('/v1/erasures', { kind: 'email', value: 'Dana.Canary@clinic.example' });
      expect(status).toBe(201);
      expect(headers.get('location')).toBe(`/v1/erasures/${proof.id}`);
      expect(proof.counts).toMatchObject({
        jobs: 2,
        transcripts: 2,
        callbacks: 2,
        files: 1,
        contacts: 1,
        memberships: 1,
      });
      expect(JSON.stringify(proof).toLowerCase()).not.toContain(PERSON);

      expect(await places(PERSON, PHONE)).toEqual([]);
      expect((await stage.server.get(`/v1/jobs/${own}`)).status).toBe(404);
      // Somebody else's job stays, with a delivery that names nobody.
      const kept = await stage.job(other, () => true);
      expect(kept.deliveries).toMatchObject([{ to: '', state: 'sent', reason: 'erased on request' }]);
      expect((await stage.server.get(`/v1/transcripts/${other}`)).status).toBe(200);
      const audit = JSON.stringify((await stage.server.get('/v1/audit?limit=200')).body);
      expect(audit).toContain('erasure.done');
      expect(audit).toContain('job.deleted');

      const { body: check } = await post<Check>('/v1/erasures/check', { kind: 'email', value: PERSON });
      expect(check).toMatchObject({ nothingLeft: true, subjectHash: proof.subjectHash, proofs: [{ id: proof.id }] });
      const { body: stranger } = await post<Check>('/v1/erasures/check', { kind: 'email', value: 'b@clinic.example' });
      expect(stranger.proofs).toEqual([]);

      // The words of the other job go with its tag.
      const tagged = await post<Proof>('/v1/erasures', { kind: 'tag', tag: 'client', value: 'acme' });
      expect(tagged.body.counts).toMatchObject({ jobs: 1, transcripts: 1 });
      expect(await places(WORD)).toEqual([]);
      expect(stage.server.log.toLowerCase()).not.toContain(PERSON);
    },
    3 * PATIENCE_MS,
  );

  it(
    'cancels what was to be sent to the person, keeps the opt-out, and names the rules to change',
    async () => {
      stage = await Stage.start(kind);
      stage.deepgram.holdCallbacks();
      const action = { channel: 'sms', to: [PHONE], template: 'transcript-ready' };
      expect(
        (await post('/v1/rules', { name: 'text-dana', on: 'transcript.completed', actions: [action] })).status,
      ).toBe(201);
      const id = await stage.submitted({ client: 'acme' });
      await callBack(id);
      const job = await told(id, 1);
      await stage.sql(`update deliveries set state = 'held', due_at = 9007199254740991`);
      await post('/v1/suppressions', { kind: 'sms', address: PHONE, reason: 'STOP' });
      const { body: proof } = await post<Proof>('/v1/erasures', { kind: 'phone', value: '+1 415 555 2671' });
      expect(proof.remains).toEqual({ suppressions: 1, withdrawals: 0, rules: ['text-dana'] });
      expect(proof.counts).toMatchObject({ jobs: 0, deliveries: 1 });
      const delivery = await stage.delivery(job.deliveries[0]?.id ?? '');
      expect(delivery).toMatchObject({ state: 'cancelled', message: null } satisfies Partial<DeliveryBody>);
      expect((await stage.server.get<{ items: unknown[] }>('/v1/suppressions')).body.items).toHaveLength(1);
      const bad = await post<{ errors: { pointer: string }[] }>('/v1/erasures', { kind: 'phone', value: 'nobody' });
      expect([bad.status, bad.body.errors[0]?.pointer]).toEqual([422, '/value']);
    },
    3 * PATIENCE_MS,
  );
});
