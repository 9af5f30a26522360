import { clockTime } from '../duration.js';
import { cutText } from '../transcripts/preview.js';
import { anchorAt } from '../transcripts/turns.js';
import type { TemplateView } from './view.js';

/** What helpers know beside their arguments. */
export interface RenderState {
  view: TemplateView;
  /** Text that `preview` shows: cut to fit for SMS, the whole source for e-mail. */
  preview: string;
  /** False for SMS, where the preview is already as long as it may be. */
  cutPreview: boolean;
}

type Result = string | number | boolean;

/** A function that templates can call. Results are text, never markup: an e-mail escapes them like any other value. */
export interface Helper {
  /** Number of arguments. */
  min: number;
  max: number;
  /** Names of `name=value` arguments. */
  options: readonly string[];
  /** For messages and documentation. */
  example: string;
  run(args: readonly unknown[], options: Readonly<Record<string, unknown>>, state: RenderState): Result;
}

const SAFE_URL = /^(?:https?:\/\/|mailto:|tel:)/i;
const DEFAULT_PREVIEW = 200;
const QUOTE_LENGTH = 160;

/** All functions of templates. Pure: dates come from the data, zone and language from the recipient. */
export const HELPERS: Readonly<Record<string, Helper>> = {
  preview: helper(0, 1, '{{preview}} or {{preview 80}}', ([max], _options, state) =>
    max === undefined && !state.cutPreview ? state.preview : cutText(state.preview, positive(max, DEFAULT_PREVIEW)),
  ),
  duration: helper(1, 1, '{{duration transcript.duration}}', ([seconds]) => spokenDuration(number(seconds))),
  timestamp: helper(1, 1, '{{timestamp this.start}}', ([seconds]) => clockTime(number(seconds))),
  date: helper(
    1,
    1,
    '{{date job.createdAt format="date"}}',
    ([time], options, { view }) => formatDate(time, options.format, view.recipient),
    ['format'],
  ),
  speaker: helper(1, 1, '{{speaker this.speaker}}', ([id], _options, { view }) => speakerLabel(id, view)),
  quote: helper(1, 1, '{{#each matches}}{{quote this}}{{/each}}', ([match]) => quote(match)),
  link: helper(
    0,
    1,
    '{{link}}, {{link at=this.start}} or {{link job.tags.url}}',
    ([url], options, state) => link(url, options.at, state),
    ['at'],
  ),
  eq: helper(2, 2, '{{#if (eq a b)}}', ([a, b]) => a === b || text(a) === text(b)),
  ne: helper(2, 2, '{{#if (ne a b)}}', ([a, b]) => a !== b && text(a) !== text(b)),
  gt: helper(2, 2, '{{#if (gt a 1)}}', ([a, b]) => number(a) > number(b)),
  lt: helper(2, 2, '{{#if (lt a 1)}}', ([a, b]) => number(a) < number(b)),
  and: helper(2, 8, '{{#if (and a b)}}', (args) => args.every(truthy)),
  or: helper(2, 8, '{{#if (or a b)}}', (args) => args.some(truthy)),
  not: helper(1, 1, '{{#if (not a)}}', ([a]) => !truthy(a)),
  default: helper(2, 2, '{{default job.tags.client "unknown"}}', ([a, b]) => text(a) || text(b)),
  upper: helper(1, 1, '{{upper a}}', ([a]) => text(a).toUpperCase()),
  lower: helper(1, 1, '{{lower a}}', ([a]) => text(a).toLowerCase()),
  join: helper(1, 2, '{{join transcript.topics ", "}}', ([items, separator]) =>
    Array.isArray(items) ? items.map(text).join(separator === undefined ? ', ' : text(separator)) : text(items),
  ),
  pluralize: helper(2, 3, '{{pluralize transcript.words "word"}}', ([count, one, many]) => {
    const n = number(count);
    return `${String(n)} ${n === 1 ? text(one) : many === undefined ? `${text(one)}s` : text(many)}`;
  }),
  number: helper(
    1,
    1,
    '{{number transcript.confidence style="percent"}}',
    ([a], options, { view }) => formatNumber(number(a), options, view.recipient),
    ['digits', 'style'],
  ),
  truncate: helper(2, 2, '{{truncate a 40}}', ([a, max]) => cutText(text(a), positive(max, DEFAULT_PREVIEW))),
};

function helper(
  min: number,
  max: number,
  example: string,
  run: Helper['run'],
  options: readonly string[] = [],
): Helper {
  return { min, max, example, run, options };
}

