import type { ChannelState } from '../channels/channel-state.js';
import { DAY, HOUR, MINUTE, SECOND } from '../duration.js';

/** What can be wrong with a Herald. A closed set: it labels a metric. */
export const PROBLEM_KINDS = [
  'database',
  'disk',
  'callbacks.refused',
  'callbacks.quarantined',
  'callbacks.late',
  'jobs.overdue',
  'jobs.waiting',
  'deliveries.dead',
  'redaction.failed',
  'deliveries.unknown',
  'deliveries.held',
  'deliveries.late',
  'escalations.exhausted',
  'channel.closed',
  'channel.failing',
  'alerts.path',
  'check.failed',
] as const;
export type ProblemKind = (typeof PROBLEM_KINDS)[number];

export const SEVERITIES = ['warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/**
 * Something that is wrong now and that somebody should look at. Its texts go to people over paths of their own, so they hold
 * counts, names of channels and options: never an address, a secret or a word of a transcript.
 */
export interface OperatorProblem {
  /** The same as long as it is the same problem: `deliveries.dead`, `channel.closed:sms`. */
  key: string;
  kind: ProblemKind;
  severity: Severity;
  /** Epoch milliseconds; absent where only the looking tells, and then since it was first seen. */
  since?: number;
  /** How many rows are concerned. */
  count?: number;
  /** One sentence: what is wrong. */
  summary: string;
  /** One sentence: what to do, with the route or option to use. */
  action: string;
}

/** An {@link OperatorProblem} whose beginning is known. */
export type DatedProblem = OperatorProblem & { since: number };

/** True of what is wrong with this process, its machine or its way to the database; the rest is the same for every replica. */
export function isOwn(kind: ProblemKind): boolean {
  return ['database', 'disk', 'callbacks.refused', 'channel.failing', 'alerts.path', 'check.failed'].includes(kind);
}

/** Rows that are in a state that needs somebody. */
export interface Backlog {
  count: number;
  /** The oldest of them, epoch milliseconds. */
  since: number;
}

/** More rows than this are not counted. */
export const COUNTED = 1_000;

/** How far back the ends of things are told of. */
export const DEAD_WITHIN = DAY;
export const RECENT_WITHIN = 7 * DAY;
/** What has waited for longer than this is late. */
export const SETTLE_LATE = 60 * SECOND;
export const DELIVERY_LATE = 10 * MINUTE;
export const SUBMIT_LATE = 15 * MINUTE;
/** A callback that was refused for its size was the only copy: that stays a problem for so long. */
export const REFUSED_WITHIN = DAY;
const SETTLE_STUCK = 10 * MINUTE;

/** Less free than this and the next callbacks may not fit. */
const CRITICAL_FREE = 200 * 1024 * 1024;
/** Less than this part of the disk is told as well, up to a bound: a tenth of a large disk is plenty. */
const FREE_PART = 0.1;
const PLENTY_OF_MINIMA = 20;

export type DatabaseFault = 'silent' | 'unwritable' | 'moved';

const DATABASE: Record<DatabaseFault, { summary: string; action: string }> = {
  silent: {
    summary: 'The database does not answer: callbacks are refused with 503 and nothing is sent.',
    action:
      'Start the database or mend the way to it (DATABASE_URL); Deepgram repeats a callback for five minutes only.',
  },
  unwritable: {
    summary: 'The database cannot be written: callbacks are refused with 503 and nothing is sent.',
    action: 'Make room on its disk, end whoever locks it, or mend its rights; Herald goes on by itself.',
  },
  moved: {
    summary:
      'The database file was deleted or replaced while Herald runs: what is written now is lost at the next start.',
    action: 'Stop Herald, restore the file in HERALD_DATA_DIR from a backup, and start again.',
  },
};

export function databaseProblem(fault: DatabaseFault): OperatorProblem {
  return { key: 'database', kind: 'database', severity: 'critical', ...DATABASE[fault] };
}

/**
 * @param disk bytes of the disk of the data directory
 * @param minimum HERALD_MIN_FREE_BYTES
 */
export function diskProblem(disk: { free: number; total: number }, minimum: number): OperatorProblem | undefined {
  const wanted = Math.max(minimum, Math.min(disk.total * FREE_PART, minimum * PLENTY_OF_MINIMA));
  if (disk.free >= wanted) return undefined;
  return {
    key: 'disk',
    kind: 'disk',
    severity: disk.free < Math.min(CRITICAL_FREE, minimum) ? 'critical' : 'warning',
    summary: `The disk of the data directory has ${mebibytes(disk.free)} free of ${mebibytes(disk.total)}; when it is full, callbacks are refused with 503.`,
    action:
      'Make room, enlarge the disk, or keep less (HERALD_RETENTION_DAYS); HERALD_MIN_FREE_BYTES says from when this is told.',
  };
}

export function refusedProblem(refused: Backlog, maxBytes: number): OperatorProblem {
  return {
    key: 'callbacks.refused',
    kind: 'callbacks.refused',
    severity: 'critical',
    ...refused,
    summary: `${counted(refused.count, 'callback was', 'callbacks were')} refused with 413, larger than ${mebibytes(maxBytes)}: Deepgram repeats them for five minutes, then those transcripts are lost.`,
    action: 'Raise HERALD_MAX_CALLBACK_BYTES and start again, then POST /v1/jobs/{id}/resubmit for the jobs concerned.',
  };
}

export function quarantinedProblem(found: Backlog): OperatorProblem {
  return {
    key: 'callbacks.quarantined',
    kind: 'callbacks.quarantined',
    severity: 'warning',
    ...found,
    summary: `${counted(found.count, 'callback', 'callbacks')} could not be read or settled in the last 7 days; kept in quarantine, nobody was notified.`,
    action:
      'GET /v1/callbacks?state=quarantined gives the reasons; after the repair POST /v1/callbacks/{id}/replay, or DELETE /v1/jobs/{id}.',
  };
}

export function settleProblem(pending: Backlog, now: number): OperatorProblem {
  return {
    key: 'callbacks.late',
    kind: 'callbacks.late',
    severity: now - pending.since > SETTLE_STUCK ? 'critical' : 'warning',
    ...pending,
    summary: `${counted(pending.count, 'stored callback waits', 'stored callbacks wait')} to be settled, the oldest for ${duration(now - pending.since)}.`,
    action:
      'They are safe; look for settle errors in the log, at the load of the machine, and that a process with HERALD_ROLE all or worker runs.',
  };
}

export function overdueProblem(found: Backlog): OperatorProblem {
  return {
    key: 'jobs.overdue',
    kind: 'jobs.overdue',
    severity: 'warning',
    ...found,
    summary: `${counted(found.count, 'job is', 'jobs are')} overdue: Deepgram has not called back.`,
    action:
      'Check that HERALD_PUBLIC_URL is reachable from the internet, then GET /v1/jobs?state=overdue and POST /v1/jobs/{id}/resubmit.',
  };
}

export function waitingProblem(found: Backlog): OperatorProblem {
  return {
    key: 'jobs.waiting',
    kind: 'jobs.waiting',
    severity: 'warning',
    ...found,
    summary: `${counted(found.count, 'job cannot', 'jobs cannot')} be submitted to Deepgram for more than 15 minutes.`,
    action:
      'GET /v1/jobs?state=pending shows lastError; check DEEPGRAM_API_KEY, DEEPGRAM_BASE_URL and the account; they are tried again by themselves.',
  };
}

export function deadProblem(found: Backlog): OperatorProblem {
  return {
    key: 'deliveries.dead',
    kind: 'deliveries.dead',
    severity: 'warning',
    ...found,
    summary: `${counted(found.count, 'delivery has', 'deliveries have')} died in the last 24 hours: those messages were not sent.`,
    action:
      'GET /v1/deliveries?state=dead gives the reasons; after the repair POST /v1/deliveries/{id}/retry, or many with POST /v1/deliveries/retry.',
  };
}

export function redactionProblem(found: Backlog): OperatorProblem {
  return {
    key: 'redaction.failed',
    kind: 'redaction.failed',
    severity: 'critical',
    ...found,
    summary: `${counted(found.count, 'message was', 'messages were')} not sent in the last 24 hours, because the redaction policy of the channel could not be applied.`,
    action:
      'GET /v1/deliveries?state=dead gives the reasons; mend the policy (PUT /v1/redactions/{channel}), then POST /v1/deliveries/{id}/retry.',
  };
}

export function unknownProblem(found: Backlog): OperatorProblem {
  return {
    key: 'deliveries.unknown',
    kind: 'deliveries.unknown',
    severity: 'warning',
    ...found,
    summary: `${counted(found.count, 'message', 'messages')} may or may not have been sent, and nobody could find out.`,
    action:
      'GET /v1/deliveries?state=unknown, look at the vendor, then POST /v1/deliveries/{id}/settle with {"state": "sent"} or {"state": "dead"}, or …/retry with {"mayDuplicate": true}.',
  };
}

export function heldProblem(found: Backlog): OperatorProblem {
  return {
    key: 'deliveries.held',
    kind: 'deliveries.held',
    severity: 'warning',
    ...found,
    summary: `${counted(found.count, 'delivery is', 'deliveries are')} held back by a cap.`,
    action:
      'GET /v1/deliveries?state=held gives the caps; when the messages are wanted, raise the cap or POST /v1/deliveries/{id}/retry, else …/cancel.',
  };
}

export function exhaustedProblem(found: Backlog): OperatorProblem {
  return {
    key: 'escalations.exhausted',
    kind: 'escalations.exhausted',
    severity: 'warning',
    ...found,
    summary: `${counted(found.count, 'escalation has', 'escalations have')} come to the end in the last 7 days: everybody was told, and nobody acknowledged.`,
    action:
      'GET /v1/escalations?state=exhausted names jobs and rules; when somebody has taken care, POST /v1/escalations/{id}/acknowledge.',
  };
}

export function deliveriesLateProblem(channel: string, found: Backlog, now: number): OperatorProblem {
  return {
    key: `deliveries.late:${channel}`,
    kind: 'deliveries.late',
    severity: 'warning',
    ...found,
    summary: `${counted(found.count, 'delivery', 'deliveries')} of the channel ${channel} should have been sent, the oldest ${duration(now - found.since)} ago.`,
    action:
      'They are safe; look at delivery errors in the log, at the load of the machine, and that a process with HERALD_ROLE all or worker runs.',
  };
}

/** A throttle or breaker that nothing has tried to open for so long is no news: nothing waits for it. */
const STALE = MINUTE;

/** What the channels' states tell: closed for all replicas (by a person or the vendor), or failing in this process. */
export function channelProblems(states: readonly ChannelState[], now: number): OperatorProblem[] {
  const closed = states.filter(({ open }) => !open);
  const all = closed.find(({ cause }) => cause === 'kill-switch');
  return (all ? [all] : closed).flatMap((state) => channelProblem(state, now) ?? []);
}

function channelProblem({ channel, cause, since, until, code = '' }: ChannelState, now: number) {
  // What a vendor or a person wrote is no text for an alert; a code is.
  const shown = /^[\w. -]{1,40}$/.test(code) ? ` (${code})` : '';
  const closed = { key: `channel.closed:${channel}`, kind: 'channel.closed', since } as const;
  const failing = { key: `channel.failing:${channel}`, kind: 'channel.failing', severity: 'warning' } as const;
  const isStale = until !== undefined && until < now - STALE;
  switch (cause) {
    case 'kill-switch':
      return {
        ...closed,
        key: 'channel.closed:*',
        severity: 'warning',
        summary: 'All sending was paused by hand; messages are kept.',
        action: 'GET /v1/sending says by whom and why; POST /v1/sending/resume when they are to go out.',
      } as const;
    case 'operator':
      return {
        ...closed,
        severity: 'warning',
        summary: `The channel ${channel} was paused by hand; its messages are kept.`,
        action: `GET /v1/channels says why; POST /v1/channels/${channel}/resume when they are to go out.`,
      } as const;
    case 'vendor':
      return {
        ...closed,
        severity: 'critical',
        summary: `The channel ${channel} is paused, because its vendor refuses the account or the settings${shown}; its messages are kept.`,
        action: `GET /v1/channels gives the reason; correct password, account or sender. It is tried again by itself, or at once with POST /v1/channels/${channel}/resume.`,
      } as const;
    case 'breaker':
      if (isStale) return undefined;
      return {
        ...failing,
        since,
        summary: `The vendor of the channel ${channel} does not answer${shown}; its messages are kept.`,
        action: 'Check the way to it and its status page; it is tried again by itself.',
      } as const;
    case 'throttled':
      if (isStale) return undefined;
      return {
        ...failing,
        summary: `The vendor of the channel ${channel} asks to wait${shown}; its messages are kept.`,
        action: 'Nothing if it passes; if it stays, raise the limits of the account. It is tried again by itself.',
      } as const;
    case undefined:
      return undefined;
  }
}

export function alertPathProblem(path: string, code: string, since: number): OperatorProblem {
  return {
    key: `alerts.path:${path}`,
    kind: 'alerts.path',
    severity: 'warning',
    since,
    summary: `Alerts do not get through over ${path} (${code}).`,
    action: `Check ${path === 'webhook' ? 'HERALD_ALERT_WEBHOOK_URL' : 'HERALD_ALERT_SMTP_URL, HERALD_ALERT_TO and HERALD_ALERT_FROM'}, then POST /v1/alerts/test.`,
  };
}

/** @param name of what is checked, as people read it */
export function checkFailedProblem(check: ProblemKind, name: string): OperatorProblem {
  return {
    key: `check.failed:${check}`,
    kind: 'check.failed',
    severity: 'warning',
    summary: `Herald could not check ${name}: whether something is wrong there is not known.`,
    action: 'Look for operator.check-failed in the log; the check is repeated by itself.',
  };
}

function counted(count: number, one: string, many: string): string {
  return count >= COUNTED ? `${COUNTED} or more ${many}` : `${count} ${count === 1 ? one : many}`;
}

function mebibytes(bytes: number): string {
  const mib = bytes / 1024 ** 2;
  return mib >= 10_240 ? `${(mib / 1024).toFixed(0)} GiB` : `${mib.toFixed(mib < 10 ? 1 : 0)} MiB`;
}

/** `40 seconds`, `12 minutes`, `3 hours`, `2 days`. */
export function duration(ms: number): string {
  const units: [number, string][] = [
    [DAY, 'day'],
    [HOUR, 'hour'],
    [MINUTE, 'minute'],
    [SECOND, 'second'],
  ];
  const [size, name] = units.find(([unit]) => ms >= unit) ?? [SECOND, 'second'];
  const count = Math.max(0, Math.floor(ms / size));
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}
