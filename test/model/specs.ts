// How the model's groups and nodes look in Swarm.
import type { GroupsConfig, SwarmNode } from '../../coordinator/core/snapshot.ts';
import type { NodeId } from '../../shared/words.ts';
import type { Machine } from './machine.ts';

export interface GroupSpec {
  readonly name: string;
  readonly address: string;
  readonly intervalMs: number;
  readonly password: string | undefined;
  readonly routerId: number | undefined;
  readonly preempt: boolean;
}

/** A group that is renamed goes by its second name, and back. */
const secondNames: Readonly<Record<string, string>> = { web: 'site' };
/** The first name of a group, whichever it goes by: names may differ from node to node for a while. */
export const groupOf = (name: string): string =>
  Object.keys(secondNames).find((first) => secondNames[first] === name) ?? name;
export const otherName = (name: string): string => secondNames[name] ?? groupOf(name);

export const pairOf = (a: number, b: number): string => `${Math.min(a, b)} ${Math.max(a, b)}`;

export const nodeId = (number: number, life: number): NodeId =>
  `node${number}life${life}`.padEnd(25, 'x') as NodeId;

export function swarmNode({ id, number, address }: Machine, manager: boolean): SwarmNode {
  return {
    ...{ id, hostname: `host${number}`, availability: 'active', state: 'ready', leader: number === 1 },
    ...{ role: manager ? 'manager' : 'worker', addresses: [address], labels: {} },
  };
}

export function configOf(groups: readonly GroupSpec[], version: number): GroupsConfig {
  const entries = groups.map(({ name, address, intervalMs, password, routerId, preempt }) => [
    name,
    {
      addresses: [address],
      interval: `${intervalMs}ms`,
      ...(password === undefined ? {} : { version: 2, auth: { password } }),
      ...(routerId === undefined ? {} : { router_id: routerId }),
      ...(preempt ? {} : { preempt: false }),
    },
  ]);
  return {
    id: `config${version}`,
    name: `groups-${version}`,
    createdAt: `2026-03-01T00:00:00.${String(version % 1000).padStart(3, '0')}Z`,
    text: JSON.stringify({ groups: Object.fromEntries(entries) }),
    sha256: `sum of ${version}`,
  };
}
