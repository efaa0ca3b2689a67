// What draining nodes would do, and whether it may be done: computed before anything is written.
import type { NodeId } from '../../shared/words.ts';
import type { Snapshot } from './snapshot.ts';
import type { MemberStatus, NodeRef, Status } from './status.ts';

export interface DrainedGroup {
  group: string;
  holds: boolean;
  /** Who takes over, or would if the node held: the eligible member with the highest priority. */
  successor: NodeRef | null;
}

export interface DrainStep extends NodeRef {
  /** The label is there already: nothing is written, the wait goes on. */
  already: boolean;
  /** Swarm's opinion, for people. */
  swarmState: string;
  connected: boolean;
  groups: DrainedGroup[];
}

export interface DrainPlan {
  steps: DrainStep[];
  /** Names that fit no node, or more than one. */
  unknown: { name: string; reason: string }[];
  /** Why it is unsafe; empty when it may be done. */
  unsafe: string[];
}

/** Finds a node by id, by a unique beginning of its id, or by its host name if only one node has it. */
export function findNode(snapshot: Snapshot, name: string): { node: NodeId } | { reason: string } {
  const exact = snapshot.nodes.filter(({ id, hostname }) => id === name || hostname === name);
  const found =
    exact.length > 0 ? exact : snapshot.nodes.filter(({ id }) => name.length >= 4 && id.startsWith(name));
  const [first, ...more] = found;
  if (first && more.length === 0) return { node: first.id };
  if (first)
    return {
      reason: `is the name of ${found.length} nodes: use an id (${found.map(({ id }) => id).join(', ')})`,
    };
  return {
    reason: `is no node of this Swarm; there are ${snapshot.nodes
      .map(({ hostname }) => hostname)
      .sort()
      .join(', ')}`,
  };
}

export function planDrain(snapshot: Snapshot, status: Status, names: readonly string[]): DrainPlan {
  const result: DrainPlan = { steps: [], unknown: [], unsafe: [] };
  const chosen = new Set<NodeId>();
  for (const name of names) {
    const found = findNode(snapshot, name);
    if ('node' in found) chosen.add(found.node);
    else result.unknown.push({ name, reason: found.reason });
  }
  for (const id of chosen) {
    const node = snapshot.nodes.find((candidate) => candidate.id === id);
    if (!node) continue;
    const memberOf = status.groups.filter(({ members }) => members.some((member) => member.node === id));
    result.steps.push({
      node: id,
      hostname: node.hostname,
      already: memberOf.length > 0 && memberOf.every(({ members }) => drained(members, id)),
      swarmState: `${node.state}, ${node.availability}`,
      connected: status.agents.some((agent) => agent.node === id && agent.connected),
      groups: memberOf.map(({ name, holders, members }) => ({
        group: name,
        holds: holders.some((holder) => holder.node === id),
        successor: successor(members, chosen),
      })),
    });
  }
  for (const { groups, hostname } of result.steps) {
    for (const { group, holds, successor: next } of groups) {
      if (holds && next === null) {
        result.unsafe.push(`${hostname} holds ${group}, and no other member is eligible to take it over`);
      }
    }
  }
  return result;
}

const drained = (members: readonly MemberStatus[], id: NodeId): boolean =>
  members.some(({ node, drain }) => node === id && drain !== null);

/** Members of a status come best first. */
function successor(members: readonly MemberStatus[], leaving: ReadonlySet<NodeId>): NodeRef | null {
  const next = members.find(({ node, eligible, observed }) => eligible && !observed && !leaving.has(node));
  return next ? { node: next.node, hostname: next.hostname } : null;
}

/**
 * True once the node holds nothing and takes part in nothing. Told from reports, never from a clock. A node out of
 * reach can confirm nothing: it counts once another member holds.
 */
export function drainIsDone(status: Status, node: NodeId): boolean {
  return status.groups.every(({ holders, members }) => {
    const member = members.find((candidate) => candidate.node === node);
    if (!member) return true;
    if (holders.some((holder) => holder.node === node)) return false;
    if (member.state === 'UNKNOWN') return holders.length > 0;
    return member.state === 'FAULT' || member.state === 'NONE';
  });
}
