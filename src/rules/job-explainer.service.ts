import { Injectable } from '@nestjs/common';
import { GoneError, NotFoundError } from '../errors.js';
import { isoTime } from '../iso-time.js';
import { StoredFactsReader, type StoredJob } from '../jobs/stored-facts.service.js';
import { inSlices } from '../slices.service.js';
import { nearest } from '../suggestion.js';
import { toSpeech } from '../transcripts/speech.js';
import type { Facts, Trigger } from '../transcripts/facts.js';
import { TranscriptsStore } from '../transcripts/transcripts.store.js';
import type { EvaluationEntity } from './evaluation.entity.js';
import { EvaluationsQueryStore } from './evaluations.query.store.js';
import { factsOn } from './facts-on.js';
import { ReadingThread } from './reading-thread.service.js';
import type { Rule } from './rule.js';
import { compileRule, seriesOf } from './evaluate.js';
import { isSaved, RuleVersionsStore, toRule, type SavedRule } from './rule-versions.store.js';
import { RulesStore } from './rules.store.js';
import { SeriesStore } from './series.store.js';
import type { Why, WhyNode } from './why-node.js';
import { whyStepwise } from './why.js';

/** Why a rule did, or did not, what it did for a job. */
export interface JobExplanation {
  jobId: string;
  rule: Pick<Rule, 'id' | 'name' | 'version' | 'on' | 'when' | 'enabled'> & { savedAt: string };
  /** What came of it when the job was settled; null when the rule was not looked at then. */
  evaluated: {
    version: number;
    matched: boolean;
    at: string;
    error?: string;
    skippedBy?: string;
    /** Recipients that could not be used. */
    skipped: { action: number; to: string; reason: string }[];
  } | null;
  /** What this version makes of the job. */
  matched: boolean;
  /** Why not, in one sentence; null when it matched. */
  reason: string | null;
  /** What is worth knowing beside. */
  note?: string;
  error?: string;
  /** null when the condition could not be looked at. */
  tree: WhyNode | null;
}

const NOT_ABOUT: Readonly<Record<Trigger, string>> = {
  'transcript.completed': 'the rule looks at transcripts, and this job has none',
  'transcript.failed': 'the rule looks at transcriptions that failed, and this one did not',
  'job.overdue': 'the rule looks at jobs that are overdue, and this one was not',
  'delivery.dead': 'the rule looks at deliveries that died, and none of this job did',
};

/** Evaluates a rule again on a stored job, and keeps what each part of its condition came to. */
@Injectable()
export class JobExplainer {
  constructor(
    private readonly storedFacts: StoredFactsReader,
    private readonly transcripts: TranscriptsStore,
    private readonly evaluations: EvaluationsQueryStore,
    private readonly rules: RulesStore,
    private readonly versions: RuleVersionsStore,
    private readonly reading: ReadingThread,
    private readonly series: SeriesStore,
  ) {}

  /**
   * @param asked `rule`: id, or the name it has or had; `version`: the one that was evaluated, else the newest
   * @throws NotFoundError, GoneError
   */
  async explain(jobId: string, asked: { rule: string; version?: number | undefined }): Promise<JobExplanation> {
    const stored = await this.storedFacts.find(jobId);
    if (!stored) throw new NotFoundError('There is no such job');
    const { id, evaluation } = await this.ruleOf(jobId, asked.rule);
    const rule = toRule(await this.versionOf(id, asked.version ?? evaluation?.ruleVersion));
    const why = await this.why(rule, stored);
    return {
      jobId,
      rule: { ...only(rule), savedAt: isoTime(rule.updatedAt) },
      evaluated: evaluation && shownEvaluation(evaluation),
      ...judged(rule, why, evaluation),
    };
  }

  /** By what the job was evaluated with first: the name may be that of another rule today. */
  private async ruleOf(jobId: string, asked: string): Promise<{ id: string; evaluation: EvaluationEntity | null }> {
    const evaluation = await this.evaluations.latest(jobId, asked);
    if (evaluation) return { id: evaluation.ruleId, evaluation };
    const rules = await this.rules.list();
    const known = rules.find(({ rule }) => rule.id === asked || rule.name === asked)?.rule.id;
    const id = known ?? (await this.versions.newest(asked))?.ruleId;
    if (id === undefined)
      throw unknownRule(
        asked,
        rules.map(({ rule }) => rule.name),
      );
    // It may have had another name then.
    return { id, evaluation: await this.evaluations.latest(jobId, id) };
  }

