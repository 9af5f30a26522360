/** How the parser writes things down, in one place: its typings leave out what may be absent. */

type Node = hbs.AST.Node;

/** `name=value` arguments of a call, a block or a partial. */
export function hashPairs(hash: hbs.AST.Hash | undefined): hbs.AST.HashPair[] {
  return hash?.pairs ?? [];
}

/** A path as it was written; `""` for what is not a path. */
export function nameOf(path: Node): string {
  const { original } = path as { original?: unknown };
  return typeof original === 'string' ? original : '';
}

/** `this.a`, `./a` and `../a` always mean data, never a function. */
export function isScoped(path: hbs.AST.PathExpression): boolean {
  return /^\.|this\b/.test(path.original);
}

/** One name, which may be that of a function. */
export function isSimpleName(path: Node): boolean {
  const { data, depth, parts } = path as hbs.AST.PathExpression;
  return !data && depth === 0 && parts.length === 1 && !isScoped(path as hbs.AST.PathExpression);
}
