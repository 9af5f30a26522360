#!/usr/bin/env node
import 'reflect-metadata';

const USAGE = `Usage: herald [command]

  start           run the server (the default); settings come from the environment
  demo [--exit]   see a call become an e-mail and an SMS, with no account; --exit ends by itself
  backup DIR      copy the data to a new directory, also of a running server; settings as the server's
  restore DIR [--to DATA_DIR] [--send]
                  make a data directory of a backup; what was pending then is held, or with --send sent
  hold            hold what is pending, after pg_restore and before the start
  migrate [--undo]
                  bring the database to the schema of this version, or take it one release back
  export DIR      write rules, templates, contacts, groups and redactions of a running server as a folder of YAML
  plan DIR [--days 7] [--prune]
                  what apply would do, and what it would have meant for the messages of the last days;
                  ends with 0 when there is nothing to do, 2 when there is, 1 when it cannot be told
  apply DIR [--dry-run] [--prune]
                  make a running server as the folder says; what the folder does not have goes only with --prune
  test DIR        run the tests that stand beside the rules, with no server
                  export, plan and apply take --url (HERALD_URL) and --key (HERALD_ADMIN_KEY)
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
  case 'backup':
  case 'restore':
  case 'hold':
  case 'migrate': {
    const { runKeepingCommand } = await import('./keeping/commands.service.js');
    process.exitCode = await runKeepingCommand(command, rest, process.env, {
      out: (text) => process.stdout.write(text),
      error: (text) => process.stderr.write(text),
    });
    break;
  }
  case 'export':
  case 'plan':
  case 'apply':
  case 'test': {
    const { runCodeCommand } = await import('./code/commands.service.js');
    process.exitCode = await runCodeCommand(command, rest, process.env, {
      out: (text) => process.stdout.write(text),
      error: (text) => process.stderr.write(text),
    });
    break;
  }
  case 'help':
  case '--help':
  case '-h':
    process.stdout.write(USAGE);
    break;
  default:
    process.stderr.write(`There is no command "${command}".\n\n${USAGE}`);
    // Not 2, which is "there are changes" of a plan.
    process.exitCode = 1;
}
