// `swarm-vip pause` and `resume`: let no assignment change for a while, for maintenance of Swarm itself.
import type { Command } from 'commander';
import type { PauseAnswer } from '../pause-actions.ts';
import { CliError, type Client, exitCode, refusalText } from './client.ts';
import { durationOption, examples } from './options.ts';
import { type Output, outputOption, writeDocument } from './output.ts';

interface PauseOptions {
  for: number;
  reason?: string;
  dryRun?: boolean;
  output: Output;
}

export function addPauseCommands(program: Command, client: Client): void {
  program
    .command('pause')
    .description(
      'let no assignment change, for maintenance of Swarm itself; VRRP, checks and stopping agents go on',
    )
    .addOption(durationOption('--for <duration>', 'ends by itself after that, at most 7d', '1h'))
    .option('--reason <text>', 'why; shown in status')
    .option('--dry-run', 'show what would happen, change nothing')
    .addOption(outputOption())
    .addHelpText(
      'after',
      examples(['pause --for 2h --reason "raft surgery"', 'swarm-vip resume ends it sooner']),
    )
    .action(async (options: PauseOptions) => {
      const body = { forMs: options.for, reason: options.reason ?? '', dryRun: options.dryRun ?? false };
      show(await post(client, '/api/v1/pause', body), 'Pause', options.output);
    });
  program
    .command('resume')
    .description('end a pause: the plan counts again at once')
    .option('--dry-run', 'show what would happen, change nothing')
    .addOption(outputOption())
    .action(async (options: Pick<PauseOptions, 'dryRun' | 'output'>) => {
      const answer = await post(client, '/api/v1/resume', { dryRun: options.dryRun ?? false });
      show(answer, 'Resume', options.output);
    });
}

async function post(client: Client, path: string, body: unknown): Promise<PauseAnswer> {
  const reply = await client.post(path, body);
  if (reply.status === 200) return reply.body as PauseAnswer;
  throw new CliError(refusalText(reply), reply.status === 400 ? exitCode.usage : exitCode.error);
}

function show(answer: PauseAnswer, kind: 'Pause' | 'Resume', output: Output): void {
  if (writeDocument(output, kind, answer)) return;
  const { pause, before, written } = answer;
  if (pause) {
    const verb = before ? 'stays paused' : 'paused';
    const words = written ? verb : `would be ${verb.replace('stays ', '')}`;
    process.stdout.write(`${words} until ${pause.until}: no assignment changes; swarm-vip resume ends it\n`);
  } else if (!before) process.stdout.write('the plan was not paused\n');
  else process.stdout.write(written ? 'the plan goes on\n' : 'the plan would go on\n');
}
