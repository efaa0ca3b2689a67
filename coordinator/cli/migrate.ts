// `swarm-vip migrate`: replaces what the former operator left behind, node by node, the old keepalived gone before the
// new one takes part. Begun again it goes on where it stopped.
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { MigrationStep } from '../core/leftovers.ts';
import type { Status } from '../core/status.ts';
import type { MigrateAnswer } from '../migrate.ts';
import { CliError, type Client, exitCode, refusalText } from './client.ts';
import { confirmed, durationOption } from './options.ts';
import { type Output, outputOption, writeDocument } from './output.ts';
import { watchUntil } from './watch.ts';

interface MigrateOptions {
  dryRun?: boolean;
  deadline: number;
  yes?: boolean;
  output: Output;
}

interface Done {
  service: string;
  hostname: string;
  group: string;
  /** From the order to stop until the node's agent ran the group. */
  tookMs: number;
}

export function addMigrateCommand(program: Command, client: Client): void {
  program
    .command('migrate')
    .description('replace the services that the former operator left behind, node by node')
    .option('--dry-run', 'show what would happen, change nothing')
    .addOption(durationOption('--deadline <duration>', 'how long to wait for each node', '2m'))
    .option('-y, --yes', 'do not ask')
    .addOption(outputOption())
    .action((options: MigrateOptions) => migrate(client, options));
}

async function migrate(client: Client, options: MigrateOptions): Promise<void> {
  const plan = await post(client, {});
  for (const step of plan.steps) process.stderr.write(`${describe(step)}\n`);
  for (const service of plan.unserved)
    process.stderr.write(`${service}: no group here has its addresses; it is left alone\n`);
  const done: Done[] = [];
  if (plan.steps.length > 0 && !options.dryRun) {
    const question = `Replace ${plan.steps.length} services? As the holder is replaced, its node keeps the addresses; with a member out of reach they are away for some seconds.`;
    if (!(await confirmed(question, options.yes))) throw new CliError('nothing was done', exitCode.error);
    for (const [index, step] of plan.steps.entries()) {
      const last = plan.steps.slice(index + 1).every(({ group }) => group !== step.group);
      done.push(await replace(client, step, last, options));
    }
  }
  const { steps, unserved } = plan;
  if (writeDocument(options.output, 'Migration', { steps, unserved, done })) return;
  for (const { service, hostname, group, tookMs } of done) {
    process.stdout.write(
      `${service}: ${hostname} takes part in ${group} after ${(tookMs / 1000).toFixed(1)} s\n`,
    );
  }
  if (done.length > 0) return;
  const nothing = steps.length + unserved.length === 0;
  process.stdout.write(nothing ? 'nothing is left of the former operator\n' : 'nothing was changed\n');
}

async function replace(
  client: Client,
  step: MigrationStep,
  last: boolean,
  { deadline }: MigrateOptions,
): Promise<Done> {
  const began = performance.now();
  const { service, hostname, group } = step;
  for (;;) {
    const tookMs = performance.now() - began;
    const { removed, addresses } = await post(client, { service, anyway: tookMs > heirPatienceMs });
    if (addresses === 'away') process.stderr.write(`${hostname}: ${awayWords}\n`);
    if (removed) break;
    if (tookMs > deadline)
      throw new CliError(
        `the container of ${service} on ${hostname} does not end; nothing else was begun`,
        exitCode.deadline,
      );
    if (addresses === 'preparing') await delay(againMs);
  }
  await watchUntil(client, {
    done: (now) => (last ? isServed(now, group) : true) && runs(now, step),
    progress: (now) => `${hostname}: ${words(now, step)}`,
    deadlineMs: deadline,
    goesOn: 'The node joins by itself; run the command again for the others',
  });
  return { service, hostname, group, tookMs: Math.round(performance.now() - began) };
}

/** How long an agent may take to be ready to keep the addresses: a former holder that fell silent is believed for 4 s. */
const heirPatienceMs = 6_000;
const againMs = 100;
const awayWords =
  'the addresses are away until another keepalived holds them: a member is out of reach, or takes part already';

const memberOf = (status: Status, { group, node }: MigrationStep) =>
  status.groups.find(({ name }) => name === group)?.members.find((member) => member.node === node);

/** Its agent runs the group; as long as an old holder answers for the addresses, that is all it can do. */
const runs = (status: Status, step: MigrationStep): boolean => {
  const member = memberOf(status, step);
  if (step.node === null) return true;
  return member !== undefined && !member.observed && !['UNKNOWN', 'NONE'].includes(member.state);
};

const isServed = (status: Status, group: string): boolean => {
  const found = status.groups.find(({ name }) => name === group);
  return found?.holders.length === 1 && found.members.every(({ eligible, drain }) => eligible || drain);
};

const words = (status: Status, step: MigrationStep): string => {
  const member = memberOf(status, step);
  return member ? [member.state, member.note].filter(Boolean).join(', ') : 'no member';
};

const describe = ({ service, hostname, group, node }: MigrationStep): string =>
  node === null
    ? `${service} (${hostname}): nothing of it runs; it is removed`
    : `${service}: ends on ${hostname}, which then takes part in ${group}`;

/** @throws CliError with the code that fits the coordinator's answer */
async function post(client: Client, body: { service?: string; anyway?: boolean }): Promise<MigrateAnswer> {
  const reply = await client.post('/api/v1/migrate', body);
  const answer = reply.body as MigrateAnswer;
  if (reply.status === 200 || reply.status === 202) return answer;
  if (reply.status === 409) {
    // Without a list it is a pause that refuses.
    const why = (reply.body as Partial<MigrateAnswer>).unsafe?.join('; ') ?? refusalText(reply);
    throw new CliError(`refused: ${why}`, exitCode.unsafe);
  }
  throw new CliError(refusalText(reply), reply.status === 400 ? exitCode.usage : exitCode.error);
}
