import { Injectable } from '@nestjs/common';
import { Clock } from '../clock.js';
import { ConflictError, RuleInvalidError, UnprocessableError, type FieldError } from '../errors.js';
import { canonicalJson } from '../json.js';
import { RuleCheck } from '../rules/rule-check.service.js';
import type { Rule, RuleDefinition } from '../rules/rule.js';
import { RulesStore } from '../rules/rules.store.js';
import { sameAsSaved } from '../rules/same-rule.js';
import type { RuleSets } from '../rules/simulate.js';
import { inSlices } from '../slices.service.js';
import type { SimulateBody } from './simulation.schema.js';

/** Which rules are meant: at most one of `id`, `rule`, both, and `rules`; none of them means those in force. */
export type RuleChoice = Pick<SimulateBody, 'rule' | 'id' | 'rules'>;

/** Problems of a set that one answer tells. */
const ERRORS_MAX = 100;

/** Makes of a request the rules as they would be, beside those in force. */
@Injectable()
export class SimulationSets {
  constructor(
    private readonly rules: RulesStore,
    private readonly check: RuleCheck,
    private readonly clock: Clock,
  ) {}

  /**
   * A rule by itself is tried as if it were switched on, whatever it says; a whole set is taken as it is.
   * @throws RuleInvalidError, NotFoundError, ConflictError, UnprocessableError
   */
  async of({ rule, id, rules }: RuleChoice): Promise<RuleSets> {
    const inForce = (await this.rules.list()).map((one) => one.rule);
    if (rules !== undefined) return { proposed: await this.whole(rules, inForce), inForce };
    if (id !== undefined) return this.saved(id, rule, inForce);
    if (rule !== undefined) return this.added(rule, inForce);
    return { proposed: inForce, inForce };
  }

  private async saved(id: string, changed: unknown, rules: Rule[]): Promise<RuleSets> {
    const { rule: fresh } = await this.rules.get(id);
    // Another replica may have saved it a moment ago.
    const saved = rules.find((one) => one.id === id && one.version === fresh.version) ?? fresh;
    const inForce = [...rules.filter((one) => one.id !== id), saved];
    const definition = changed === undefined ? undefined : at('/rule', await this.check.parser(), changed);
    if (definition) refuseTaken(definition, inForce, id);
    const enabled = saved.enabled ? saved : { ...saved, enabled: true };
    const proposed = definition ? this.version(saved, { ...definition, enabled: true }) : enabled;
    refuseDead(proposed, definition ? '/rule/on' : '/id');
    return { proposed: inForce.map((one) => (one === saved ? proposed : one)), inForce, focus: id };
  }

  private async added(input: unknown, inForce: Rule[]): Promise<RuleSets> {
    const definition = at('/rule', await this.check.parser(), input);
    refuseTaken(definition, inForce, undefined);
    refuseDead(definition, '/rule/on');
    const rule = this.made({ ...definition, enabled: true });
    return { proposed: [...inForce, rule], inForce, focus: rule.id };
  }

  /** Rules are known by their names; one that says the same as the saved one is that one, also when it is not valid any more. */
  private async whole(inputs: unknown[], inForce: Rule[]): Promise<Rule[]> {
    const byName = new Map(inForce.map((one) => [one.name, one]));
    const saved = (name: string) => {
      const rule = byName.get(name);
      return rule && definitionOf(rule);
    };
    const parse = await this.check.parser();
    const definitions = await inSlices(parseEach(inputs, (input) => sameAsSaved(input, saved) ?? parse(input)));
    return definitions.map((definition) => {
      const saved = byName.get(definition.name);
      if (!saved) return this.made(definition);
      return canonicalJson(definitionOf(saved)) === canonicalJson(definition) ? saved : this.version(saved, definition);
    });
  }

  /** What a save would make of it. */
  private version({ id, version, createdAt }: Rule, definition: RuleDefinition): Rule {
    return { ...definition, id, version: version + 1, createdAt, updatedAt: this.clock.now() };
  }

  private made(definition: RuleDefinition): Rule {
    const now = this.clock.now();
    return { ...definition, id: `new:${definition.name}`, version: 1, createdAt: now, updatedAt: now };
  }
}

/** True for the id of a rule that is not saved. */
export function isUnsaved(ruleId: string): boolean {
  return ruleId.startsWith('new:');
}

function* parseEach(inputs: unknown[], parse: (input: unknown) => RuleDefinition): Generator<void, RuleDefinition[]> {
  const definitions: RuleDefinition[] = [];
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [i, input] of inputs.entries()) {
    try {
      const definition = at(`/rules/${String(i)}`, parse, input);
      if (names.has(definition.name))
        errors.push({ pointer: `/rules/${String(i)}/name`, message: 'is the name of a rule before it' });
      names.add(definition.name);
      definitions.push(definition);
    } catch (error) {
      if (!(error instanceof RuleInvalidError)) throw error;
      errors.push(...error.errors);
    }
    yield;
  }
  if (errors.length === 0) return definitions;
  const [first] = errors;
  const count = errors.length === 1 ? 'one problem' : `${String(errors.length)} problems`;
  throw new RuleInvalidError(`The rules have ${count}: ${first?.pointer ?? ''} ${first?.message ?? ''}`, {
    errors: errors.slice(0, ERRORS_MAX),
  });
}

/** Parses a rule that stands at `pointer` of the body. */
function at(pointer: string, parse: (input: unknown) => RuleDefinition, input: unknown): RuleDefinition {
  try {
    return parse(input);
  } catch (error) {
    if (!(error instanceof RuleInvalidError)) throw error;
    const errors = error.errors.map((fault) => ({ ...fault, pointer: `${pointer}${fault.pointer}` }));
    throw new RuleInvalidError(error.message, { errors, cause: error });
  }
}

function refuseTaken({ name }: RuleDefinition, rules: readonly Rule[], id: string | undefined): void {
  const other = rules.find((one) => one.name === name && one.id !== id);
  if (!other) return;
  const mend = id === undefined ? ` To try a change of that one, send "id": "${other.id}" as well.` : '';
  throw new ConflictError(`There is a rule "${name}" already: choose another name.${mend}`, {
    errors: [{ pointer: '/rule/name', message: 'is taken by another rule' }],
  });
}

function refuseDead({ on }: RuleDefinition, pointer: string): void {
  if (on !== 'delivery.dead') return;
  throw new UnprocessableError('Rules on delivery.dead cannot be simulated: what dies depends on the vendors', {
    errors: [{ pointer, message: 'is delivery.dead; take a rule on a transcript, a failure or an overdue job' }],
  });
}

function definitionOf({ id: _id, version: _version, createdAt: _created, updatedAt: _updated, ...definition }: Rule) {
  return definition;
}
