import config from './jest.config.js';

const SHORT = process.env.CHAOS === 'short';
/** `npm test` shows the same: these count further, or measure how long a deadline, a take-over or an alert takes and whether times tell secrets. */
const ONLY_LONG = ['operator', 'vendors', 'timing', 'doubt', 'backup-under-load'];

/**
 * The long fault tests, one suite at a time: the figures want the machine for themselves. Of the short form most is waiting, and its
 * limits are wide: two at a time.
 */
export default {
  ...config,
  roots: ['<rootDir>/chaos'],
  testTimeout: 1_800_000,
  maxWorkers: SHORT ? 2 : 1,
  testPathIgnorePatterns: SHORT ? ONLY_LONG.map((name) => `/chaos/${name}\\.spec\\.ts$`) : [],
};
