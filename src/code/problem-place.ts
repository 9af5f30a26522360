import type { FieldError } from '../errors.js';

/** Something wrong in a folder: where, as editors and terminals link it, and what. */
export interface FolderProblem {
  /** Relative to the folder, with `/`. */
  file: string;
  /** From 1. */
  line?: number;
  column?: number;
  message: string;
}

/** `rules/refund.yaml:3:9 there is no template "redy": did you mean ready?` */
export function problemLine({ file, line, column, message }: FolderProblem): string {
  const place = line === undefined ? '' : `:${String(line)}:${String(column ?? 1)}`;
  return `${file}${place} ${message}`;
}

/** The message of a field error with what would have been right. */
export function messageOf({ message, suggestion }: Pick<FieldError, 'message' | 'suggestion'>): string {
  return suggestion === undefined || message.includes('did you mean')
    ? message
    : `${message}: did you mean ${suggestion}?`;
}
