export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.spec.ts'],
  // Starts PostgreSQL for the first suite that asks; a run that needs none pays nothing.
  globalSetup: '<rootDir>/test/support/postgres.global.js',
  globalTeardown: '<rootDir>/test/support/postgres.global-teardown.js',
  testSequencer: '<rootDir>/test/support/longest-first.js',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    // Its ES modules import JSON in a way of which Jest warns at every import.
    '^libphonenumber-js/max$': '<rootDir>/node_modules/libphonenumber-js/max/index.cjs',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
        module: { type: 'es6' },
      },
    ],
  },
  // No forceExit: a timer or socket that a test leaves open must keep the run from ending, so that it gets noticed.
  workerIdleMemoryLimit: '700MB',
  maxWorkers: 2,
  testTimeout: 20_000,
};
