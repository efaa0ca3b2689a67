// Label swarm-vip.confirmed-down → an operator's word that a node without contact is really off and holds nothing
// (what Pacemaker calls a manual fencing confirmation). Only then may the others forget it, or change under its eyes
// what all members must agree on. Its agent's next contact takes the label away.
//   swarm-vip.confirmed-down=RFC3339
import type { NodeId } from '../../shared/words.ts';
import type { Agents } from './plan.ts';
import type { Snapshot } from './snapshot.ts';

export const confirmedDownLabel = 'swarm-vip.confirmed-down';

/** Nodes with the label, whether it counts or not. */
export const confirmedDown = ({ nodes }: Snapshot): NodeId[] =>
  nodes.filter(({ labels }) => labels[confirmedDownLabel] !== undefined).map(({ id }) => id);

/** Nodes that may run something: all of the Swarm but those confirmed down and out of contact. */
export function possiblyRunning(snapshot: Snapshot, agents: Agents): NodeId[] {
  const down = new Set(confirmedDown(snapshot).filter((node) => agents.get(node)?.connected !== true));
  return snapshot.nodes.map(({ id }) => id).filter((node) => !down.has(node));
}
