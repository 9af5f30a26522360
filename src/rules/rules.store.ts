import { Injectable } from '@nestjs/common';
import { In, type EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { orConflict } from '../database/duplicate-key.js';
import { Snapshot } from '../database/snapshot.js';
import { changed } from '../database/unit-of-work.service.js';
import { ConflictError, NotFoundError, PreconditionFailedError } from '../errors.js';
import { requireMatch } from '../http/etag.js';
import { Ids } from '../ids.service.js';
import { Log } from '../log.service.js';
import { inSlices } from '../slices.service.js';
import { RecipientsStore, type DirectoryEntry } from '../recipients/recipients.store.js';
import { TRIGGERS, type Trigger } from '../transcripts/facts.js';
import { DEFAULT_RULES } from './default-rules.js';
import { compileRule, type CompiledRule } from './evaluate.js';
import { RuleEntity, RuleVersionEntity } from './rule.entity.js';
import { actionsOf, type Rule, type RuleDefinition } from './rule.js';
import { compareRules } from './rules-page.js';

interface Loaded {
  /** Number of saves so far: each writes one row of `rule_versions`. */
  saves: number;
  /** In order. */
  rules: CompiledRule[];
  /** The enabled ones of each trigger, in order. */
  byTrigger: Map<Trigger, CompiledRule[]>;
}

/** Who saves a rule, and why. */
interface Saver {
  actor: string;
  comment: string | undefined;
}

/** Rules read at a time: parsing a definition takes some 10 µs. */
const READ_CHUNK = 500;

@Injectable()
export class RulesStore {
  private readonly snapshot: Snapshot<Loaded>;
  /** Compiled once a version, by `id:version`. */
  private compiledBefore = new Map<string, CompiledRule>();
  private last: Loaded | undefined;

  constructor(
    private readonly database: Database,
    private readonly ids: Ids,
    private readonly clock: Clock,
    private readonly audit: AuditStore,
    private readonly log: Log,
    recipients: RecipientsStore,
  ) {
    this.snapshot = new Snapshot(
      () => this.load(),
      () => clock.now(),
    );
    recipients.addUses((tx, entry) => rulesNaming(tx, entry));
  }

  /**
   * Enabled rules of a trigger, in order. A change in another replica shows after at most 5 s. A rule that does not compile any more
   * is among them: it counts as not matched, and its evaluations say why. As long as nothing is saved it is the same list.
   */
  async compiled(trigger: Trigger): Promise<readonly CompiledRule[]> {
    const { byTrigger } = await this.snapshot.get();
    return byTrigger.get(trigger) ?? [];
  }

  /** All rules, in order. */
  async list(): Promise<CompiledRule[]> {
    return (await this.snapshot.get()).rules;
  }

  /** @throws NotFoundError */
  async get(id: string): Promise<CompiledRule> {
    const row = (await this.database.reads.findOneBy(RuleEntity, { id })) ?? missing();
    return compileRule(toRule(row));
  }

  /** @throws ConflictError when the name is taken */
  create(actor: string, definition: RuleDefinition, comment?: string): Promise<Rule> {
    return this.write(definition.name, (tx) => this.insert(tx, { actor, comment }, definition));
  }

  /** @throws NotFoundError; ConflictError when the name is taken; PreconditionRequiredError, PreconditionFailedError */
  replace(
    actor: string,
    id: string,
    ifMatch: string | undefined,
    change: (before: RuleDefinition) => RuleDefinition,
    comment?: string,
  ): Promise<Rule> {
    return this.write('', async (tx) => {
      const before = await lockedRow(tx, id, ifMatch);
      const definition = change(before.definition);
      if (definition.name !== before.name) await refuseTaken(tx, definition.name);
      const { name } = definition;
      const after = { name, version: before.version + 1, definition, updatedAt: this.clock.now() };
      const { affected } = await tx.update(RuleEntity, { id, version: before.version }, after);
      if (affected === 0) throw overtaken();
      await this.record(tx, { actor, comment }, 'rule.updated', { id, name, version: after.version }, definition);
      return toRule({ id, createdAt: before.createdAt, ...after });
    });
  }

  /** @throws NotFoundError, PreconditionRequiredError, PreconditionFailedError */
  async delete(actor: string, id: string, ifMatch: string | undefined, comment?: string): Promise<void> {
    await this.write('', async (tx) => {
      const before = await lockedRow(tx, id, ifMatch);
      const { affected } = await tx.delete(RuleEntity, { id, version: before.version });
      if (affected === 0) throw overtaken();
      const version = before.version + 1;
      await this.record(tx, { actor, comment }, 'rule.deleted', { id, name: before.name, version }, null);
    });
  }

  /**
   * Writes the default rules at the first start. Changing or deleting them is respected: later starts do nothing. A name that
   * somebody took already is theirs.
   */
  async ensureDefaults(): Promise<void> {
    await this.database.uow.run(async (tx) => {
      const mark = 'insert into meta (name, value) values (?, ?) on conflict do nothing';
      const now = String(this.clock.now());
      if ((await changed(tx, this.database.dialect.bind(mark), ['default-rules', now])) === 0) return;
      for (const definition of DEFAULT_RULES) {
        if (await tx.existsBy(RuleEntity, { name: definition.name })) continue;
        await this.insert(tx, { actor: 'system', comment: undefined }, definition);
      }
    });
    this.snapshot.invalidate();
  }

  private async insert(tx: EntityManager, by: Saver, definition: RuleDefinition): Promise<Rule> {
    await refuseTaken(tx, definition.name);
    const now = this.clock.now();
    const { name } = definition;
    const row: RuleEntity = { id: this.ids.next(), name, version: 1, definition, createdAt: now, updatedAt: now };
    await tx.insert(RuleEntity, row);
    await this.record(tx, by, 'rule.created', row, definition);
    return toRule(row);
  }

  private async record(
    tx: EntityManager,
    { actor, comment }: Saver,
    action: string,
    { id, name, version }: Pick<RuleEntity, 'id' | 'name' | 'version'>,
    definition: RuleDefinition | null,
  ): Promise<void> {
    const createdAt = this.clock.now();
    const save = { ruleId: id, version, definition, author: actor, comment: comment ?? null, createdAt };
    await tx.insert(RuleVersionEntity, save);
    await this.audit.record(tx, actor, action, id, { name, version });
  }

  private async write<T>(name: string, work: (tx: EntityManager) => Promise<T>): Promise<T> {
    const result = await orConflict(this.database.uow.run(work), () => (name === '' ? overtaken() : taken(name)));
    this.snapshot.invalidate();
    return result;
  }

  private async load(): Promise<Loaded> {
    const [row] = await this.database.read<{ saves: number | string }>('select count(*) as saves from rule_versions');
    // Counted before the rules are read: a save in between is found by the next load.
    const saves = Number(row?.saves ?? 0);
    if (this.last?.saves === saves) return this.last;
    const rules = await this.readChanged();
    const enabled = (trigger: Trigger): CompiledRule[] =>
      rules.filter(({ rule }) => rule.enabled && rule.on === trigger);
    this.last = { saves, rules, byTrigger: new Map(TRIGGERS.map((trigger) => [trigger, enabled(trigger)])) };
    return this.last;
  }

  /** Reads and compiles only what was saved since the last load, and in pieces: ten thousand rules take seconds. */
  private async readChanged(): Promise<CompiledRule[]> {
    const all = await this.database.read<Pick<RuleEntity, 'id' | 'version'>>('select id, version from rules');
    const changed = all.filter((row) => !this.compiledBefore.has(keyOf(row)));
    const fresh = new Map<string, CompiledRule>();
    for (let i = 0; i < changed.length; i += READ_CHUNK) {
      const ids = changed.slice(i, i + READ_CHUNK).map(({ id }) => id);
      const rows = await this.database.reads.findBy(RuleEntity, { id: In(ids) });
      await inSlices(this.compileEach(rows, fresh));
    }
    // One that was deleted in the meantime is in neither.
    const compiled = all.flatMap((row) => this.compiledBefore.get(keyOf(row)) ?? fresh.get(row.id) ?? []);
    this.compiledBefore = new Map(compiled.map((one) => [keyOf(one.rule), one]));
    return compiled.sort((a, b) => compareRules(a.rule, b.rule));
  }

  private *compileEach(rows: RuleEntity[], into: Map<string, CompiledRule>): Generator<void, void> {
    for (const row of rows) {
      into.set(row.id, this.compile(row));
      yield;
    }
  }

  private compile(row: RuleEntity): CompiledRule {
    const compiled = compileRule(toRule(row));
    if (compiled.fault !== undefined) this.log.warn('rule.broken', { ruleId: row.id, ruleVersion: row.version });
    return compiled;
  }
}

function keyOf({ id, version }: Pick<RuleEntity, 'id' | 'version'>): string {
  return `${id}:${String(version)}`;
}

function toRule({ id, version, definition, createdAt, updatedAt }: RuleEntity): Rule {
  return { ...definition, id, version, createdAt, updatedAt };
}

/** The row that a change starts from. @throws NotFoundError, PreconditionRequiredError, PreconditionFailedError */
async function lockedRow(tx: EntityManager, id: string, ifMatch: string | undefined): Promise<RuleEntity> {
  const row = (await tx.findOneBy(RuleEntity, { id })) ?? missing();
  requireMatch(ifMatch, row.version);
  return row;
}

/** Rules whose recipients name the entry; names are compared as the directory compares them. */
async function rulesNaming(tx: EntityManager, { kind, name }: DirectoryEntry): Promise<string[]> {
  const wanted = name.toLowerCase();
  const names = (to: string): boolean =>
    to.startsWith(`${kind}:`) &&
    to
      .slice(kind.length + 1)
      .trim()
      .toLowerCase() === wanted;
  const found = await tx.find(RuleEntity);
  return found
    .filter(({ definition }) => actionsOf(definition).some((action) => action.to.some(names)))
    .map((rule) => `the rule "${rule.name}"`);
}

async function refuseTaken(tx: EntityManager, name: string): Promise<void> {
  if (await tx.existsBy(RuleEntity, { name })) throw taken(name);
}

function taken(name: string): ConflictError {
  const message = `There is a rule "${name}" already: change that one with PUT, or choose another name`;
  return new ConflictError(message, { errors: [{ pointer: '/name', message: 'is taken by another rule' }] });
}

function overtaken(): PreconditionFailedError {
  return new PreconditionFailedError('Somebody else changed the rule in this moment; read it again');
}

function missing(): never {
  throw new NotFoundError('There is no such rule');
}
