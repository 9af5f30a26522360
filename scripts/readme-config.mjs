// Writes the table of options from the schema into README.md. Run: npm run readme
import { readFile, writeFile } from 'node:fs/promises';
import { configurationTable } from '../dist/config/env.js';

const BEGIN = '<!-- configuration:begin -->';
const END = '<!-- configuration:end -->';
const file = new URL('../README.md', import.meta.url);

const readme = await readFile(file, 'utf8');
const begin = readme.indexOf(BEGIN);
const end = readme.indexOf(END);
if (begin === -1 || end < begin) throw new Error(`README.md needs the lines ${BEGIN} and ${END}, in this order`);

const table = `\n\n<!-- prettier-ignore -->\n${configurationTable()}\n\n`;
await writeFile(file, readme.slice(0, begin + BEGIN.length) + table + readme.slice(end));
