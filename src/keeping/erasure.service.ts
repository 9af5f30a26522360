import { Inject, Injectable } from '@nestjs/common';
import { Database } from '../database/database.service.js';
import { JobErasureStore } from '../jobs/job-erasure.store.js';
import { Log } from '../log.service.js';
import { RecipientsStore } from '../recipients/recipients.store.js';
import type { ErasureRequest } from './erasures.schema.js';
import { ErasuresStore, type Erasure, type ErasureCounts } from './erasures.store.js';
import { FindingsStore, type Findings, type Remains } from './findings.store.js';
import { PersonErasureStore } from './person-erasure.store.js';
import { ERASURE_SECRET, subjectHash, type Subject } from './subject.js';

/** What was erased, and what was not and why. */
export interface Erased {
  proof: Erasure;
  remains: Remains;
}

/** What is known of a subject now. */
export interface Checked {
  subjectHash: string;
  proofs: Erasure[];
  /** How many of each kind concern the subject at this moment. */
  found: Record<keyof Findings, number>;
  remains: Remains;
}

/** Erases a person or a tag: row by row, so that the server goes on, and again when it is asked again after a crash. */
@Injectable()
export class ErasureService {
  constructor(
    @Inject(ERASURE_SECRET) private readonly secret: string,
    private readonly database: Database,
    private readonly findings: FindingsStore,
    private readonly jobs: JobErasureStore,
    private readonly persons: PersonErasureStore,
    private readonly erasures: ErasuresStore,
    private readonly recipients: RecipientsStore,
    private readonly log: Log,
  ) {}

  /** @throws RecipientInvalidError for a value that is no address of its kind */
  async erase(request: ErasureRequest, actor: string): Promise<Erased> {
    const subject = this.subjectOf(request);
    const found = await this.findings.find(subject);
    const remains = await this.findings.remains(subject, found.contacts);
    const counts = await this.eraseAll(found, actor);
    const forgotten = await this.database.uow.forget();
    const proof = await this.erasures.insert({
      actor,
      kind: subject.kind,
      subjectHash: subjectHash(subject, this.secret),
      counts,
    });
    this.log.info('keeping.erased', { erasureId: proof.id, kind: subject.kind, ...counts, logTruncated: forgotten });
    return { proof, remains };
  }

  /** @throws RecipientInvalidError for a value that is no address of its kind */
  async check(request: ErasureRequest): Promise<Checked> {
    const subject = this.subjectOf(request);
    const hash = subjectHash(subject, this.secret);
    const found = await this.findings.find(subject);
    return {
      subjectHash: hash,
      proofs: await this.erasures.of(hash),
      found: {
        jobs: found.jobs.length,
        deliveries: found.deliveries.length,
        contacts: found.contacts.length,
        callbacks: found.callbacks.length,
        consents: found.consents.length,
        counters: found.counters.length,
      },
      remains: await this.findings.remains(subject, found.contacts),
    };
  }

  private async eraseAll(found: Findings, actor: string): Promise<ErasureCounts> {
    const counts = { ...NOTHING, contacts: found.contacts.length, consents: found.consents.length };
    for (const id of found.jobs) {
      const erased = await this.jobs.eraseRows(id, actor);
      if (!erased) continue;
      counts.jobs++;
      for (const kind of ['transcripts', 'callbacks', 'deliveries', 'evaluations', 'files'] as const)
        counts[kind] += erased[kind];
    }
    for (const id of found.deliveries) await this.persons.delivery(id);
    counts.deliveries += found.deliveries.length;
    for (const id of found.callbacks) await this.persons.callback(id);
    counts.callbacks += found.callbacks.length;
    for (const contact of found.contacts) counts.memberships += await this.persons.contact(contact);
    for (const id of found.consents) await this.persons.consent(id);
    for (const cap of found.counters) await this.persons.counter(cap);
    this.recipients.invalidate();
    return counts;
  }

  private subjectOf(request: ErasureRequest): Subject {
    if (request.kind === 'tag') return request;
    const kind = request.kind === 'phone' ? 'sms' : 'email';
    const { address } = this.recipients.parseAddress(kind, request.value, '/value');
    return { kind: request.kind, value: address.toLowerCase() };
  }
}

const NOTHING: ErasureCounts = {
  jobs: 0,
  transcripts: 0,
  callbacks: 0,
  deliveries: 0,
  evaluations: 0,
  files: 0,
  contacts: 0,
  memberships: 0,
};
