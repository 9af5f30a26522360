/** Injection token of the names of settings that are set, as a `ReadonlySet<string>`. */
export const CONFIGURED_SETTINGS = Symbol('CONFIGURED_SETTINGS');
