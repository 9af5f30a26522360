import { isObject } from '../../json.js';

/**
 * Readers for a body that nobody promised the form of. Each takes any value and returns what it holds, or nothing; none throws.
 * A reader that had to drop or bend something says so once in `warnings`.
 */
export class BodyReader {
  readonly warnings: string[] = [];

  /** Bounded, each sentence once: a broken body has the same fault in ten thousand places. */
  warn(message: string): void {
    if (this.warnings.length < 20 && !this.warnings.includes(message)) this.warnings.push(message);
  }

  record(value: unknown, where: string): Record<string, unknown> {
    if (isObject(value)) return value;
    if (isPresent(value)) this.warn(`${where} is not an object`);
    return {};
  }

  /** The objects of a list; anything else in it is dropped. */
  records(value: unknown, where: string): Record<string, unknown>[] {
    const list = this.list(value, where);
    const records = list.filter(isObject);
    if (records.length < list.length) this.warn(`${where} holds something that is not an object`);
    return records;
  }

  list(value: unknown, where: string): unknown[] {
    if (Array.isArray(value)) return value as unknown[];
    if (isPresent(value)) this.warn(`${where} is not a list`);
    return [];
  }

  /** Text fit for storing and showing; numbers and booleans become text. */
  text(value: unknown, where: string): string | undefined {
    if (typeof value === 'string') return cleanText(value);
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    if (isPresent(value)) this.warn(`${where} is not text`);
    return undefined;
  }

  /** A finite number, also from a numeric text, moved into the range. */
  number(value: unknown, where: string, [min, max]: readonly [number, number]): number | undefined {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof number === 'number' && Number.isFinite(number)) {
      if (number < min || number > max) this.warn(`${where} is out of range`);
      return Math.min(max, Math.max(min, number));
    }
    if (isPresent(value)) this.warn(`${where} is not a number`);
    return undefined;
  }

  /** Texts of a list; one text alone counts as a list of one. */
  texts(value: unknown, where: string): string[] {
    if (typeof value === 'string') return [cleanText(value)];
    return this.list(value, where)
      .map((item) => this.text(item, where))
      .filter((text) => text !== undefined);
  }
}

const isPresent = (value: unknown): boolean => value !== undefined && value !== null;

const UNSTORABLE = /[\p{Cc}\p{Cs}]/u;

/** Without what a database or a mail cannot carry: control characters go, a lone surrogate becomes U+FFFD. */
export function cleanText(text: string): string {
  if (!UNSTORABLE.test(text)) return text;
  return text.replace(/\p{Cs}/gu, '\ufffd').replace(/(?![\t\n\r])\p{Cc}/gu, '');
}
