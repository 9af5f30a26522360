import Handlebars from 'handlebars';
import type { FieldError } from '../errors.js';
import { nearest } from '../suggestion.js';
import { HELPERS } from './helpers.js';
import { HtmlContext } from './html-context.js';
import { member, RENDER_SHAPE, type Shape } from './shape.js';
import { hashPairs, isScoped, isSimpleName, nameOf } from './syntax.js';
import type { TemplatePart } from './template.js';

type Node = hbs.AST.Node;
type Program = hbs.AST.Program;

const LIMITS = { blocks: 20, loops: 2, parentheses: 20, nodes: 10_000, problems: 20 } as const;
const BLOCKS = ['if', 'unless', 'each', 'with'];
const LOOP_DATA = ['index', 'key', 'first', 'last'];
const CALLABLE = [...Object.keys(HELPERS)];

/** Partials as parsed programs, and what `{{> @partial-block}}` stands for at this place. */
interface Partial {
  program: Program;
  /** Named in messages; undefined for a block of the template itself. */
  file: string | undefined;
  /** Contexts of the place where an inline block was written. */
  scopes: Shape[];
  named: ReadonlyMap<string, Partial>;
  block: Partial | undefined;
}

/** Where the walk stands. Every block and every partial has one of its own. */
interface Place {
  /** Innermost first: `this`, `../this` … */
  scopes: Shape[];
  names: ReadonlyMap<string, Shape>;
  partials: ReadonlyMap<string, Partial>;
  block: Partial | undefined;
  file: string | undefined;
  calls: readonly Program[];
  blocks: number;
  loops: number;
}

/**
 * Walks one part as it will run: partials are entered at each call, so that names, nesting and the total amount of work are those of
 * the finished message. That also ends recursion and chains of partials that double at every level.
 * @param source must have parsed
 * @returns problems in order, at most 20
 */
export function checkPart(
  part: TemplatePart,
  source: string,
  partials: Readonly<Record<string, string>>,
): FieldError[] {
  return new Walk(part).check(Handlebars.parse(source), partials);
}

class Walk {
  readonly problems: FieldError[] = [];
  private nodes = 0;
  /** Only for HTML. */
  private readonly html: HtmlContext | undefined;

  constructor(private readonly part: TemplatePart) {
    this.html = part === 'email.html' ? new HtmlContext() : undefined;
  }

  check(program: Program, sources: Readonly<Record<string, string>>): FieldError[] {
    const partials = new Map<string, Partial>();
    for (const [name, source] of Object.entries(sources)) {
      const parsed = Handlebars.parse(source);
      partials.set(name, { program: parsed, file: name, scopes: [], named: partials, block: undefined });
    }
    const start = { scopes: [RENDER_SHAPE], names: new Map(), partials, block: undefined, file: undefined };
    this.program(program, { ...start, calls: [program], blocks: 0, loops: 0 });
    return this.problems;
  }

  private program(program: Program | undefined, outer: Place): void {
    if (!program) return;
    const place = { ...outer, partials: this.inlines(program, outer) };
    for (const node of program.body) {
      if (this.problems.length >= LIMITS.problems || !this.count(node, place)) return;
      this.statement(node, place);
    }
  }

  private statement(node: Node, place: Place): void {
    switch (node.type) {
      case 'ContentStatement':
        this.html?.read((node as hbs.AST.ContentStatement).value);
        return;
      case 'CommentStatement':
      case 'DecoratorBlock':
        return;
      case 'MustacheStatement':
        this.mustache(node as hbs.AST.MustacheStatement, place);
        return;
      case 'BlockStatement':
        this.block(node as hbs.AST.BlockStatement, place);
        return;
      case 'PartialStatement':
      case 'PartialBlockStatement':
        this.partial(node as hbs.AST.PartialStatement, place);
        return;
      default:
        this.problem(node, place, 'decorators other than {{#*inline "name"}} are not available');
    }
  }

  private mustache(node: hbs.AST.MustacheStatement, place: Place): void {
    if (this.html && !node.escaped) {
      this.problem(
        node,
        place,
        'an e-mail prints only escaped values: write {{name}} instead of {{{name}}} or {{&name}}',
      );
    }
    const unsafe = this.html?.problemOf(nameOf(node.path));
    if (unsafe !== undefined) this.problem(node, place, unsafe);
    const shape = this.value(node, place);
    if (shape && shape.kind !== 'value' && shape.kind !== 'any') {
      const many = shape.kind === 'list' ? 'a list: print it with #each or join' : 'a record: name one of its members';
      this.problem(node, place, `"${nameOf(node.path)}" is ${many}`);
    }
  }

