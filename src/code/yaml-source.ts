import {
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import type { FieldError } from '../errors.js';
import { messageOf, type FolderProblem } from './problem-place.js';

/** Numbers as JSON writes them. A telephone number (`+15551234567`) and a code with zeros before it (`007`) are texts. */
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/;

/** The usual mend: what a condition or a placeholder holds means something else in YAML. */
const QUOTES = "A text with ': ' or ' #', or one that begins with {, [, @, ' or \", needs quotes: '{{job.tags.email}}'";

/** Aliases of one document that are followed: a few are of use, a bomb has thousands. */
const ALIASES_MAX = 100;

interface Place {
  line: number;
  column: number;
}

/** One YAML file: what it says, and where it says so. */
export class YamlSource {
  readonly file: string;
  /** Of the form; empty when `value` can be used. */
  readonly problems: readonly FolderProblem[];
  /** As JSON would hold it; undefined when the file is no YAML. */
  readonly value: unknown;
  private readonly text: string;
  private readonly lines = new LineCounter();
  private readonly document: Document;

  /** Never throws: what is no YAML is told in `problems`. */
  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    this.document = parseDocument(text, { lineCounter: this.lines, prettyErrors: false });
    keepTexts(this.document);
    const problems = this.document.errors.map(({ message, pos }) => ({
      file,
      ...this.at(pos[0]),
      message: `is not YAML: ${message}. ${QUOTES}`,
    }));
    problems.push(
      ...keysThatAreNoText(this.document).map((key) => ({
        file,
        ...this.start(key),
        message: `is a key that is no text. ${QUOTES}`,
      })),
    );
    if (problems.length > 0) {
      this.problems = problems;
      return;
    }
    try {
      this.value = this.document.toJS({ maxAliasCount: ALIASES_MAX }) as unknown;
      this.problems = [];
    } catch {
      this.problems = [{ file, message: 'has more aliases than are followed: write out what they stand for' }];
    }
  }

  /** @param fault pointer into the value; line and column within the text that stands there, if it is about one */
  problem(fault: FieldError): FolderProblem {
    const { node, missing } = this.nodeAt(fault.pointer);
    // What is not there has no place: it is named, at the place of what it is missing in.
    const message = missing === undefined ? messageOf(fault) : `"${missing}" ${messageOf(fault)}`;
    const { line, column = 1 } = fault;
    if (line === undefined || !isScalar(node)) return { file: this.file, ...this.start(node), message };
    const place = this.within(node, line, column);
    if (place) return { file: this.file, ...place, message };
    const inText = `line ${String(line)}, column ${String(column)} of the text: `;
    return { file: this.file, ...this.start(node), message: `${inText}${message}` };
  }

  /** What stands at the pointer, or the nearest around it with the name of what is not there. */
  private nodeAt(pointer: string): { node: Node | undefined; missing?: string } {
    let node: Node | undefined = isNode(this.document.contents) ? this.document.contents : undefined;
    for (const step of stepsOf(pointer)) {
      const next: unknown = isMap(node) || isSeq(node) ? node.get(step, true) : undefined;
      if (!isNode(next)) {
        const key = isMap(node) ? keyOf(node, step) : undefined;
        return key ? { node: key } : { node, missing: step };
      }
      node = next;
    }
    return { node };
  }

  private start(node: Node | undefined): Place {
    return this.at(node?.range?.[0] ?? 0);
  }

  /** A place within a text that stands as it is: on one line, or as a block with its lines. */
  private within(node: Scalar, line: number, column: number): Place | undefined {
    const start = this.start(node);
    if (node.type === 'BLOCK_LITERAL') {
      const indent = this.indentBelow(start.line);
      return indent === undefined ? undefined : { line: start.line + line, column: indent + column };
    }
    const isQuoted = node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE';
    const isPlainText = node.type === 'PLAIN' || isQuoted;
    const [from, to] = node.range ?? [0, 0];
    const written = this.text.slice(from, to).slice(isQuoted ? 1 : 0, isQuoted ? -1 : undefined);
    if (!isPlainText || line !== 1 || written !== node.value) return undefined;
    return { line: start.line, column: start.column + (isQuoted ? 1 : 0) + column - 1 };
  }

  /** By how many blanks a block is moved in: those of its first line that holds anything. */
  private indentBelow(line: number): number | undefined {
    const below = this.text.split('\n').slice(line);
    const first = below.find((one) => one.trim() !== '');
    return first === undefined ? undefined : first.length - first.trimStart().length;
  }

  private at(offset: number): Place {
    const { line, col } = this.lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }
}

function keepTexts(document: Document): void {
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value === 'number' && node.source !== undefined && !NUMBER.test(node.source))
        node.value = node.source;
    },
  });
}

/** `{{job.tags.email}}` without quotes is a map in a map. */
function keysThatAreNoText(document: Document): Node[] {
  const keys: Node[] = [];
  visit(document, {
    Pair(_key, { key }) {
      if (isMap(key) || isSeq(key)) keys.push(key);
    },
  });
  return keys.slice(0, 1);
}

function keyOf(map: YAMLMap, name: string): Node | undefined {
  const key: unknown = map.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === name)?.key;
  return isNode(key) ? key : undefined;
}

/** RFC 6901. */
function stepsOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}
