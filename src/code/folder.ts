import { RecipientInvalidError } from '../errors.js';
import { jsonPointer, toFieldErrors } from '../http/schema-issues.js';
import { isObject } from '../json.js';
import { contactBody, groupBody } from '../recipients/recipients.schema.js';
import { channelName, policyBody } from '../redaction/redactions.schema.js';
import { TEMPLATE_PARTS, type TemplateParts } from '../templates/template.js';
import {
  keyOf,
  normalAddress,
  type ContactDefinition,
  type GroupDefinition,
  type Kind,
  type RedactionDefinition,
  type TemplateDefinition,
} from './definitions.js';
import type { FolderProblem } from './problem-place.js';
import { YamlSource } from './yaml-source.js';

/** A file of a folder. */
export interface FolderFile {
  /** Relative to the folder, with `/`. */
  path: string;
  text: string;
}

/** A thing that a folder defines, and the file that it stands in. */
export interface Item<T> {
  name: string;
  definition: T;
  source: YamlSource;
}

/** A template stands in several files. */
export interface TemplateItem {
  name: string;
  definition: TemplateDefinition;
}

/** What the files say by themselves. What rules mean depends on the rest, and is looked at later. */
export interface Folder {
  redactions: Item<RedactionDefinition>[];
  contacts: Item<ContactDefinition>[];
  groups: Item<GroupDefinition>[];
  templates: TemplateItem[];
  /** Not looked at yet, but that they have a name. */
  rules: Item<unknown>[];
  /** Tests that stand beside rules. */
  tests: YamlSource[];
  problems: FolderProblem[];
}

const redactionFile = policyBody.extend({ channel: channelName });

const YAML = /\.ya?ml$/;
const TEST = /\.test\.ya?ml$/;
/** What may stand beside: notes, and in `rules/` the transcripts of tests. */
const BESIDE = /\.(md|txt)$|^rules\/.*\.json$/;
const TEMPLATE_NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;

/** @param files in any order; others than those of the known places are left alone */
export function readFolder(files: readonly FolderFile[]): Folder {
  const folder: Folder = {
    redactions: [],
    contacts: [],
    groups: [],
    templates: [],
    rules: [],
    tests: [],
    problems: [],
  };
  const templates = new Map<string, FolderFile[]>();
  for (const file of [...files].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    const [place, name = '', ...below] = file.path.split('/');
    if (place === 'templates' && below.length === 1) templates.set(name, [...(templates.get(name) ?? []), file]);
    else if (isYamlPlace(place)) readYaml(folder, place, file);
  }
  for (const [name, parts] of templates) readTemplate(folder, name, parts);
  refuseTwice(folder, 'redaction', folder.redactions);
  refuseTwice(folder, 'contact', folder.contacts);
  refuseTwice(folder, 'group', folder.groups);
  refuseTwice(folder, 'rule', folder.rules);
  return folder;
}

const YAML_PLACES = ['redactions', 'contacts', 'groups', 'rules'] as const;
type YamlPlace = (typeof YAML_PLACES)[number];

function isYamlPlace(place: string | undefined): place is YamlPlace {
  return YAML_PLACES.some((one) => one === place);
}

function readYaml(folder: Folder, place: YamlPlace, { path, text }: FolderFile): void {
  const isBelow = path.split('/').length > 2;
  if (BESIDE.test(path)) return;
  if (!YAML.test(path) || isBelow) {
    const message = isBelow ? `is not read: put it into ${place}/ itself` : 'is not read: a file here is NAME.yaml';
    folder.problems.push({ file: path, message });
    return;
  }
  const source = new YamlSource(path, text);
  folder.problems.push(...source.problems);
  if (source.problems.length > 0) return;
  if (place === 'rules' && TEST.test(path)) folder.tests.push(source);
  else if (place === 'rules') readRule(folder, source);
  else if (place === 'redactions') readRedaction(folder, source);
  else if (place === 'contacts') readContact(folder, source);
  else readGroup(folder, source);
}

function readRule(folder: Folder, source: YamlSource): void {
  const { value } = source;
  if (isObject(value) && typeof value.name === 'string')
    folder.rules.push({ name: value.name, definition: value, source });
  else folder.problems.push(source.problem({ pointer: '', message: 'a rule needs a "name"' }));
}

