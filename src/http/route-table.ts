/** Which methods a path has: what a 405 needs, and the router does not tell. */
export class RouteTable {
  private readonly routes = new Map<string, { matches: RegExp; methods: Set<string> }>();

  /** @param pattern in the router's syntax: `/v1/jobs/:id`, `/docs/*` */
  add(method: string | readonly string[], pattern: string): void {
    const route = this.routes.get(pattern) ?? { matches: toRegExp(pattern), methods: new Set<string>() };
    for (const one of [method].flat()) route.methods.add(one);
    this.routes.set(pattern, route);
  }

  /** Methods of the routes that match, sorted; none when the path is not known at all. */
  methodsOf(path: string): string[] {
    const methods = [...this.routes.values()]
      .filter((route) => route.matches.test(path))
      .flatMap((r) => [...r.methods]);
    return [...new Set(methods)].toSorted();
  }
}

function toRegExp(pattern: string): RegExp {
  const source = pattern
    .split('/')
    .map((segment) =>
      segment
        .replace(/[.+?^${}()|[\]\\]/g, String.raw`\$&`)
        .replace(/:[A-Za-z_]\w*/g, '[^/]+?')
        .replaceAll('*', '.*'),
    )
    .join('/');
  return new RegExp(`^${source}$`);
}
