// A paused plan → the few orders that go out all the same. Whatever agents run, they keep; but of two holders the lower
// one still steps down, and is let in again afterwards. Read off the reports, so a new active coordinator goes on here.
import type { Problem } from '../../shared/problem.ts';
import type { AssignedInstance, RunningInstance } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';
import { possiblyRunning } from './confirmed-down.ts';
import { runByHand } from './looking-on.ts';
import { inReach } from './peers.ts';
import { type Agents, type PlannedGroup, runningInstance } from './plan.ts';
import { asAssigned } from './running.ts';
import type { Snapshot } from './snapshot.ts';
import { type Conflict, conflictProblem, findConflict, modestyOf } from './two-holders.ts';
import { spoken } from './understanding.ts';

export interface Frozen {
  /** For every agent in reach that runs something: that, with its orders. */
  assignments: Map<NodeId, AssignedInstance[]>;
  /** Nodes whose orders cannot wait. */
  urgent: Set<NodeId>;
  /** Conflicts over groups that the plan does not know any more. */
  problems: Problem[];
  /** When to look again: Unix ms. */
  againMs: number[];
}

export function freeze(
  snapshot: Snapshot,
  groups: readonly PlannedGroup[],
  agents: Agents,
  nowMs: number,
): Frozen {
  const frozen: Frozen = { assignments: new Map(), urgent: new Set(), problems: [], againMs: [] };
  const conflicts = new Map<string, Conflict>();
  for (const group of runningGroups(agents)) {
    const { conflict, againMs } = findConflict(agents, group, nowMs);
    if (againMs !== undefined) frozen.againMs.push(againMs);
    if (!conflict) continue;
    conflicts.set(group, conflict);
    const planned = groups.some((each) => each.group.name === group);
    if (!planned) frozen.problems.push(conflictProblem(snapshot, agents, conflict));
  }
  const beside = new Set(
    groups
      .filter(({ group, members }) => runByHand({ group, members, agents }).length > 0)
      .map(({ group }) => group.name),
  );
  const known = possiblyRunning(snapshot, agents);
  for (const [node, { report }] of agents) {
    if (!inReach(agents, node) || !report || report.instances.length === 0) continue;
    const orders = report.instances.map((running) => {
      const member = groups
        .find((each) => each.group.name === running.group)
        ?.members.find((each) => each.node === node);
      return ordersFor(node, running, member, conflicts.get(running.group));
    });
    if (orders.some(({ urgent }) => urgent)) frozen.urgent.add(node);
    frozen.assignments.set(
      node,
      report.instances.map((running, index) => ({
        ...asAssigned(running),
        // A keepalived that is not ours is never heard: beside one, silence proves nothing.
        peersConfirmed: isListedByAll(agents, node, running) && !beside.has(running.group),
        ...(hearsAll(agents, node, running, known) ? {} : { silenceOnly: true }),
        transition: 'keep',
        ...modestyOf(agents, node, running, nowMs),
        ...orders[index]?.words,
      })),
    );
  }
  return frozen;
}

type Words = Pick<AssignedInstance, 'standAside' | 'order' | 'contested'>;

function ordersFor(
  node: NodeId,
  { pause }: RunningInstance,
  member: PlannedGroup['members'][number] | undefined,
  conflict: Conflict | undefined,
): { words: Words; urgent: boolean } {
  if (conflict?.lower.includes(node)) {
    const order = 'steps down: another member holds, too';
    return { words: { standAside: 'now', order }, urgent: true };
  }
  const drain = member?.drain;
  const aside: Words = drain ? { standAside: drain.force ? 'now' : 'relieved' } : {};
  if (conflict?.upper === node) return { words: { ...aside, contested: true }, urgent: true };
  // It has stepped down, nobody wants it to hold nothing: it joins again by rule R1.
  const released = !drain && member?.priority !== undefined && pause?.reason === 'standing-aside';
  return { words: aside, urgent: released };
}

const runningGroups = (agents: Agents): string[] =>
  [
    ...new Set(
      [...agents.values()].flatMap(({ report }) => report?.instances.map(({ group }) => group) ?? []),
    ),
  ].sort();

const outOfReach = (agents: Agents): Agents =>
  new Map([...agents].filter(([node]) => !inReach(agents, node)));

/** Everybody who runs the group sends its adverts here, too, and, as far as reports tell, such as it understands. */
function hearsAll(agents: Agents, node: NodeId, running: RunningInstance, known: readonly NodeId[]): boolean {
  const heard = running.peers.every((peer) => agents.get(peer.node)?.report || !known.includes(peer.node));
  const alike = [...agents.keys()].every((other) => {
    const theirs = runningInstance(agents, other, running.group);
    return !theirs || spoken(theirs) === spoken(running);
  });
  return heard && alike && isListedByAll(outOfReach(agents), node, running);
}

/**
 * As in the rollout (rule R1), by what runs: everybody who runs the group sends its adverts here, too. Also whoever is
 * out of reach, by its last report: it may hold one day, and would never be heard.
 */
function isListedByAll(among: Agents, node: NodeId, { group, source }: RunningInstance): boolean {
  return [...among].every(([other, { report }]) => {
    const theirs = report?.instances.find((each) => each.group === group);
    if (other === node || !theirs || theirs.transport === 'multicast') return true;
    return theirs.peers.some(({ address }) => address === source);
  });
}
