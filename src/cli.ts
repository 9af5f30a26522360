#!/usr/bin/env node
import 'reflect-metadata';

const USAGE = `Usage: herald [command]

  start           run the server (the default); settings come from the environment
  demo [--exit]   see a call become an e-mail and an SMS, with no account; --exit ends by itself
  help            this text
`;

const [command = 'start', ...rest] = process.argv.slice(2);
switch (command) {
  case 'start': {
    const { serve } = await import('./serve.service.js');
    await serve(process.env);
    break;
  }
  case 'demo': {
    const { runDemo } = await import('./sandbox/demo.service.js');
    const code = await runDemo({ exit: rest.includes('--exit'), env: process.env, out: process.stdout });
    // Everything is closed by now; a read that Node still counts as open must not keep the command from ending.
    process.stdout.write('', () => process.exit(code));
    break;
  }
  case 'help':
  case '--help':
  case '-h':
    process.stdout.write(USAGE);
    break;
  default:
    process.stderr.write(`There is no command "${command}".\n\n${USAGE}`);
    process.exitCode = 2;
}
