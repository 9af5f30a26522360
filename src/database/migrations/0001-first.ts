import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectOf } from '../source.dialect.js';

/** The first schema. Times are epoch milliseconds; JSON is kept as text on both databases. */
export class First1700000000001 implements MigrationInterface {
  name = 'First1700000000001';

  async up(runner: QueryRunner): Promise<void> {
    const dialect = dialectOf(runner.dataSource);
    const { text, integer, bigint, real, boolean, bytes } = dialect.types;
    const id = `${text} not null primary key`;

    await run(runner, [
      `create table jobs (
        id ${id}, state ${text} not null, origin ${text} not null,
        audio_kind ${text}, audio_url ${text}, audio_blob ${text}, audio_bytes ${bigint}, audio_type ${text}, audio_name ${text},
        options ${text} not null, preset ${text}, tags ${text} not null,
        idempotency_key ${text}, idempotency_hash ${text}, request_id ${text}, failure ${text},
        attempts ${integer} not null, next_attempt_at ${bigint}, last_error ${text}, lease_owner ${text}, lease_until ${bigint},
        created_at ${bigint} not null, submitted_at ${bigint}, settled_at ${bigint}, deleted_at ${bigint})`,
      'create unique index jobs_idempotency_key on jobs (idempotency_key)',
      'create index jobs_due on jobs (state, next_attempt_at)',
      'create index jobs_created on jobs (created_at)',
      'create index jobs_request_id on jobs (request_id)',
      // One job for a request that somebody else submitted, however many callbacks of it are settled at a time.
      `create unique index jobs_adopted_request on jobs (request_id) where origin = 'external' and request_id <> ''`,

      `create table callbacks (
        id ${id}, job_id ${text} not null, dedupe_key ${text} not null, state ${text} not null, reason ${text},
        method ${text} not null, content_type ${text}, content_encoding ${text},
        bytes ${bigint} not null, sha256 ${text} not null, body ${bytes}, blob_key ${text},
        repeats ${integer} not null, replay ${boolean} not null, attempts ${integer} not null,
        received_at ${bigint} not null, settled_at ${bigint})`,
      'create unique index callbacks_dedupe_key on callbacks (dedupe_key)',
      'create index callbacks_state on callbacks (state, id)',
      'create index callbacks_job on callbacks (job_id)',

      `create table transcripts (
        job_id ${id}, callback_id ${text} not null, request_id ${text} not null, language ${text},
        duration ${real} not null, text ${text} not null, data ${text} not null, created_at ${bigint} not null)`,
      'create index transcripts_created on transcripts (created_at)',

      `create table evaluations (
        id ${id}, job_id ${text} not null, callback_id ${text}, trigger_name ${text} not null, rule_id ${text} not null,
        rule_name ${text} not null, rule_version ${integer} not null, matched ${boolean} not null,
        data ${text} not null, skipped ${text} not null, created_at ${bigint} not null)`,
      'create index evaluations_job on evaluations (job_id)',

      `create table deliveries (
        id ${id}, job_id ${text} not null, trigger_name ${text} not null,
        rule_id ${text} not null, rule_name ${text} not null, rule_version ${integer} not null, action ${integer} not null,
        channel ${text} not null, kind ${text} not null, recipient ${text} not null, recipient_data ${text} not null,
        template ${text} not null, template_version ${integer}, attach ${text} not null, preview_segments ${integer},
        matches ${text} not null, about_delivery_id ${text},
        state ${text} not null, reason ${text}, dedupe_key ${text} not null,
        due_at ${bigint} not null, lease_owner ${text}, lease_until ${bigint},
        attempts_counted ${integer} not null, attempts_made ${integer} not null,
        queued_at ${bigint} not null, message ${text}, provider_message_id ${text}, report_status ${text},
        created_at ${bigint} not null, updated_at ${bigint} not null, sent_at ${bigint}, delivered_at ${bigint})`,
      'create unique index deliveries_dedupe_key on deliveries (dedupe_key)',
      'create index deliveries_due on deliveries (state, due_at)',
      'create index deliveries_job on deliveries (job_id)',
      'create index deliveries_recipient on deliveries (recipient)',

      `create table attempts (
        delivery_id ${text} not null, number ${integer} not null, started_at ${bigint} not null, ended_at ${bigint},
        outcome ${text}, code ${text}, error ${text}, primary key (delivery_id, number))`,

      `create table rules (
        id ${id}, name ${text} not null, version ${integer} not null, definition ${text} not null,
        created_at ${bigint} not null, updated_at ${bigint} not null)`,
      'create unique index rules_name on rules (name)',
      `create table rule_versions (
        rule_id ${text} not null, version ${integer} not null, definition ${text}, author ${text} not null,
        created_at ${bigint} not null, primary key (rule_id, version))`,

      `create table templates (
        name ${text} not null, version ${integer} not null, description ${text} not null, parts ${text},
        author ${text} not null, created_at ${bigint} not null, primary key (name, version))`,

      `create table contacts (
        id ${id}, name ${text} not null, name_key ${text} not null, email ${text}, phone ${text}, locale ${text},
        time_zone ${text}, created_at ${bigint} not null, updated_at ${bigint} not null)`,
      'create unique index contacts_name on contacts (name_key)',
      `create table contact_groups (
        id ${id}, name ${text} not null, name_key ${text} not null, members ${text} not null,
        created_at ${bigint} not null, updated_at ${bigint} not null)`,
      'create unique index contact_groups_name on contact_groups (name_key)',
      `create table suppressions (
        id ${id}, kind ${text} not null, address ${text} not null, reason ${text} not null, created_at ${bigint} not null)`,
      'create unique index suppressions_address on suppressions (kind, address)',

      `create table api_keys (
        id ${id}, name ${text} not null, prefix ${text} not null, hash ${text} not null, scopes ${text} not null,
        created_at ${bigint} not null, last_used_at ${bigint}, revoked_at ${bigint})`,
      'create unique index api_keys_hash on api_keys (hash)',
      `create table audit (
        id ${id}, at ${bigint} not null, actor ${text} not null, action ${text} not null, subject ${text} not null, detail ${text} not null)`,
      `create table meta (name ${id}, value ${text} not null)`,
      ...dialect.fullText.up,
    ]);
  }

  async down(runner: QueryRunner): Promise<void> {
    const tables =
      'meta audit api_keys suppressions contact_groups contacts templates rule_versions rules attempts deliveries evaluations transcripts callbacks jobs';
    await run(runner, [
      ...dialectOf(runner.dataSource).fullText.down,
      ...tables.split(' ').map((table) => `drop table ${table}`),
    ]);
  }
}

async function run(runner: QueryRunner, statements: string[]): Promise<void> {
  for (const statement of statements) await runner.query(statement);
}
