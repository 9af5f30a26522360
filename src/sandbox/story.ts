import { clockTime } from '../duration.js';
import type { ConditionOutcome, Evaluation, SpeechMatch } from '../rules/rule.js';
import { padEnd, shownLength, wrap, type Paint } from './paint.js';

const WIDTH = 92;
const INDENT = '    ';
const CONDITION_COLUMN = 58;

/** A service that the demo uses, and whether it is the real one. */
export interface ServiceView {
  name: string;
  real: boolean;
  /** Where it is, without credentials. */
  where: string;
}

/** What of `GET /v1/transcripts/:jobId` is told. */
export interface TranscriptView {
  text: string;
  duration: number;
  words: number;
  speakers: { id: string; label: string }[];
}

export interface MailView {
  from: string;
  to: string;
  subject: string;
  text: string;
  attachments: string[];
}

export interface SmsView {
  from: string;
  to: string;
  text: string;
  encoding: string;
  segments: number;
}

/** Tells the demo on a terminal. Every method returns lines without line ends; nothing here reads or writes. */
export class Story {
  private step = 0;

  constructor(private readonly paint: Paint) {}

  title(): string[] {
    const { bold, dim } = this.paint;
    return ['', `  ${bold('Herald')}  ${dim('a customer calls; an e-mail and a text message go out')}`, ''];
  }

  services(services: ServiceView[], home: { url: string; folder: string; log: string }): string[] {
    const { bold, dim, mark } = this.paint;
    const row = (name: string, what: string, where: string): string =>
      `  ${padEnd(name, 10)}${padEnd(what, 10)}${dim(where)}`;
    const standIns = services.filter(({ real }) => !real).length;
    const claim =
      standIns === services.length
        ? 'All three vendors are stand-ins on this machine: nothing leaves it.'
        : `Real services are used: ${services
            .filter(({ real }) => real)
            .map(({ name }) => name)
            .join(', ')}. They may cost money.`;
    return [
      row(bold('Herald'), 'SQLite', `${home.url}   data in ${home.folder}`),
      ...services.map(({ name, real, where }) => row(name, real ? mark('real') : 'stand-in', where)),
      '',
      `  ${claim} ${dim(`Herald's log: ${home.log}`)}`,
    ];
  }

  /** The heading of the next step. */
  heading(text: string, note: string): string[] {
    this.step++;
    const { bold, dim } = this.paint;
    const left = `  ${bold(`${String(this.step)}  ${text}`)}`;
    return ['', padEnd(left, WIDTH - shownLength(note)) + dim(note)];
  }

  /** Rules that the demo added, each with its condition. */
  rules(rules: { name: string; when: string; sends: string }[]): string[] {
    const { bold, dim } = this.paint;
    return rules.flatMap(({ name, when, sends }) => [
      `${INDENT}${bold(name)} ${dim('when')} ${when}`,
      `${INDENT}${' '.repeat(name.length)} ${dim('then')} ${sends}`,
    ]);
  }

  submitted(job: { id: string; audio: string; bytes: number; tags: Record<string, string> }): string[] {
    const { dim, bold } = this.paint;
    const tags = Object.entries(job.tags).map(([name, value]) => `${name}=${value.replaceAll(' ', '\u00a0')}`);
    const [first = '', ...more] = wrap(tags.join(' '), WIDTH - 12);
    return [
      `${INDENT}${job.audio}, ${kilobytes(job.bytes)}`,
      `${INDENT}${dim('job')}  ${bold(job.id)}`,
      `${INDENT}${dim('tags')} ${first}`.replaceAll('\u00a0', ' '),
      ...more.map((line) => `${INDENT}     ${line}`.replaceAll('\u00a0', ' ')),
    ];
  }

  transcribed(transcript: TranscriptView): string[] {
    const { dim } = this.paint;
    const { duration, words, speakers, text } = transcript;
    const facts = [clockTime(duration), count(words, 'word'), count(speakers.length, 'speaker')].join(', ');
    const opening = text
      .replace(/\s+/g, ' ')
      .slice(0, 150)
      .replace(/\s\S*$/, ' …');
    return [`${INDENT}${facts}`, ...wrap(`“${opening}”`, WIDTH - 6).map((line) => `${INDENT}${dim(line)}`)];
  }

  /** Rules that heard words first, then those that matched without; each with its conditions, and why they are true or false. */
  evaluations(evaluations: Evaluation[], transcript: TranscriptView): string[] {
    const labels = new Map(transcript.speakers.map(({ id, label }) => [id, label]));
    const rank = ({ matched, matches }: Evaluation): number => (matched ? (matches.length > 0 ? 0 : 1) : 2);
    const ordered = [...evaluations].sort((a, b) => rank(a) - rank(b));
    return ordered.flatMap((evaluation) => this.evaluation(evaluation, labels, transcript.duration));
  }

  mail(mail: MailView, lines: number): string[] {
    const { dim, bold } = this.paint;
    const all = mail.text
      .replace(/\n{3,}/g, '\n\n')
      .trimEnd()
      .split('\n');
    const text = all.slice(0, lines).flatMap((line) => wrap(line, WIDTH - 8));
    const rest = all.length - lines;
    return this.boxed([
      `${dim('From')}     ${mail.from}`,
      `${dim('To')}       ${mail.to}`,
      `${dim('Subject')}  ${bold(mail.subject)}`,
      ...(mail.attachments.length > 0 ? [`${dim('With')}     ${mail.attachments.join(', ')}`] : []),
      '',
      ...text,
      ...(rest > 0 ? [dim(`… ${count(rest, 'more line')}, and the same as HTML`)] : []),
    ]);
  }

