import type { ASTNode } from '@marcbachmann/cel-js';
import type { Json } from '../json.js';
import type { SpeechMatch } from '../transcripts/speech.js';

/** Words that made a part true, with the name of who said them. */
export type HeardWords = SpeechMatch & { label?: string };

export type WhyKind =
  'and' | 'or' | 'not' | 'choice' | 'compare' | 'call' | 'loop' | 'fact' | 'literal' | 'calculation';

/** One part of a condition, with what it came to. */
export interface WhyNode {
  /** As written. */
  text: string;
  kind: WhyKind;
  /** null: a value that is neither, an error, or not reached. */
  result: boolean | null;
  /** An earlier part had decided. */
  notReached?: true;
  /** What it saw; texts and lists are cut. */
  value?: Json;
  /** Characters or items of the whole, when `value` is only the beginning. */
  size?: number;
  matches?: HeardWords[];
  /** Why it could not be evaluated. */
  error?: string;
  /** In the order of the source. */
  parts?: WhyNode[];
}

/** Why a condition came out as it did. */
export interface Why {
  matched: boolean;
  /** Why it could not be evaluated; `matched` is then false. */
  error?: string;
  /** null when the condition is not valid any more. */
  tree: WhyNode | null;
  /** The first part that decided against it, in words; null when it matched. */
  reason: string | null;
}

/** Parts beside the syntax that they were made from. */
export type Origins = ReadonlyMap<WhyNode, ASTNode>;
