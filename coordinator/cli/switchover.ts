// `swarm-vip switchover`: let one member lead a group until told otherwise.
import type { Command } from 'commander';
import type { SwitchoverAnswer } from '../actions.ts';
import { CliError, type Client, exitCode, refusalText } from './client.ts';
import { durationOption, examples } from './options.ts';
import { type Output, outputOption, writeDocument } from './output.ts';
import { watchUntil } from './watch.ts';

interface SwitchoverOptions {
  to?: string;
  clear?: boolean;
  dryRun?: boolean;
  wait: boolean;
  deadline: number;
  output: Output;
}

export function addSwitchoverCommand(program: Command, client: Client): void {
  program
    .command('switchover')
    .description('move a group to a member of your choice, without losing a packet; it leads until --clear')
    .argument('<group>', 'name of the group')
    .option('--to <node>', 'who is to hold: host name or node id')
    .option('--clear', 'instead of --to: nobody leads, priorities count again')
    .option('--dry-run', 'check, change nothing')
    .option('--no-wait', 'do not wait until the group has moved')
    .addOption(durationOption('--deadline <duration>', 'how long to wait', '1m'))
    .addOption(outputOption())
    .addHelpText(
      'after',
      examples(
        ['switchover web --to node2', 'node2 leads from now on'],
        ['switchover web --clear', 'back to the order of the priorities'],
      ),
    )
    .action((group: string, options: SwitchoverOptions) => switchover(client, group, options));
}

async function switchover(client: Client, group: string, options: SwitchoverOptions): Promise<void> {
  if ((options.to === undefined) === (options.clear !== true)) {
    throw new CliError('expected either --to NODE or --clear', exitCode.usage);
  }
  const reply = await client.post('/api/v1/switchover', {
    group,
    ...(options.to === undefined ? {} : { to: options.to }),
    dryRun: options.dryRun ?? false,
  });
  if (reply.status === 409) throw new CliError(`refused: ${refusalText(reply)}`, exitCode.unsafe);
  if (reply.status !== 200) {
    throw new CliError(refusalText(reply), reply.status === 400 ? exitCode.usage : exitCode.error);
  }
  const answer = reply.body as SwitchoverAnswer;
  const goal = answer.to;
  if (goal !== null && options.wait && !options.dryRun) {
    await watchUntil(client, {
      done: ({ groups }) =>
        groups.some(
          ({ name, holders }) => name === group && holders.length === 1 && holders[0]?.node === goal.node,
        ),
      progress: ({ groups }) => {
        const holders = groups.find(({ name }) => name === group)?.holders.map(({ hostname }) => hostname);
        return `${group} is held by ${holders?.join(' and ') || 'nobody'}`;
      },
      deadlineMs: options.deadline,
      goesOn: `The switchover goes on; "swarm-vip switchover ${group} --clear" takes it back`,
    });
  }
  if (writeDocument(options.output, 'Switchover', answer)) return;
  if (!answer.written) process.stdout.write('nothing was changed\n');
  else
    process.stdout.write(
      goal ? `${group} is led by ${goal.hostname}\n` : `${group} follows its priorities again\n`,
    );
}
