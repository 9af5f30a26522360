import type { Scope } from './api-key.entity.js';

/** Who asks: an API key. */
export interface Principal {
  /** Id of the key; `environment` for HERALD_ADMIN_KEY. */
  id: string;
  /** Name of the key, as the audit shows it. */
  name: string;
  scopes: Scope[];
}

/** `admin` may do everything, `jobs:write` may read jobs as well. */
export function allows(principal: Principal, scope: Scope): boolean {
  if (principal.scopes.includes('admin') || principal.scopes.includes(scope)) return true;
  return scope === 'jobs:read' && principal.scopes.includes('jobs:write');
}
