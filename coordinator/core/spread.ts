// Which node leads each group whose members nobody ranked: several groups land on different nodes, evenly, by names
// alone, so that every coordinator finds the same. Each group begins with the node that the hash of both names prefers
// (a node that comes or goes then concerns few groups); what is uneven is evened out by the shortest chains of moves.
// That ends when no chain helps any more, which is the most even assignment there is (an optimal semi-matching).
import type { NodeId } from '../../shared/words.ts';
import { fnv1a } from './hash.ts';

export interface Candidates {
  group: string;
  /** Nodes that could lead equally well; a single one if priorities decide. At least one. */
  nodes: readonly NodeId[];
}

/** Nodes by preference of a group, best first (rendezvous hashing). */
export function byPreference(group: string, nodes: readonly NodeId[]): NodeId[] {
  return nodes
    .map((node) => ({ node, weight: preference(group, node) }))
    .sort((a, b) => b.weight - a.weight || a.node.localeCompare(b.node))
    .map(({ node }) => node);
}

/** @returns the leader of each group */
export function spreadLeaders(groups: readonly Candidates[]): Map<string, NodeId> {
  const preferences = new Map(
    [...groups]
      .sort((a, b) => a.group.localeCompare(b.group))
      .map(({ group, nodes }) => [group, byPreference(group, nodes)] as const),
  );
  const leads = new Map<NodeId, Set<string>>();
  for (const [group, [first, ...others]] of preferences) {
    for (const node of others) if (!leads.has(node)) leads.set(node, new Set());
    if (first !== undefined) leads.set(first, (leads.get(first) ?? new Set()).add(group));
  }
  while (evenOut(leads, preferences)) {
    // Each round takes one group from a node that leads at least two more than the node that gets one.
  }
  return new Map([...leads].flatMap(([node, led]) => [...led].map((group) => [group, node] as const)));
}

/** Moves groups along the shortest chain from the most loaded node to one with at least two fewer; false if there is none. */
function evenOut(leads: Map<NodeId, Set<string>>, preferences: ReadonlyMap<string, NodeId[]>): boolean {
  const load = (node: NodeId) => leads.get(node)?.size ?? 0;
  const least = Math.min(...[...leads.values()].map((led) => led.size));
  const heavy = [...leads.keys()]
    .filter((node) => load(node) >= least + 2)
    .sort((a, b) => load(b) - load(a) || a.localeCompare(b));
  for (const start of heavy) {
    const cameFrom = new Map<NodeId, { node: NodeId; group: string }>();
    const reached = new Set([start]);
    for (const node of reached) {
      for (const group of [...(leads.get(node) ?? [])].sort()) {
        for (const next of preferences.get(group) ?? []) {
          if (reached.has(next)) continue;
          reached.add(next);
          cameFrom.set(next, { node, group });
          if (load(next) > load(start) - 2) continue;
          moveAlong(leads, cameFrom, next);
          return true;
        }
      }
    }
  }
  return false;
}

function moveAlong(
  leads: Map<NodeId, Set<string>>,
  cameFrom: ReadonlyMap<NodeId, { node: NodeId; group: string }>,
  end: NodeId,
): void {
  let to = end;
  for (let step = cameFrom.get(to); step; step = cameFrom.get(to)) {
    leads.get(step.node)?.delete(step.group);
    leads.get(to)?.add(step.group);
    to = step.node;
  }
}

/** The finalizer of MurmurHash3 over FNV-1a, which alone is uneven in its high bits. */
function preference(group: string, node: NodeId): number {
  let value = fnv1a(`${group}\u0000${node}`);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