function readRedaction(folder: Folder, source: YamlSource): void {
  const parsed = redactionFile.safeParse(source.value);
  if (parsed.success) {
    folder.redactions.push({ name: parsed.data.channel, definition: parsed.data, source });
    return;
  }
  const faults = toFieldErrors(parsed.error.issues, redactionFile, jsonPointer);
  folder.problems.push(...faults.map((fault) => source.problem(fault)));
}

function readContact(folder: Folder, source: YamlSource): void {
  const { value } = source;
  if (isObject(value) && 'snoozedUntil' in value) {
    const message = 'is of the moment and not kept in a folder: POST /v1/contacts/{id}/snooze sets it';
    folder.problems.push(source.problem({ pointer: '/snoozedUntil', message }));
    return;
  }
  const parsed = contactBody.safeParse(value);
  if (!parsed.success) {
    const faults = toFieldErrors(parsed.error.issues, contactBody, jsonPointer);
    folder.problems.push(...faults.map((fault) => source.problem(fault)));
    return;
  }
  const { email, phone, ...rest } = parsed.data;
  const problems = folder.problems.length;
  const definition = {
    ...rest,
    ...(email === undefined ? {} : { email: address(folder, source, 'email', email) }),
    ...(phone === undefined ? {} : { phone: address(folder, source, 'sms', phone) }),
  };
  if (folder.problems.length === problems) folder.contacts.push({ name: definition.name, definition, source });
}

function address(folder: Folder, source: YamlSource, kind: 'email' | 'sms', text: string): string {
  try {
    return normalAddress(kind, text);
  } catch (error) {
    if (!(error instanceof RecipientInvalidError)) throw error;
    const pointer = kind === 'email' ? '/email' : '/phone';
    folder.problems.push(source.problem({ pointer, message: error.message }));
    return text;
  }
}

function readGroup(folder: Folder, source: YamlSource): void {
  const parsed = groupBody.safeParse(source.value);
  if (parsed.success) {
    folder.groups.push({ name: parsed.data.name, definition: parsed.data, source });
    return;
  }
  const faults = toFieldErrors(parsed.error.issues, groupBody, jsonPointer);
  folder.problems.push(...faults.map((fault) => source.problem(fault)));
}

/** As the server's own template files: a part ends with one line break more than it has. */
function readTemplate(folder: Folder, name: string, files: readonly FolderFile[]): void {
  if (!TEMPLATE_NAME.test(name) || name === 'partials') {
    const message =
      name === 'partials'
        ? 'is not read: partials are files of the server (HERALD_TEMPLATES_DIR)'
        : 'names of templates are made of a-z, 0-9 and "-"';
    folder.problems.push({ file: `templates/${name}`, message });
    return;
  }
  const parts: TemplateParts = {};
  let description = '';
  for (const { path, text } of files) {
    const file = path.slice(path.lastIndexOf('/') + 1);
    const part = TEMPLATE_PARTS.find((one) => file === `${one}.hbs`);
    if (part) parts[part] = text.replace(/\n$/, '');
    else if (file === 'template.json') description = readDescription(folder, path, text);
    else if (!file.endsWith('.md'))
      folder.problems.push({ file: path, message: `is not a part; parts are ${TEMPLATE_PARTS.join(', ')}, with .hbs` });
  }
  folder.templates.push({ name, definition: { name, description, parts } });
}

function readDescription(folder: Folder, file: string, text: string): string {
  const source = new YamlSource(file, text);
  if (isObject(source.value) && typeof source.value.description === 'string') return source.value.description;
  folder.problems.push({ file, message: 'must be JSON: {"description": "…"}' });
  return '';
}

function refuseTwice(folder: Folder, kind: Kind, items: readonly Item<unknown>[]): void {
  const first = new Map<string, YamlSource>();
  for (const { name, source } of items) {
    const key = keyOf(kind, name);
    const other = first.get(key);
    const fault =
      kind === 'redaction'
        ? {
            pointer: '/channel',
            message: `is the channel of ${other?.file ?? ''} too: put all its rules into one file`,
          }
        : { pointer: '/name', message: `is the name of the ${kind} in ${other?.file ?? ''} too` };
    if (other) folder.problems.push(source.problem(fault));
    else first.set(key, source);
  }
}

/** The file of a part, for a problem that the server tells of a template. */
export function templateFile(name: string, pointer: string): string {
  const [, , part] = pointer.split('/');
  return part === undefined ? `templates/${name}` : `templates/${name}/${part}.hbs`;
}
