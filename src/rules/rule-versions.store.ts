import { Injectable } from '@nestjs/common';
import { In, IsNull, LessThan, Not } from 'typeorm';
import { Database } from '../database/database.service.js';
import { inSlices } from '../slices.service.js';
import type { Trigger } from '../transcripts/facts.js';
import { compileRule, type CompiledRule } from './evaluate.js';
import { RuleVersionEntity } from './rule.entity.js';
import type { Rule } from './rule.js';

/** A save of a rule that is no deletion. */
export type SavedRule = RuleVersionEntity & { definition: NonNullable<RuleVersionEntity['definition']> };

/** Rules read at a time: parsing a definition takes some 10 µs. */
const READ_CHUNK = 500;

/** Every save of every rule, for reading; the rules store writes them. */
@Injectable()
export class RuleVersionsStore {
  constructor(private readonly database: Database) {}

  /** Saves of a rule, newest first; also of one that was deleted. */
  list(ruleId: string, limit: number, before: number | undefined): Promise<RuleVersionEntity[]> {
    return this.database.reads.find(RuleVersionEntity, {
      where: { ruleId, ...(before === undefined ? {} : { version: LessThan(before) }) },
      order: { version: 'DESC' },
      take: limit,
    });
  }

  /** One save of a rule, be it its deletion. */
  find(ruleId: string, version: number): Promise<RuleVersionEntity | null> {
    return this.database.reads.findOneBy(RuleVersionEntity, { ruleId, version });
  }

  /** The newest save that is no deletion, also of a rule that was deleted since. */
  async newest(ruleId: string): Promise<SavedRule | undefined> {
    const found = await this.database.reads.findOne(RuleVersionEntity, {
      where: { ruleId, definition: Not(IsNull()) },
      order: { version: 'DESC' },
    });
    return found && isSaved(found) ? found : undefined;
  }

  /** Rules of a trigger that were enabled at a time, as they were then. @param at epoch milliseconds */
  async inForceAt(trigger: Trigger, at: number): Promise<CompiledRule[]> {
    const newest = await this.database.read<{ rule_id: string; version: number }>(
      'select rule_id, max(version) as version from rule_versions where created_at <= ? group by rule_id',
      [at],
    );
    const versions = new Map(newest.map(({ rule_id, version }) => [rule_id, version]));
    const ids = [...versions.keys()];
    const compiled: CompiledRule[] = [];
    for (let i = 0; i < ids.length; i += READ_CHUNK) {
      const chunk = ids.slice(i, i + READ_CHUNK);
      const rows = await this.database.reads.findBy(RuleVersionEntity, {
        ruleId: In(chunk),
        version: In([...new Set(chunk.map((id) => versions.get(id) ?? 0))]),
      });
      const inForce = rows.filter(isSaved).filter(({ ruleId, version }) => versions.get(ruleId) === version);
      await inSlices(compileEach(inForce.map(toRule), trigger, compiled));
    }
    return compiled;
  }
}

function* compileEach(rules: Rule[], trigger: Trigger, into: CompiledRule[]): Generator<void, void> {
  for (const rule of rules) {
    if (!rule.enabled || rule.on !== trigger) continue;
    into.push(compileRule(rule));
    yield;
  }
}

export function isSaved(version: RuleVersionEntity): version is SavedRule {
  return version.definition !== null;
}

/** The rule as it was after a save. */
export function toRule({ ruleId, version, definition, createdAt }: SavedRule): Rule {
  return { ...definition, id: ruleId, version, createdAt, updatedAt: createdAt };
}
