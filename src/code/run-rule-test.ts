import type { Directory } from '../recipients/directory.js';
import { compileRule, evaluateRules } from '../rules/evaluate.js';
import { planNotifications, type Notification, type PlanChannel } from '../rules/plan.js';
import type { Evaluation, Rule, RuleDefinition } from '../rules/rule.js';
import { withSteps } from '../rules/steps.js';
import { toFacts, type Facts, type Trigger } from '../transcripts/facts.js';
import { toSpeech } from '../transcripts/speech.js';
import type { Transcript } from '../transcripts/transcript.js';
import type { ExpectedMessage, RuleTest } from './rule-test.js';

/** What a test has instead of a server. */
export interface TestBench {
  directory: Directory;
  channels: readonly PlanChannel[];
  /** Subject and text of a message. @throws HeraldError */
  render: (notification: Notification, facts: Facts, now: number) => string;
}

/**
 * One rule on one call, through the functions of a running Herald. The rule is tried by itself, as if it were switched on.
 * @param transcript of `transcript` or `deepgram`
 * @returns what is not as it should be, in lines; empty when the test passes
 */
export function runRuleTest(
  definition: RuleDefinition,
  test: RuleTest,
  transcript: Transcript | undefined,
  bench: TestBench,
): string[] {
  const now = Date.parse(test.at);
  const facts = factsOf(test, transcript, now);
  const on = triggerOf(test);
  if (definition.on !== on) return [`the rule is on ${definition.on}, and the test tells of ${on}`];
  const rule: Rule = { ...definition, enabled: true, id: 'tested', version: 1, createdAt: now, updatedAt: now };
  const [evaluation] = evaluateRules([compileRule(rule)], facts, transcript && toSpeech(transcript)).evaluations;
  if (!evaluation) return ['the rule was not evaluated'];
  const faults = matchFaults(evaluation, test);
  if (faults.length > 0 || test.expect.messages === undefined) return faults;
  const matches = evaluation.matched ? withSteps({ rule, evaluation }) : [];
  const plan = planNotifications(matches, facts, bench.directory, bench.channels, now);
  const skipped = plan.skipped.map(({ to, reason }) => `nothing for ${to}: ${reason}`);
  const wrong = messageFaults(plan.notifications, test.expect.messages, (one) => bench.render(one, facts, now));
  return wrong.length === 0 ? [] : [...wrong, ...skipped];
}

function factsOf(test: RuleTest, transcript: Transcript | undefined, now: number): Facts {
  const job = { id: 'tested', origin: 'api', tags: test.tags, options: {}, createdAt: now } as const;
  return {
    ...toFacts(job, { ...(transcript && { transcript }), ...(test.failure && { failure: test.failure }) }),
    ...(test.overdue && { overdue: test.overdue }),
  };
}

function triggerOf({ failure, overdue }: RuleTest): Trigger {
  if (failure) return 'transcript.failed';
  return overdue ? 'job.overdue' : 'transcript.completed';
}

function matchFaults(evaluation: Evaluation, { expect }: RuleTest): string[] {
  if (evaluation.error !== undefined) return [`the rule failed: ${evaluation.error}`];
  if (evaluation.matched !== expect.matched) {
    const told = evaluation.conditions.map(({ text, result, error }) => {
      const outcome = error ?? (result === undefined ? 'not reached' : String(result));
      return `  ${text}: ${outcome}`;
    });
    return [expect.matched ? 'the rule did not match' : 'the rule matched', ...told];
  }
  const found = evaluation.matches.map(({ text }) => plain(text));
  const missing = (expect.words ?? []).filter((word) => !found.includes(plain(word)));
  if (missing.length === 0) return [];
  const others = found.length === 0 ? 'none' : found.map((word) => JSON.stringify(word)).join(', ');
  return missing.map((word) => `${JSON.stringify(word)} is not among the words that matched: ${others}`);
}

/** Each expected message takes one that is planned; what is left of either is wrong. */
function messageFaults(
  planned: readonly Notification[],
  expected: readonly ExpectedMessage[],
  render: (notification: Notification) => string,
): string[] {
  const faults: string[] = [];
  const left = [...planned];
  for (const message of expected) {
    const index = left.findIndex((one) => isMeant(one, message));
    const [found] = index < 0 ? [] : left.splice(index, 1);
    if (!found) faults.push(`there is no message ${nameOf(message)}`);
    else if (message.contains) faults.push(...textFaults(message, render(found)));
  }
  return [...faults, ...left.map((one) => `there is one more: ${nameOf(one)}${reasonOf(one)}`)];
}

function isMeant(planned: Notification, { channel, to, template, state, step }: ExpectedMessage): boolean {
  const isGoing = planned.state === 'queued' || planned.state === 'waiting';
  return (
    planned.channel === channel &&
    planned.to.toLowerCase() === to.toLowerCase() &&
    (template === undefined || planned.template === template) &&
    (state === undefined ? isGoing : planned.state === state) &&
    (step === undefined || planned.step === step)
  );
}

function textFaults(message: ExpectedMessage, text: string): string[] {
  const there = flat(text);
  return (message.contains ?? [])
    .filter((part) => !there.includes(flat(part)))
    .map((part) => `the message ${nameOf(message)} does not hold ${JSON.stringify(part)}`);
}

function nameOf({
  channel,
  to,
  step,
  state,
}: Pick<ExpectedMessage, 'channel' | 'to' | 'step'> & { state?: string }): string {
  const inStep = step === undefined ? '' : ` in step ${String(step)}`;
  return `${channel} to ${to}${inStep}${state === undefined ? '' : ` (${state})`}`;
}

function reasonOf({ reason }: Notification): string {
  return reason === undefined ? '' : `: ${reason}`;
}

/** Lines are broken where they fit; a test should not have to know where. */
function flat(text: string): string {
  return text.replace(/\s+/g, ' ').trim().toLowerCase();
}

/** Without punctuation around it. */
function plain(text: string): string {
  return flat(text).replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, '');
}
