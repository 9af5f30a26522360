import { describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { CALLBACK_STATES } from '../../src/callbacks/callback.entity.js';
import { OPTION_NAMES } from '../../src/config/env.schema.js';
import { DELIVERY_STATES } from '../../src/deliveries/delivery.js';
import { RuleInvalidError } from '../../src/errors.js';
import { SCOPES } from '../../src/http/api-key.entity.js';
import { JOB_STATES } from '../../src/jobs/job.js';
import { FACT_TYPES } from '../../src/rules/condition-facts.js';
import { compileCondition } from '../../src/rules/language.js';
import { RuleSchema } from '../../src/rules/rule.schema.js';
import { compileTemplate } from '../../src/templates/compile.js';
import { HELPERS } from '../../src/templates/helpers.js';
import type { TemplateParts } from '../../src/templates/template.js';
import { TRIGGERS } from '../../src/transcripts/facts.js';

const README = readFileSync('README.md', 'utf8');
const DOCUMENTS = ['README.md', 'CONTRIBUTING.md', 'docs/calls.md', 'docs/glossary.md'];

const found = (pattern: RegExp, text = README) => [...new Set([...text.matchAll(pattern)].map(([, one]) => one ?? ''))];

/** JSON that the README writes into a file. */
function heredoc(file: string): unknown {
  const [json] = found(new RegExp(`cat > ${file} <<'EOF'\\n([^]*?)\\nEOF`, 'g'));
  if (json === undefined) throw new Error(`the README does not write ${file}`);
  return JSON.parse(json);
}

/** The row of a table whose first cell is the given code. */
function row(name: string): string {
  const [line] = found(new RegExp(`^\\| \`${name}\` +\\| (.*) \\|$`, 'gm'));
  if (line === undefined) throw new Error(`the README has no row ${name}`);
  return line;
}

describe.each(DOCUMENTS)('%s', (file) => {
  const text = readFileSync(file, 'utf8');

  it('links to files that exist', () => {
    const links = found(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g, text);
    expect(links.filter((link) => !existsSync(path.join(path.dirname(file), link)))).toEqual([]);
  });

  it('links to headings that exist', () => {
    const slugs = found(/^#+ (.+)$/gm, text).map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    );
    expect(found(/\]\(#([^)]+)\)/g, text).filter((slug) => !slugs.includes(slug))).toEqual([]);
  });

  it('names npm scripts and files of commands that exist', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
    const known = new Set(Object.keys(scripts));
    expect(found(/npm run (?:--\S+ )?([\w:-]+)/g, text).filter((script) => !known.has(script))).toEqual([]);
    expect(found(/node ((?:bench|scripts)\/\S+?)[`\s]/g, text).filter((script) => !existsSync(script))).toEqual([]);
  });
});

describe('the README', () => {
  it('names only variables that Herald or its demo reads', () => {
    const demo = readFileSync('src/sandbox/demo-plan.ts', 'utf8');
    const named = found(/\b((?:HERALD|DEEPGRAM|SMTP|MAIL|TWILIO|DEMO|REDIS|DATABASE)_[A-Z][A-Z_]*)\b/g);
    const unknown = named.filter(
      (name) => !(OPTION_NAMES as readonly string[]).includes(name) && !demo.includes(`'${name}'`),
    );
    expect(named.length).toBeGreaterThan(20);
    expect(unknown).toEqual([]);
  });

  it('names only routes that Herald serves', () => {
    const { paths } = JSON.parse(readFileSync('docs/openapi.json', 'utf8')) as { paths: Record<string, unknown> };
    const documented = Object.keys(paths).map((route) => route.split('/'));
    // A word stands for a parameter when the README made a thing of that name, or when it is plainly a place-holder.
    const isValue = (segment: string) => /^[$A-Z{]/.test(segment) || ['email', 'short'].includes(segment);
    const serves = (route: string) =>
      documented.some((parts) => {
        const asked = route.split('/');
        const fits = (part: string, i: number) =>
          part === asked[i] || (part.startsWith('{') && isValue(asked[i] ?? ''));
        return parts.length === asked.length && parts.every(fits);
      });
    const routes = found(/(?<![\w.])(\/v1\/[\w/{}$-]+)/g).filter((route) => route !== '/v1/listen');
    expect(routes.length).toBeGreaterThan(20);
    expect(routes.filter((route) => !serves(route))).toEqual([]);
  });

  it.each([
    ['/hook', 'src/callbacks/hook.controller.ts', "@Controller('hook')"],
    ['/t/…', 'src/transcripts/transcript-page.controller.ts', "@Controller('t')"],
    ['/a/…', 'src/escalations/ack-page.controller.ts', "@Controller('a')"],
    ['/docs', 'src/http/docs.controller.ts', "@Get('docs/errors')"],
  ])('names %s, which the OpenAPI document leaves out and Herald serves', (route, file, declaration) => {
    expect(README).toContain(route);
    expect(readFileSync(file, 'utf8')).toContain(declaration);
  });

  it('lists the functions of templates, all of them and no others', () => {
    const [list = ''] = found(/Functions:\s+`([^`]+)`/g);
    expect(list.split(/\s+/).sort()).toEqual(Object.keys(HELPERS).sort());
  });

  it.each([
    ['job', 'Job'],
    ['transcript', 'Transcript'],
    ['failure', 'Failure'],
    ['delivery', 'Delivery'],
    ['overdue', 'Overdue'],
  ])('lists the fields of %s, and which may be absent', (name, type) => {
    const fields = Object.entries(FACT_TYPES[type] ?? {}).map(([field, { optional }]) => field + (optional ? '?' : ''));
    const [list = ''] = found(/^`([^`]+)`/g, row(name));
    expect(list.split(' ').sort()).toEqual(fields.sort());
  });

  it('names every trigger, scope and state', () => {
    // `held` is reserved: nothing puts a delivery there yet.
    const states = [...JOB_STATES, ...CALLBACK_STATES, ...DELIVERY_STATES].filter((state) => state !== 'held');
    const missing = [...TRIGGERS, ...SCOPES, ...states].filter((name) => !README.includes(`\`${name}\``));
    expect(missing).toEqual([]);
  });

  it.each(['refund-risk.json', 'urgent.json'])('shows a rule that can be saved: %s', (file) => {
    const rule = RuleSchema.parse(heredoc(file));
    expect(() => compileCondition(rule.when, rule.on)).not.toThrow();
  });

  it('shows the answer to a misspelt rule as it is', () => {
    const [json = ''] = found(/```json\n([^]*?)```/g);
    const { when, on } = RuleSchema.parse(heredoc('refund-risk.json'));
    const misspelt = "speech.by('1').say('refund') && transcript.duraton > 30";
    expect(when).toContain(".says('refund')");
    let errors: unknown;
    try {
      compileCondition(misspelt, on);
    } catch (error) {
      if (error instanceof RuleInvalidError) errors = error.errors;
    }
    expect(README).toContain(misspelt);
    expect((JSON.parse(json) as { errors: unknown }).errors).toEqual(errors);
  });

  it('shows a template that can be saved', () => {
    const { parts } = heredoc('short.json') as { parts: TemplateParts };
    expect(Object.keys(compileTemplate(parts, {})).sort()).toEqual(['email.html', 'email.subject', 'sms']);
  });
});
