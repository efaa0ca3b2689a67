// Reports → which virtual router ids are in use, so that a restart moves none and no group gets one that another still
// runs (vrid.ts).
import type { GroupName, NodeId } from '../../shared/words.ts';
import type { Agents } from './plan.ts';
import { nodeName, type Snapshot } from './snapshot.ts';
import { unheardNodes } from './unheard.ts';

export interface VridUse {
  /** What agents run now, by group; the holder's word counts most. */
  learnt: ReadonlyMap<string, number>;
  /** By whom each is run, on any node. */
  runBy: ReadonlyMap<number, ReadonlySet<GroupName>>;
  /** Names of nodes that should have an agent and have not reported yet. */
  unheard: readonly string[];
}

/**
 * @param members nodes of any group
 * @param known nodes that may run something
 */
export function vridUse(
  snapshot: Snapshot,
  agents: Agents,
  members: Iterable<NodeId>,
  known: readonly NodeId[],
): VridUse {
  const runBy = new Map<number, Set<GroupName>>();
  for (const node of known) {
    for (const { group, vrid } of agents.get(node)?.report?.instances ?? [])
      runBy.set(vrid, (runBy.get(vrid) ?? new Set()).add(group));
  }
  const unheard = unheardNodes(snapshot, agents, members).map((node) => nodeName(snapshot, node));
  return { learnt: learntVrids(agents), runBy, unheard };
}

/** Once everything has settled nobody is unheard, and nobody runs what belongs to another group. */
export const settledUse = (agents: Agents): VridUse => ({
  learnt: learntVrids(agents),
  runBy: new Map(),
  unheard: [],
});

/** By group: what agents run now. */
function learntVrids(agents: Agents): Map<string, number> {
  const learnt = new Map<string, number>();
  for (const node of [...agents.keys()].sort()) {
    for (const { group, vrid, state } of agents.get(node)?.report?.instances ?? []) {
      if (!learnt.has(group) || state === 'MASTER') learnt.set(group, vrid);
    }
  }
  return learnt;
}
