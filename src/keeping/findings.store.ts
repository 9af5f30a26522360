import { Injectable } from '@nestjs/common';
import type { ChannelKind } from '../channels/channel.js';
import { CallbacksStore } from '../callbacks/callbacks.store.js';
import { Database } from '../database/database.service.js';
import { isThrottleOf } from '../rules/throttle.js';
import { isAddressOf, mentions, tagsConcern, type Subject } from './subject.js';

/** Ids of everything that concerns a subject. */
export interface Findings {
  jobs: string[];
  /** Deliveries to the person that came of jobs of others. */
  deliveries: string[];
  contacts: { id: string; name: string }[];
  /** Callbacks in quarantine that hold the address. */
  callbacks: string[];
  /** Entries of the ledger of consent, but those that keep the person from being written to. */
  consents: string[];
  /** Counters of what was sent to the address, by hour and by rule; of a value of a tag, those by rule. */
  counters: string[];
}

/** What is kept although it names the subject, because somebody needs it or has to change it by hand. */
export interface Remains {
  /** Opt-outs: they protect the person. */
  suppressions: number;
  /** Consents that were withdrawn: they protect the person too. */
  withdrawals: number;
  /** Names of rules whose definition, or an earlier version of it, holds the address or one of its contacts. */
  rules: string[];
}

/** Rows a read: long tables are gone through in pieces, so that requests are answered in between. */
const PIECE = 1_000;
/** Larger bodies in quarantine are not searched. */
const MAX_BODY = 64 * 1024 * 1024;

/** Looks through the tables for a subject. Addresses are compared in code: people write them in many ways. */
@Injectable()
export class FindingsStore {
  constructor(
    private readonly database: Database,
    private readonly callbacks: CallbacksStore,
  ) {}

  async find(subject: Subject): Promise<Findings> {
    const jobs = await this.jobs(subject);
    return {
      jobs,
      deliveries: await this.deliveries(subject, new Set(jobs)),
      contacts: await this.contacts(subject),
      callbacks: await this.quarantined(subject),
      consents: await this.consents(subject, `state <> 'withdrawn'`),
      counters: await this.counters(subject),
    };
  }

  async remains(subject: Subject, contacts: { name: string }[]): Promise<Remains> {
    if (subject.kind === 'tag') return { suppressions: 0, withdrawals: 0, rules: [] };
    const suppressions = await this.database.read('select id from suppressions where kind = ? and address = ?', [
      channelKindOf(subject),
      subject.value,
    ]);
    const definitions = await this.database.read<{ name: string; definition: string }>(
      `select name, definition from rules
       union all select rules.name, rule_versions.definition from rule_versions join rules on rules.id = rule_versions.rule_id
         where rule_versions.definition is not null`,
    );
    const names = contacts.map(({ name }) => JSON.stringify(`contact:${name}`).toLowerCase());
    const rules = definitions.filter(
      ({ definition }) =>
        mentions(subject, definition) || names.some((name) => definition.toLowerCase().includes(name)),
    );
    const withdrawals = await this.consents(subject, `state = 'withdrawn'`);
    return {
      suppressions: suppressions.length,
      withdrawals: withdrawals.length,
      rules: [...new Set(rules.map(({ name }) => name))],
    };
  }

  private jobs(subject: Subject): Promise<string[]> {
    return this.search<{ id: string; tags: string }>('select id, tags from jobs where deleted_at is null and', (row) =>
      tagsConcern(subject, JSON.parse(row.tags) as Record<string, string>),
    );
  }

  private deliveries(subject: Subject, jobs: ReadonlySet<string>): Promise<string[]> {
    if (subject.kind === 'tag') return Promise.resolve([]);
    return this.search<{ id: string; job_id: string; recipient: string }>(
      'select id, job_id, recipient from deliveries where',
      (row) => !jobs.has(row.job_id) && isAddressOf(subject, row.recipient),
    );
  }

  private async contacts(subject: Subject): Promise<Findings['contacts']> {
    if (subject.kind === 'tag') return [];
    const all = await this.database.read<{ id: string; name: string; address: string | null }>(
      `select id, name, ${subject.kind} as address from contacts`,
    );
    return all
      .filter(({ address }) => address !== null && isAddressOf(subject, address))
      .map(({ id, name }) => ({ id, name }));
  }

  private async quarantined(subject: Subject): Promise<string[]> {
    if (subject.kind === 'tag') return [];
    const found: string[] = [];
    const ids = await this.search<{ id: string }>(
      `select id from callbacks where state = 'quarantined' and`,
      () => true,
    );
    for (const id of ids) {
      const callback = await this.callbacks.find(id);
      if (!callback) continue;
      // A body that cannot be decoded is searched as it came.
      const body = await this.callbacks
        .decodedBody(callback, MAX_BODY)
        .catch(() => this.callbacks.rawBody(callback).catch(() => Buffer.alloc(0)));
      if (mentions(subject, body.toString('latin1'))) found.push(id);
    }
    return found;
  }

  private async consents(subject: Subject, condition: string): Promise<string[]> {
    if (subject.kind === 'tag') return [];
    const found = await this.database.read<{ id: string }>(
      `select id from consents where kind = ? and address = ? and ${condition}`,
      [channelKindOf(subject), subject.value],
    );
    return found.map(({ id }) => id);
  }

  private async counters(subject: Subject): Promise<string[]> {
    const caps = await this.database.read<{ cap: string }>('select distinct cap from cap_counters');
    const throttles = await this.database.read<{ throttle: string }>('select throttle from throttles');
    const of = subject.kind === 'tag' ? subject : { kind: channelKindOf(subject), to: subject.value };
    return [
      ...caps.map(({ cap }) => cap).filter((cap) => mentions(subject, cap)),
      ...throttles.map(({ throttle }) => throttle).filter((key) => isThrottleOf(key, of)),
    ];
  }

  /** @param select up to and with its `where` or `and` */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- what the caller selects
  private async search<Row extends { id: string }>(select: string, concerns: (row: Row) => boolean): Promise<string[]> {
    const found: string[] = [];
    for (let after = ''; ;) {
      const rows = await this.database.read<Row>(`${select} id > ? order by id limit ?`, [after, PIECE]);
      found.push(...rows.filter(concerns).map(({ id }) => id));
      const last = rows.at(-1);
      if (!last || rows.length < PIECE) return found;
      after = last.id;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

function channelKindOf({ kind }: Subject): ChannelKind {
  return kind === 'phone' ? 'sms' : 'email';
}
