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
const program = new Command('swarm-vip')
  .description('Highly available virtual IPs for Docker Swarm')
  .version(version)
  .exitOverride()
  .showHelpAfterError();

addViews(program, client, paint);
addDrainCommands(program, client);
addConfigCommands(program, client, paint);
addDoctorCommand(program, client, paint);
addSwitchoverCommand(program, client);
addConfirmDownCommand(program, client);
addHistoryCommand(program, client, paint);
addMigrateCommand(program, client);
addPauseCommands(program, client);
addEventsCommand(program, socketPath(process.env), paint);
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
