import { clockTime } from '../duration.js';
import type { Transcript } from './transcript.js';
import { anchorName, type Turn, toTurns } from './turns.js';

const COLOURS = 6;

const STYLE = `
:root{color-scheme:light dark;--page:#f2f4f7;--card:#fff;--line:#dfe3e9;--ink:#1d2430;--soft:#5a6472;--link:#2c4fc4;--hit:#ffeeb0;
--c0:#2c4fc4;--c1:#a8421e;--c2:#1d7254;--c3:#86349b;--c4:#8a5a00;--c5:#1a6d8f}
@media (prefers-color-scheme:dark){:root{--page:#15181d;--card:#1e2229;--line:#343a44;--ink:#e7eaef;--soft:#a3adba;--link:#9db5ff;--hit:#594a10;
--c0:#9db5ff;--c1:#f0a284;--c2:#7fd1b0;--c3:#d9a0ea;--c4:#e3bd6c;--c5:#86cbe6}}
*{box-sizing:border-box}
body{margin:0;padding:24px 16px 64px;background:var(--page);color:var(--ink);font:17px/1.55 -apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif}
main{max-width:720px;margin:0 auto;padding:28px 32px 36px;background:var(--card);border:1px solid var(--line);border-radius:10px}
h1{margin:0 0 4px;font-size:1.5rem;line-height:1.25;overflow-wrap:anywhere}
h2{margin:28px 0 8px;font-size:1rem}
.soft{margin:0;color:var(--soft);font-size:.9rem}
.lead{margin:0;padding:2px 0 2px 14px;border-left:3px solid var(--link);font-size:1.05rem}
ul{margin:0;padding:0;list-style:none}
li{display:flex;justify-content:space-between;gap:16px;padding:5px 0;border-bottom:1px solid var(--line)}
.turn{margin:0 0 18px;scroll-margin-top:16px;overflow-wrap:anywhere}
.turn h3{display:flex;gap:10px;align-items:baseline;margin:0;font-size:1rem}
.turn p{margin:2px 0 0}
.turn a{color:var(--soft);font-weight:400;font-size:.85rem;font-variant-numeric:tabular-nums;text-decoration:none}
.turn a:hover,.turn a:focus{text-decoration:underline}
span[id]{scroll-margin-top:64px}
span:target{background:var(--hit);border-radius:3px}
.c0{color:var(--c0)}.c1{color:var(--c1)}.c2{color:var(--c2)}.c3{color:var(--c3)}.c4{color:var(--c4)}.c5{color:var(--c5)}
@media (max-width:520px){body{padding:0 0 48px}main{padding:22px 18px 28px;border-width:0 0 1px;border-radius:0}}
@media print{body,main{background:none;border:0;padding:0}.turn{break-inside:avoid}}
`.trim();

export interface TranscriptPageOptions {
  title: string;
  /** Epoch milliseconds of the job. */
  createdAt: number;
}

/**
 * The page behind the link in messages, complete: no script, nothing loaded from elsewhere, not indexed. Each utterance is an anchor
 * named after the second in which it starts (`#t73`), and is marked when the address names it.
 * @returns HTML of about 100 bytes more than its words for each utterance
 */
export function transcriptPage(transcript: Transcript, { title, createdAt }: TranscriptPageOptions): string {
  const created = new Date(createdAt);
  const colours = new Map(transcript.speakers.map(({ id }, index) => [id, `c${String(index % COLOURS)}`]));
  const anchors = new Set<string>();
  const turns: string[] = [];
  for (const turn of toTurns(transcript)) turns.push(turnHtml(turn, colours, anchors));
  return [
    '<!doctype html>',
    `<html lang="${escapeHtml(transcript.language ?? 'en')}"><head><meta charset="utf-8">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex, nofollow, noarchive">',
    '<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light dark">',
    `<title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body><main>`,
    `<h1 dir="auto">${escapeHtml(title)}</h1>`,
    `<p class="soft" lang="en">${metaLine(transcript, created)}</p>`,
    transcript.summary === undefined
      ? ''
      : `<h2 lang="en">Summary</h2><p class="lead" dir="auto">${escapeHtml(transcript.summary)}</p>`,
    speakersHtml(transcript, colours),
    turns.length === 0
      ? '<h2 lang="en">Nobody speaks in this recording.</h2>'
      : `<h2 lang="en">Transcript</h2>\n${turns.join('\n')}`,
    '</main></body></html>\n',
  ].join('\n');
}

function metaLine(transcript: Transcript, created: Date): string {
  const iso = Number.isNaN(created.getTime()) ? '' : created.toISOString();
  const shown = `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
  const facts = [clockTime(transcript.duration), `${String(transcript.whole?.words ?? transcript.words.length)} words`];
  if (transcript.language !== undefined) facts.push(escapeHtml(transcript.language));
  return [...(iso === '' ? [] : [`<time datetime="${iso}">${shown}</time>`]), ...facts].join(' · ');
}

function speakersHtml({ speakers }: Transcript, colours: Map<string, string>): string {
  if (speakers.length < 2) return '';
  const items = speakers.map(
    ({ id, label, talk }) =>
      `<li><b class="${colours.get(id) ?? ''}">${escapeHtml(label)}</b><span class="soft">${clockTime(talk)}</span></li>`,
  );
  return `<h2 lang="en">Who spoke</h2><ul lang="en">${items.join('')}</ul>`;
}

function turnHtml(turn: Turn, colours: Map<string, string>, anchors: Set<string>): string {
  const spans = turn.utterances.map(({ text, start }) => {
    const name = anchorName(start);
    // Two utterances may start in one second; an id must be unique, and links mean the earlier.
    const id = anchors.has(name) ? '' : ` id="${name}"`;
    anchors.add(name);
    return `<span${id}>${escapeHtml(text)}</span>`;
  });
  const who =
    turn.label === '' ? '' : `<b class="${colours.get(turn.speaker ?? '') ?? ''}">${escapeHtml(turn.label)}</b>`;
  const time = `<a href="#${anchorName(turn.start)}">${clockTime(turn.start)}</a>`;
  return `<section class="turn"><h3 lang="en">${who}${time}</h3><p dir="auto">${spans.join(' ')}</p></section>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${String(character.charCodeAt(0))};`);
}
