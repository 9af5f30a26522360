import { z } from 'zod';
import type { ChannelKind, Recipient } from '../channels/channel.js';
import { DAY, parseDuration, SECOND } from '../duration.js';
import type { FieldError } from '../errors.js';
import { RecipientInvalidError, RuleInvalidError } from '../errors.js';
import { jsonPointer, toFieldErrors } from '../http/schema-issues.js';
import { isObject } from '../json.js';
import type { Directory } from '../recipients/directory.js';
import { nearest } from '../suggestion.js';
import type { Trigger } from '../transcripts/facts.js';
import { TRIGGERS } from '../transcripts/facts.js';
import { checkCondition } from './language.js';
import { isExpression, parseRecipientExpression } from './recipient-expression.js';
import type { Action, EscalationStep, RuleDefinition, ThrottlePer } from './rule.js';

const ATTACHMENT_FORMATS = ['txt', 'srt', 'vtt', 'json'] as const;
const TO_MAX = 500;

const ActionSchema = z
  .strictObject({
    channel: z.string().min(1).max(100),
    to: z.array(z.string().trim().min(1).max(TO_MAX)).min(1).max(50),
    template: z.string().min(1).max(100),
    attach: z.array(z.enum(ATTACHMENT_FORMATS)).max(ATTACHMENT_FORMATS.length).optional(),
    urgent: z.boolean().optional(),
    preview: z.strictObject({ segments: z.int().min(1).max(6) }).optional(),
  })
  .meta({ description: 'What a matching rule sends, over which channel, to whom.' });

const SHORTEST_STEP = SECOND;
const LONGEST_STEP = 7 * DAY;

const StepSchema = z
  .strictObject({
    after: z.string().refine((text) => isStepLength(text), {
      error: 'must be a time from "1s" to "7d", such as "90s", "15m" or "2h"',
    }),
    actions: z.array(ActionSchema).min(1).max(20),
  })
  .meta({
    description:
      'What is sent when nobody has acknowledged for so long after the step before; the actions of the rule are the first.',
  });

function isStepLength(text: string): boolean {
  const ms = parseDuration(text);
  return ms !== undefined && ms >= SHORTEST_STEP && ms <= LONGEST_STEP;
}

const ThrottleSchema = z
  .strictObject({
    times: z.int().min(1).max(100).default(1),
    within: z.string().refine(isThrottleWindow, {
      error: 'must be a time from "1s" to "90d", such as "15m", "1h" or "7d"',
    }),
    per: z
      .string()
      .regex(/^(?:rule|recipient|tag:\S.{0,99})$/, {
        error: 'must be "rule", "recipient" or "tag:NAME", such as "tag:client"',
      })
      .default('rule'),
  })
  .meta({
    description:
      'At most so many calls within a time are told of; what is over is skipped, and the evaluation says so.',
  });

function isThrottleWindow(text: string): boolean {
  const ms = parseDuration(text);
  return ms !== undefined && ms >= SECOND && ms <= 90 * DAY;
}

/** Form of a rule in a request. What the condition, the channels, templates and recipients mean is up to {@link parseRule}. */
export const RuleSchema = z.strictObject({
  name: z
    .string()
    .max(100)
    .regex(/^[A-Za-z0-9](?:[A-Za-z0-9 _.-]*[A-Za-z0-9_.-])?$/, {
      error: 'must be 1 to 100 letters, digits, blanks, _ . or -, and begin with a letter or digit',
    }),
  enabled: z.boolean().default(true),
  on: z.enum(TRIGGERS).default('transcript.completed'),
  when: z.string().default('true'),
  actions: z.array(ActionSchema).max(20),
  escalate: z.array(StepSchema).min(1).max(5).optional(),
  stop: z.boolean().default(false),
  order: z.int().min(-1_000_000).max(1_000_000).default(100),
  description: z.string().max(1000).optional(),
  throttle: ThrottleSchema.optional(),
  merge: z.boolean().optional().meta({
    description: 'false: never in one message with what other rules send to the same recipient; default true',
  }),
});

/** What a rule may refer to. */
export interface RuleContext {
  channels: readonly { name: string; kind: ChannelKind }[];
  /** `kinds`: channels that the template has all parts for. */
  templates: readonly { name: string; kinds: readonly ChannelKind[] }[];
  directory: Directory;
  /** @throws RecipientInvalidError when the address is not one recipient of the channel */
  parseRecipient: (channel: string, address: string) => Recipient;
}

/**
 * A rule as a person wrote it, checked to the last name.
 * @param input parsed JSON
 * @throws RuleInvalidError with all problems at once: form, condition, channels, templates, recipients
 */
export function parseRule(input: unknown, known: RuleContext): RuleDefinition {
  const parsed = RuleSchema.safeParse(input);
  const errors = parsed.success ? [] : toFieldErrors(parsed.error.issues, RuleSchema, jsonPointer);
  errors.push(...meaningErrors(input, known));
  if (parsed.success && errors.length === 0) return definitionOf(parsed.data);
  const count = errors.length === 1 ? 'one problem' : `${String(errors.length)} problems`;
  const [first] = errors;
  throw new RuleInvalidError(`The rule has ${count}: ${first?.pointer ?? ''} ${first?.message ?? ''}`, { errors });
}

