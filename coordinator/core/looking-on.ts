// The part of nodes that look on in a rollout: what they are told, and whom they make wait.
import type { AssignedInstance, Peer } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';
import { instanceBasis } from './groups-options.ts';
import { inReach } from './peers.ts';
import type { PlannedMember } from './plan.ts';
import type { RolloutInput } from './rollout.ts';

/**
 * Nodes that look on and cannot say that no keepalived is left there. It and ours never hear each other, so while one
 * may take over, silence proves nothing.
 */
export function runByHand({
  group,
  members,
  agents,
}: Pick<RolloutInput, 'group' | 'members' | 'agents'>): NodeId[] {
  return members
    .filter(({ node, observe, leftover }) => {
      // Swarm itself says that it runs.
      if (leftover) return true;
      if (!observe || !inReach(agents, node)) return false;
      const seen = agents.get(node)?.report?.observed?.find((each) => each.group === group.name);
      return seen === undefined || seen.state !== 'INIT';
    })
    .map(({ node }) => node);
}

/** What the node would run, for comparison. */
export function lookingOn(
  { group, vrid, agents }: RolloutInput,
  { node, attachment, wantedPriority }: PlannedMember,
  everyone: readonly Peer[],
): AssignedInstance | undefined {
  if (!attachment || !inReach(agents, node)) return undefined;
  return {
    ...instanceBasis(group, vrid, attachment),
    peers: everyone.filter((peer) => peer.node !== node && peer.address !== attachment.source),
    priority: wantedPriority,
    peersConfirmed: false,
    observe: true,
  };
}
