// Where memberships change: two stacks of the former operator's users on a real Swarm, changed by the commands they know.

import { agentServiceName } from '../../coordinator/core/agent-service.ts';
import { join, unlabel } from '../demo/stage.ts';
import { PROJECT_ROOT } from '../lab/images.ts';
import type { Lab } from '../lab/lab.ts';
import { hostAddress, type NodeNames } from '../lab/names.ts';
import { type RunResult, until } from '../lab/run.ts';
import type { StatusWatch, Word } from './watch.ts';

/** Of each group its nodes. Nodes that are in none have no label. */
export type Places = Readonly<Record<string, readonly string[]>>;

export interface MembershipStage {
  readonly lab: Lab;
  readonly signal: AbortSignal;
  readonly status: StatusWatch;
}

/** The group of a stack is called like the stack, unless somebody renames it. */
export const stacks = ['production', 'staging'] as const;
export const serviceOf = (stack: string): string => `${stack}_keepalived-operator`;
const hosts: Readonly<Record<string, number>> = { production: 100, site: 100, staging: 101 };
/** Renaming a group leaves it its address. */
export const addressOf = (lab: Lab, group: string): string => hostAddress(lab.names, hosts[group] ?? 0);

/** The machine that comes last ranks first, so that it takes over as it joins. */
export const newcomer = (nodes: number): string => `node${nodes + 1}`;
const priorityOf = (node: string, newest: string): number =>
  node === newest ? 120 : 120 - 10 * Number(node.replace('node', ''));

export const docker = async ({ lab }: Pick<MembershipStage, 'lab'>, ...args: string[]): Promise<RunResult> =>
  lab.docker(await lab.manager(), args, { timeoutMs: 120_000 });

export const deploy = ({ lab, signal }: MembershipStage, stack: string, group = stack): Promise<void> =>
  lab.deploy(
    {
      stack: `${PROJECT_ROOT}/test/e2e/operator-stack.yaml`,
      stackName: stack,
      env: {
        KEEPALIVED_GROUP: group,
        KEEPALIVED_VIRTUAL_IPS: addressOf(lab, group),
        KEEPALIVED_PASSWORD: '',
      },
    },
    signal,
  );

/** Highest first, as keepalived ranks them: the first one holds. */
export function ranked(nodes: readonly string[], newest: string): string[] {
  return [...nodes].sort((a, b) => priorityOf(b, newest) - priorityOf(a, newest));
}

const groupOf = (places: Places, node: string): string | undefined =>
  Object.keys(places).find((group) => places[group]?.includes(node));

/** All nodes at once, as a loop of an operator does it. @param only those whose labels differ from these */
export async function relabel(
  stage: MembershipStage,
  to: Places,
  newest: string,
  only?: Places,
): Promise<void> {
  const inSwarm = (await docker(stage, 'node', 'ls', '--format', '{{.Hostname}}')).stdout.trim().split('\n');
  await Promise.all(
    inSwarm.map(async (node) => {
      const group = groupOf(to, node);
      if (only && groupOf(only, node) === group) return;
      if (group !== undefined) await labelNode(stage, node, group, newest);
      else await unlabel(stage.lab, node);
    }),
  );
}

export const labelNode = ({ lab }: MembershipStage, node: string, group: string, newest: string) =>
  join(lab, node, group, priorityOf(node, newest));

/** Everybody is where he should be, runs what he should, and whoever ranks first holds. */
export function isConfirmed(word: Word, places: Places, newest: string): boolean {
  if (!word) return false;
  const list = (nodes: readonly string[]) => [...nodes].sort().join();
  return (
    word.agents.every(({ inSync }) => inSync) &&
    Object.entries(places).every(([name, nodes]) => {
      const group = word.groups.find((each) => each.name === name);
      return (
        group !== undefined &&
        list(group.members.map(({ hostname }) => hostname)) === list(nodes) &&
        group.members.every(({ eligible }) => eligible) &&
        list(group.holders) === list(ranked(nodes, newest).slice(0, 1))
      );
    })
  );
}

/** How many tasks of a stack's coordinator run. */
export async function scaled(
  stage: MembershipStage,
  replicas: Readonly<Record<string, number>>,
): Promise<void> {
  const wanted = Object.entries(replicas);
  await docker(
    stage,
    'service',
    'scale',
    '--detach',
    ...wanted.map(([stack, n]) => `${serviceOf(stack)}=${n}`),
  );
  await until(
    wanted.map(([stack, n]) => `${n} of ${stack}`).join(', '),
    async () => {
      const { stdout } = await docker(stage, 'service', 'ls', '--format', '{{.Name}} {{.Replicas}}');
      return wanted.every(([stack, n]) => stdout.includes(`${serviceOf(stack)} ${n}/${n}`)) || undefined;
    },
    { timeoutMs: 120_000, everyMs: 100, signal: stage.signal },
  );
  // `0/0` is said as soon as it is wanted.
  for (const [stack, n] of wanted) {
    if (n > 0) continue;
    const managers = stage.lab.nodes().filter(({ manager }) => manager);
    await gone(stage, serviceOf(stack), managers);
  }
}

/**
 * Swarm ends the agent of a node without a label some seconds later, also when the node has got one again meanwhile: then
 * another agent is started, and the address moves once more.
 */
export const rested = (stage: MembershipStage, places: Places): Promise<void> =>
  gone(
    stage,
    agentServiceName,
    stage.lab.nodes().filter(({ name }) => groupOf(places, name) === undefined),
  );

async function gone(stage: MembershipStage, service: string, on: readonly NodeNames[]): Promise<void> {
  const filter = `label=com.docker.swarm.service.name=${service}`;
  await until(
    `no container of ${service}`,
    async () => {
      const lists = await Promise.all(
        on.map(({ name }) => stage.lab.docker(name, ['ps', '-q', '-f', filter])),
      );
      return lists.every(({ stdout }) => stdout.trim() === '') || undefined;
    },
    { timeoutMs: 30_000, everyMs: 100, signal: stage.signal },
  );
}
