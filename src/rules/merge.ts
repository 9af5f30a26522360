import type { ChannelKind } from '../channels/channel.js';
import type { AttachmentFormat, SpeechMatch } from './rule.js';

/** What merging looks at of a notification. */
export interface Mergeable<N> {
  ruleId: string;
  ruleName: string;
  ruleVersion: number;
  action: number;
  channel: string;
  kind: ChannelKind;
  to: string;
  recipient: object;
  template: string;
  attach: AttachmentFormat[];
  previewSegments?: number;
  state: string;
  reason?: string;
  urgent?: boolean;
  dueAt: number;
  matches: SpeechMatch[];
  dedupeKey: string;
  /** Its rule wants a message of its own. */
  alone?: true;
  /** Set when it speaks for several: those it is made of, the leading one first. */
  parts?: readonly N[];
}

/** Words of one delivery, of all its rules; a message shows far fewer. */
const MATCHES_MAX = 1_000;

/**
 * One message for each recipient and template: notifications of one plan that would tell the same person the same thing become one.
 * The first leads: rule, action, address and dedupe key are its own. Words and attachments of all are united, an SMS may be as long as
 * the most generous of them, and it goes when the first of them would: what is urgent takes along what would have waited. Merging what
 * is merged changes nothing.
 */
export function together<N extends Mergeable<N>>(notifications: readonly N[]): N[] {
  const steps = togetherStepwise(notifications);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** {@link together}, to be put down after each notification. */
export function* togetherStepwise<N extends Mergeable<N>>(notifications: readonly N[]): Generator<void, N[]> {
  const groups = new Map<string, [N, ...N[]]>();
  for (const one of notifications.flatMap(apart)) {
    const key = one.alone ? `alone ${String(groups.size)}` : messageOf(one);
    const group = groups.get(key);
    if (group) group.push(one);
    else groups.set(key, [one]);
    yield;
  }
  const merged: N[] = [];
  for (const group of groups.values()) {
    merged.push(united(group));
    yield;
  }
  return merged;
}

/** Those that a notification speaks for, each as its rule planned it; itself when it is alone. */
export function apart<N extends Mergeable<N>>(notification: N): readonly N[] {
  return notification.parts ?? [notification];
}

/** Two notifications with the same say the same to the same person. */
function messageOf({ channel, kind, to, template, state }: Mergeable<unknown>): string {
  const refused = state === 'dead' || state === 'suppressed' ? state : '';
  return JSON.stringify([channel, kind, to.toLowerCase(), template, refused]);
}

function united<N extends Mergeable<N>>(parts: [N, ...N[]]): N {
  const [lead, ...others] = parts;
  if (others.length === 0) return lead;
  const segments = parts.flatMap(({ previewSegments }) => previewSegments ?? []);
  const { state, reason, dueAt } = parts.reduce((soonest, one) => (one.dueAt < soonest.dueAt ? one : soonest));
  const whole: N = {
    ...lead,
    state,
    dueAt,
    ...(reason === undefined ? {} : { reason }),
    ...(parts.some(({ urgent }) => urgent) && { urgent: true }),
    recipient: Object.assign({}, ...parts.toReversed().map(({ recipient }) => recipient)) as N['recipient'],
    attach: [...new Set(parts.flatMap(({ attach }) => attach))],
    ...(segments.length === 0 ? {} : { previewSegments: Math.max(...segments) }),
    matches: unitedWords(parts.map(({ matches }) => matches)),
    parts,
  };
  if (reason === undefined) delete whole.reason;
  return whole;
}

/** By start, each once. */
function unitedWords(lists: SpeechMatch[][]): SpeechMatch[] {
  const words = new Map(
    lists.flat().map((match) => [`${String(match.start)} ${String(match.end)} ${String(match.channel)}`, match]),
  );
  return [...words.values()]
    .sort((a, b) => a.start - b.start || a.end - b.end || a.channel - b.channel)
    .slice(0, MATCHES_MAX);
}
