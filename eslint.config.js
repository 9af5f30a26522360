import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  globalIgnores(['dist/', 'coverage/', 'data/', 'node_modules/']),
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-constant-binary-expression': 'error',
      'no-control-regex': 'error',
      'no-empty': ['error', { allowEmptyCatch: false }],
      'no-fallthrough': 'error',
      'no-template-curly-in-string': 'error',
      'no-unsafe-finally': 'error',
      'no-useless-assignment': 'error',
      'prefer-const': 'error',
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // TypeORM maps plain records as well as instances: stores pass literals where an entity is expected.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // Nest modules are classes whose whole content is a decorator.
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      // `${count}` of a number is no accident that this rule could find; objects, undefined and booleans still are.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Both spellings are read alike; JsonObject must stay a type, or it is not assignable to Json.
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/consistent-indexed-object-style': 'off',
      // A leading underscore says "the signature asks for it".
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
      // `||` is meant where an empty text counts as absent.
      '@typescript-eslint/prefer-nullish-coalescing': ['error', { ignorePrimitives: { string: true } }],
      // `void promise` is how a promise is let go on purpose; `() => void act()` follows from it.
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidOperator: true },
      ],
    },
  },
  {
    files: ['src/**/*.ts'],
    // The log has one way out, and it knows what must not be written. The command line speaks to a person.
    ignores: ['src/main.ts', 'src/cli.ts', 'src/sandbox/**'],
    rules: { 'no-console': 'error' },
  },
  {
    files: ['src/**/*.ts'],
    // The pure half: see CONTRIBUTING. (dependency-cruiser checks what is imported, this checks what is global.)
    ignores: [
      'src/**/*.{service,store,controller,module,entity,worker,provider,dispatcher,dialect,guard,filter,pipe}.ts',
      'src/{main,cli,index,testing}.ts',
      'src/clock.ts',
      'src/database/**',
      'src/sandbox/**',
    ],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'A pure file takes `now` as an argument.' },
        { object: 'Math', property: 'random', message: 'A pure file takes `random` as an argument.' },
        { object: 'process', property: 'env', message: 'Settings are read once, by config/env.ts.' },
      ],
      'no-restricted-globals': [
        'error',
        { name: 'fetch', message: 'A pure file does not touch the network.' },
        { name: 'setTimeout', message: 'A pure file has no timers.' },
        { name: 'setInterval', message: 'A pure file has no timers.' },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: "NewExpression[callee.name='Date'][arguments.length=0]",
          message: 'A pure file takes `now` as an argument.',
        },
      ],
    },
  },
  {
    files: ['test/**/*.ts', 'chaos/**/*.ts', 'bench/**/*.ts'],
    rules: {
      // A test may insist on what it has just arranged.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Answers over HTTP are `any` until an expectation looks at them; a cast for each would hide more than it shows.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      // A fake keeps the signature of the real thing, asynchronous and empty methods included.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-empty-function': 'off',
    },
  },
);
