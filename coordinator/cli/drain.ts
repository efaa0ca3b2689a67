// `swarm-vip drain` and `undrain`: show what will happen, write the intent, wait until it is seen.
import type { Command } from 'commander';
import type { DrainAnswer } from '../actions.ts';
import { type DrainStep, drainIsDone } from '../core/drain-plan.ts';
import type { Status } from '../core/status.ts';
import { CliError, type Client, exitCode, refusalText } from './client.ts';
import { confirmed, duration, durationOption, examples, moment } from './options.ts';
import { type Output, outputOption, writeDocument } from './output.ts';
import { watchUntil } from './watch.ts';

interface DrainOptions {
  reason?: string;
  until?: number;
  for?: number;
  force?: boolean;
  dryRun?: boolean;
  wait: boolean;
  deadline: number;
  yes?: boolean;
  output: Output;
}

export function addDrainCommands(program: Command, client: Client): void {
  program
    .command('drain')
    .description('move all addresses away from nodes and keep them away, without losing a packet')
    .argument('<node...>', 'host names or node ids')
    .option('--reason <text>', 'why; shown in status')
    .option('--until <time>', 'ends by itself then (RFC 3339)', moment)
    .option('--for <duration>', 'ends by itself after that', duration)
    .option('--force', 'even when nobody else can take the addresses')
    .option('--dry-run', 'show what would happen, change nothing')
    .option('--no-wait', 'do not wait until the addresses have moved')
    .addOption(durationOption('--deadline <duration>', 'how long to wait', '1m'))
    .option('-y, --yes', 'do not ask')
    .addOption(outputOption())
    .addHelpText(
      'after',
      examples(
        ['drain node1 --reason "new disk"', 'until swarm-vip undrain node1'],
        ['drain node1 node2 --for 2h', 'ends by itself'],
        ['drain node1 --dry-run', 'where the addresses would go'],
      ),
    )
    .action((nodes: string[], options: DrainOptions) => drain(client, nodes, options));
  program
    .command('undrain')
    .description('let nodes hold addresses again')
    .argument('<node...>', 'host names or node ids')
    .option('--dry-run', 'show what would happen, change nothing')
    .option('--no-wait', 'do not wait until the nodes take part again')
    .addOption(durationOption('--deadline <duration>', 'how long to wait', '1m'))
    .addOption(outputOption())
    .action((nodes: string[], options: DrainOptions) => undrain(client, nodes, options));
}

async function drain(client: Client, nodes: string[], options: DrainOptions): Promise<void> {
  if (options.until !== undefined && options.for !== undefined) {
    throw new CliError('--until and --for exclude each other', exitCode.usage);
  }
  const untilMs = options.until ?? (options.for === undefined ? undefined : Date.now() + options.for);
  if (untilMs !== undefined && untilMs <= Date.now())
    throw new CliError('--until lies in the past', exitCode.usage);
  const request = {
    nodes,
    reason: options.reason ?? '',
    ...(untilMs === undefined ? {} : { untilMs }),
    force: options.force,
  };
  const preview = await post(client, '/api/v1/drain', { ...request, dryRun: true });
  for (const step of preview.steps) process.stderr.write(`${describe(step)}\n`);
  const outcome =
    untilMs === undefined ? 'drained until undrain' : `drained until ${new Date(untilMs).toISOString()}`;
  if (options.dryRun) return finish(options, preview, undefined, outcome);
  const names = preview.steps.map(({ hostname }) => hostname).join(', ');
  if (!(await confirmed(`Drain ${names}?`, options.yes)))
    throw new CliError('nothing was done', exitCode.error);
  const answer = await post(client, '/api/v1/drain', request);
  if (!options.wait) return finish(options, answer, undefined, outcome);
  const status = await watchUntil(client, {
    done: (now) => answer.steps.every(({ node }) => drainIsDone(now, node)),
    progress: (now) => answer.steps.map((step) => progressOf(now, step)).join('; '),
    deadlineMs: options.deadline,
    goesOn: `The drain goes on; "swarm-vip undrain ${nodes.join(' ')}" takes it back`,
  });
  finish(options, answer, status, outcome);
}

