import config from './jest.config.js';

/** The long fault tests, one suite at a time: each wants the machine for itself. */
export default {
  ...config,
  roots: ['<rootDir>/chaos'],
  testTimeout: 1_800_000,
  maxWorkers: 1,
};
