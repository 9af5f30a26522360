import { maskHtml } from './html.js';
import { Masker, spread } from './masker.js';
import { maskedOf, type AppliedPolicy, type Masked, type RedactionKind } from './policy.js';

/** Parts of a message. */
type Part = 'subject' | 'html' | 'text';

/** A policy over the parts of one message, and what it masked in them. */
export class Redaction {
  private readonly masker: Masker;
  /** Of the last text of each part: a part may be tried several times until it fits. */
  private readonly counts = new Map<Part, Map<RedactionKind, number>>();

  /**
   * @param keep texts that stay: Herald's own links, the job's id
   * @throws Error for a policy that cannot be applied
   */
  constructor(
    policy: AppliedPolicy,
    private readonly keep: readonly string[] = [],
  ) {
    this.masker = new Masker(policy);
  }

  text(part: 'subject' | 'text', text: string): string {
    return this.counted(part, (mask) => mask([text])[0] ?? '');
  }

  html(html: string): string {
    return this.counted('html', (mask) => maskHtml(html, mask));
  }

  /** Places that the message shows masked. HTML and text of an e-mail say the same: the one with more of a kind counts. */
  masked(): Masked[] {
    const of = (part: Part, kind: RedactionKind): number => this.counts.get(part)?.get(kind) ?? 0;
    const kinds = [...this.counts.values()].flatMap((counts) => [...counts.keys()]);
    return maskedOf(
      new Map(kinds.map((kind) => [kind, of('subject', kind) + Math.max(of('html', kind), of('text', kind))])),
    );
  }

  private counted(part: Part, write: (mask: (pieces: readonly string[]) => string[]) => string): string {
    const counts = new Map<RedactionKind, number>();
    this.counts.set(part, counts);
    return write((pieces) =>
      spread(pieces, '', this.masker.find(pieces.join(''), this.keep), ({ rule }) => {
        const kind = this.masker.kindOf(rule);
        counts.set(kind, (counts.get(kind) ?? 0) + 1);
        return this.masker.replacement(rule);
      }),
    );
  }
}