/** Text of a plain value; `""` for nothing and for records and lists. */
function text(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

function number(value: unknown): number {
  const parsed =
    typeof value === 'number' ? value : typeof value === 'string' && value.trim() !== '' ? Number(value) : 0;
  return Number.isFinite(parsed) ? parsed : 0;
}

function positive(value: unknown, otherwise: number): number {
  const parsed = Math.floor(number(value));
  return parsed > 0 ? Math.min(parsed, 10_000) : otherwise;
}

/** As `#if` sees it: empty lists are false too. */
function truthy(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

/** `45 s`, `4 min 5 s`, `1 h 2 min`. */
function spokenDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${String(whole)} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60)
    return whole % 60 === 0 ? `${String(minutes)} min` : `${String(minutes)} min ${String(whole % 60)} s`;
  const hours = `${String(Math.floor(minutes / 60))} h`;
  return minutes % 60 === 0 ? hours : `${hours} ${String(minutes % 60)} min`;
}

const DATE_FORMATS: Record<string, Intl.DateTimeFormatOptions> = {
  full: {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: 'numeric',
    minute: '2-digit',
    timeZoneName: 'short',
  },
  date: { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' },
  time: { hour: 'numeric', minute: '2-digit', timeZoneName: 'short' },
};

/** @param time epoch milliseconds; @param format `full` (default), `date` or `time` */
function formatDate(time: unknown, format: unknown, recipient: TemplateView['recipient']): string {
  if (time === undefined || time === null) return '';
  const options = DATE_FORMATS[text(format)] ?? DATE_FORMATS.full;
  const at = new Date(number(time));
  if (Number.isNaN(at.getTime())) return '';
  return withFallback(
    () => dateFormat(recipient.locale ?? 'en-GB', { ...options, timeZone: recipient.timeZone ?? 'UTC' }).format(at),
    () => dateFormat('en-GB', { ...options, timeZone: 'UTC' }).format(at),
  ).replace(/[\u202f\u00a0]/g, ' ');
}

function formatNumber(
  value: number,
  options: Readonly<Record<string, unknown>>,
  recipient: TemplateView['recipient'],
): string {
  const format: Intl.NumberFormatOptions = {
    style: options.style === 'percent' ? 'percent' : 'decimal',
    maximumFractionDigits: Math.min(10, Math.max(0, Math.floor(number(options.digits)))),
  };
  return withFallback(
    () => numberFormat(recipient.locale ?? 'en-GB', format).format(value),
    () => numberFormat('en-GB', format).format(value),
  ).replace(/[\u202f\u00a0]/g, ' ');
}

/** A formatter takes tens of kilobytes outside of the heap, which no collection knows of: one for each locale, zone and form. */
const FORMATTERS_MAX = 100;
const dateFormat = kept(
  (locale: string, options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale, options),
);
const numberFormat = kept(
  (locale: string, options: Intl.NumberFormatOptions) => new Intl.NumberFormat(locale, options),
);

function kept<O, F>(make: (locale: string, options: O) => F): (locale: string, options: O) => F {
  const all = new Map<string, F>();
  return (locale, options) => {
    const key = JSON.stringify([locale, options]);
    const known = all.get(key);
    if (known !== undefined) return known;
    const made = make(locale, options);
    if (all.size >= FORMATTERS_MAX) all.clear();
    all.set(key, made);
    return made;
  };
}

/** Locale and zone are typed by people: one that does not exist must not stop a message. */
function withFallback(first: () => string, otherwise: () => string): string {
  try {
    return first();
  } catch {
    return otherwise();
  }
}

function speakerLabel(id: unknown, view: TemplateView): string {
  const wanted = text(id);
  if (wanted === '') return '';
  return view.transcript?.speakers.find((speaker) => speaker.id === wanted)?.label ?? `Speaker ${wanted}`;
}

/** `“…I would like a refund for that…” (Speaker 1 at 1:13)` */
function quote(match: unknown): string {
  if (typeof match !== 'object' || match === null) return '';
  const { text: words, before, after, label, start } = match as Record<string, unknown>;
  const said = cutText(`${text(before)}${text(words)}${text(after)}`, QUOTE_LENGTH);
  const who = text(label) === '' ? '' : `${text(label)} `;
  return `\u201c${said}\u201d (${who}at ${clockTime(number(start))})`;
}

/** The transcript page, a place in it, or any address of a scheme that a message may carry; `#` for the others. */
function link(url: unknown, at: unknown, { view }: RenderState): string {
  if (url !== undefined) {
    const given = text(url).trim();
    return SAFE_URL.test(given) ? given : '#';
  }
  const page = view.link;
  if (page === undefined || !SAFE_URL.test(page)) return '';
  const anchor = at === undefined ? undefined : anchorAt(view.starts, number(at));
  return anchor === undefined ? page : `${page.replace(/#.*$/, '')}#${anchor}`;
}