  private async versionOf(id: string, version: number | undefined): Promise<SavedRule> {
    const found = version === undefined ? await this.versions.newest(id) : await this.versions.find(id, version);
    if (!found)
      throw new NotFoundError(
        `There is no version ${String(version)} of this rule; GET /v1/rules/${id}/versions lists them`,
      );
    if (!isSaved(found))
      throw new NotFoundError(`Version ${String(version)} is the deletion of the rule; ask for an earlier one`);
    return found;
  }

  private async why(rule: Rule, { job, facts: all, transcript }: StoredJob): Promise<Why> {
    const { contentDroppedAt } = job;
    if (rule.on === 'transcript.completed' && contentDroppedAt !== null)
      throw new GoneError(
        `The words of this job were dropped at ${isoTime(contentDroppedAt)} (HERALD_CONTENT_RETENTION_DAYS); GET /v1/jobs/${job.id} shows what came of each rule`,
      );
    const facts = factsOn(rule.on, rule.on === 'delivery.dead' ? await this.withDead(job.id, all) : all);
    if (!facts) return { matched: false, reason: NOT_ABOUT[rule.on], tree: null };
    const asked = seriesOf([compileRule({ ...rule, enabled: true })]);
    const { snapshot: series } = await this.series.before(asked, facts.job);
    const packed = facts.transcript && transcript?.whole && (await this.transcripts.findJson(job.id))?.packed;
    if (packed && rule.on === 'transcript.completed')
      return this.reading.explain({ packed, job: facts.job, rule, series });
    return inSlices(whyStepwise(rule, facts, transcript && toSpeech(transcript), series));
  }

  private async withDead(jobId: string, facts: Facts): Promise<Facts> {
    const delivery = await this.evaluations.lastDead(jobId);
    return delivery ? { ...facts, delivery } : facts;
  }
}

function judged(
  rule: Rule,
  why: Why,
  evaluation: EvaluationEntity | null,
): Pick<JobExplanation, 'matched' | 'reason' | 'note' | 'error' | 'tree'> {
  const stopped = stopReason(rule, evaluation);
  const matched = why.matched && stopped === undefined;
  const note = noteOn(rule, matched, evaluation);
  return {
    matched,
    reason: stopped ?? why.reason,
    ...(note === undefined ? {} : { note }),
    ...(why.error === undefined ? {} : { error: why.error }),
    tree: why.tree,
  };
}

/** What keeps a rule from matching, whatever its condition. */
function stopReason(rule: Rule, evaluation: EvaluationEntity | null): string | undefined {
  if (!rule.enabled) return `version ${String(rule.version)} of the rule is switched off`;
  const skippedBy = evaluation?.ruleVersion === rule.version ? evaluation.data.skippedBy : undefined;
  return skippedBy === undefined ? undefined : `the rule “${skippedBy}” matched before it, and stops`;
}

function noteOn(rule: Rule, matched: boolean, evaluation: EvaluationEntity | null): string | undefined {
  if (!evaluation)
    return `no version of the rule was looked at when this came of the job; this one was saved at ${isoTime(rule.updatedAt)}`;
  if (evaluation.ruleVersion !== rule.version || evaluation.matched === matched) return undefined;
  return 'it came out otherwise then: what the rule looks at has changed since';
}

function shownEvaluation({ ruleVersion, matched, createdAt, data, skipped }: EvaluationEntity) {
  return {
    version: ruleVersion,
    matched,
    at: isoTime(createdAt),
    ...(data.error === undefined ? {} : { error: data.error }),
    ...(data.skippedBy === undefined ? {} : { skippedBy: data.skippedBy }),
    skipped,
  };
}

function only({ id, name, version, on, when, enabled }: Rule) {
  return { id, name, version, on, when, enabled };
}

function unknownRule(asked: string, names: string[]): NotFoundError {
  const suggestion = nearest(asked, names);
  return new NotFoundError('There is no such rule, and none that this job was evaluated with', {
    errors: [
      {
        pointer: 'rule',
        message: 'is neither the id nor the name of a rule',
        ...(suggestion === undefined ? {} : { suggestion }),
      },
    ],
  });
}
