// What the former operator (a script that makes one service with keepalived for each labelled node) left behind when it
// was replaced. Its keepalived and ours cannot share a group: other timers, other peers, other advertised addresses. So
// as long as an old one serves a group on a node, the agent there only looks on, and nobody takes silence for absence.
import type { Problem } from '../../shared/problem.ts';
import type { NodeId } from '../../shared/words.ts';
import type { Group } from './groups.ts';
import { type Leftover, nodeName, type Snapshot } from './snapshot.ts';

const serves = ({ addresses }: Leftover, group: Pick<Group, 'addresses'>): boolean =>
  group.addresses.some((address) => addresses.includes(address.replace(/\/.*/, '')));

/** Whether an old keepalived serves the group on the node. */
export const servedByLeftover = ({ leftovers = [] }: Snapshot, node: NodeId, group: Group): boolean =>
  leftovers.some((leftover) => leftover.nodes.includes(node) && serves(leftover, group));

/** The only old keepalived that is left of the group runs on the node, and nobody makes others. */
export function isLastLeftover(
  { leftovers = [], formerOperators = [] }: Snapshot,
  node: NodeId,
  group: Group,
): boolean {
  const serving = leftovers.filter((leftover) => serves(leftover, group));
  const nodes = serving.flatMap((leftover) => leftover.nodes);
  return formerOperators.length === 0 && serving.length === 1 && nodes.length === 1 && nodes[0] === node;
}

export function leftoverProblems(snapshot: Snapshot, groups: readonly Group[]): Problem[] {
  const { leftovers = [], formerOperators = [] } = snapshot;
  const left = leftovers.map((leftover): Problem => {
    const group = groups.find((each) => serves(leftover, each))?.name;
    const where = leftover.nodes.map((node) => nodeName(snapshot, node)).join(', ');
    return {
      code: 'operator-leftover',
      severity: 'error',
      where: `service ${leftover.name}`,
      ...(group === undefined ? {} : { group }),
      ...(leftover.nodes[0] === undefined ? {} : { node: leftover.nodes[0] }),
      value: leftover.addresses.join(' '),
      message:
        where === ''
          ? 'a service of the former operator is left; nothing of it runs'
          : `keepalived of the former operator serves these addresses on ${where}`,
      instead: group === undefined ? 'it is left alone' : `the agent there only looks on at group ${group}`,
      remedy:
        group === undefined
          ? `docker service rm ${leftover.name}, unless somebody needs these addresses`
          : 'swarm-vip migrate',
    };
  });
  const running = formerOperators.map(
    (name): Problem => ({
      code: 'operator-runs',
      severity: 'error',
      where: `service ${name}`,
      value: name,
      message:
        'runs the former operator, which creates a keepalived service for each of its nodes again and again',
      instead: 'both would serve the same addresses; its nodes are left to it',
      remedy: `give it the image of the coordinator, or docker service rm ${name}`,
    }),
  );
  return [...left, ...running];
}

export interface MigrationStep {
  service: string;
  id: string;
  /** Where it runs; null when nothing of it runs. */
  node: NodeId | null;
  hostname: string;
  group: string;
  holds: boolean;
  priority: number;
}

export interface Migration {
  /** In this order: whoever holds goes last; as long as nobody is seen to, the highest priority. */
  steps: MigrationStep[];
  /** Services whose addresses no group here serves: they are left alone. */
  unserved: string[];
  /** Why nothing may be done. */
  unsafe: string[];
}

export function planMigration(
  snapshot: Snapshot,
  groups: readonly { group: Group; members: readonly { node: NodeId; wantedPriority: number }[] }[],
  holds: (node: NodeId, group: string) => boolean,
): Migration {
  const { leftovers = [], formerOperators = [] } = snapshot;
  const steps: MigrationStep[] = [];
  const unserved: string[] = [];
  for (const leftover of leftovers) {
    const planned = groups.find(({ group }) => serves(leftover, group));
    if (!planned) {
      unserved.push(leftover.name);
      continue;
    }
    const node = leftover.nodes[0] ?? null;
    steps.push({
      service: leftover.name,
      id: leftover.id,
      node,
      hostname: snapshot.nodes.find(({ id }) => id === node)?.hostname ?? leftover.hostname,
      group: planned.group.name,
      holds: node !== null && holds(node, planned.group.name),
      priority: planned.members.find((member) => member.node === node)?.wantedPriority ?? 0,
    });
  }
  steps.sort(
    (a, b) =>
      a.group.localeCompare(b.group) ||
      Number(a.holds) - Number(b.holds) ||
      a.priority - b.priority ||
      a.service.localeCompare(b.service),
  );
  const unsafe = formerOperators.map(
    (name) => `service ${name} still runs the former operator, which would create again what is removed`,
  );
  for (const { service, node, group, hostname } of steps) {
    const members = groups.find((planned) => planned.group.name === group)?.members ?? [];
    if (node !== null && !members.some((member) => member.node === node)) {
      unsafe.push(
        `${hostname}, where ${service} runs, is no member of ${group}: label it, or docker service rm ${service}`,
      );
    }
  }
  return { steps, unserved, unsafe };
}
