/** Attributes that hold an address. */
const ADDRESS = /\b(?:href|src|srcset|action|formaction|background|poster|cite|data)\s*=\s*["']\s*$/i;

/** Where in HTML the next `{{…}}` stands: escaping alone does not make a value safe everywhere. */
export class HtmlContext {
  /** The HTML just before. What a block or a value adds is not known, and may be nothing, so it does not count. */
  private before = '';
  private inTag = false;

  read(html: string): void {
    this.before = html;
    const opened = html.lastIndexOf('<');
    const closed = html.lastIndexOf('>');
    if (opened !== closed) this.inTag = opened > closed;
  }

  /** @returns why a value printed here would not be safe, and what to write instead */
  problemOf(name: string): string | undefined {
    if (!this.inTag) return undefined;
    if (/=\s*$/.test(this.before)) return 'a value inside an HTML tag must stand in quotes: name="{{value}}"';
    if (name === 'link' || !ADDRESS.test(this.before)) return undefined;
    return 'an address must come from the link function, which allows http, https, mailto and tel: href="{{link value}}"';
  }
}
