import Handlebars from 'handlebars';
import juice from 'juice/client.js';
import { type FieldError, TemplateInvalidError } from '../errors.js';
import { checkPart } from './check.js';
import { HELPERS, type RenderState } from './helpers.js';
import { PARTS_BY_KIND, TEMPLATE_PARTS, type TemplatePart, type TemplateParts } from './template.js';
import type { TemplateView } from './view.js';

/** One part, ready to run. May still take for ever on much data: run it in a worker. */
export type RenderPart = (view: TemplateView, state: RenderState) => string;
export type CompiledTemplate = Partial<Record<TemplatePart, RenderPart>>;
/** Sources by name, for `{{> name}}`. */
export type Partials = Readonly<Record<string, string>>;

const MAX_PART_LENGTH = 64 * 1024;
const MAX_OPEN_BLOCKS = 20;
const MAX_PARENTHESES = 100;
const MAX_CHAINED = 500;

/**
 * Checks and compiles the parts of a template. CSS of `email.html` and of the partials that it uses is put into style attributes once,
 * here; `@media` rules stay in `<style>`. Only what stands in one file is matched by a selector.
 * @throws TemplateInvalidError with every problem: `/parts/NAME`, line and column from 1, and what would have been right
 */
export function compileTemplate(parts: TemplateParts, partials: Partials = {}): CompiledTemplate {
  const problems = [...formProblems(parts), ...partialProblems(partials)];
  const sources = sourcesOf(parts);
  for (const [part, source] of sources) {
    if (problems.some(({ pointer }) => pointer === `/parts/${part}` || pointer.startsWith('/partials/'))) continue;
    problems.push(...partProblems(part, source, partials));
  }
  if (problems.length > 0) throw invalid(problems.sort(byPart));
  const plain = environment(partials);
  return Object.fromEntries(
    sources.map(([part, source]) => [
      part,
      part === 'email.html' ? compileHtml(source, partials) : compilePart(plain, source, true),
    ]),
  );
}

