import { describe, expect, it } from '@jest/globals';
import { type FieldError, TemplateInvalidError } from '../../src/errors.js';
import { compileTemplate, type Partials } from '../../src/templates/compile.js';
import type { TemplateParts } from '../../src/templates/template.js';

function problemsOf(parts: unknown, partials: Partials = {}): FieldError[] {
  try {
    compileTemplate(parts as TemplateParts, partials);
  } catch (error) {
    if (error instanceof TemplateInvalidError) return error.errors;
    throw error;
  }
  return [];
}

const smsProblems = (sms: string, partials?: Partials): FieldError[] => problemsOf({ sms }, partials);
const htmlProblems = (html: string, partials?: Partials): FieldError[] =>
  problemsOf({ 'email.subject': 's', 'email.html': html }, partials);

describe('compileTemplate: names', () => {
  it.each([
    '{{job.id}} {{job.tags.anything}} {{job.options.model}}',
    '{{transcript.speakers.length}} {{transcript.speakers.[0].label}}',
    '{{#each transcript.turns}}{{label}} {{this.text}} {{@index}} {{../job.id}} {{@root.brand}}{{/each}}',
    '{{#each job.tags}}{{@key}}={{this}} {{/each}}',
    '{{#each matches as |match i|}}{{i}} {{match.text}} {{quote match}}{{/each}}',
    '{{#with failure}}{{code}}{{else}}{{brand}}{{/with}}',
    '{{#if (and (gt transcript.duration 30) (eq job.origin "api"))}}a{{else if link}}b{{else}}c{{/if}}',
    '{{date job.createdAt format="date"}} {{link at=transcript.duration}} {{number transcript.confidence style="percent"}}',
    '{{#*inline "x"}}{{brand}}{{/inline}}{{> x}}',
  ])('accepts %s', (sms) => {
    expect(smsProblems(sms)).toEqual([]);
  });

  it('refuses an unknown variable with its place and the name that was meant', () => {
    expect(smsProblems('{{brand}}\n  {{transcript.sumary}}')).toEqual([
      expect.objectContaining({ pointer: '/parts/sms', line: 2, column: 5, suggestion: 'summary' }),
    ]);
  });

  it('refuses an unknown function with its place and the name that was meant', () => {
    expect(smsProblems('{{upperr brand}}')).toEqual([
      expect.objectContaining({ line: 1, column: 1, suggestion: 'upper', message: expect.stringContaining('upperr') }),
    ]);
    expect(smsProblems('{{previw}}')).toEqual([expect.objectContaining({ column: 3, suggestion: 'preview' })]);
    expect(smsProblems('{{#if (eqq 1 2)}}{{/if}}')).toEqual([expect.objectContaining({ suggestion: 'eq' })]);
  });

  it('follows what `this` is inside blocks', () => {
    expect(smsProblems('{{#each transcript.speakers}}{{text}}{{/each}}')).toHaveLength(1);
    expect(smsProblems('{{#with transcript}}{{brand}}{{/with}}')).toHaveLength(1);
    expect(smsProblems('{{#with transcript}}{{../brand}}{{/with}}')).toEqual([]);
    expect(smsProblems('{{../brand}}')).toHaveLength(1);
    expect(smsProblems('{{#if transcript}}{{transcript.text}}{{/if}}{{label}}')).toHaveLength(1);
    expect(smsProblems('{{@index}}')).toHaveLength(1);
  });

  it('refuses to print a list or a record', () => {
    expect(smsProblems('{{transcript.speakers}}')[0]?.message).toContain('#each or join');
    expect(smsProblems('{{job}}')[0]?.message).toContain('record');
  });

  it('refuses a wrong number of values and unknown named arguments', () => {
    expect(smsProblems('{{#with transcript}}{{duration}}{{/with}}')[0]?.message).toContain(
      '{{duration transcript.duration}}',
    );
    expect(smsProblems('{{date job.createdAt fromat="date"}}')).toEqual([
      expect.objectContaining({ suggestion: 'format' }),
    ]);
  });

  it('reports every problem at once', () => {
    const problems = problemsOf({ 'email.subject': '{{a}}', 'email.html': '{{b}} {{c}}', sms: '{{#if}}' });
    expect(problems.map(({ pointer }) => pointer)).toEqual([
      '/parts/email.subject',
      '/parts/email.html',
      '/parts/email.html',
      '/parts/sms',
    ]);
  });
});