  private block(node: hbs.AST.BlockStatement, place: Place): void {
    const name = nameOf(node.path);
    if (!BLOCKS.includes(name)) {
      this.problem(
        node,
        place,
        `"#${name}" is not a block; blocks are #if, #unless, #each and #with`,
        nearest(name, BLOCKS),
      );
      return;
    }
    if (node.params.length !== 1) {
      this.problem(node, place, `#${name} takes one value`);
      return;
    }
    const subject = this.expression(node.params[0] as Node, place);
    this.hash(node.hash, place, name === 'if' || name === 'unless' ? ['includeZero'] : []);
    const inner = { ...place, blocks: place.blocks + 1, loops: place.loops + (name === 'each' ? 1 : 0) };
    if (inner.blocks > LIMITS.blocks) {
      this.problem(node, place, `blocks nest deeper than ${String(LIMITS.blocks)}`);
    } else if (inner.loops > LIMITS.loops) {
      this.problem(node, place, `#each nests deeper than ${String(LIMITS.loops)}`);
    } else {
      this.program(node.program, name === 'each' || name === 'with' ? this.enter(node, subject, inner, name) : inner);
      this.program(node.inverse, { ...inner, loops: place.loops });
    }
  }

  /** The place inside `#each` or `#with`: a new `this`, and names for `as |item index|`. */
  private enter(node: hbs.AST.BlockStatement, subject: Shape | undefined, place: Place, name: string): Place {
    let shape: Shape = subject ?? { kind: 'any' };
    if (name === 'each') {
      if (shape.kind === 'list' || shape.kind === 'map') shape = shape.of;
      else if (shape.kind !== 'any') {
        this.problem(node, place, '#each needs a list');
        shape = { kind: 'any' };
      }
    }
    const names = new Map(place.names);
    const [item, index] = (node.program.blockParams as string[] | undefined) ?? [];
    for (const given of [item, index]) {
      // It would stand in for the function, also where only the function makes a value safe.
      if (given !== undefined && given in HELPERS)
        this.problem(node, place, `"${given}" is a function: choose another name`);
    }
    if (item !== undefined) names.set(item, shape);
    if (index !== undefined) names.set(index, { kind: 'value' });
    return { ...place, scopes: [shape, ...place.scopes], names };
  }

  private partial(node: hbs.AST.PartialStatement | hbs.AST.PartialBlockStatement, place: Place): void {
    if (node.name.type !== 'PathExpression') {
      this.problem(node, place, 'the name of a partial must be written out: {{> name}}');
      return;
    }
    const name = nameOf(node.name);
    const target = name === '@partial-block' ? place.block : place.partials.get(name);
    if (!target) {
      const known = [...place.partials.keys()];
      this.problem(
        node,
        place,
        `there is no partial "${name}"; there is ${known.join(', ') || 'none'}`,
        nearest(name, known),
      );
      return;
    }
    if (place.calls.includes(target.program)) {
      this.problem(node, place, `the partial "${name}" includes itself`);
      return;
    }
    this.enterPartial(node, target, place);
  }

  private enterPartial(
    node: hbs.AST.PartialStatement | hbs.AST.PartialBlockStatement,
    target: Partial,
    place: Place,
  ): void {
    const shape = this.partialContext(node, place);
    const calls = [...place.calls, target.program];
    const body = 'program' in node ? node.program : undefined;
    const own: Partial | undefined = body && {
      program: body,
      file: place.file,
      scopes: place.scopes,
      named: place.partials,
      block: place.block,
    };
    const partials = body ? this.inlines(body, place) : place.partials;
    const isBlock = target === place.block;
    this.program(target.program, {
      ...place,
      scopes: [shape, ...target.scopes],
      names: isBlock ? place.names : new Map(),
      partials: isBlock ? new Map([...place.partials, ...target.named]) : partials,
      block: isBlock ? target.block : own,
      file: target.file,
      calls,
    });
  }

  private partialContext(node: hbs.AST.PartialStatement | hbs.AST.PartialBlockStatement, place: Place): Shape {
    const [given] = node.params;
    const here = place.scopes[0] ?? { kind: 'any' };
    const shape = given === undefined ? here : (this.expression(given, place) ?? { kind: 'any' });
    const pairs = hashPairs(node.hash);
    if (pairs.length === 0) return shape;
    const fields = Object.fromEntries(
      pairs.map((pair) => [pair.key, this.expression(pair.value, place) ?? { kind: 'any' as const }]),
    );
    return { kind: 'record', fields: { ...(shape.kind === 'record' ? shape.fields : {}), ...fields } };
  }

  /** `{{#*inline "name"}}` counts for the whole block in which it stands, and for the partials called there. */
  private inlines(program: Program, place: Place): ReadonlyMap<string, Partial> {
    const blocks = program.body.filter((node) => node.type === 'DecoratorBlock') as hbs.AST.DecoratorBlock[];
    if (blocks.length === 0) return place.partials;
    const partials = new Map(place.partials);
    for (const node of blocks) {
      const [name] = node.params;
      if (nameOf(node.path) !== 'inline' || node.params.length !== 1 || name?.type !== 'StringLiteral') {
        this.problem(node, place, 'decorators other than {{#*inline "name"}} are not available');
        continue;
      }
      partials.set((name as hbs.AST.StringLiteral).value, {
        program: node.program,
        file: place.file,
        scopes: place.scopes,
        named: partials,
        block: place.block,
      });
    }
    return partials;
  }

