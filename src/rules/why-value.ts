import type { Json } from '../json.js';
import { wellFormed } from '../transcripts/preview.js';
import { SpokenWords } from './condition-speech.js';

/** What a part of a condition saw, small enough to read. */
export interface Shown {
  value: Json;
  /** Characters or items of the whole, when `value` is only the beginning. */
  size?: number;
}

const TEXT_MAX = 200;
const LIST_MAX = 20;
const DEPTH_MAX = 3;

/** @returns undefined for what has no value of its own to show: `speech` and views of it */
export function shown(value: unknown): Shown | undefined {
  if (value === undefined || value instanceof SpokenWords) return undefined;
  const size = sizeOf(value);
  return { value: bounded(value, 0), ...(size === undefined ? {} : { size }) };
}

function sizeOf(value: unknown): number | undefined {
  if (typeof value === 'string') return value.length > TEXT_MAX ? value.length : undefined;
  return Array.isArray(value) && value.length > LIST_MAX ? value.length : undefined;
}

function bounded(value: unknown, depth: number): Json {
  switch (typeof value) {
    case 'string':
      return value.length > TEXT_MAX ? `${wellFormed(value.slice(0, TEXT_MAX))}…` : value;
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'bigint':
      return Number(value);
    case 'object':
      return value === null ? null : structured(value, depth);
    default:
      return null;
  }
}

function structured(value: object, depth: number): Json {
  if (depth >= DEPTH_MAX) return '…';
  if (Array.isArray(value)) return value.slice(0, LIST_MAX).map((item) => bounded(item, depth + 1));
  const entries = value instanceof Map ? [...(value as Map<unknown, unknown>)] : Object.entries(value);
  const own = entries.filter(([name, item]) => !String(name).startsWith('$') && item !== undefined);
  return Object.fromEntries(own.slice(0, LIST_MAX).map(([name, item]) => [String(name), bounded(item, depth + 1)]));
}
