// `swarm-vip confirm-down`: the operator's word that a node out of contact is off, for steps that wait for it.
import type { Command } from 'commander';
import type { ConfirmDownAnswer } from '../actions.ts';
import { CliError, type Client, exitCode, refusalText } from './client.ts';
import { confirmed } from './options.ts';
import { type Output, outputOption, writeDocument } from './output.ts';

interface ConfirmDownOptions {
  clear?: boolean;
  force?: boolean;
  dryRun?: boolean;
  yes?: boolean;
  output: Output;
}

export function addConfirmDownCommand(program: Command, client: Client): void {
  program
    .command('confirm-down')
    .description('say that a node out of contact is off for certain: steps that wait for it go on without it')
    .argument('<node>', 'host name or node id')
    .option('--clear', 'take the word back')
    .option('--force', 'even when Swarm calls the node ready')
    .option('--dry-run', 'show what would happen, change nothing')
    .option('-y, --yes', 'do not ask')
    .addOption(outputOption())
    .action((node: string, options: ConfirmDownOptions) => confirmDown(client, node, options));
}

async function confirmDown(client: Client, node: string, options: ConfirmDownOptions): Promise<void> {
  const request = { node, clear: options.clear ?? false, force: options.force ?? false };
  const preview = await post(client, { ...request, dryRun: true });
  for (const { group, why } of preview.waiting) process.stderr.write(`${group} waits for it: ${why}\n`);
  if (preview.waiting.length === 0) process.stderr.write(`nothing waits for ${preview.hostname}\n`);
  const question = `Is ${preview.hostname} off, for certain? If it still runs, two nodes may hold an address.`;
  if (!options.dryRun && !options.clear && !(await confirmed(question, options.yes)))
    throw new CliError('nothing was done', exitCode.error);
  const answer = options.dryRun ? preview : await post(client, { ...request, dryRun: false });
  if (writeDocument(options.output, 'ConfirmDown', answer)) return;
  if (!answer.written) process.stdout.write('nothing was changed\n');
  else
    process.stdout.write(
      options.clear
        ? `${answer.hostname} is waited for again\n`
        : `${answer.hostname} counts as off until its agent is heard again\n`,
    );
}

/** @throws CliError with the code that fits the coordinator's answer */
async function post(client: Client, body: unknown): Promise<ConfirmDownAnswer> {
  const reply = await client.post('/api/v1/confirm-down', body);
  if (reply.status === 200) return reply.body as ConfirmDownAnswer;
  if (reply.status === 409) throw new CliError(`refused: ${refusalText(reply)}`, exitCode.unsafe);
  throw new CliError(refusalText(reply), reply.status === 400 ? exitCode.usage : exitCode.error);
}
