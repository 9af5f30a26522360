import type { ChannelKind } from '../channels/channel.js';
import type { FieldError } from '../errors.js';
import { PARTS_BY_KIND, type TemplateParts } from '../templates/template.js';
import type { Action, RuleDefinition } from './rule.js';

/** What decides whether a message can be acknowledged. */
export interface AckContext {
  /** There is a public URL, so that messages can have links. */
  hasLinks: boolean;
  channels: readonly { name: string; kind: ChannelKind }[];
  templates: readonly { name: string; parts: TemplateParts }[];
  /** Sources, by name. */
  partials: Readonly<Record<string, string>>;
}

/** What a person should know about the steps of a rule that is saved all the same: who gets a message, but nothing to acknowledge by. */
export function stepWarnings({ actions, escalate }: RuleDefinition, known: AckContext): FieldError[] {
  if (!escalate) return [];
  if (!known.hasLinks) {
    const message =
      'HERALD_PUBLIC_URL is not set: messages have no link, and only POST /v1/escalations/{id}/acknowledge ends the steps';
    return [{ pointer: '/escalate', message }];
  }
  return [
    ...unlinked(actions, '/actions', known),
    ...escalate.flatMap((step, i) => unlinked(step.actions, `/escalate/${String(i)}/actions`, known)),
  ];
}

function unlinked(actions: readonly Action[], pointer: string, known: AckContext): FieldError[] {
  return actions.flatMap((action, i) => {
    const kind = known.channels.find(({ name }) => name === action.channel)?.kind;
    const template = known.templates.find(({ name }) => name === action.template);
    if (kind === undefined || !template || showsAck(template.parts, kind, known.partials)) return [];
    const message = `the template "${action.template}" shows no {{ack}} in its parts for ${kind}: whoever gets this cannot acknowledge`;
    return [{ pointer: `${pointer}/${String(i)}/template`, message }];
  });
}

function showsAck(parts: TemplateParts, kind: ChannelKind, partials: AckContext['partials']): boolean {
  const { required, optional } = PARTS_BY_KIND[kind];
  return [...required, ...optional].some((part) => prints(parts[part] ?? '', partials, new Set()));
}

/** Also by a partial that it includes. */
function prints(source: string, partials: AckContext['partials'], seen: Set<string>): boolean {
  const mustaches = source.match(/\{\{[^}]*\}\}/g) ?? [];
  return mustaches.some((mustache) => {
    const [, partial] = /^\{\{~?#?>\s*([\w.-]+)/.exec(mustache) ?? [];
    if (partial === undefined) return /[\s({]ack[\s)}~]/.test(mustache);
    if (seen.has(partial)) return false;
    seen.add(partial);
    return prints(partials[partial] ?? '', partials, seen);
  });
}
