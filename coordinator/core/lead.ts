// Label swarm-vip.<group>.lead → the member that an operator chose by `swarm-vip switchover`. It ranks above all
// others while it can hold, whatever their priorities; VRRP moves the address, and nothing else changes.
import type { NodeId } from '../../shared/words.ts';
import type { Member } from './members.ts';
import type { Snapshot } from './snapshot.ts';

export const leadLabel = (group: string): string => `swarm-vip.${group}.lead`;

/** Above every base priority (250) and above the bonus of a holder that does not yield (253). */
export const leadPriority = 254;

/** The member whose label is the newest; a tie goes to the lower node id. */
export function leadOf(snapshot: Snapshot, group: string, members: readonly Member[]): NodeId | undefined {
  const [newest] = members
    .flatMap(({ node, runAs }) => {
      const labels = snapshot.nodes.find(({ id }) => id === node)?.labels;
      const since = labels?.[leadLabel(group)] ?? labels?.[leadLabel(runAs)];
      return since === undefined ? [] : [{ node, since }];
    })
    .sort((a, b) => b.since.localeCompare(a.since) || a.node.localeCompare(b.node));
  return newest?.node;
}
