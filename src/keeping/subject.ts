import { createHmac } from 'node:crypto';

/** Injection token of the key under which proofs of erasure name their subject. */
export const ERASURE_SECRET = Symbol('ERASURE_SECRET');

/** Whom or what an erasure concerns. Addresses are normalised: lower case, E.164. */
export type Subject =
  { kind: 'email'; value: string } | { kind: 'phone'; value: string } | { kind: 'tag'; tag: string; value: string };

/** Names no one, and tells whoever has the value and the secret that it is meant. Hex. */
export function subjectHash(subject: Subject, secret: string): string {
  const parts = subject.kind === 'tag' ? [subject.kind, subject.tag, subject.value] : [subject.kind, subject.value];
  return createHmac('sha256', secret)
    .update(['erasure', ...parts].join('\0'))
    .digest('hex');
}

/** Whether the tags of a job concern the subject: any of them for an address, however it is written; the one that is named else. */
export function tagsConcern(subject: Subject, tags: Record<string, string>): boolean {
  if (subject.kind === 'tag') return tags[subject.tag] === subject.value;
  return Object.values(tags).some((value) => isAddressOf(subject, value));
}

/** Whether a text is the address of the subject, in any usual spelling. */
export function isAddressOf(subject: Subject, text: string): boolean {
  switch (subject.kind) {
    case 'email':
      return text.trim().toLowerCase() === subject.value;
    case 'phone':
      return /^[+\d\s().\u2010-\u2015/-]+$/.test(text) && digits(text) === digits(subject.value);
    case 'tag':
      return false;
  }
}

/** Whether a longer text holds the address: a definition, a raw body, the name of a counter. */
export function mentions(subject: Subject, text: string): boolean {
  return subject.kind !== 'tag' && text.toLowerCase().includes(subject.value);
}

function digits(text: string): string {
  return text.replace(/\D/g, '').replace(/^00/, '');
}
