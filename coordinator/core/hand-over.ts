// One thing at a time: while a holder hands over, the keepalived of nobody concerned is reloaded. Two backups that begin to
// wait anew, each when its own reload comes, may both take over, or the lower one first; a holder that is busy with its own
// reload does not hear its successor. Until then they run what they run. It ends by VRRP's own law: whoever takes part
// with more than the lowest priority takes over from a holder at priority 1, or is heard to be ill.
import type { AssignedInstance, RunningInstance } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';
import { inReach, quietAtMs } from './peers.ts';
import { type Agents, runningInstance } from './plan.ts';
import type { RolloutInput } from './rollout.ts';
import { asAssigned } from './running.ts';

export interface HandOver {
  /** Those who hold, and are to be relieved. */
  from: NodeId[];
  /** And all who take part beside them. */
  among: NodeId[];
  /** Somebody takes over as soon as he may. */
  followed: boolean;
}

/** @param instances as they are to be assigned */
export function findHandOver(
  { group, agents, nowMs }: RolloutInput,
  instances: ReadonlyMap<NodeId, AssignedInstance>,
): HandOver | undefined {
  const active = [...agents.keys()].flatMap((node) => {
    const running = runningInstance(agents, node, group.name);
    return running?.pause === null && answers(agents, node, nowMs) ? [{ node, running }] : [];
  });
  const stays = (node: NodeId) => instances.has(node) && !instances.get(node)?.standAside;
  const leaves = (node: NodeId) => instances.get(node)?.standAside === 'relieved';
  const from = active.filter(({ node, running }) => running.state === 'MASTER' && leaves(node));
  const backups = active.filter(({ running }) => running.state === 'BACKUP');
  const followed = backups.some(({ node, running }) => running.effectivePriority > 1 && stays(node));
  const nodes = (members: typeof active) => members.map(({ node }) => node);
  return from.length === 0 ? undefined : { from: nodes(from), among: nodes([...from, ...backups]), followed };
}

/** It can carry out an order, as far as anybody knows. */
const answers = (agents: Agents, node: NodeId, nowMs: number): boolean =>
  inReach(agents, node) && nowMs < quietAtMs(agents, node) && agents.get(node)?.report?.rejected == null;

/**
 * What a node runs, with the orders of what it is to run.
 * @returns undefined when that is the same
 */
export function standingStill(
  assigned: readonly AssignedInstance[],
  running: readonly RunningInstance[],
): AssignedInstance[] | undefined {
  const wanted = assigned.filter(({ observe }) => !observe);
  const found = running.map((each) => {
    const present = asAssigned(each);
    const next = wanted.find(({ group, formerly }) => each.group === group || each.group === formerly);
    // Who is to leave must not take over first.
    const orders = next ?? { peersConfirmed: true, standAside: 'now' as const };
    return { next, still: { ...orders, ...present } };
  });
  const same = found.every(({ next, still }) => JSON.stringify(still) === JSON.stringify(next));
  if (same && found.length === wanted.length) return undefined;
  return [
    ...found.map(({ still }): AssignedInstance => ({ ...still, transition: 'keep' })),
    ...assigned.filter(({ observe }) => observe),
  ];
}
