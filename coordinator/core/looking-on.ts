// The part of nodes that look on in a rollout: what they are told, and whom they make wait.
import type { AssignedInstance, Peer } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';
import { instanceBasis } from './groups-options.ts';
import { inReach } from './peers.ts';
import { type PlannedMember, runningInstance } from './plan.ts';
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

/**
 * When the old keepalived of this member ends, nobody can take over but ours, and these wait as long as somebody answers for
 * the addresses. So the node may go on answering until its own keepalived is ready. All of it by what is known for sure: one
 * member out of reach, and the address is away as after any failure.
 */
function mayInherit(
  { group, members, agents }: RolloutInput,
  { node, drain, lastLeftover }: PlannedMember,
): boolean {
  if (!lastLeftover || drain) return false;
  const others = members.filter((member) => member.node !== node);
  // A failing check may pass at any moment: that is not held back.
  const takesPart = [...agents.keys()].some((each) => {
    const running = runningInstance(agents, each, group.name);
    return running !== undefined && (running.pause === null || running.pause.reason === 'check');
  });
  return !takesPart && others.every((other) => !other.observe && inReach(agents, other.node));
}

/** What the node would run, for comparison. */
export function lookingOn(
  input: RolloutInput,
  member: PlannedMember,
  everyone: readonly Peer[],
): AssignedInstance | undefined {
  const { group, vrid, agents } = input;
  const { node, attachment, wantedPriority } = member;
  if (!attachment || !inReach(agents, node)) return undefined;
  return {
    ...instanceBasis(group, vrid, attachment),
    peers: everyone.filter((peer) => peer.node !== node && peer.address !== attachment.source),
    priority: wantedPriority,
    peersConfirmed: false,
    observe: true,
    ...(mayInherit(input, member) ? { inherit: true } : {}),
  };
}
