// Where steps are played: a three-node Swarm labelled as the README does it, and how to wait and act on it as an
// operator does.
import { setTimeout as delay } from 'node:timers/promises';
import type { HistoryDocument, Switch } from '../../coordinator/core/history.ts';
import type { Status } from '../../coordinator/core/status.ts';
import type { HolderReport } from '../lab/holding.ts';
import type { Lab, LabDeploy } from '../lab/lab.ts';
import { type RunResult, until } from '../lab/run.ts';

export interface Stage {
  lab: Lab;
  group: string;
  say(line: string): void;
  signal: AbortSignal;
}

/** Priorities by the README's labels: shifted up so that the highest is 250 (rule R5), and widened to 24 apart. */
export const priorities = { node1: 110, node2: 100, node3: 90 } as const;
/** The nodes that a stage begins with. */
export const three: readonly string[] = Object.keys(priorities);

/** Steady for this long after a move counts as moved. */
const steadyMs = 1_500;
export const patienceMs = 60_000;
/** For so long a take-over is watched after it has settled: two rounds of whatever a coordinator may still get wrong. */
export const aftermathMs = 4_000;

export async function label(lab: Lab, node: string, labels: Record<string, string>): Promise<void> {
  const add = Object.entries(labels).flatMap(([key, value]) => ['--label-add', `${key}=${value}`]);
  await lab.docker(await lab.manager(), ['node', 'update', ...add, node]);
}

/** What waiting needs: the lab, and a signal that ends it. */
export type Wait = Pick<Stage, 'lab' | 'signal'>;

/** Waits until `node` alone holds the address and nothing changed for a while. */
export async function settled({ lab, signal }: Wait, node: string): Promise<void> {
  const sampler = await lab.holders(lab.vip);
  try {
    let since: number | undefined;
    await until(
      () =>
        `${node} alone to hold ${lab.vip} for ${steadyMs} ms; seen since then: ${heldBy(sampler.snapshot())}`,
      () => {
        const now = sampler.now();
        since = now.length === 1 && now[0] === node ? (since ?? Date.now()) : undefined;
        return (since !== undefined && Date.now() - since >= steadyMs) || undefined;
      },
      { timeoutMs: patienceMs, everyMs: 20, signal },
    );
  } finally {
    await sampler.stop();
  }
}

/** As "node1 0-120 3000-3500, node2 130-2990": who held when, in ms. */
const heldBy = ({ byNode, fromMs }: HolderReport): string =>
  Object.entries(byNode)
    .map(([node, held]) =>
      [
        node,
        ...held.map((each) => `${Math.round(each.fromMs - fromMs)}-${Math.round(each.toMs - fromMs)}`),
      ].join(' '),
    )
    .join(', ');

/** `node` has taken over, and is watched for as long as what is still believed of the dead may harm it. */
export async function tookOver(stage: Wait, node: string, watchMs = aftermathMs): Promise<void> {
  await settled(stage, node);
  await delay(watchMs, undefined, { signal: stage.signal });
}

/** Every powered node's agent is connected, runs what it should, and is ready to take over, by the coordinator's word. */
export async function ready(
  { lab, signal }: Wait,
  nodes: readonly string[],
  timeoutMs = patienceMs,
): Promise<void> {
  await until(
    `${nodes.join(', ')} to be eligible`,
    async () => {
      const status = await statusOf(lab).catch(() => undefined);
      const eligible =
        status?.groups.flatMap(({ members }) => members.filter((member) => member.eligible)) ?? [];
      return nodes.every((node) => eligible.some(({ hostname }) => hostname === node)) || undefined;
    },
    { timeoutMs, everyMs: 200, signal },
  );
}

/** `swarm-vip status -o json` on a manager, as an operator runs it. */
export async function statusOf(lab: Lab, node?: string, service?: string): Promise<Status> {
  const { stdout, stderr } = await cli(lab, ['status', '-o', 'json'], node, service);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Status;
}

/** `swarm-vip` in a coordinator's container: on the node that is named, else on the first manager that runs one. */
export async function cli(
  lab: Lab,
  args: string[],
  node?: string,
  service = 'swarm-vip_coordinator',
): Promise<RunResult> {
  const filter = `label=com.docker.swarm.service.name=${service}`;
  const status = await lab.status();
  const managers = status.filter(({ manager, engine }) => manager && engine).map(({ name }) => name);
  for (const via of node === undefined ? managers : [node]) {
    const { stdout } = await lab.docker(via, ['ps', '-q', '-f', filter]);
    const [container] = stdout.trim().split('\n');
    if (container) return lab.exec(via, ['docker', 'exec', container, 'swarm-vip', ...args]);
  }
  throw new Error(`no coordinator runs on ${node ?? managers.join(', ')}`);
}

export async function lastSwitches(lab: Lab): Promise<readonly Switch[]> {
  const { stdout } = await cli(lab, ['history', 'main', '--limit', '3', '-o', 'json']);
  return (JSON.parse(stdout) as HistoryDocument).switches;
}

/** The last that took the address from `node`: whoever is late by its process leaves another one to be first. */
export const lastFrom = (switches: readonly Switch[], node: string): Switch | undefined =>
  switches.findLast(({ from }) => from?.hostname === node);

/** Labels the first three nodes as the README does. */
export async function labelThree(lab: Lab, group: string): Promise<void> {
  for (const [node, priority] of Object.entries(priorities)) await join(lab, node, group, priority);
}

export const join = (lab: Lab, node: string, group: string, priority: number): Promise<void> =>
  label(lab, node, { keepalived_group: group, KEEPALIVED_PRIORITY: String(priority) });

export async function unlabel(lab: Lab, node: string): Promise<void> {
  const { stdout } = await lab.docker(await lab.manager(), [
    'node',
    'inspect',
    '-f',
    '{{json .Spec.Labels}}',
    node,
  ]);
  const present = Object.keys(JSON.parse(stdout) as object).filter((key) => /^keepalived/i.test(key));
  if (present.length === 0) return;
  const remove = present.flatMap((key) => ['--label-rm', key]);
  await lab.docker(await lab.manager(), ['node', 'update', ...remove, node]);
}

/** Every machine runs. */
export async function boot({ lab, say }: Stage): Promise<void> {
  for (const { name, powered } of await lab.status()) {
    if (powered) continue;
    say(`booting ${name}`);
    await lab.chaos('boot', name);
  }
}

/** A command that must succeed, tried while no coordinator answers or Swarm has no leader. */
export async function insist({ lab, signal }: Wait, ...args: string[]): Promise<RunResult> {
  let last: RunResult | undefined;
  return until(
    () => `swarm-vip ${args.join(' ')}: ${last?.stderr}`,
    async () => {
      last = await cli(lab, args).catch(() => undefined);
      return last?.code === 0 ? last : undefined;
    },
    { timeoutMs: patienceMs, everyMs: 500, signal },
  );
}

/** Every machine runs, node1 holds, the others are ready to take over. */
export async function calm(stage: Stage): Promise<void> {
  await boot(stage);
  await settled(stage, 'node1');
  await ready(stage, three);
}

/** From nothing to the README's three nodes: node1 holds, the others are ready. `lab.down` takes it away. */
export async function setUp(stage: Stage, deploy: Pick<LabDeploy, 'env' | 'stack'> = {}): Promise<void> {
  await stage.lab.up(stage.signal);
  await stage.lab.deploy(deploy, stage.signal);
  await labelThree(stage.lab, stage.group);
  await calm(stage);
}
