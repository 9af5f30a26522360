import { Injectable } from '@nestjs/common';
import { Clock } from '../clock.js';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { changed } from '../database/unit-of-work.service.js';
import { Ids } from '../ids.service.js';
import type { Subject } from './subject.js';

/** How many of each kind were erased. */
export interface ErasureCounts {
  jobs: number;
  transcripts: number;
  callbacks: number;
  deliveries: number;
  evaluations: number;
  /** Audio and large callback bodies. */
  files: number;
  contacts: number;
  memberships: number;
  /** Absent in proofs of an earlier release. */
  consents?: number;
}

/** A proof: what was erased and when, for a subject that only its owner can name. */
export interface Erasure {
  id: string;
  /** Epoch milliseconds. */
  at: number;
  /** Name of the API key. */
  actor: string;
  kind: Subject['kind'];
  /** Hex. */
  subjectHash: string;
  counts: ErasureCounts;
}

type Row = Omit<Erasure, 'counts'> & { counts: string };

const COLUMNS = 'id, at, actor, kind, subject_hash as "subjectHash", counts';

/** Proofs of erasure. They outlive what they tell of. */
@Injectable()
export class ErasuresStore {
  constructor(
    private readonly database: Database,
    private readonly ids: Ids,
    private readonly clock: Clock,
    private readonly audit: AuditStore,
  ) {}

  /** Notes what was done. */
  async insert(erasure: Omit<Erasure, 'id' | 'at'>): Promise<Erasure> {
    const proof = { id: this.ids.next(), at: this.clock.now(), ...erasure };
    const { dialect } = this.database;
    await this.database.uow.run(async (tx) => {
      await changed(
        tx,
        dialect.bind('insert into erasures (id, at, actor, kind, subject_hash, counts) values (?, ?, ?, ?, ?, ?)'),
        [proof.id, proof.at, proof.actor, proof.kind, proof.subjectHash, JSON.stringify(proof.counts)],
      );
      await this.audit.record(tx, proof.actor, 'erasure.done', proof.id, { kind: proof.kind, ...proof.counts });
    });
    return proof;
  }

  async find(id: string): Promise<Erasure | undefined> {
    return (await this.read('where id = ?', [id]))[0];
  }

  /** Newest first; one row more than `limit` tells of a next page. */
  list({ cursor, limit }: { cursor?: string | undefined; limit: number }): Promise<Erasure[]> {
    const where = cursor === undefined ? '' : 'where id < ?';
    return this.read(`${where} order by id desc limit ?`, [...(cursor === undefined ? [] : [cursor]), limit + 1]);
  }

  /** All proofs for one subject, newest first. */
  of(subjectHash: string): Promise<Erasure[]> {
    return this.read('where subject_hash = ? order by id desc', [subjectHash]);
  }

  private async read(rest: string, parameters: unknown[]): Promise<Erasure[]> {
    const found = await this.database.read<Row>(`select ${COLUMNS} from erasures ${rest}`, parameters);
    return found.map((row) => ({ ...row, counts: JSON.parse(row.counts) as ErasureCounts }));
  }
}
