import config from './jest.config.js';

/**
 * The long fault tests, one suite at a time: the figures want the machine for themselves. Of the short form most is waiting, and its
 * limits are wide: two at a time.
 */
export default {
  ...config,
  roots: ['<rootDir>/chaos'],
  testTimeout: 1_800_000,
  maxWorkers: process.env.CHAOS === 'short' ? 2 : 1,
};
