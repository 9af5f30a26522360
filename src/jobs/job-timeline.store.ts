import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.service.js';
import { isoTime } from '../iso-time.js';
import { JobEvaluationsStore } from './job-evaluations.store.js';

/** One screen: everything that came of a job, in the order in which it happened. */
export interface JobTimeline {
  /** Id under /v1/transcripts; null while there is none. */
  transcriptId: string | null;
  /** Seconds of audio; kept when the words are dropped. */
  duration: unknown;
  /** Those that the provider took, in their order. */
  submissions: unknown[];
  callbacks: unknown[];
  /** Matches first, then failures; the rest is under /v1/jobs/:id/evaluations. */
  evaluations: unknown[];
  /** How many are not among them. */
  evaluationsOmitted: number;
  deliveries: unknown[];
}

type Row = Record<string, string | number | boolean | null>;

/** A read over other stores' tables, so that this layer needs none of them. */
@Injectable()
export class JobTimelineStore {
  constructor(
    private readonly database: Database,
    private readonly evaluations: JobEvaluationsStore,
  ) {}

  async of(jobId: string): Promise<JobTimeline> {
    const [transcripts, submissions, callbacks, evaluations, deliveries] = await Promise.all([
      this.database.read<Row>('select callback_id, duration from transcripts where job_id = ?', [jobId]),
      this.database.read<Row>(
        'select request_id, submitted_at from submissions where job_id = ? order by submitted_at, request_id',
        [jobId],
      ),
      this.database.read<Row>(
        'select id, state, reason, method, bytes, repeats, received_at, settled_at from callbacks where job_id = ? order by id',
        [jobId],
      ),
      this.evaluations.first(jobId),
      this.database.read<Row>(
        `select id, rule_id, rule_name, rule_version, action, also_for, channel, recipient, state, reason, created_at, sent_at, delivered_at
           from deliveries where job_id = ? order by id`,
        [jobId],
      ),
    ]);
    return {
      // Without its words a transcript has no callback either.
      transcriptId: (transcripts[0]?.callback_id ?? '') === '' ? null : jobId,
      duration: transcripts[0]?.duration ?? null,
      submissions: submissions.map((row) => ({ requestId: row.request_id, submittedAt: time(row.submitted_at) })),
      callbacks: callbacks.map((row) => ({
        id: row.id,
        state: row.state,
        reason: row.reason,
        method: row.method,
        bytes: row.bytes,
        repeats: row.repeats,
        receivedAt: time(row.received_at),
        settledAt: time(row.settled_at),
      })),
      ...evaluations,
      deliveries: deliveries.map((row) => ({
        id: row.id,
        ruleId: row.rule_id,
        ruleName: row.rule_name,
        ruleVersion: row.rule_version,
        action: row.action,
        alsoFor: namesOf(row.also_for),
        channel: row.channel,
        to: row.recipient,
        state: row.state,
        reason: row.reason,
        createdAt: time(row.created_at),
        sentAt: time(row.sent_at),
        deliveredAt: time(row.delivered_at),
      })),
    };
  }
}

function time(value: Row[string] | undefined): string | null {
  return typeof value === 'number' ? isoTime(value) : null;
}

/** Names of the other rules that a delivery speaks for. */
function namesOf(text: Row[string] | undefined): string[] {
  const others = JSON.parse(String(text)) as { ruleName: string }[];
  return [...new Set(others.map(({ ruleName }) => ruleName))];
}