async function undrain(client: Client, nodes: string[], options: DrainOptions): Promise<void> {
  const answer = await post(client, '/api/v1/undrain', { nodes, dryRun: options.dryRun ?? false });
  const outcome = 'drained no more';
  if (options.dryRun || !options.wait) return finish(options, answer, undefined, outcome);
  const reachable = answer.steps.filter(({ connected, groups }) => connected && groups.length > 0);
  const status = await watchUntil(client, {
    done: (now) => reachable.every(({ node }) => takesPart(now, node)),
    progress: (now) => reachable.map((step) => progressOf(now, step)).join('; '),
    deadlineMs: options.deadline,
    goesOn: 'The nodes join by themselves as soon as they can',
  });
  finish(options, answer, status, outcome);
}

const takesPart = (status: Status, node: string): boolean =>
  status.groups.every(({ members }) => members.every((member) => member.node !== node || member.eligible));

/** @throws CliError with the code that fits the coordinator's answer */
async function post(client: Client, path: string, body: unknown): Promise<DrainAnswer> {
  const reply = await client.post(path, body);
  const answer = reply.body as DrainAnswer;
  if (reply.status === 200) return answer;
  if (reply.status === 404) {
    throw new CliError(
      answer.unknown.map(({ name, reason }) => `${name} ${reason}`).join('\n'),
      exitCode.error,
    );
  }
  if (reply.status === 409 && answer.unsafe === undefined)
    throw new CliError(`refused: ${refusalText(reply)}`, exitCode.unsafe);
  if (reply.status === 409) {
    throw new CliError(`refused: ${answer.unsafe.join('; ')}. --force does it all the same`, exitCode.unsafe);
  }
  throw new CliError(refusalText(reply), reply.status === 400 ? exitCode.usage : exitCode.error);
}

function describe({ hostname, already, connected, swarmState, groups }: DrainStep): string {
  const intro = already ? `${hostname} is drained already` : hostname;
  const unreachable = connected
    ? ''
    : ` (out of reach; Swarm calls it ${swarmState}: it stays away when it comes back)`;
  if (groups.length === 0) return `${intro}${unreachable}: is in no group; the label keeps it away from any`;
  const moves = groups.map(({ group, holds, successor }) => {
    if (!holds) return `does not hold ${group}`;
    return successor ? `${group} goes to ${successor.hostname}` : `NOBODY can take ${group}`;
  });
  return `${intro}${unreachable}: ${moves.join(', ')}`;
}

function progressOf(status: Status, { node, hostname }: DrainStep): string {
  const groups = status.groups.flatMap(({ name, holders, members }) => {
    const member = members.find((candidate) => candidate.node === node);
    if (!member) return [];
    const holder = holders.map((one) => one.hostname).join(' and ') || 'nobody';
    return [`${name} held by ${holder}, here ${member.state}`];
  });
  return `${hostname}: ${groups.join(', ') || 'in no group'}`;
}

/** @param outcome what holds of the nodes from now on */
function finish(
  { output }: DrainOptions,
  answer: DrainAnswer,
  status: Status | undefined,
  outcome: string,
): void {
  const groups = new Set(answer.steps.flatMap((step) => step.groups.map(({ group }) => group)));
  const holders = (status?.groups ?? [])
    .filter(({ name }) => groups.has(name))
    .map(({ name, holders }) => ({ group: name, holder: holders[0]?.hostname ?? null }));
  if (writeDocument(output, 'Drain', { ...answer, done: status !== undefined, holders })) return;
  if (!answer.written) {
    process.stdout.write('nothing was changed\n');
    return;
  }
  process.stdout.write(`${answer.steps.map(({ hostname }) => hostname).join(', ')}: ${outcome}\n`);
  for (const { group, holder } of holders)
    process.stdout.write(`${group} is held by ${holder ?? 'nobody'}\n`);
}
