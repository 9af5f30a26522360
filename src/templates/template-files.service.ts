import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type FieldError, TemplateInvalidError } from '../errors.js';
import type { Partials } from './compile.js';
import { TEMPLATE_PARTS, type Template, type TemplateParts } from './template.js';

/** The folder of the package; beside `src` and `dist` alike. */
export const PACKAGED_TEMPLATES = fileURLToPath(new URL('../../templates', import.meta.url));

const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;
const MAX_FILE_BYTES = 256 * 1024;

export interface TemplateFiles {
  /** Version 0 of each, by name. */
  templates: Template[];
  partials: Partials;
}

/**
 * Reads the operator's templates: a folder each, and `partials/NAME.hbs`. Names come from the listing of the folder; nothing that a
 * request names is ever opened.
 * @throws TemplateInvalidError with the problems of all files
 */
export async function loadTemplateFiles(dir: string): Promise<TemplateFiles> {
  const partials = await readPartials(join(dir, 'partials'));
  const templates: Template[] = [];
  const problems: FieldError[] = [];
  for (const entry of (await readdir(dir, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!entry.isDirectory() || entry.name === 'partials' || entry.name.startsWith('.')) continue;
    if (!NAME.test(entry.name)) {
      problems.push({ pointer: `templates/${entry.name}`, message: 'names of templates are made of a-z, 0-9 and "-"' });
      continue;
    }
    const template = await readTemplate(join(dir, entry.name), entry.name, problems);
    // Herald's own are compiled by its tests: here that would be a tenth of the time to start, and 9 MB (ADR 0011).
    if (dir !== PACKAGED_TEMPLATES) problems.push(...(await compileProblems(template, partials)));
    templates.push(template);
  }
  if (problems.length > 0) throw new TemplateInvalidError(summary(problems), { errors: problems });
  return { templates, partials };
}

async function readPartials(dir: string): Promise<Partials> {
  const partials: Record<string, string> = {};
  for (const file of await listing(dir)) {
    const name = file.replace(/\.hbs$/, '');
    if (file.endsWith('.hbs') && NAME.test(name)) partials[name] = await readText(join(dir, file));
  }
  return partials;
}

async function readTemplate(dir: string, name: string, problems: FieldError[]): Promise<Template> {
  const files = await listing(dir);
  const parts: TemplateParts = {};
  for (const part of TEMPLATE_PARTS) {
    if (files.includes(`${part}.hbs`)) parts[part] = (await readText(join(dir, `${part}.hbs`))).replace(/\n$/, '');
  }
  const known = ['template.json', ...TEMPLATE_PARTS.map((part) => `${part}.hbs`)];
  for (const file of files.filter((candidate) => candidate.endsWith('.hbs') && !known.includes(candidate))) {
    problems.push({
      pointer: `templates/${name}/${file}`,
      message: `is not a part; parts are ${TEMPLATE_PARTS.join(', ')}`,
    });
  }
  const description = files.includes('template.json') ? await readDescription(dir, name, problems) : '';
  return { name, version: 0, description, parts, updatedAt: 0 };
}

async function readDescription(dir: string, name: string, problems: FieldError[]): Promise<string> {
  try {
    const about = JSON.parse(await readText(join(dir, 'template.json'))) as { description?: unknown } | null;
    if (typeof about?.description === 'string') return about.description;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  problems.push({ pointer: `templates/${name}/template.json`, message: 'must be JSON: {"description": "…"}' });
  return '';
}

async function compileProblems(template: Template, partials: Partials): Promise<FieldError[]> {
  const { compileTemplate } = await import('./compile.js');
  try {
    compileTemplate(template.parts, partials);
    return [];
  } catch (error) {
    if (!(error instanceof TemplateInvalidError)) throw error;
    return error.errors.map((problem) => ({ ...problem, pointer: fileOf(template.name, problem.pointer) }));
  }
}

function fileOf(name: string, pointer: string): string {
  const [, group, part] = pointer.split('/');
  if (part === undefined) return `templates/${name}`;
  return group === 'partials' ? `templates/partials/${part}.hbs` : `templates/${name}/${part}.hbs`;
}

function summary(problems: FieldError[]): string {
  const lines = problems.map(({ pointer, message, line, column }) => {
    const place = line === undefined ? '' : `:${String(line)}:${String(column ?? 1)}`;
    return `  ${pointer}${place} ${message}`;
  });
  return `The template files cannot be used:\n${lines.join('\n')}`;
}

/** Names of plain files; empty when the folder does not exist. */
async function listing(dir: string): Promise<string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function readText(path: string): Promise<string> {
  const bytes = await readFile(path);
  // Longer than any part may be: the compiler refuses it by its length, so its end is not needed.
  return bytes.subarray(0, MAX_FILE_BYTES).toString('utf8');
}
