import { z } from 'zod';
import { RuleInvalidError } from '../errors.js';
import { isObject } from '../json.js';

/** Why a rule is saved, for who reads its versions later. */
export const ruleComment = z.string().trim().min(1).max(500).optional();

/**
 * Takes the comment out of the body of a rule: it belongs to the save, not to the rule.
 * @throws RuleInvalidError when it is no text of 1 to 500 characters
 */
export function withoutComment(body: unknown): { rule: unknown; comment: string | undefined } {
  if (!isObject(body) || !('comment' in body)) return { rule: body, comment: undefined };
  const { comment, ...rule } = body;
  const parsed = ruleComment.safeParse(comment);
  if (parsed.success) return { rule, comment: parsed.data };
  throw new RuleInvalidError('The comment of the rule is not valid', {
    errors: [{ pointer: '/comment', message: 'must be a text of 1 to 500 characters' }],
  });
}