  /** A variable, or a call of a helper. */
  private value(node: hbs.AST.MustacheStatement | hbs.AST.SubExpression, place: Place, depth = 0): Shape | undefined {
    const name = nameOf(node.path);
    const simple = node.path.type === 'PathExpression' && isSimpleName(node.path);
    const hasArguments = node.params.length > 0 || hashPairs(node.hash).length > 0;
    const isCall =
      node.type === 'SubExpression' || hasArguments || (simple && name in HELPERS && !place.names.has(name));
    if (!isCall) return this.expression(node.path, place, 0, simple ? CALLABLE : []);
    const helper = simple && Object.hasOwn(HELPERS, name) ? HELPERS[name] : undefined;
    if (!helper) {
      this.problem(
        node,
        place,
        `there is no function "${name}"; there is ${CALLABLE.join(', ')}`,
        nearest(name, CALLABLE),
      );
      return undefined;
    }
    if (node.params.length < helper.min || node.params.length > helper.max) {
      this.problem(node, place, `${name} takes ${amount(helper.min, helper.max)}: ${helper.example}`);
    }
    for (const param of node.params) this.expression(param, place, depth);
    this.hash(node.hash, place, helper.options);
    return { kind: 'value' };
  }

  /** @param callable functions that may have been meant, where a name by itself calls one */
  private expression(node: Node, place: Place, depth = 0, callable: readonly string[] = []): Shape | undefined {
    if (!this.count(node, place)) return undefined;
    if (node.type === 'PathExpression') return this.path(node as hbs.AST.PathExpression, place, callable);
    if (node.type !== 'SubExpression') return { kind: 'value' };
    if (depth >= LIMITS.parentheses) {
      this.problem(node, place, `parentheses nest deeper than ${String(LIMITS.parentheses)}`);
      return undefined;
    }
    return this.value(node as hbs.AST.SubExpression, place, depth + 1);
  }

  private hash(hash: hbs.AST.Hash | undefined, place: Place, allowed: readonly string[]): void {
    for (const pair of hashPairs(hash)) {
      if (!allowed.includes(pair.key)) {
        const right = allowed.length === 0 ? 'it takes no named arguments' : `there is ${allowed.join(', ')}`;
        this.problem(pair, place, `there is no argument "${pair.key}"; ${right}`, nearest(pair.key, allowed));
      }
      this.expression(pair.value, place);
    }
  }

  private path(node: hbs.AST.PathExpression, place: Place, callable: readonly string[]): Shape | undefined {
    const parts = [...node.parts];
    let shape: Shape | undefined;
    if (node.data) {
      const name = parts.shift() ?? '';
      if (name === 'root') shape = RENDER_SHAPE;
      else if (LOOP_DATA.includes(name) && place.loops > 0) return { kind: 'value' };
      else return this.unknown(node, place, `@${name}`, ['@root', ...LOOP_DATA.map((known) => `@${known}`)]);
    } else if (node.depth === 0 && !isScoped(node) && place.names.has(parts[0] ?? '')) {
      shape = place.names.get(parts.shift() ?? '');
    } else {
      shape = place.scopes[node.depth];
      if (!shape) return this.unknown(node, place, node.original, []);
    }
    for (const part of parts) {
      const found = member(shape ?? { kind: 'any' }, part);
      if ('known' in found) return this.unknown(node, place, part, found.known, callable);
      shape = found.shape;
    }
    return shape;
  }

  private unknown(
    node: hbs.AST.PathExpression,
    place: Place,
    name: string,
    known: readonly string[],
    callable: readonly string[] = [],
  ): Shape | undefined {
    const whole = node.original === name ? '' : ` in "${node.original}"`;
    const names = known.length > 0 && known.length <= 30 ? `; there is ${known.join(', ')}` : '';
    this.problem(node, place, `there is no variable "${name}"${whole}${names}`, nearest(name, [...known, ...callable]));
    return undefined;
  }

  private count(node: Node, place: Place): boolean {
    this.nodes++;
    if (this.nodes === LIMITS.nodes) {
      this.problem(
        node,
        place,
        `the part does more than ${String(LIMITS.nodes)} steps with its partials; make it smaller`,
      );
    }
    return this.nodes < LIMITS.nodes;
  }

  private problem(node: Node, place: Place, message: string, suggestion?: string): void {
    if (this.problems.length >= LIMITS.problems) return;
    const { line, column } = node.loc.start;
    this.problems.push({
      pointer: `/parts/${this.part}`,
      message: place.file === undefined ? message : `in the partial "${place.file}": ${message}`,
      line,
      column: column + 1,
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  }
}

function amount(min: number, max: number): string {
  const values = `value${max === 1 ? '' : 's'}`;
  return min === max ? `${String(min)} ${values}` : `${String(min)} to ${String(max)} ${values}`;
}
