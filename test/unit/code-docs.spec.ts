import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readFiles } from '../../src/code/folder-files.service.js';
import { readFolder } from '../../src/code/folder.js';
import { problemLine } from '../../src/code/problem-place.js';
import { runFolderTests } from '../../src/code/test-bench.service.js';
import { readFixture } from '../fixtures/deepgram/index.js';

const SETTINGS = { timeZone: 'UTC', locale: 'en-GB', brand: 'Herald' };

const blocks = (text: string) => [...text.matchAll(/```yaml\n([^]*?)```/g)].map(([, yaml = '']) => yaml);

describe('the folder that the documents show', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'herald-docs-'));
    const [rule = ''] = blocks(await readFile('README.md', 'utf8'));
    const [contact = '', redaction = '', , tests = ''] = blocks(await readFile('docs/rules-as-code.md', 'utf8'));
    const files = {
      'rules/refund-risk.yaml': rule,
      'rules/refund-risk.test.yaml': tests,
      'rules/refund-call.json': readFixture('diarized.json'),
      'contacts/on-call.yaml': contact,
      'redactions/email.yaml': redaction,
      'groups/billing.yaml': 'name: billing\nmembers: [on-call]\n',
    };
    for (const [file, text] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(dir, file)), { recursive: true });
      await writeFile(path.join(dir, file), text);
    }
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  it('passes its own tests', async () => {
    const folder = readFolder(await readFiles(dir));
    expect(folder.problems.map(problemLine)).toEqual([]);
    const { problems, results } = await runFolderTests(dir, folder, SETTINGS);
    expect(problems.map(problemLine)).toEqual([]);
    expect(results.map(({ name, faults }) => ({ name, faults }))).toEqual([
      { name: 'a customer wants money back', faults: [] },
      { name: 'a call that only sounds like it', faults: [] },
      { name: 'a recorded one', faults: [] },
    ]);
  });

  it('masks the messages of a test as its redactions say', async () => {
    const folder = readFolder([
      ...(await readFiles(dir)).filter(({ path: file }) => !file.endsWith('.test.yaml')),
      {
        path: 'rules/refund-risk.test.yaml',
        text: `- name: a card
  transcript: { turns: [{ speaker: 1, text: 'A refund to 4111 1111 1111 1111, please.' }] }
  expect: { matched: true, messages: [{ channel: email, to: on-call@example.com, contains: ['to [card]'] }] }
`,
      },
    ]);
    const { results } = await runFolderTests(dir, folder, SETTINGS);
    expect(results[0]?.faults).toEqual([]);
  });

  it('reads no transcript of a test from outside', async () => {
    const folder = readFolder([
      ...(await readFiles(dir)).filter(({ path: file }) => !file.endsWith('.test.yaml')),
      {
        path: 'rules/refund-risk.test.yaml',
        text: '- { name: a, deepgram: ../../etc/passwd, expect: { matched: true } }\n',
      },
    ]);
    const { results } = await runFolderTests(dir, folder, SETTINGS);
    expect(results[0]?.faults).toEqual(['../../etc/passwd is outside the folder']);
  });

  it('tells of a test that stands beside no rule', async () => {
    const folder = readFolder([
      { path: 'rules/other.test.yaml', text: "- { name: a, transcript: { text: '' }, expect: { matched: true } }\n" },
    ]);
    const { problems } = await runFolderTests(dir, folder, SETTINGS);
    expect(problems.map(problemLine)).toEqual([
      'rules/other.test.yaml stands beside no rule: there is no rules/other.yaml',
    ]);
  });
});
