// Who should have an agent, by label, by Swarm and by what others say, and has not reported yet: a coordinator that is new
// waits for them a while before it orders anything.
import type { NodeId } from '../../shared/words.ts';
import type { Agents } from './plan.ts';
import type { Snapshot } from './snapshot.ts';

/** @param members nodes of any group */
export function unheardNodes(snapshot: Snapshot, agents: Agents, members: Iterable<NodeId>): NodeId[] {
  const expected = new Set(members);
  for (const { report } of agents.values()) {
    // Whose label is gone may run the group all the same; others send adverts to it.
    for (const { peers } of report?.instances ?? []) for (const { node } of peers) expected.add(node);
  }
  return snapshot.nodes
    .filter(
      ({ id, state, availability }) =>
        expected.has(id) && state === 'ready' && availability !== 'drain' && !agents.get(id)?.report,
    )
    .map(({ id }) => id);
}
