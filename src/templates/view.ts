import type { ContentLevel } from '../recipients/content-level.js';
import type { SpeechMatch } from '../rules/rule.js';
import type { DeliveryFacts, Facts, JobFacts, OverdueFacts, TranscriptFacts } from '../transcripts/facts.js';
import { cutText, wellFormed } from '../transcripts/preview.js';
import { toTurns, type Turn } from '../transcripts/turns.js';
import { limitContent } from './content-limit.js';
import type { Digest } from './digest.js';

/** Everything known when a message is rendered. */
export type RenderData = Facts & {
  rule: { name: string };
  /** Names of all rules that the message speaks for, `rule` first. Absent: only `rule`. */
  rules?: string[];
  /** Words that made the rule match, ordered by start. */
  matches: SpeechMatch[];
  /** `content`: how much of the transcript the recipient is sent. */
  recipient: { name?: string; locale?: string; timeZone?: string; content?: ContentLevel };
  /** URL of the transcript page. */
  link?: string;
  /** What waited for the hours of the recipient and goes in this message. */
  digest?: Digest;
  /** URL of the page on which the recipient acknowledges; for rules that escalate. */
  ack?: string;
  /** Name that messages are signed with. */
  brand: string;
  /** Epoch milliseconds. */
  now: number;
};

/** A turn as templates see it. */
export type TurnView = Omit<Turn, 'utterances'> & { text: string };

/** A match with the words around it. */
export interface MatchView extends SpeechMatch {
  /** `Speaker 1`, or `""`. */
  label: string;
  before: string;
  after: string;
}

export type TranscriptView = TranscriptFacts & {
  /** The transcript as people read it, from the beginning; see `cut`. */
  turns: TurnView[];
  /** True when `turns` is not the whole transcript. */
  cut: boolean;
};

/**
 * What templates see: bounded, plain JSON, cheap to hand to another thread. {@link RENDER_SHAPE} declares it; a variable that is
 * not declared there is refused when a template is saved.
 */
export interface TemplateView {
  job: JobFacts;
  transcript?: TranscriptView;
  failure?: { code: string; message: string };
  delivery?: DeliveryFacts;
  overdue?: OverdueFacts;
  rule: { name: string };
  rules: string[];
  matches: MatchView[];
  recipient: RenderData['recipient'];
  link?: string;
  digest?: Digest;
  ack?: string;
  brand: string;
  now: number;
  /** Seconds at which utterances start: where links may point. Not declared to templates. */
  starts: number[];
}

const LIMITS = {
  /** Bytes of turns, counted with the markup that an e-mail puts around each. */
  turns: 64_000,
  text: 16_000,
  utterances: 16_000,
  matches: 20,
  rules: 20,
  list: 50,
  string: 2_000,
  starts: 20_000,
  options: 16_000,
} as const;

/** What one turn costs in an e-mail beside its words. */
const TURN_OVERHEAD = 320;
/** Characters of speech shown on each side of matched words. */
const QUOTE_SIDE = 60;

/** Trims what is known to what a message can use. Time and result do not grow with the length of the recording beyond the limits. */
export function toView(data: RenderData): TemplateView {
  const { transcript, matches, link, digest } = limitContent(data, data.recipient.content);
  return {
    job: jobView(data.job),
    ...(transcript ? { transcript: transcriptView(transcript) } : {}),
    ...(data.failure
      ? { failure: { code: cut(data.failure.code, 200), message: cut(data.failure.message, LIMITS.string) } }
      : {}),
    ...(data.delivery ? { delivery: data.delivery } : {}),
    ...(data.overdue ? { overdue: data.overdue } : {}),
    rule: { name: cut(data.rule.name, 200) },
    rules: (data.rules ?? [data.rule.name]).slice(0, LIMITS.rules).map((name) => cut(name, 200)),
    matches: matches.slice(0, LIMITS.matches).map((match) => matchView(match, transcript)),
    recipient: data.recipient,
    ...(link === undefined ? {} : { link }),
    ...(digest ? { digest } : {}),
    ...(data.ack === undefined ? {} : { ack: data.ack }),
    brand: cut(data.brand, 100),
    now: data.now,
    starts: transcript?.utterances.slice(0, LIMITS.starts).map(({ start }) => start) ?? [],
  };
}

/** The view with about three quarters of its turns, for a template that makes more of each than expected. */
export function withFewerTurns(view: TemplateView): TemplateView {
  if (!view.transcript) return view;
  const turns = view.transcript.turns.slice(0, Math.floor(view.transcript.turns.length * 0.75));
  return { ...view, transcript: { ...view.transcript, turns, cut: true } };
}

function jobView(job: JobFacts): JobFacts {
  const tags = Object.entries(job.tags)
    .slice(0, LIMITS.list)
    .map(([name, value]) => [name, cut(value, LIMITS.string)] as const);
  const small = JSON.stringify(job.options).length <= LIMITS.options;
  return {
    id: job.id,
    origin: job.origin,
    tags: Object.fromEntries(tags),
    options: small ? job.options : {},
    createdAt: job.createdAt,
  };
}