/** Checks every part that has the right form, also when another has not. */
function meaningErrors(input: unknown, known: RuleContext): FieldError[] {
  if (!isObject(input)) return [];
  const on = RuleSchema.shape.on.safeParse(input.on);
  const when = RuleSchema.shape.when.safeParse(input.when);
  const errors = on.success && when.success ? conditionErrors(when.data, on.data) : [];
  const actions: unknown[] = Array.isArray(input.actions) ? input.actions.slice(0, 20) : [];
  if (Array.isArray(input.actions) && actions.length === 0 && input.stop !== true) {
    errors.push({ pointer: '/actions', message: 'a rule without actions is of use only with "stop": true' });
  }
  if (!on.success) return errors;
  errors.push(...actionsErrors(actions, '/actions', on.data, known));
  const steps: unknown[] = Array.isArray(input.escalate) ? input.escalate.slice(0, 5) : [];
  if (steps.length > 0 && actions.length === 0) {
    errors.push({ pointer: '/escalate', message: 'there is nothing to acknowledge: give the rule actions of its own' });
  }
  for (const [i, step] of steps.entries()) {
    const inStep: unknown[] = isObject(step) && Array.isArray(step.actions) ? step.actions.slice(0, 20) : [];
    errors.push(...actionsErrors(inStep, `/escalate/${String(i)}/actions`, on.data, known));
  }
  return errors;
}

function actionsErrors(actions: unknown[], pointer: string, on: Trigger, known: RuleContext): FieldError[] {
  return actions.flatMap((action, i) => {
    const parsed = ActionSchema.safeParse(action);
    return parsed.success ? actionErrors(parsed.data, `${pointer}/${String(i)}`, on, known) : [];
  });
}

function conditionErrors(when: string, on: Trigger): FieldError[] {
  try {
    checkCondition(when, on);
    return [];
  } catch (error) {
    if (error instanceof RuleInvalidError) return error.errors;
    throw error;
  }
}

type ParsedAction = z.infer<typeof ActionSchema>;

function actionErrors(action: ParsedAction, pointer: string, on: Trigger, known: RuleContext): FieldError[] {
  const channel = known.channels.find(({ name }) => name === action.channel);
  if (!channel) {
    const names = known.channels.map(({ name }) => name);
    return [unknown(`${pointer}/channel`, 'channel', action.channel, names)];
  }
  const recipients = action.to.flatMap((to, i) =>
    recipientErrors(to, `${pointer}/to/${String(i)}`, action.channel, on, known),
  );
  return [
    ...templateErrors(action, pointer, channel.kind, known),
    ...kindErrors(action, pointer, channel.kind),
    ...recipients,
  ];
}

function templateErrors(
  { template }: ParsedAction,
  pointer: string,
  kind: ChannelKind,
  known: RuleContext,
): FieldError[] {
  const found = known.templates.find(({ name }) => name === template);
  if (!found) {
    const usable = known.templates.filter(({ kinds }) => kinds.includes(kind)).map(({ name }) => name);
    return [unknown(`${pointer}/template`, 'template', template, usable)];
  }
  if (found.kinds.includes(kind)) return [];
  const part = kind === 'email' ? 'email.subject and email.html' : 'sms';
  return [
    { pointer: `${pointer}/template`, message: `the template "${template}" has no part for ${kind}: add ${part}` },
  ];
}

function kindErrors({ attach, preview }: ParsedAction, pointer: string, kind: ChannelKind): FieldError[] {
  const errors: FieldError[] = [];
  if (kind === 'sms' && attach && attach.length > 0) {
    errors.push({ pointer: `${pointer}/attach`, message: 'an SMS cannot carry attachments; leave "attach" out' });
  }
  if (kind === 'email' && preview) {
    errors.push({ pointer: `${pointer}/preview`, message: 'segments are for SMS; leave "preview" out' });
  }
  return errors;
}

function recipientErrors(to: string, pointer: string, channel: string, on: Trigger, known: RuleContext): FieldError[] {
  const { directory } = known;
  const named = /^(contact|group):(.*)$/s.exec(to);
  if (named) {
    const [, sort = '', rest = ''] = named;
    const name = rest.trim();
    const isKnown = sort === 'contact' ? directory.contact(name) : directory.group(name);
    const names = sort === 'contact' ? directory.names.contacts : directory.names.groups;
    return isKnown ? [] : [unknown(pointer, sort, name, names, `${sort}:`)];
  }
  try {
    if (isExpression(to)) parseRecipientExpression(to, on);
    else known.parseRecipient(channel, to);
    return [];
  } catch (error) {
    if (error instanceof RuleInvalidError) return error.errors.map((fault) => ({ ...fault, pointer }));
    if (error instanceof RecipientInvalidError) return [{ pointer, message: error.message }];
    throw error;
  }
}

function unknown(pointer: string, sort: string, name: string, names: readonly string[], prefix = ''): FieldError {
  const near = nearest(name, names);
  return {
    pointer,
    message: `there is no ${sort} "${name.slice(0, 100)}"`,
    ...(near === undefined ? {} : { suggestion: `${prefix}${near}` }),
  };
}

/** Optional fields are absent, never undefined: a definition is stored and compared as JSON. */
function definitionOf({
  description,
  actions,
  escalate,
  merge,
  throttle,
  ...rest
}: z.infer<typeof RuleSchema>): RuleDefinition {
  return {
    ...rest,
    actions: actions.map(actionOf),
    ...(escalate === undefined ? {} : { escalate: escalate.map(stepOf) }),
    ...(description === undefined ? {} : { description }),
    ...(merge === false ? { merge } : {}),
    ...(throttle === undefined ? {} : { throttle: { ...throttle, per: throttle.per as ThrottlePer } }),
  };
}

function stepOf({ after, actions }: z.infer<typeof StepSchema>): EscalationStep {
  return { after, actions: actions.map(actionOf) };
}

function actionOf({ attach, preview, urgent, ...rest }: ParsedAction): Action {
  return {
    ...rest,
    ...(attach === undefined ? {} : { attach }),
    ...(preview === undefined ? {} : { preview }),
    ...(urgent === undefined ? {} : { urgent }),
  };
}
