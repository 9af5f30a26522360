/** Injection token of the secret under which callback passwords are made (`HERALD_SECRET`). */
export const HOOK_SECRET = Symbol('HOOK_SECRET');
