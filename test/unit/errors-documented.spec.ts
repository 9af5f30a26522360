import { describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import * as errors from '../../src/errors.js';

const { ERROR_CODES, HeraldError } = errors;

async function documentedRows(): Promise<string[][]> {
  const lines = (await readFile('docs/errors.md', 'utf8')).split('\n');
  return lines
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

describe('docs/errors.md', () => {
  it('lists exactly the codes of the program, with their statuses, in their order', async () => {
    const documented = (await documentedRows()).map(([code, status]) => [code, status]);
    expect(documented).toEqual(
      Object.entries(ERROR_CODES).map(([code, status]) => [`\`${code}\``, status === undefined ? '-' : String(status)]),
    );
  });

  it('tells for each code what it means and what to do', async () => {
    for (const [code, , meaning, mend] of await documentedRows()) {
      expect([code, meaning]).toEqual([code, expect.stringMatching(/\w.*\.$/)]);
      expect([code, mend]).toEqual([code, expect.stringMatching(/\w.*\.$/)]);
    }
  });
});

describe('the error classes', () => {
  type ErrorClass = new (message: string, options: object) => errors.HeraldError;
  const classes = Object.entries(errors as Record<string, unknown>).filter(
    (entry): entry is [string, ErrorClass] =>
      typeof entry[1] === 'function' && entry[1].prototype instanceof HeraldError,
  );

  it.each(classes)('%s has a code of the table, its status and its own name', (name, ErrorClass) => {
    const error = new ErrorClass('what', {});
    expect(Object.keys(ERROR_CODES)).toContain(error.code);
    expect(error.status).toBe(ERROR_CODES[error.code] ?? 500);
    expect(error.name).toBe(name);
    expect(error.message).toBe('what');
  });

  it('share no code, so that a code tells what was thrown', () => {
    const codes = classes.map(([, ErrorClass]) => new ErrorClass('what', {}).code);
    expect(classes.length).toBeGreaterThan(15);
    expect(new Set(codes).size).toBe(codes.length);
  });
});
