import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectOf } from '../source.dialect.js';

/** Deadlines of jobs, paused channels, caps on what is sent, opt-outs by sender, alerts to the operator, proofs of erasure. */
export class Reliability1700000000002 implements MigrationInterface {
  name = 'Reliability1700000000002';

  async up(runner: QueryRunner): Promise<void> {
    const { types, fullTextRows } = dialectOf(runner.dataSource);
    const { text, integer, bigint, bytes } = types;
    await run(runner, [
      ...fullTextRows.up,
      // When the callback should have come; a job that was submitted before this release gets the wait of that release.
      `alter table jobs add column deadline_at ${bigint}`,
      `alter table jobs add column resubmissions ${integer} not null default 0`,
      `alter table jobs add column overdue_at ${bigint}`,
      `alter table jobs add column content_dropped_at ${bigint}`,
      `update jobs set deadline_at = submitted_at + 1800000 where state = 'submitted'`,
      'create index jobs_deadline on jobs (state, deadline_at)',
      // What the hourly purge asks for.
      'create index jobs_settled on jobs (settled_at) where deleted_at is null',
      'create index jobs_content on jobs (content_dropped_at, settled_at) where deleted_at is null',
      'create index jobs_audio on jobs (created_at) where audio_blob is not null',
      // Every submission that the provider has taken; a job that was submitted again has several.
      `create table submissions (
        job_id ${text} not null, request_id ${text} not null, submitted_at ${bigint} not null, primary key (job_id, request_id))`,
      'create index submissions_request on submissions (request_id)',
      `insert into submissions (job_id, request_id, submitted_at)
         select id, request_id, submitted_at from jobs
          where origin = 'api' and request_id <> '' and submitted_at is not null and deleted_at is null`,

      // The whole of a very large transcript, compressed; its row then holds the beginning.
      `alter table transcripts add column packed ${bytes}`,

      // Why a channel sends nothing at present. `*` is the switch for all sending.
      `create table channel_states (
        channel ${text} not null primary key, paused_at ${bigint}, paused_by ${text}, code ${text}, reason ${text},
        trial_at ${bigint}, trials ${integer} not null, updated_at ${bigint} not null)`,
      `create table cap_counters (
        cap ${text} not null, window_start ${bigint} not null, count ${integer} not null, primary key (cap, window_start))`,
      'create index deliveries_channel_due on deliveries (state, channel, due_at, id)',

      // An opt-out holds for the sender that was told so; an empty sender is every sender.
      `alter table suppressions add column sender ${text} not null default ''`,
      `alter table suppressions add column source ${text} not null default 'operator'`,
      'drop index suppressions_address',
      'create unique index suppressions_address on suppressions (kind, address, sender)',

      // A report tells of one attempt: the message of an earlier one may have failed, or turn up late.
      `alter table attempts add column provider_message_id ${text}`,
      `alter table attempts add column report_status ${text}`,
      `update attempts set (provider_message_id, report_status) =
         (select provider_message_id, report_status from deliveries where id = delivery_id)
        where number = (select attempts_made from deliveries where id = delivery_id)`,
      'alter table deliveries drop column report_status',
      // A signed message of the vendor holds no time: that it was seen is all that tells a repeat.
      `create table inbound_messages (sid ${text} not null primary key, received_at ${bigint} not null)`,

      `create table alerts (
        key ${text} not null primary key, kind ${text} not null, since ${bigint} not null, told_at ${bigint},
        detail ${text} not null)`,
      `create table erasures (
        id ${text} not null primary key, at ${bigint} not null, actor ${text} not null, kind ${text} not null,
        subject_hash ${text} not null, counts ${text} not null)`,
    ]);
  }

  /**
   * What only this release knows is lost: deadlines, pauses, caps, every opt-out but one for each address, and of a very large
   * transcript all but the beginning (a replay of its callback brings it back).
   */
  async down(runner: QueryRunner): Promise<void> {
    const { text } = dialectOf(runner.dataSource).types;
    await run(runner, [
      ...dialectOf(runner.dataSource).fullTextRows.down,
      'drop table erasures',
      'alter table transcripts drop column packed',
      'drop table alerts',
      'drop table inbound_messages',
      `alter table deliveries add column report_status ${text}`,
      `update deliveries set report_status = (select report_status from attempts where delivery_id = deliveries.id
         and number = attempts_made)`,
      'alter table attempts drop column report_status',
      'alter table attempts drop column provider_message_id',
      'drop index suppressions_address',
      // An address that one sender must not write to is from now on one that nobody writes to: the safe side.
      `delete from suppressions where exists (select 1 from suppressions other
         where other.kind = suppressions.kind and other.address = suppressions.address and other.id < suppressions.id)`,
      'alter table suppressions drop column source',
      'alter table suppressions drop column sender',
      'create unique index suppressions_address on suppressions (kind, address)',
      'drop index deliveries_channel_due',
      'drop table cap_counters',
      'drop table channel_states',
      'drop table submissions',
      ...['jobs_audio', 'jobs_content', 'jobs_settled', 'jobs_deadline'].map((index) => `drop index ${index}`),
      ...['content_dropped_at', 'overdue_at', 'resubmissions', 'deadline_at'].map(
        (column) => `alter table jobs drop column ${column}`,
      ),
    ]);
  }
}

async function run(runner: QueryRunner, statements: string[]): Promise<void> {
  for (const statement of statements) await runner.query(statement);
}
