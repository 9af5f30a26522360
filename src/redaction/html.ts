import { type DefaultTreeAdapterTypes, parse, parseFragment, serialize } from 'parse5';

type Node = DefaultTreeAdapterTypes.Node;
type Element = DefaultTreeAdapterTypes.Element;

/** Elements in which a text goes on; all others begin a new line. */
const INLINE = new Set(
  (
    'a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q s samp small span strike strong sub sup ' +
    'time tt u var wbr'
  ).split(' '),
);
/** What is in them is for programs. */
const UNREAD = new Set(['style', 'script']);
/** Attributes that set how something looks or works; nobody reads them, and a number in them is a size or a colour. */
const UNREAD_ATTRIBUTES = new Set(
  (
    'align axis bgcolor border cellpadding cellspacing charset class color cols colspan dir face frame height hspace id lang ' +
    'media name rel role rows rowspan rules scope size sizes span style tabindex target type valign vspace width xmlns'
  ).split(' '),
);
const ADDRESS_ATTRIBUTES = new Set(['href', 'src', 'action', 'background', 'cite', 'poster']);

/** A text of a document, and the way to change it. */
interface Piece {
  text: string;
  write?: (text: string) => void;
}

/**
 * Masks what people read of a document: its texts, also over the borders of inline elements, comments, and the attributes that show or
 * lead somewhere. It is parsed as browsers do, so that references (`&#52;`) are read as what they stand for.
 * @param mask of texts that are read one after the other, one for each
 * @returns the same document byte for byte when nothing was masked
 */
export function maskHtml(html: string, mask: (pieces: readonly string[]) => string[]): string {
  const isDocument = /<(?:!doctype|html|head|body)\b/i.test(html);
  // A mail program runs no scripts: what it shows instead is read as well.
  const root = isDocument ? parse(html, { scriptingEnabled: false }) : parseFragment(html, { scriptingEnabled: false });
  const reader = new Reader();
  reader.read(root);
  const results = [
    apply(reader.texts, mask),
    ...reader.single.map((piece) => apply([piece], mask)),
    ...reader.addresses.map((piece) => applyToAddress(piece, mask)),
  ];
  if (!results.includes(true)) return html;
  const written = serialize(root);
  const doctype = /^\s*<!doctype[^>]*>/i.exec(html)?.[0];
  return doctype === undefined ? written : written.replace(/^<!DOCTYPE[^>]*>/i, () => doctype);
}

class Reader {
  readonly texts: Piece[] = [];
  readonly single: Piece[] = [];
  readonly addresses: Piece[] = [];

  read(node: Node): void {
    if (node.nodeName === '#text') {
      const text = node as DefaultTreeAdapterTypes.TextNode;
      this.texts.push({ text: text.value, write: (value) => (text.value = value) });
      return;
    }
    if (node.nodeName === '#comment') {
      const comment = node as DefaultTreeAdapterTypes.CommentNode;
      this.single.push({ text: comment.data, write: (value) => (comment.data = value) });
      return;
    }
    if ('attrs' in node) this.readAttributes(node);
    if (UNREAD.has(node.nodeName)) return;
    const breaks = 'tagName' in node && !INLINE.has(node.tagName);
    if (breaks) this.texts.push({ text: '\n' });
    if ('content' in node) this.read(node.content);
    if ('childNodes' in node) for (const child of node.childNodes) this.read(child);
    if (breaks) this.texts.push({ text: '\n' });
  }

  private readAttributes({ attrs }: Element): void {
    for (const attribute of attrs) {
      if (UNREAD_ATTRIBUTES.has(attribute.name)) continue;
      const piece: Piece = { text: attribute.value, write: (value) => (attribute.value = value) };
      if (ADDRESS_ATTRIBUTES.has(attribute.name)) this.addresses.push(piece);
      else this.single.push(piece);
    }
  }
}

/** @returns whether anything was masked */
function apply(pieces: readonly Piece[], mask: (pieces: readonly string[]) => string[]): boolean {
  const masked = mask(pieces.map(({ text }) => text));
  let isChanged = false;
  pieces.forEach(({ text, write }, i) => {
    const now = masked[i] ?? '';
    if (!write || now === text) return;
    write(now);
    isChanged = true;
  });
  return isChanged;
}

/** What an address holds in percent signs is read as what it stands for; one that holds something to mask leads nowhere. */
function applyToAddress({ text, write }: Piece, mask: (pieces: readonly string[]) => string[]): boolean {
  if (apply([{ text, write: (value) => write?.(value) }], mask)) return true;
  const read = decoded(text);
  if (read === text || mask([read])[0] === read) return false;
  write?.('#');
  return true;
}

function decoded(address: string): string {
  try {
    return decodeURIComponent(address);
  } catch {
    return address;
  }
}
