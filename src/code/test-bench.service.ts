import path from 'node:path';
import type { Settings } from '../config/env.js';
import { HeraldError } from '../errors.js';
import { parseDeepgramCallback } from '../providers/deepgram/deepgram-payload.js';
import { maskFacts } from '../redaction/facts.js';
import { Masker } from '../redaction/masker.js';
import { peopleIn } from '../redaction/people.js';
import type { AppliedPolicy } from '../redaction/policy.js';
import { Redaction } from '../redaction/redaction.js';
import type { PlanChannel } from '../rules/plan.js';
import { compileTemplate, type CompiledTemplate, type Partials } from '../templates/compile.js';
import { ownTexts } from '../templates/own-texts.js';
import { renderView, type RenderData } from '../templates/render.js';
import { loadTemplateFiles, PACKAGED_TEMPLATES } from '../templates/template-files.service.js';
import { toView, type TemplateView } from '../templates/view.js';
import type { Transcript } from '../transcripts/transcript.js';
import { checkFolder, directoryOf, merged, USUAL_CHANNELS, type CheckedFolder, type Known } from './check.js';
import { normalAddress, type RedactionDefinition, type TemplateDefinition } from './definitions.js';
import { FolderFault, readBeside } from './folder-files.service.js';
import { templateFile, type Folder } from './folder.js';
import { messageOf, type FolderProblem } from './problem-place.js';
import { parseRuleTests, testedFiles, type RuleTest } from './rule-test.js';
import { runRuleTest, type TestBench } from './run-rule-test.js';
import { saidTranscript } from './said-transcript.js';
import type { YamlSource } from './yaml-source.js';

type BenchSettings = Pick<Settings, 'templatesDir' | 'timeZone' | 'locale' | 'brand'>;

export interface TestOutcome {
  /** Files that cannot be tested. */
  problems: FolderProblem[];
  results: { file: string; name: string; faults: string[] }[];
}

/**
 * Runs the tests that stand beside the rules of a folder, with no server. Rules without tests may name what only the server has.
 * @param dir where `deepgram` files are read
 */
export async function runFolderTests(dir: string, folder: Folder, settings: BenchSettings): Promise<TestOutcome> {
  const files = await loadTemplateFiles(settings.templatesDir ?? PACKAGED_TEMPLATES);
  const there: Known = { channels: USUAL_CHANNELS, contacts: [], groups: [], templates: files.templates };
  const tested = new Set(folder.tests.flatMap(({ file }) => testedFiles(file)));
  const rules = folder.rules.filter(({ source }) => tested.has(source.file));
  const { checked, problems } = checkFolder({ ...folder, rules }, there);
  problems.push(...templateProblems(checked, files.partials));
  const read = folder.tests.map((source) => ({ source, ...parseRuleTests(source) }));
  problems.push(...read.flatMap((one) => one.problems));
  if (problems.length > 0) return { problems, results: [] };
  const bench = benchOf(merged(folder, there), folder.redactions, files.partials, settings);
  const results: TestOutcome['results'] = [];
  for (const { source, tests } of read) {
    const rule = checked.rules.find((item) => testedFiles(source.file).includes(item.source.file));
    if (!rule) {
      problems.push({
        file: source.file,
        message: `stands beside no rule: there is no ${testedFiles(source.file)[0] ?? ''}`,
      });
      continue;
    }
    for (const test of tests) {
      const faults = await faultsOf(
        () => transcriptOf(dir, source, test),
        (transcript) => runRuleTest(rule.definition, test, transcript, bench),
      );
      results.push({ file: source.file, name: test.name, faults });
    }
  }
  return { problems, results };
}

/** What a test cannot read or render is a fault of it, not of the command. */
async function faultsOf(
  read: () => Promise<Transcript | undefined>,
  run: (transcript: Transcript | undefined) => string[],
): Promise<string[]> {
  try {
    return run(await read());
  } catch (error) {
    if (error instanceof HeraldError || error instanceof FolderFault) return [error.message];
    throw error;
  }
}

async function transcriptOf(dir: string, source: YamlSource, test: RuleTest): Promise<Transcript | undefined> {
  if (test.transcript) return saidTranscript(test.transcript);
  if (test.deepgram === undefined) return undefined;
  const result = parseDeepgramCallback(
    await readBeside(path.join(dir, path.posix.dirname(source.file)), test.deepgram),
  );
  if (result.kind === 'transcript') return result.transcript;
  const what = result.kind === 'failure' ? 'a failure' : result.reason;
  throw new FolderFault(`${test.deepgram} is no transcript of Deepgram: ${what}`);
}

function benchOf(
  known: Known,
  redactions: Folder['redactions'],
  partials: Partials,
  { timeZone, locale, brand }: BenchSettings,
): TestBench {
  const contacts = known.contacts.map(({ name }) => name);
  const compiled = new Map<string, CompiledTemplate>();
  const template = (name: string): CompiledTemplate => {
    const parts = known.templates.find((one) => one.name === name)?.parts ?? {};
    const made = compiled.get(name) ?? compileTemplate(parts, partials);
    compiled.set(name, made);
    return made;
  };
  return {
    directory: directoryOf(known, timeZone),
    channels: USUAL_CHANNELS.map(({ name, kind }): PlanChannel => ({
      name,
      kind,
      parseRecipient: (address) => ({ address: normalAddress(kind, address) }),
    })),
    render: ({ channel, kind, template: name, ruleName, matches, recipient, previewSegments, step }, facts, now) => {
      const data = {
        ...facts,
        rule: { name: ruleName },
        matches,
        recipient: { locale, timeZone, ...recipient },
        link: 'https://herald.example/t/tested',
        ...(step === undefined ? {} : { ack: 'https://herald.example/a/tested' }),
        brand,
        now,
      };
      const policy = redactions.find((one) => one.name === channel)?.definition;
      const options = { smsSegments: previewSegments ?? 1 };
      const { parts } = renderedUnder(policy, contacts, data, (view, redaction) =>
        renderView(template(name), kind, view, options, redaction),
      );
      return 'subject' in parts ? `${parts.subject}\n${parts.text}` : parts.text;
    },
  };
}

/** As a server masks: what the template sees, and what it rendered. @param contacts their names */
function renderedUnder<T>(
  policy: RedactionDefinition | undefined,
  contacts: readonly string[],
  data: RenderData,
  render: (view: TemplateView, redaction?: Redaction) => T,
): T {
  if (policy?.enabled !== true) return render(toView(data));
  const applied: AppliedPolicy = { version: 0, rules: policy.rules, ...peopleIn(data, contacts) };
  const view = toView(maskFacts(data, new Masker(applied)));
  return render(view, new Redaction(applied, ownTexts(view)));
}

function templateProblems({ templates }: CheckedFolder, partials: Partials): FolderProblem[] {
  return templates.flatMap(({ definition }) => compileProblems(definition, partials));
}

function compileProblems({ name, parts }: TemplateDefinition, partials: Partials): FolderProblem[] {
  try {
    compileTemplate(parts, partials);
    return [];
  } catch (error) {
    if (!(error instanceof HeraldError)) throw error;
    return error.errors.map((fault) => {
      const { line, column } = fault;
      const place = line === undefined ? {} : { line, column: column ?? 1 };
      return { file: templateFile(name, fault.pointer), ...place, message: messageOf(fault) };
    });
  }
}