describe('compileTemplate: syntax', () => {
  it.each([
    ['{{brand}}\n{{#if link}}b', 2],
    ['{{#if link}}\n{{/each}}', 1],
    ['a\nb {{brand', 2],
    ['{{else}}', 1],
    ['{{}}', 1],
  ])('refuses %j with its line', (sms, line) => {
    expect(smsProblems(sms)).toEqual([
      expect.objectContaining({ pointer: '/parts/sms', line, column: expect.any(Number) }),
    ]);
  });

  it('names missing and unknown parts', () => {
    expect(problemsOf({})[0]?.message).toContain('"sms"');
    expect(problemsOf({ 'email.html': 'x' })).toEqual([expect.objectContaining({ pointer: '/parts' })]);
    expect(problemsOf({ sms: 'x', 'email.html': 'x' })).toEqual([
      expect.objectContaining({ pointer: '/parts/email.subject' }),
    ]);
    expect(problemsOf({ sms: 'x', push: 'x' })).toEqual([expect.objectContaining({ pointer: '/parts/push' })]);
  });
});

describe('compileTemplate: HTML', () => {
  it('refuses unescaped values in HTML, and takes them elsewhere', () => {
    expect(htmlProblems('{{{brand}}}')).toHaveLength(1);
    expect(htmlProblems('{{&brand}}')).toHaveLength(1);
    expect(smsProblems('{{{brand}}}')).toEqual([]);
  });

  it('refuses values that escaping does not make safe: unquoted attributes and the beginning of an address', () => {
    expect(htmlProblems('<p title={{brand}}>x</p>')).toHaveLength(1);
    expect(htmlProblems('<a href="{{job.tags.url}}">x</a>')).toHaveLength(1);
    expect(htmlProblems('<a href="{{#if link}}{{job.tags.url}}{{/if}}">x</a>')).toHaveLength(1);
    expect(htmlProblems('<a href="{{link job.tags.url}}">x</a>')).toEqual([]);
    expect(htmlProblems('<a href="https://example.com/{{job.id}}">x</a>')).toEqual([]);
    expect(htmlProblems('<p>a = {{brand}}</p>')).toEqual([]);
  });

  it('lets no name of a block stand in for a function', () => {
    expect(htmlProblems('{{#each job.tags as |link|}}<a href="{{link}}">x</a>{{/each}}')[0]?.message).toContain(
      'is a function',
    );
    expect(smsProblems('{{#each job.tags as |tag upper|}}{{upper}}{{/each}}')).toHaveLength(1);
  });

  it('refuses scripts', () => {
    expect(htmlProblems('<script>1</script>')).toHaveLength(1);
  });
});

describe('compileTemplate: what must not be reached (T2)', () => {
  it.each([
    '{{constructor}}',
    '{{job.constructor.name}}',
    '{{lookup this "__proto__"}}',
    '{{lookup job "id"}}',
    '{{log brand}}',
    '{{job.tags.__proto__}}',
    '{{job.options.constructor.prototype}}',
    '{{#with job as |j|}}{{#with j.constructor}}{{this}}{{/with}}{{/with}}',
    '{{@root.constructor}}',
    '{{@herald}}',
    '{{@herald.view}}',
    '{{@partial-block}}',
    '{{starts}}',
    '{{helperMissing}}',
    '{{blockHelperMissing brand}}',
    '{{#job}}{{id}}{{/job}}',
    '{{toString}}',
    '{{hasOwnProperty "a"}}',
    '{{> (lookup . "job")}}',
    '{{> (preview)}}',
    '{{* decorate}}',
    '{{#*other "x"}}{{/other}}',
    '{{> nowhere}}',
    '{{> ../../etc/passwd}}',
    '{{> __proto__}}',
    '{{> constructor}}',
    '{{{{raw}}}}x{{{{/raw}}}}',
  ])('refuses %s', (sms) => {
    expect(smsProblems(sms).length).toBeGreaterThan(0);
  });
});

