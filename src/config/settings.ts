/** Injection token of the validated `Settings` (env.ts). */
export const SETTINGS = Symbol('SETTINGS');
