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

/** What the health of rules is counted from. */
const evaluations: Change = { up: () => [], down: () => [] };

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
