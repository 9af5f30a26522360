/**
 * The boundaries of the tree (CONTRIBUTING.md says why). Type-only imports count, except of
 * entities and of Node's own modules: a type drags its file along in the reader's mind.
 * Run: npm run boundaries
 */

/** File names that say "this touches the world". Every other file is pure. */
const ROLE = '\\.(service|store|controller|module|entity|worker|provider|dispatcher|dialect|guard|filter|pipe)\\.ts$';

/** Files that start or wire the program without a role in their name. */
const WIRING = [
  '^src/(main|cli|index|testing)\\.ts$',
  '^src/herald\\.[a-z-]+\\.ts$',
  '^src/database/(migrations/|data-source\\.ts$)',
];

/** What a pure file may use: libraries that compute, without input, output, clock or shared state. */
const PURE_PACKAGES = [
  '@marcbachmann/cel-js',
  '@orama/stemmers',
  '@types/luxon',
  '@types/validator',
  'handlebars',
  'html-to-text',
  'juice',
  'libphonenumber-js',
  'luxon',
  'microdiff',
  'parse5',
  're2js',
  'sms-segments-calculator',
  'validator',
  'yaml',
  'zod',
];
const PURE_CORE = '^(node:)?(buffer|crypto|path|querystring|string_decoder|url|util)$';

/** Lower layers first; each may import itself and what stands before it. */
const LAYERS = [
  {
    name: 'L0 ground',
    path: '^src/(?!(main|cli|index|testing|app\\.module|(start|first-start|serve)\\.service|herald\\.[a-z-]+)\\.ts$)[^/]+\\.ts$|^src/config/',
  },
  { name: 'L1', path: '^src/(transcripts|channels|database|providers|recipients|blobs|http)/' },
  { name: 'L2', path: '^src/(jobs|rules|templates|redaction)/' },
  { name: 'L3', path: '^src/(callbacks|deliveries|escalations)/' },
  { name: 'L4', path: '^src/settle/' },
  { name: 'L5', path: '^src/(health|console|keeping|operator|code)/' },
  {
    name: 'L6',
    path: '^src/(sandbox/|(main|cli|index|testing|app\\.module|(start|first-start|serve)\\.service|herald\\.[a-z-]+)\\.ts$)',
  },
];

/** Installed or not: a package that is missing keeps its bare name. */
const npm = (names) => `^(node_modules/)?(${names.join('|')})(/|$)`;

const pureFile = { path: '^src/.+\\.ts$', pathNot: [ROLE, '\\.d\\.ts$', ...WIRING] };

const layerRules = LAYERS.slice(0, -1).map(({ name, path }, index) => ({
  name: `layers-${name.slice(0, 2)}`,
  comment: `${name} must not know what is built on it. The database folder lists every entity: that is its job.`,
  severity: 'error',
  from: { path },
  to: {
    path: LAYERS.slice(index + 1)
      .map((layer) => layer.path)
      .join('|'),
    ...(name === 'L1' && { pathNot: '\\.entity\\.ts$' }),
  },
}));

module.exports = {
  forbidden: [
    {
      name: 'no-circle',
      comment: 'Two files that need each other are one file, or lack a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      comment: 'An import that leads nowhere fails only when it runs.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'installed-for-production',
      comment: 'Development packages are not there after `npm install --omit=dev`.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], pathNot: '/@types/' },
    },
    {
      name: 'src-stands-alone',
      comment: 'The product must not need its tests, benchmarks or scripts.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|scripts|dist)/' },
    },
    {
      name: 'pure-imports-pure',
      comment: 'A file without a role suffix takes data and returns data. Move the type it wants into a pure file.',
      severity: 'error',
      from: pureFile,
      to: { path: [ROLE, ...WIRING], pathNot: '\\.entity\\.ts$' },
    },
    {
      name: 'pure-without-entities',
      comment:
        'An entity is a plain record, so its type is the shape of a row and may be read; the class belongs to stores.',
      severity: 'error',
      from: pureFile,
      to: { path: '\\.entity\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'pure-packages',
      comment:
        'No framework, database or vendor SDK in a pure file. A new library that only computes goes on PURE_PACKAGES.',
      severity: 'error',
      from: pureFile,
      to: { path: '^node_modules/', pathNot: npm(PURE_PACKAGES) },
    },
    {
      name: 'pure-core',
      comment: 'No file system, network, process or timer in a pure file. Their types cost nothing.',
      severity: 'error',
      from: pureFile,
      to: { dependencyTypes: ['core'], dependencyTypesNot: ['type-only'], pathNot: PURE_CORE },
    },
    {
      name: 'senders-in-channels',
      comment:
        'Mail and SMS vendors are known to their channel only, so that another vendor is another channel. Alerts go their own way.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/channels/', '^src/operator/alert-paths\\.service\\.ts$'] },
      to: { path: npm(['(@types/)?nodemailer', 'twilio']) },
    },
    {
      name: 'smtp-server-in-sandbox',
      comment: 'The product sends mail; only the stand-in receives it.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/sandbox/' },
      to: { path: npm(['(@types/)?smtp-server', 'postal-mime']) },
    },
    {
      name: 'queue-in-dispatcher',
      comment: 'The row owns the retries; only a dispatcher knows that there is a queue.',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.dispatcher\\.ts$' },
      to: { path: npm(['bullmq', 'ioredis', '@nestjs/bullmq']) },
    },
    {
      name: 'drivers-in-database',
      comment: 'Stores ask the dialect for a clause; who knows the driver also knows its name.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/database/' },
      to: { path: npm(['(@types/)?pg', '(@types/)?better-sqlite3']) },
    },
    {
      name: 'channels-know-L0',
      comment:
        'A channel is a plug-in: it sees messages and errors, never jobs, rules or the database. The admin API over the channels is none.',
      severity: 'error',
      from: { path: '^src/channels/', pathNot: '/channels\\.(controller|module)\\.ts$' },
      to: { path: '^src/', pathNot: ['^src/channels/', '^src/[^/]+\\.ts$', '^src/config/'] },
    },
    {
      name: 'entities-stay-home',
      comment:
        'Entity classes are known to their own folder, to stores and to the database folder. Others may read the type.',
      severity: 'error',
      from: { path: '^src/([^/]+)/', pathNot: ['^src/database/', '\\.store\\.ts$'] },
      to: { path: '\\.entity\\.ts$', pathNot: '^src/$1/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'sandbox-from-cli',
      comment: 'Stand-ins of the demo must never be reachable in production wiring.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/sandbox/', '^src/cli\\.ts$'] },
      to: { path: '^src/sandbox/' },
    },
    ...layerRules,
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['types', 'import', 'node', 'default'] },
  },
};