function transcriptView(transcript: TranscriptFacts): TranscriptView {
  const { turns, cut: turnsCut } = firstTurns(transcript);
  return {
    ...transcript,
    text: cutLines(transcript.text, LIMITS.text),
    ...(transcript.summary === undefined ? {} : { summary: cut(transcript.summary, 4 * LIMITS.string) }),
    speakers: transcript.speakers.slice(0, LIMITS.list),
    utterances: firstUtterances(transcript),
    topics: transcript.topics.slice(0, LIMITS.list),
    intents: transcript.intents.slice(0, LIMITS.list),
    entities: transcript.entities.slice(0, LIMITS.list),
    search: transcript.search.slice(0, LIMITS.list),
    turns,
    cut: turnsCut,
  };
}

function firstUtterances({ utterances }: TranscriptFacts): TranscriptFacts['utterances'] {
  const first: TranscriptFacts['utterances'] = [];
  let used = 0;
  for (const utterance of utterances) {
    used += utterance.text.length + 100;
    if (used > LIMITS.utterances) break;
    first.push(utterance);
  }
  return first;
}

function firstTurns(transcript: TranscriptFacts): { turns: TurnView[]; cut: boolean } {
  const turns: TurnView[] = [];
  let left: number = LIMITS.turns;
  for (const { utterances, ...turn } of toTurns(transcript)) {
    left -= TURN_OVERHEAD;
    if (left <= 0) return { turns, cut: true };
    const text = utterances.map((utterance) => utterance.text).join(' ');
    const cost = escapedBytes(text);
    if (cost > left) {
      const kept = Math.floor((left * text.length) / cost) - 64;
      if (kept > 200) turns.push({ ...turn, text: cutText(text, kept) });
      return { turns, cut: true };
    }
    turns.push({ ...turn, text });
    left -= cost;
  }
  return { turns, cut: false };
}

function matchView(match: SpeechMatch, transcript: TranscriptFacts | undefined): MatchView {
  const label =
    transcript?.speakers.find(({ id }) => id === match.speaker)?.label ??
    (match.speaker === undefined ? '' : `Speaker ${match.speaker}`);
  return { ...match, text: cut(match.text, 160), label, ...around(match, transcript) };
}

/** The words before and after a match, from the utterance in which it starts. */
function around(match: SpeechMatch, transcript: TranscriptFacts | undefined): { before: string; after: string } {
  const utterance = transcript?.utterances.findLast(
    ({ start, channel }) => start <= match.start + 0.01 && channel === match.channel,
  );
  if (!utterance) return { before: '', after: '' };
  const at = nearestOccurrence(utterance, match);
  if (at < 0) return { before: '', after: '' };
  return {
    before: lastWords(utterance.text.slice(0, at), QUOTE_SIDE),
    after: firstWords(utterance.text.slice(at + match.text.length), QUOTE_SIDE),
  };
}

/** Where in the utterance the match stands; when its words are said more than once, the place nearest to its time. */
function nearestOccurrence(utterance: { text: string; start: number; end: number }, match: SpeechMatch): number {
  const text = utterance.text.toLowerCase();
  const words = match.text.toLowerCase();
  if (words === '' || text.length !== utterance.text.length) return utterance.text.indexOf(match.text);
  const span = Math.max(0.001, utterance.end - utterance.start);
  const expected = ((match.start - utterance.start) / span) * text.length;
  let best = -1;
  for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + 1)) {
    if (best < 0 || Math.abs(at - expected) < Math.abs(best - expected)) best = at;
  }
  return best;
}

function firstWords(text: string, max: number): string {
  return text.length <= max ? text.trimEnd() : cutText(text, max).replace(/^(?=\w)/, /^\s/.test(text) ? ' ' : '');
}

function lastWords(text: string, max: number): string {
  if (text.length <= max) return text.trimStart();
  const tail = text.slice(-max);
  const space = tail.indexOf(' ');
  return `\u2026${space >= 0 && space < 20 ? tail.slice(space + 1) : wellFormed(tail)}`;
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : cutText(text, max);
}

/** Like {@link cut}, for text whose line breaks matter. */
function cutLines(text: string, max: number): string {
  if (text.length <= max) return text;
  const head = wellFormed(text.slice(0, max));
  return `${head.slice(0, Math.max(head.lastIndexOf(' '), max - 100))}\u2026`;
}

/** UTF-8 bytes of the text once it is escaped for HTML. */
function escapedBytes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (
      code === 0x26 ||
      code === 0x3c ||
      code === 0x3e ||
      code === 0x22 ||
      code === 0x27 ||
      code === 0x60 ||
      code === 0x3d
    )
      bytes += 6;
    else bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
  }
  return bytes;
}
