import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectOf } from '../source.dialect.js';

type Types = ReturnType<typeof dialectOf>['types'];

/** Statements of one subject, both ways; `down` undoes `up` backwards. */
interface Change {
  up: (types: Types) => string[];
  down: (types: Types) => string[];
}

/** What conditions over many calls remember, and what is throttled. */
const calls: Change = {
  up: ({ text, bigint }) => [
    // The other rules and actions that a delivery speaks for.
    `alter table deliveries add column also_for ${text} not null default '[]'`,
    `create index deliveries_merged on deliveries (job_id) where also_for <> '[]'`,
    `create table throttles (throttle ${text} not null primary key, told ${text} not null, until_at ${bigint} not null)`,
    'create index throttles_until on throttles (until_at)',
    // What each call was in the series that conditions look at; a row without a job is the lock of its series.
    `create table series (series ${text} not null, place ${text} not null, job_id ${text} not null, observed_at ${bigint} not null,
      value ${text} not null, until_at ${bigint} not null, primary key (series, place, job_id))`,
    'create index series_at on series (series, place, observed_at)',
    'create index series_job on series (job_id)',
    'create index series_until on series (until_at)',
  ],
  down: () => [
    'drop table series',
    'drop table throttles',
    'drop index deliveries_merged',
    'alter table deliveries drop column also_for',
  ],
};

/** Hours, levels and consent of people; messages that wait to go together. */
const people: Change = {
  up: ({ text, integer, bigint }) => [
    ...['channels', 'quiet', 'digest', 'content'].map((column) => `alter table contacts add column ${column} ${text}`),
    `alter table contacts add column snoozed_until ${bigint}`,
    // Of a message that went together with others: the delivery that carried it.
    `alter table deliveries add column bundle_id ${text}`,
    `alter table deliveries add column urgent ${integer} not null default 0`,
    'create index deliveries_bundle on deliveries (bundle_id)',
    // Grows only: the latest entry of an address counts.
    `create table consents (
      id ${text} not null primary key, kind ${text} not null, address ${text} not null, state ${text} not null,
      how ${text} not null, evidence ${text}, actor ${text} not null, given_at ${bigint} not null, created_at ${bigint} not null)`,
    'create index consents_address on consents (kind, address, id)',
  ],
  // What waits goes at its time, each for itself; what went together with others does not go again.
  down: () => [
    'drop table consents',
    `update deliveries set state = 'queued' where state = 'waiting'`,
    `update deliveries set state = 'cancelled' where state = 'bundled'`,
    'drop index deliveries_bundle',
    'alter table deliveries drop column urgent',
    'alter table deliveries drop column bundle_id',
    ...['snoozed_until', 'content', 'digest', 'quiet', 'channels'].map(
      (column) => `alter table contacts drop column ${column}`,
    ),
  ],
};

/** Rules that go on until somebody acknowledges. */
const escalations: Change = {
  up: ({ text, integer, bigint }) => [
    // `subject` is the job, or the job and the delivery that the rule fired for: a rule is escalated once for each.
    `create table escalations (
      id ${text} not null primary key, job_id ${text} not null, subject ${text} not null, about_delivery_id ${text},
      trigger_name ${text} not null, rule_id ${text} not null, rule_name ${text} not null, rule_version ${integer} not null,
      state ${text} not null, reason ${text}, step ${integer} not null, steps ${integer} not null, next_at ${bigint},
      history ${text} not null, opened_at ${bigint} not null, updated_at ${bigint} not null, acknowledged_at ${bigint},
      acknowledged_by ${text}, acknowledged_delivery_id ${text})`,
    'create unique index escalations_subject on escalations (subject, rule_id)',
    'create index escalations_job on escalations (job_id)',
    `create index escalations_next on escalations (next_at) where state = 'open'`,
    `create index escalations_exhausted on escalations (updated_at) where state = 'exhausted'`,
    // Null: the rule has no steps.
    `alter table deliveries add column escalation_step ${integer}`,
  ],
  down: () => ['alter table deliveries drop column escalation_step', 'drop table escalations'],
};

/** What is masked in messages. */
const redactions: Change = {
  up: ({ text, integer, bigint, boolean }) => [
    // A policy that was deleted keeps its row without rules: its versions are never used again.
    `create table redactions (
      channel ${text} not null primary key, version ${integer} not null, rules ${text}, enabled ${boolean} not null,
      author ${text} not null, updated_at ${bigint} not null)`,
    `alter table deliveries add column masked ${text}`,
    `alter table deliveries add column redaction_version ${integer}`,
  ],
  down: () => [
    'alter table deliveries drop column redaction_version',
    'alter table deliveries drop column masked',
    'drop table redactions',
  ],
};

/** What the health of rules is counted from, and why rules were saved. */
const evaluations: Change = {
  up: ({ text }) => [
    `alter table rule_versions add column comment ${text}`,
    // What came of the rule in one word. Of earlier ones only the matches are told apart: the rest would take reading every row.
    `alter table evaluations add column outcome ${text} not null default 'unmatched'`,
    `update evaluations set outcome = 'matched' where matched`,
    'drop index evaluations_job',
    'create index evaluations_job on evaluations (job_id, outcome, id)',
    // By time first: one that began with the rule would write a page for each of ten thousand rules at every settle.
    'create index evaluations_time on evaluations (created_at, rule_id, rule_version, outcome)',
  ],
  down: () => [
    'drop index evaluations_time',
    'drop index evaluations_job',
    'create index evaluations_job on evaluations (job_id)',
    'alter table evaluations drop column outcome',
    'alter table rule_versions drop column comment',
  ],
};

const CHANGES = [calls, people, escalations, redactions, evaluations];

/** Rules that people can trust: memory over calls, people and their hours, acknowledgement, redaction. */
export class Trust1700000000003 implements MigrationInterface {
  name = 'Trust1700000000003';

  async up(runner: QueryRunner): Promise<void> {
    const { types } = dialectOf(runner.dataSource);
    for (const { up } of CHANGES) await run(runner, up(types));
  }

  async down(runner: QueryRunner): Promise<void> {
    const { types } = dialectOf(runner.dataSource);
    for (const { down } of [...CHANGES].reverse()) await run(runner, down(types));
  }
}

async function run(runner: QueryRunner, statements: string[]): Promise<void> {
  for (const statement of statements) await runner.query(statement);
}
