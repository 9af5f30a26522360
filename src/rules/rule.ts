import type { Trigger } from '../transcripts/facts.js';
import type { SpeechMatch } from '../transcripts/speech.js';

export type { SpeechMatch };

export type AttachmentFormat = 'txt' | 'srt' | 'vtt' | 'json';

/** What a matching rule asks for: a channel, a template, and who gets it. */
export interface Action {
  /** Name of a channel (`email`, `sms`). */
  channel: string;
  /** Each an address, an expression over facts (`{{job.tags.email}}`), `contact:NAME` or `group:NAME`. */
  to: string[];
  /** Name of a template. */
  template: string;
  /** E-mail only. */
  attach?: AttachmentFormat[];
  /** Goes at once in quiet hours, and not with a digest. */
  urgent?: boolean;
  /** SMS only: the preview is cut so that the message has at most this many segments. */
  preview?: { segments: number };
}

/** What is sent when nobody has acknowledged in time. */
export interface EscalationStep {
  /** How long after the step before it (the rule's own actions are the first): `90s`, `15m`, `2h`, `7d`. */
  after: string;
  actions: Action[];
}

/** At most so many calls within a time are told of. */
export interface Throttle {
  times: number;
  /** `90s`, `15m`, `2h`, `7d`: any time of that length, not a clock hour. */
  within: string;
  /** What is counted: calls of the rule, of the rule for each recipient, or for each value of a tag. */
  per: ThrottlePer;
}

export type ThrottlePer = 'rule' | 'recipient' | `tag:${string}`;

/** What a person configures. `when` is CEL over facts and `speech`; default `true`. */
export interface RuleDefinition {
  name: string;
  enabled: boolean;
  on: Trigger;
  when: string;
  actions: Action[];
  /** Until somebody acknowledges, these follow the actions, one after the other. */
  escalate?: EscalationStep[];
  /** No rule after this one is looked at when this one matches. */
  stop: boolean;
  /** Lower is earlier; equal order goes by name. */
  order: number;
  description?: string;
  /** false: what this rule sends is never merged with what other rules send to the same recipient. Absent: it may be. */
  merge?: false;
  /** What is over it is not sent, and the evaluation says so. Absent: every call is told of. */
  throttle?: Throttle;
}

/** All actions of a rule, those of its steps too. */
export function actionsOf({ actions, escalate }: RuleDefinition): Action[] {
  return [...actions, ...(escalate ?? []).flatMap((step) => step.actions)];
}

/** A stored rule. `version` counts saves from 1 and is part of the dedupe key of what the rule plans. */
export interface Rule extends RuleDefinition {
  id: string;
  version: number;
  /** Epoch milliseconds. */
  createdAt: number;
  updatedAt: number;
}

/** One condition of a rule's `when`, with its outcome: the operands of the outermost `&&` and `||`, or the whole expression. */
export interface ConditionOutcome {
  /** Source text of the condition. */
  text: string;
  /** undefined: not reached, because an earlier condition decided. */
  result: boolean | undefined;
  matches: SpeechMatch[];
  /** Why it could not be evaluated (an unguarded fact that is absent), for people. */
  error?: string;
}

/** The result of one rule for one transcript; kept for rules that did not match too. */
export interface Evaluation {
  ruleId: string;
  ruleName: string;
  ruleVersion: number;
  matched: boolean;
  conditions: ConditionOutcome[];
  /** Words of all true conditions, ordered by start. */
  matches: SpeechMatch[];
  /** A rule that failed at run time counts as not matched, and says so. */
  error?: string;
  /** The rule was not looked at: an earlier one with `stop` matched. */
  skippedBy?: string;
}

/** A rule that matched. */
export interface RuleMatch {
  rule: Rule;
  evaluation: Evaluation;
  /** From 1: the `actions` are those of a step of {@link RuleDefinition.escalate}. */
  step?: number;
}
