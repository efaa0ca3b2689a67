// `swarm-vip`: the operator's command. Data on stdout, the rest on stderr; exit codes in cli/client.ts.
import { Command, CommanderError } from 'commander';
import { version } from '../shared/version.ts';
import { CliError, createClient, exitCode, refusalText } from './cli/client.ts';
import { addConfigCommands } from './cli/config.ts';
import { addConfirmDownCommand } from './cli/confirm-down.ts';
import { addDrainCommands } from './cli/drain.ts';
import { addEventsCommand } from './cli/events.ts';
import { addHistoryCommand } from './cli/history.ts';
import { addMigrateCommand } from './cli/migrate.ts';
import { type Output, outputOption } from './cli/options.ts';
import { addPauseCommands } from './cli/pause.ts';
import { addSwitchoverCommand } from './cli/switchover.ts';
import { readStatus } from './cli/watch.ts';
import { socketPath } from './config.ts';
import type { Status } from './core/status.ts';
import { groupsTable, nodesTable, statusTable } from './io/status-table.ts';

const client = createClient(socketPath(process.env));
const program = new Command('swarm-vip')
  .description('Highly available virtual IPs for Docker Swarm')
  .version(version)
  .exitOverride()
  .showHelpAfterError();

/** A command that shows a part of the status. */
function addView(
  name: string,
  description: string,
  part: (status: Status) => unknown,
  text: (status: Status) => string,
) {
  program
    .command(name)
    .description(description)
    .addOption(outputOption())
    .action(async ({ output }: { output: Output }) => {
      const status = await readStatus(client);
      process.stdout.write(output === 'json' ? `${JSON.stringify(part(status), null, 2)}\n` : text(status));
      if (name === 'status') process.exitCode = status.verdict === 'OK' ? exitCode.ok : exitCode.degraded;
    });
}
const apiVersion = 'swarm-vip/v1';
addView('status', 'show everything; exit 6 when not all is well', (status) => status, statusTable);
addView(
  'groups',
  'show groups and their holders',
  ({ groups }) => ({ apiVersion, kind: 'Groups', groups }),
  groupsTable,
);
addView(
  'nodes',
  'show nodes, their agents and what they hold',
  ({ agents, groups }) => ({ apiVersion, kind: 'Nodes', agents, groups }),
  nodesTable,
);
addDrainCommands(program, client);
addConfigCommands(program, client);
addSwitchoverCommand(program, client);
addConfirmDownCommand(program, client);
addHistoryCommand(program, client);
addMigrateCommand(program, client);
addPauseCommands(program, client);
addEventsCommand(program, socketPath(process.env));
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
