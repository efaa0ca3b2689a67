// Label swarm-vip.observe → the agent of this node looks on only: it runs no keepalived, puts up and takes away nothing,
// and reports what a keepalived run by hand does. Node by node, so that nodes are switched over one by one.
//   swarm-vip.observe=yes
import type { Problem } from '../../shared/problem.ts';
import type { NodeId } from '../../shared/words.ts';
import { readable } from './readable.ts';
import { nodeName, type Snapshot, type SwarmNode } from './snapshot.ts';

export const observeLabel = 'swarm-vip.observe';

/** What cannot be read counts as yes: looking on harms nobody. */
export function readObserve(
  snapshot: Snapshot,
  { id, labels }: SwarmNode,
): { observe: boolean; problem?: Problem } {
  const text = labels[observeLabel]?.trim().toLowerCase();
  if (text === undefined || ['no', 'false'].includes(text)) return { observe: false };
  if (['yes', 'true'].includes(text)) return { observe: true };
  return {
    observe: true,
    problem: {
      code: 'observe-invalid',
      severity: 'warning',
      where: `node ${nodeName(snapshot, id)}, label ${observeLabel}`,
      node: id,
      value: readable(text),
      message: 'expected yes or no',
      instead: 'the agent looks on only',
      remedy: 'set the label to yes, or remove it',
    },
  };
}

/** Also where the former operator's keepalived runs: what it has put up is no address of the node's own. */
export function isObserving(snapshot: Snapshot, node: NodeId): boolean {
  if (snapshot.leftovers?.some(({ nodes }) => nodes.includes(node))) return true;
  const found = snapshot.nodes.find(({ id }) => id === node);
  return found !== undefined && readObserve(snapshot, found).observe;
}
