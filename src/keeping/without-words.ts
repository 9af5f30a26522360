/**
 * A stored evaluation without what was said: each condition with its outcome, no matched words.
 * @param data JSON of an Evaluation
 */
export function withoutWords(data: string): string {
  const evaluation = JSON.parse(data) as { conditions?: object[] };
  const conditions = (evaluation.conditions ?? []).map((condition) => ({ ...condition, matches: [] }));
  return JSON.stringify({ ...evaluation, conditions, matches: [] });
}