describe('compileTemplate: objects where text is expected (T4)', () => {
  it.each([
    [{ sms: { type: 'Program', body: [] } }, '/parts/sms'],
    [{ sms: ['{{brand}}'] }, '/parts/sms'],
    [{ 'email.subject': 1, 'email.html': 'x' }, '/parts/email.subject'],
    [{ sms: null }, '/parts/sms'],
    ['{{brand}}', '/parts'],
    [null, '/parts'],
  ])('refuses %j', (parts, pointer) => {
    expect(problemsOf(parts)).toEqual([expect.objectContaining({ pointer })]);
  });
});

describe('compileTemplate: templates without an end (T3)', () => {
  const quickly = (check: () => FieldError[]): FieldError[] => {
    const started = performance.now();
    const problems = check();
    expect(performance.now() - started).toBeLessThan(1_000);
    return problems;
  };

  it('refuses recursive partials', () => {
    expect(quickly(() => smsProblems('{{> a}}', { a: '{{> b}}', b: '{{> a}}' }))[0]?.message).toContain(
      'includes itself',
    );
    expect(quickly(() => smsProblems('{{#*inline "a"}}{{> a}}{{/inline}}{{> a}}'))[0]?.message).toContain(
      'includes itself',
    );
  });

  it('refuses a chain of inline partials that doubles at every level', () => {
    let source = '{{#*inline "p0"}}x{{/inline}}';
    for (let i = 1; i < 22; i++)
      source += `{{#*inline "p${String(i)}"}}{{> p${String(i - 1)}}}{{> p${String(i - 1)}}}{{/inline}}`;
    expect(quickly(() => smsProblems(`${source}{{> p21}}`))[0]?.message).toContain('steps');
  });

  it('refuses three nested loops, also through a partial', () => {
    const each = (inner: string): string => `{{#each @root.transcript.utterances}}${inner}{{/each}}`;
    expect(smsProblems(each(each('x')))).toEqual([]);
    expect(quickly(() => smsProblems(each(each(each('x')))))[0]?.message).toContain('#each nests');
    expect(quickly(() => smsProblems(each(each('{{> inner}}')), { inner: each('x') }))[0]?.message).toContain(
      '#each nests',
    );
  });

  it('refuses 20,000 nested blocks, a 1 MB template and deep parentheses', () => {
    const nested = (n: number): string => '{{#if a}}'.repeat(n) + '{{/if}}'.repeat(n);
    expect(quickly(() => smsProblems(nested(20_000)))[0]?.message).toContain('64 kB');
    expect(quickly(() => smsProblems(nested(3_500)))[0]?.message).toContain('nest deeper');
    expect(quickly(() => smsProblems('{{#if link}}'.repeat(21) + '{{/if}}'.repeat(21)))[0]?.message).toContain(
      'nest deeper',
    );
    expect(quickly(() => smsProblems('x'.repeat(1_000_000)))[0]?.message).toContain('64 kB');
    const chain = `{{#if link}}${'{{else if link}}'.repeat(3_000)}{{/if}}`;
    expect(quickly(() => smsProblems(chain))[0]?.message).toContain('nest deeper');
    expect(quickly(() => smsProblems(`{{not ${'(not '.repeat(5_000)}1${')'.repeat(5_000)}}}`)).length).toBeGreaterThan(
      0,
    );
  });
});

describe('compileTemplate: CSS', () => {
  const base = { 'email.subject': 's' };
  const view = { brand: 'B' } as never;
  const render = (html: string, partials?: Partials): string =>
    compileTemplate({ ...base, 'email.html': html }, partials)['email.html']?.(view, {
      view,
      preview: '',
      cutPreview: true,
    }) ?? '';

  it('is put into style attributes, also those of partials, and media rules stay', () => {
    const html = render(
      '<html><head><style>.a{color:red}@media (max-width:9px){.a{color:blue}}</style></head><body><p class="a">{{brand}}</p>{{> p}}</body></html>',
      { p: '<b class="a">x</b>' },
    );
    expect(html).toContain('<p class="a" style="color: red;">B</p>');
    expect(html).toContain('<b class="a" style="color: red;">x</b>');
    expect(html).toContain('@media (max-width:9px)');
    expect(html).not.toMatch(/\}\s*\.a ?\{ ?color: ?red/);
  });

  it('leaves blocks between table rows where they are', () => {
    const html = render('<style>td{margin:0}</style><table>{{#if brand}}<tr><td>{{brand}}</td></tr>{{/if}}</table>');
    expect(html).toContain('<table><tr><td style="margin: 0;">B</td></tr></table>');
  });
});
