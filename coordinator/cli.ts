// `swarm-vip`: the operator's command. Data on stdout, the rest on stderr; exit codes in cli/client.ts.
import { Command, CommanderError } from 'commander';
import { version } from '../shared/version.ts';
import { CliError, createClient, exitCode, refusalText } from './cli/client.ts';
import { addConfigCommands } from './cli/config.ts';
import { addConfirmDownCommand } from './cli/confirm-down.ts';
import { addDoctorCommand } from './cli/doctor.ts';
import { addDrainCommands } from './cli/drain.ts';
import { addEventsCommand } from './cli/events.ts';
import { addHistoryCommand } from './cli/history.ts';
import { addMigrateCommand } from './cli/migrate.ts';
import { addPauseCommands } from './cli/pause.ts';
import { addSwitchoverCommand } from './cli/switchover.ts';
import { addViews } from './cli/views.ts';
import { socketPath } from './config.ts';
import { createPaint, wantsColour } from './io/paint.ts';

const client = createClient(socketPath(process.env));
const paint = createPaint(wantsColour(process.env, Boolean(process.stdout.isTTY)));
const endOfHelp = `
swarm-vip COMMAND --help says more, with examples.

Exit codes: 0 ok, 1 error, 2 usage, 3 deadline passed, 4 refused as unsafe,
5 no coordinator answers, 6 not all is well, 130 interrupted.
Data goes to stdout, the rest to stderr. NO_COLOR ends colours.`;
const program = new Command('swarm-vip')
  .description('Highly available virtual IPs for Docker Swarm')
  .version(version)
  .exitOverride()
  .showHelpAfterError()
  .addHelpText('after', endOfHelp);

program.commandsGroup('See:');
addViews(program, client, paint);
addHistoryCommand(program, client, paint);
addEventsCommand(program, socketPath(process.env), paint);
addDoctorCommand(program, client, paint);
program.commandsGroup('Operate:');
addDrainCommands(program, client);
addSwitchoverCommand(program, client);
addPauseCommands(program, client);
addConfirmDownCommand(program, client);
addMigrateCommand(program, client);
program.commandsGroup('Configure:');
addConfigCommands(program, client, paint);
program.commandsGroup('Else:').helpCommand('help [command]', 'what a command does, with examples');
program
  .command('ping')
  .description('exit 0 when the coordinator answers and has read Swarm')
  .action(async () => {
    const reply = await client.get('/healthz');
    if (reply.status !== 200) throw new CliError(refusalText(reply), exitCode.error);
  });

program.parseAsync().catch((error: unknown) => {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? exitCode.ok : exitCode.usage;
    return;
  }
  process.stderr.write(`swarm-vip: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof CliError ? error.code : exitCode.error;
});
