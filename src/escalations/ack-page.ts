import type { EscalationState } from './escalation.js';

const STYLE = `
:root{color-scheme:light dark;--page:#f2f4f7;--card:#fff;--line:#dfe3e9;--ink:#1d2430;--soft:#5a6472;--button:#2c4fc4}
@media (prefers-color-scheme:dark){:root{--page:#15181d;--card:#1e2229;--line:#343a44;--ink:#e7eaef;--soft:#a3adba;--button:#3f63dd}}
*{box-sizing:border-box}
body{margin:0;padding:24px 16px;background:var(--page);color:var(--ink);font:17px/1.55 -apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif}
main{max-width:520px;margin:8vh auto 0;padding:28px 32px 32px;background:var(--card);border:1px solid var(--line);border-radius:10px;overflow-wrap:anywhere}
h1{margin:0 0 12px;font-size:1.4rem;line-height:1.25}
p{margin:0 0 12px}
.soft{margin:0;color:var(--soft);font-size:.9rem}
button{width:100%;min-height:52px;margin:8px 0 16px;padding:12px 20px;border:0;border-radius:6px;background:var(--button);color:#fff;font:inherit;font-weight:600;cursor:pointer}
@media (max-width:520px){body{padding:0}main{margin:0;padding:24px 18px;border-width:0 0 1px;border-radius:0}}
`.trim();

/** What the page behind the link in a message tells of one rule. No word of a transcript, and nothing that another page would open. */
export interface AckView {
  ruleName: string;
  state: EscalationState;
  /** Epoch milliseconds of the next step. */
  nextAt: number | null;
  reason: string | null;
  /** `who`: absent when it is not known any more. */
  acknowledged?: { at: number; who?: string };
}

export interface AckPageOptions {
  brand: string;
  /** Of the recipient, for times; one that does not exist is taken as UTC and English. */
  locale: string;
  timeZone: string;
}

/**
 * The page on which a recipient acknowledges, complete: no script, nothing loaded from elsewhere. Its button posts to the address of the
 * page; whoever only opens it changes nothing.
 */
export function ackPage(views: readonly AckView[], options: AckPageOptions): string {
  const waiting = views.some(({ state }) => state === 'open' || state === 'exhausted');
  const title = waiting ? 'Will you take care of it?' : headingOf(views);
  return [
    ...head(title),
    `<p class="soft">${escapeHtml(options.brand)}</p><h1>${title}</h1>`,
    ...views.map((view) => `<p>${sentenceOf(view, options)}</p>`),
    waiting ? '<form method="post"><button>I take care of it</button></form>' : '',
    waiting ? '<p class="soft">This tells the others that they need not. It changes nothing else.</p>' : '',
    '</main></body></html>\n',
  ].join('\n');
}

/** For a link that leads nowhere. */
export function noAckPage(): string {
  return [
    ...head('There is nothing to acknowledge here'),
    '<h1>There is nothing to acknowledge here</h1>',
    '<p>The link may be cut off or mistyped, or what it was about was erased. Open the link from the message once more; if it still',
    'leads here, ask whoever sent it to you.</p>',
    '</main></body></html>\n',
  ].join('\n');
}

/** Who acknowledged, for others to read: the name, or so much of the address that those who know it recognise it. */
export function shownName({ name, address }: { name?: string | undefined; address: string }): string | undefined {
  if (name !== undefined && name !== '') return name;
  if (address === '') return undefined;
  const at = address.lastIndexOf('@');
  return at > 0 ? `${address.slice(0, 1)}…${address.slice(at)}` : `…${address.slice(-3)}`;
}

function head(title: string): string[] {
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="robots" content="noindex, nofollow, noarchive"><meta name="referrer" content="no-referrer">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${title}</title><style>${STYLE}</style></head><body><main>`,
  ];
}

function headingOf(views: readonly AckView[]): string {
  return views.some(({ acknowledged }) => acknowledged) ? 'It is taken care of' : 'There is nothing to do';
}

function sentenceOf(view: AckView, options: AckPageOptions): string {
  const rule = `“${escapeHtml(view.ruleName)}”`;
  if (view.acknowledged) {
    const { at, who } = view.acknowledged;
    const by = who === undefined ? '' : ` by <b dir="auto">${escapeHtml(who)}</b>`;
    return `${rule} was acknowledged${by}, ${time(at, options)}. Nothing further is sent.`;
  }
  if (view.state === 'stopped')
    return `${rule} was stopped: ${escapeHtml(view.reason ?? '')}. Nothing further is sent.`;
  if (view.nextAt === null) return `${rule} still waits for somebody; everybody has been told.`;
  return `${rule} waits for somebody. If nobody takes care of it, the next are told ${time(view.nextAt, options)}.`;
}

function time(at: number, { locale, timeZone }: AckPageOptions): string {
  const date = new Date(at);
  return `<time datetime="${date.toISOString()}">${escapeHtml(shown(date, locale, timeZone))}</time>`;
}

/** Zone and language are typed by people. */
function shown(date: Date, locale: string, timeZone: string): string {
  const format = { dateStyle: 'medium', timeStyle: 'long' } as const;
  try {
    return new Intl.DateTimeFormat(locale, { ...format, timeZone }).format(date);
  } catch {
    return new Intl.DateTimeFormat('en-GB', { ...format, timeZone: 'UTC' }).format(date);
  }
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${String(character.charCodeAt(0))};`);
}
