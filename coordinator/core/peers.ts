// Who may be active in a group, and who knows of whom: the questions behind the rollout's rules R1, R3 and R4. Answered
// from reports alone; one that is out of reach is taken to run what it reported last.
import { type Peer, reportPeriodMs } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';
import { type Agents, runningInstance } from './plan.ts';
import type { RolloutInput } from './rollout.ts';

/** Connected, and its report is known. */
export const inReach = (agents: Agents, node: NodeId): boolean => {
  const agent = agents.get(node);
  return agent?.connected === true && agent.report !== undefined;
};

/** Two reports in a row are missing, and half a second for the way of one. */
export const quietLimitMs = 2.5 * reportPeriodMs;

/** When it is taken for quiet, unless something is heard of it until then (Unix ms). */
export const quietAtMs = (agents: Agents, node: NodeId): number =>
  (agents.get(node)?.seenMs ?? Number.POSITIVE_INFINITY) + quietLimitMs;

/**
 * True when `peer` sends its adverts to `address` too, or runs nothing of the group and is not about to: it leaves the
 * group, or its keepalived does not take the assignment (then it begins paused once it does).
 */
export function listsAsPeer(
  agents: Agents,
  peer: NodeId,
  address: string,
  { group, members }: RolloutInput,
): boolean {
  const running = runningInstance(agents, peer, group.name);
  if (running) return running.peers.some((known) => known.address === address);
  const report = agents.get(peer)?.report;
  const willRun = members.some(({ node, priority }) => node === peer && priority !== undefined);
  return !willRun || report?.rejected != null || report?.keepalived.phase === 'backing-off';
}

/**
 * Its last report says that it runs the group and neither sends adverts to `address` nor takes any from there. Of one that
 * only its peers remember nothing better is known.
 */
export function isUnaware({ group, agents }: RolloutInput, peer: NodeId, address: string): boolean {
  if (!agents.get(peer)?.report) return true;
  const running = runningInstance(agents, peer, group.name);
  if (!running || running.transport === 'multicast') return false;
  return !running.peers.some((known) => known.address === address);
}

/** Members to be, and nodes that run the group now or may do so out of reach; one address each, ordered by node id. */
export function possiblyActive({ group, members, agents, known }: RolloutInput): Peer[] {
  const addresses = new Map<NodeId, string>();
  const inSwarm = new Set(known);
  for (const [, { report }] of agents) {
    // What others send adverts to: the only trace of a node that this coordinator has not heard itself.
    for (const peer of report?.instances.find((instance) => instance.group === group.name)?.peers ?? []) {
      if (inSwarm.has(peer.node) && !inReach(agents, peer.node)) addresses.set(peer.node, peer.address);
    }
  }
  for (const node of agents.keys()) {
    const running = runningInstance(agents, node, group.name);
    if (running && inSwarm.has(node)) addresses.set(node, running.source);
  }
  for (const { node, attachment, priority } of members) {
    if (attachment && priority !== undefined && inSwarm.has(node)) addresses.set(node, attachment.source);
  }
  return [...addresses]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([node, address]) => ({ node, address: address as Peer['address'] }));
}
