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
    process.exitCode = await runDemo({ exit: rest.includes('--exit'), env: process.env, out: process.stdout });
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