/** @returns names of the partials that the source calls, and that those call */
export function usedPartials(source: string, partials: Partials): string[] {
  const used = new Set<string>();
  const collect = (text: string): void => {
    for (const [, name] of text.matchAll(/\{\{~?#?>\s*([\w-]+)/g)) {
      if (name === undefined || used.has(name) || !Object.hasOwn(partials, name)) continue;
      used.add(name);
      collect(partials[name] ?? '');
    }
  };
  collect(source);
  return [...used];
}

function byPart(a: FieldError, b: FieldError): number {
  const rank = ({ pointer }: FieldError): number => TEMPLATE_PARTS.findIndex((part) => pointer === `/parts/${part}`);
  return rank(a) - rank(b);
}

function invalid(problems: FieldError[]): TemplateInvalidError {
  const [first] = problems;
  const where = first?.line === undefined ? '' : ` (line ${String(first.line)})`;
  const rest = problems.length > 1 ? `, and ${String(problems.length - 1)} more` : '';
  return new TemplateInvalidError(
    `The template cannot be used: ${first?.pointer ?? ''}${where}: ${first?.message ?? ''}${rest}`,
    {
      errors: problems,
    },
  );
}

/** What JSON may hold in place of a template: unknown parts, objects where text is expected, not enough parts. */
function formProblems(parts: unknown): FieldError[] {
  if (typeof parts !== 'object' || parts === null || Array.isArray(parts)) {
    return [{ pointer: '/parts', message: `must be an object of parts: ${TEMPLATE_PARTS.join(', ')}` }];
  }
  const problems: FieldError[] = [];
  for (const [name, source] of Object.entries(parts) as [string, unknown][]) {
    if (!TEMPLATE_PARTS.includes(name as TemplatePart)) {
      problems.push({ pointer: `/parts/${name}`, message: `is not a part; parts are ${TEMPLATE_PARTS.join(', ')}` });
    } else if (source !== undefined) {
      problems.push(...textProblems(`/parts/${name}`, source));
    }
  }
  return problems.length > 0 ? problems : missingParts(parts);
}

function missingParts(parts: TemplateParts): FieldError[] {
  const complete = Object.values(PARTS_BY_KIND).some(({ required }) =>
    required.every((part) => parts[part] !== undefined),
  );
  if (!complete) {
    return [{ pointer: '/parts', message: 'needs "email.subject" and "email.html" for e-mail, or "sms" for SMS' }];
  }
  const { required, optional } = PARTS_BY_KIND.email;
  if (![...required, ...optional].some((part) => parts[part] !== undefined)) return [];
  return required
    .filter((part) => parts[part] === undefined)
    .map((part) => ({ pointer: `/parts/${part}`, message: 'is missing: an e-mail needs it beside its other parts' }));
}

function textProblems(pointer: string, source: unknown): FieldError[] {
  // An object here could be a syntax tree, which Handlebars would turn into JavaScript.
  if (typeof source !== 'string') return [{ pointer, message: 'must be text' }];
  if (source.length > MAX_PART_LENGTH) return [{ pointer, message: 'is longer than 64 kB' }];
  if (opensTooDeep(source)) return [{ pointer, message: 'blocks or parentheses nest deeper than 20' }];
  return syntaxProblems(pointer, source);
}

function partialProblems(partials: Partials): FieldError[] {
  return Object.entries(partials).flatMap(([name, source]) => textProblems(`/partials/${name}`, source));
}

/**
 * Counted before the parser sees the text: it needs many seconds for thousands of nested blocks, parentheses or `else if`.
 * Only a rough count; the exact limits are those of {@link checkPart}.
 */
function opensTooDeep(source: string): boolean {
  let blocks = 0;
  for (const [, sign] of source.matchAll(/\{\{\{?\{?~?\s*(#|\^(?!\s*~?\})|\/)/g)) {
    blocks += sign === '/' ? -1 : 1;
    if (blocks > 2 * MAX_OPEN_BLOCKS) return true;
  }
  const chained = source.match(/\{\{~?\s*else\s+\w/g)?.length ?? 0;
  return chained > MAX_CHAINED || parenthesesTooDeep(source);
}

/** Within one tag; prose may hold any number of them. */
function parenthesesTooDeep(source: string): boolean {
  let open = 0;
  for (const [token] of source.matchAll(/\{\{|[()]/g)) {
    if (token === '{{') open = 0;
    else open = Math.max(0, open + (token === '(' ? 1 : -1));
    if (open > MAX_PARENTHESES) return true;
  }
  return false;
}

function syntaxProblems(pointer: string, source: string): FieldError[] {
  try {
    Handlebars.parse(source);
    return [];
  } catch (error) {
    return [{ pointer, ...syntaxError(error) }];
  }
}

/** The parser tells places in three ways: fields, `- 3:7` at the end, or a line number and an arrow under the text. */
function syntaxError(error: unknown): Omit<FieldError, 'pointer'> {
  if (error instanceof RangeError) return { message: 'nests too deep', line: 1, column: 1 };
  const { message, lineNumber, column } = error as { message: string; lineNumber?: number; column?: number };
  const inline = / - (\d+):(\d+)$/.exec(message);
  if (lineNumber !== undefined || inline) {
    const line = lineNumber ?? Number(inline?.[1]);
    return { message: message.replace(/ - \d+:\d+$/, ''), line, column: (column ?? Number(inline?.[2])) + 1 };
  }
  const line = Number(/line (\d+)/.exec(message)?.[1] ?? 1);
  const arrow = /^(-*)\^/m.exec(message)?.[1]?.length ?? 0;
  const got = /got '(\w+)'/.exec(message)?.[1];
  const found = got === 'EOF' ? 'the text ends inside a block or a tag' : 'this cannot stand here';
  return { message: `Handlebars cannot read it: ${found}`, line, column: arrow + 1 };
}

function partProblems(part: TemplatePart, source: string, partials: Partials): FieldError[] {
  const pointer = `/parts/${part}`;
  const used = Object.fromEntries(usedPartials(source, partials).map((name) => [name, partials[name] ?? '']));
  const problems: FieldError[] = [];
  if (part === 'email.html') {
    for (const text of [source, ...Object.values(used)]) {
      if (/<script\b/i.test(text))
        problems.push({ pointer, message: 'no mail program runs scripts: leave <script> out' });
    }
  }
  problems.push(...checkPart(part, source, { ...partials, ...used }));
  if (problems.length > 0) return problems;
  return part === 'email.html' ? tagProblems(pointer, source, used) : [];
}

/** Compiling {@link compileHtml} must give back every `{{…}}` as it was written. */
function tagProblems(pointer: string, source: string, used: Partials): FieldError[] {
  const css = styles([source, ...Object.values(used)]);
  const spoiled = [source, ...Object.values(used)].some((text) => tags(text).join() !== tags(inline(text, css)).join());
  return spoiled ? [{ pointer, message: 'a {{…}} inside an HTML tag must stand in a quoted attribute value' }] : [];
}

function sourcesOf(parts: TemplateParts): [TemplatePart, string][] {
  return TEMPLATE_PARTS.flatMap((part) => {
    const source: unknown = typeof parts === 'object' ? (parts as TemplateParts | null)?.[part] : undefined;
    return typeof source === 'string' ? [[part, source] as [TemplatePart, string]] : [];
  });
}

function compileHtml(source: string, partials: Partials): RenderPart {
  const used = usedPartials(source, partials);
  const css = styles([source, ...used.map((name) => partials[name] ?? '')]);
  const inlined = Object.fromEntries(used.map((name) => [name, inline(partials[name] ?? '', css)]));
  return compilePart(environment(inlined), inline(source, css), false);
}

function styles(sources: string[]): string {
  return sources
    .flatMap((source) => [...source.matchAll(/<style[^>]*>([\s\S]*?)<\/style>/gi)].map(([, css]) => css ?? ''))
    .join('\n');
}

/** CSS into style attributes; `<style>` keeps only what cannot be inlined. */
function inline(html: string, css: string): string {
  if (css.trim() === '') return html;
  return juice(html, { extraCss: css, insertPreservedExtraCss: false });
}

function tags(html: string): string[] {
  return html.match(/\{\{[\s\S]*?\}\}/g) ?? [];
}

/**
 * A Handlebars of its own, with our functions and `if unless each with` only. One for HTML and one for the other parts: partials are
 * compiled once in an environment, with the escaping of the part that comes first.
 */
function environment(partials: Partials): typeof Handlebars {
  const own = Handlebars.create();
  own.unregisterHelper('log');
  own.unregisterHelper('lookup');
  for (const [name, helper] of Object.entries(HELPERS)) {
    own.registerHelper(name, (...args: unknown[]) => {
      const options = args.pop() as { hash: Record<string, unknown>; data: { herald: RenderState } };
      return helper.run(args, options.hash, options.data.herald);
    });
  }
  for (const [name, source] of Object.entries(partials)) own.registerPartial(name, source);
  return own;
}

function compilePart(own: typeof Handlebars, source: string, noEscape: boolean): RenderPart {
  const knownHelpers = {
    ...Object.fromEntries(Object.keys(HELPERS).map((name) => [name, true])),
    log: false,
    lookup: false,
  };
  const render = own.compile<TemplateView>(source, {
    knownHelpers,
    knownHelpersOnly: true,
    noEscape,
  });
  return (view, state) => render(view, { data: { herald: state } });
}