  sms(sms: SmsView): string[] {
    const { dim } = this.paint;
    const room = sms.encoding === 'GSM-7' ? [160, 153] : [70, 67];
    const limit = sms.segments > 1 ? sms.segments * (room[1] ?? 0) : (room[0] ?? 0);
    const size = `${sms.encoding}, ${String(sms.text.length)} of ${String(limit)} characters, ${count(sms.segments, 'segment')}`;
    return this.boxed([
      `${dim('From')}     ${sms.from}`,
      `${dim('To')}       ${sms.to}`,
      '',
      ...wrap(sms.text, 60),
      '',
      dim(size),
    ]);
  }

  note(text: string): string[] {
    return wrap(text, WIDTH - 6).map((line) => `${INDENT}${this.paint.dim(line)}`);
  }

  done(ms: { total: number; toMessages: number }): string[] {
    const { good, dim } = this.paint;
    const whole = `from an empty folder to both messages in ${seconds(ms.total)}`;
    return ['', `  ${good('Done')}  ${whole} ${dim(`(from upload to the last message: ${seconds(ms.toMessages)})`)}`];
  }

  /** @param links label and address; @param commands what to type next */
  closer({ links, commands }: { links: [label: string, url: string][]; commands: string[] }): string[] {
    const { bold, link } = this.paint;
    return [
      '',
      `  ${bold('Look closer')}`,
      ...links.map(([label, url]) => `${INDENT}${padEnd(label, 16)}${link(url)}`),
      '',
      `  ${bold('Try it')}`,
      ...commands.map((command) => `${INDENT}${command}`.trimEnd()),
      '',
    ];
  }

  ended(): string[] {
    return [
      '',
      `  ${this.paint.dim('Without --exit it stays up: the transcript page, the API with its docs, and curl to play with.')}`,
      '',
    ];
  }

  /** A message that came after the story was told. */
  arrived(what: string, to: string, text: string): string[] {
    const { good, dim } = this.paint;
    return [`  ${good(what)} ${dim('to')} ${to}  ${dim(text.replace(/\s+/g, ' ').slice(0, 60))}`];
  }

  failed(step: string, why: string): string[] {
    const { bad, bold } = this.paint;
    const lines = why.split('\n').flatMap((line) => wrap(line, WIDTH - 6));
    return ['', `  ${bad(bold('The demo failed'))} while ${step}:`, ...lines.map((line) => `${INDENT}${line}`), ''];
  }

  private evaluation(evaluation: Evaluation, labels: Map<string, string>, duration: number): string[] {
    const { good, dim, bold } = this.paint;
    const { ruleName, matched, skippedBy, conditions, error } = evaluation;
    const verdict = matched ? good('✓') : dim('✗');
    const aside = skippedBy === undefined ? '' : dim(`  not looked at: ${skippedBy} stops here`);
    return [
      `${INDENT}${verdict} ${matched ? bold(ruleName) : ruleName}${aside}`,
      ...conditions
        .filter(({ text }) => text !== 'true')
        .flatMap((condition) => this.condition(condition, labels, duration)),
      ...(error === undefined ? [] : [`${INDENT}    ${this.paint.bad(error)}`]),
    ];
  }

  private condition(condition: ConditionOutcome, labels: Map<string, string>, duration: number): string[] {
    const { good, bad, dim } = this.paint;
    const { text, result, matches } = condition;
    const sign = result === undefined ? dim('·') : result ? good('✓') : bad('✗');
    const words = matches.map((match) => this.heard(match, labels));
    const because = words.length > 0 ? words : [reason(condition, duration)].filter(Boolean).map(dim);
    const head = `${INDENT}    ${sign} ${result === undefined ? dim(text) : text}`;
    if (shownLength(head) + 2 > CONDITION_COLUMN) return [head, ...because.map((line) => `${INDENT}        ${line}`)];
    const [first = '', ...more] = because;
    return [
      (padEnd(head, CONDITION_COLUMN) + first).trimEnd(),
      ...more.map((line) => ' '.repeat(CONDITION_COLUMN) + line),
    ];
  }

  private heard({ text, speaker, start }: SpeechMatch, labels: Map<string, string>): string {
    const { mark, dim } = this.paint;
    const who = speaker === undefined ? '' : (labels.get(speaker) ?? `speaker ${speaker}`);
    return `${mark(`“${text}”`)} ${dim(`${who} at ${start.toFixed(1)} s`.trim())}`;
  }

  private boxed(lines: string[]): string[] {
    const bar = this.paint.dim('│');
    return lines.map((line) => `${INDENT}${bar} ${line}`.trimEnd());
  }
}

/** Why a condition without words of its own came out as it did. */
function reason({ text, result, error }: ConditionOutcome, duration: number): string {
  if (error !== undefined) return error;
  if (result === undefined) return 'not looked at: decided already';
  if (text.startsWith('transcript.duration')) return `it lasts ${duration.toFixed(1)} s`;
  return !result && text.startsWith('speech') ? 'nobody says it' : '';
}

export function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

function count(number: number, noun: string): string {
  return `${String(number)} ${noun}${number === 1 ? '' : 's'}`;
}
