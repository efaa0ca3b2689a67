// Snapshot + reports → plan: what each node is to run, what an operator should know. A pure function: the same input
// gives the same plan on any manager, so a new active coordinator moves nothing.
import type { Problem } from '../../shared/problem.ts';
import type { AssignedInstance, NetworkInterface, Report, RunningInstance } from '../../shared/protocol.ts';
import type { NodeId, Vrid } from '../../shared/words.ts';
import type { AgentRecord } from './agents.ts';
import { hasWeights, weightProblems } from './checks-weight.ts';
import { confirmedDown, possiblyRunning } from './confirmed-down.ts';
import { type Frozen, freeze } from './frozen.ts';
import { type AllGroups, collectGroups, type Group } from './groups.ts';
import { type HandOver, standingStill } from './hand-over.ts';
import { usableInterfaces } from './interfaces.ts';
import { leadOf } from './lead.ts';
import { isLastLeftover, leftoverProblems, servedByLeftover } from './leftovers.ts';
import { findMembers, type Member, ownedByNodes } from './members.ts';
import { isObserving, observeLabel } from './observe.ts';
import { observedProblems } from './observed.ts';
import { type Paused, readPause } from './paused.ts';
import { assignPriorities } from './priority.ts';
import { readable } from './readable.ts';
import { findRenames, type Renames, underOwnName, underPresentNames } from './renames.ts';
import { type RolloutStep, rollOut, type Waiting } from './rollout.ts';
import { serviceProblems } from './service-tasks.ts';
import { nodeArgument, nodeName, type Snapshot } from './snapshot.ts';
import { type Conflict, conflictProblem, findConflict, modestyOf } from './two-holders.ts';
import { unfitAddresses } from './unfit-addresses.ts';
import { allocateVrids } from './vrid.ts';
import { settledUse, vridUse } from './vrid-use.ts';
import { applyWindows, type PlannedWindow } from './windows.ts';

/** What the coordinator knows of one agent. A report outlives its connection: the node may still hold an address. */
export interface AgentView {
  connected: boolean;
  report: Report | undefined;
  /** Since when it is heard to hold which group. */
  claims?: AgentRecord['claims'];
  /** When it had to step down because others do not hear it. */
  unheard?: AgentRecord['unheard'];
  /** Unix ms of its last frame. Absent: just now. */
  seenMs?: number;
}
export type Agents = ReadonlyMap<NodeId, AgentView>;

export interface PlannedMember extends Member {
  /** Chosen by an operator to lead the group. */
  leads: boolean;
  /** Final priority that keepalived is to get; undefined for one that takes no part (reserve, no interface). */
  priority: number | undefined;
  /** A keepalived of the former operator serves the group here. */
  leftover?: boolean;
  /** And no other one is left of the group. */
  lastLeftover?: boolean;
}

export interface PlannedGroup {
  group: Group;
  vrid: Vrid;
  members: PlannedMember[];
  waiting: Waiting[];
}

export interface Plan {
  /** For every connected agent that has reported; possibly empty. */
  assignments: Map<NodeId, AssignedInstance[]>;
  groups: PlannedGroup[];
  problems: Problem[];
  /** Who was told to step down, and for whom. */
  conflicts: readonly Conflict[];
  /** When time alone may change the plan: Unix ms. */
  againMs?: number;
  /** Of each node with a label for one: that which is open, or the next; in order of time. */
  windows?: PlannedWindow[];
  /** The plan stands still: of `assignments` nothing goes out, only what `frozen` calls urgent. */
  pause?: Paused;
  frozen?: Frozen;
  /** Names under which agents still run groups that have got another one. */
  renames?: Renames;
  /** The version of groups.yaml that this plan was made from. */
  config?: AllGroups['config'];
  /** Who is told what happens. */
  receivers?: AllGroups['receivers'];
}

/** At most this many members of a group are active at once; the rest wait in reserve. */
export const maxActiveMembers = 16;

/** @param present what runs now, for a plan of what is to be once everything has settled; else `reports` say it */
export function plan(snapshot: Snapshot, reports: Agents, nowMs: number, present?: Agents): Plan {
  const defined = collectGroups(snapshot);
  const renames = findRenames(defined.groups, present ?? reports);
  const agents = underPresentNames(reports, renames);
  const interfaces = new Map<NodeId, readonly NetworkInterface[]>();
  for (const [node, { report }] of agents)
    if (report) interfaces.set(node, usableInterfaces(report.interfaces));

  const { pause, problems: pauses } = readPause(snapshot, nowMs);
  const problems = [...pauses, ...defined.problems];
  const groups = defined.groups.flatMap((group) =>
    withoutNodeAddresses(snapshot, group, agents, interfaces, problems),
  );
  const tracked = (node: NodeId, group: string) =>
    runningInstance(agents, node, group)?.trackInterfaces ?? [];
  const holds = (node: NodeId, group: string) => runningInstance(agents, node, group)?.state === 'MASTER';
  const runs = (node: NodeId, group: string) => runningInstance(agents, node, group) !== undefined;
  const memberships = findMembers(
    snapshot,
    { ...defined, groups, renames },
    { interfaces, tracked, holds, runs },
    pause?.sinceMs ?? nowMs,
  );
  const windows = applyWindows(snapshot, memberships.byGroup, agents, pause?.sinceMs ?? nowMs);
  problems.push(...windows.problems);
  const known = possiblyRunning(snapshot, agents);
  const labelled = [...memberships.byGroup.values()].flatMap((members) => members.map(({ node }) => node));
  // A group under two names keeps its id: by that it is known to be one.
  const steady = new Set(renames.values());
  const wishes = groups.map((group) => (steady.has(group.name) ? { ...group, routerId: undefined } : group));
  const inUse = present
    ? settledUse(underPresentNames(present, renames))
    : vridUse(snapshot, agents, labelled, known);
  const vrids = allocateVrids(wishes, inUse);
  problems.push(...memberships.problems, ...vrids.problems, ...leftoverProblems(snapshot, groups));

  const assignments = new Map<NodeId, AssignedInstance[]>();
  for (const [node, { connected, report }] of agents) if (connected && report) assignments.set(node, []);

  const planned: PlannedGroup[] = [];
  const conflicts: Conflict[] = [];
  const handOvers: (HandOver & { waiting: Waiting[] })[] = [];
  const looks: number[] = pause ? [] : [...windows.againMs];
  for (const group of groups) {
    const vrid = vrids.byGroup.get(group.name);
    if (vrid === undefined) continue;
    const members = prioritise(snapshot, group, memberships.byGroup.get(group.name) ?? [], agents);
    const step = rollOut({
      group,
      vrid: vrid as Vrid,
      members,
      agents,
      known,
      nowMs,
    });
    if (step.againMs !== undefined) looks.push(step.againMs);
    const { conflict, againMs } = findConflict(agents, group.name, nowMs);
    if (conflict) {
      stepDown(step, conflict);
      conflicts.push(conflict);
      problems.push(conflictProblem(snapshot, agents, conflict));
    }
    if (againMs !== undefined) looks.push(againMs);
    // Where nobody else is left to relieve a holder, nobody leaves it alone.
    const needed = step.handOver?.followed === false;
    for (const [node, instance] of step.instances) {
      const patience = needed ? { preemptDelayMs: 0 } : modestyOf(agents, node, instance, nowMs);
      step.instances.set(node, { ...instance, ...patience });
    }
    distribute(step, members, reports, renames, assignments);
    problems.push(...observedProblems(snapshot, { group, vrid, members }, agents));
    problems.push(...unreachable(snapshot, group, members, agents), ...serviceProblems(snapshot, group));
    problems.push(
      ...weightProblems(
        group,
        members.flatMap(({ priority }) => priority ?? []),
      ),
    );
    problems.push(...reserveProblems(group, members.length));
    planned.push({ group, vrid: vrid as Vrid, members, waiting: step.waiting });
    if (step.handOver?.followed) handOvers.push({ ...step.handOver, waiting: step.waiting });
  }
  keepStill(handOvers, reports, assignments);
  problems.push(...fromAgents(snapshot, agents));
  const frozen = pause && underReportedNames(freeze(snapshot, planned, agents, nowMs), reports, renames);
  if (pause && frozen) {
    problems.push(...frozen.problems);
    looks.push(pause.untilMs, ...frozen.againMs);
  }
  return {
    assignments,
    groups: planned,
    conflicts,
    problems,
    ...(looks.length > 0 ? { againMs: Math.min(...looks) } : {}),
    ...(windows.windows.length > 0 ? { windows: windows.windows } : {}),
    ...(pause && frozen ? { pause, frozen } : {}),
    ...(renames.size > 0 ? { renames } : {}),
    config: defined.config,
    receivers: defined.receivers,
  };
}

/** A pause renames nothing. */
const underReportedNames = (frozen: Frozen, reports: Agents, renames: Renames): Frozen => ({
  ...frozen,
  assignments: new Map(
    [...frozen.assignments].map(([node, instances]) => {
      const running = reports.get(node)?.report?.instances ?? [];
      return [node, instances.map((each) => underOwnName(each, undefined, running, renames))];
    }),
  ),
});

/** Once it has, there is one holder again, and it joins like any newcomer. */
function stepDown({ instances }: RolloutStep, { upper, lower }: Conflict): void {
  const winner = instances.get(upper);
  if (winner && !winner.observe) instances.set(upper, { ...winner, contested: true });
  for (const node of lower) {
    const instance = instances.get(node);
    if (!instance) continue;
    const order = 'steps down: another member holds, too';
    instances.set(node, { ...instance, standAside: 'now', order });
  }
}

function distribute(
  step: RolloutStep,
  members: readonly PlannedMember[],
  reports: Agents,
  renames: Renames,
  assignments: Map<NodeId, AssignedInstance[]>,
): void {
  for (const [node, instance] of step.instances) {
    const runAs = members.find((member) => member.node === node)?.runAs;
    const running = reports.get(node)?.report?.instances ?? [];
    assignments.get(node)?.push(underOwnName(instance, runAs, running, renames));
  }
}

/** Of all its groups: a reload is the node's. */
function keepStill(
  handOvers: readonly (HandOver & { waiting: Waiting[] })[],
  reports: Agents,
  assignments: Map<NodeId, AssignedInstance[]>,
): void {
  const still = new Map<NodeId, AssignedInstance[]>();
  for (const { from, among, waiting } of handOvers) {
    for (const node of among) {
      const kept = standingStill(assignments.get(node) ?? [], reports.get(node)?.report?.instances ?? []);
      if (!kept) continue;
      still.set(node, kept);
      waiting.push({ node, for: from, why: 'it changes nothing else while the address moves' });
    }
  }
  for (const [node, instances] of still) assignments.set(node, instances);
}

/**
 * A member that has not been heard yet keeps its rank: a coordinator that is new must not shift the others' priorities
 * only because it does not know a dead node's interfaces.
 */
function prioritise(snapshot: Snapshot, group: Group, members: Member[], agents: Agents): PlannedMember[] {
  const lead = leadOf(snapshot, group.name, members);
  // Where ours runs already, that stays: two on one host are reported.
  const old = new Set(
    members.flatMap(({ node }) =>
      !runningInstance(agents, node, group.name) && servedByLeftover(snapshot, node, group) ? [node] : [],
    ),
  );
  const able = members
    .filter(
      ({ node, observe, attachment, reported }) =>
        !observe && !old.has(node) && (attachment !== undefined || !reported),
    )
    .sort((a, b) => b.wantedPriority - a.wantedPriority || a.order - b.order)
    .slice(0, maxActiveMembers);
  const priorities = assignPriorities(
    able.map(({ node, wantedPriority, order }) => ({
      node,
      wanted: wantedPriority,
      order,
      leads: node === lead,
    })),
    hasWeights(group),
  );
  return members.map((member) => ({
    ...member,
    leads: member.node === lead,
    priority: priorities.get(member.node),
    ...(old.has(member.node)
      ? { observe: true, leftover: true, lastLeftover: isLastLeftover(snapshot, member.node, group) }
      : {}),
  }));
}

/** What runs of a group on a node, if its agent is known to run it. */
export function runningInstance(agents: Agents, node: NodeId, group: string): RunningInstance | undefined {
  return agents.get(node)?.report?.instances.find((instance) => instance.group === group);
}

/** An address that a node has as its own is refused, unless the group serves it already: then it is only reported. */
function withoutNodeAddresses(
  snapshot: Snapshot,
  group: Group,
  agents: Agents,
  interfaces: ReadonlyMap<NodeId, readonly NetworkInterface[]>,
  problems: Problem[],
): Group[] {
  // Where an agent looks on, a keepalived run by hand has put them up.
  const ruled = new Map([...interfaces].filter(([node]) => !isObserving(snapshot, node)));
  const served = new Set(
    [...agents.keys()].flatMap((node) => runningInstance(agents, node, group.name)?.addresses ?? []),
  );
  const refused = new Set<string>();
  for (const { address, node, why } of unfitAddresses(snapshot, group, interfaces)) {
    if (!served.has(address)) refused.add(address);
    problems.push({
      code: 'address-unfit',
      severity: 'error',
      where: group.provenance.addresses,
      group: group.name,
      node,
      value: address,
      message: why,
      instead: served.has(address)
        ? 'the group goes on serving it'
        : 'this address is left out, the others are served',
      remedy: 'choose an address that no machine has',
    });
  }
  for (const { address, node } of ownedByNodes(group, ruled)) {
    if (!served.has(address)) refused.add(address);
    problems.push({
      code: 'address-is-a-nodes-own',
      severity: 'error',
      where: group.source,
      group: group.name,
      node,
      value: address,
      message: `node ${nodeName(snapshot, node)} has this address as its own`,
      instead: served.has(address)
        ? 'the group goes on serving it'
        : 'this address is left out, the others are served',
      remedy:
        'choose an address that no machine has; if a keepalived run by hand has put it up, stop that, or let the agent ' +
        `look on: docker node update --label-add ${observeLabel}=yes ${nodeArgument(snapshot, node)}`,
    });
  }
  const [first, ...rest] = group.addresses.filter((address) => !refused.has(address));
  return first === undefined ? [] : [{ ...group, addresses: [first, ...rest] }];
}

/** In reserve a node holds nothing, even when the task is there. */
function reserveProblems(group: Group, members: number): Problem[] {
  if (group.origin !== 'labels' || members <= maxActiveMembers) return [];
  return [
    {
      code: 'members-in-reserve',
      severity: 'warning',
      where: group.provenance.members,
      group: group.name,
      value: String(members),
      message: `the service may run on more than ${maxActiveMembers} nodes, the most that can share an address`,
      instead: 'those with the lowest priorities cannot hold the addresses, even when a task runs there',
      remedy: `constrain the service, or choose nodes by the label swarm-vip.${group.name}.members`,
    },
  ];
}

function unreachable(snapshot: Snapshot, group: Group, members: PlannedMember[], agents: Agents): Problem[] {
  const confirmed = new Set(confirmedDown(snapshot));
  return members
    .filter(({ node }) => agents.get(node)?.connected !== true)
    .map(({ node }): Problem => {
      const swarmNode = snapshot.nodes.find((candidate) => candidate.id === node);
      const seen = agents.get(node)?.report !== undefined;
      return {
        code: 'agent-unreachable',
        severity: confirmed.has(node) ? 'warning' : 'error',
        where: `node ${nodeName(snapshot, node)}`,
        group: group.name,
        node,
        message:
          `no agent of this node is connected; Swarm calls the node ${swarmNode?.state}, ` +
          `availability ${swarmNode?.availability}${agentTaskWords(snapshot, node)}`,
        instead: confirmed.has(node)
          ? 'an operator has confirmed that it is off: nobody waits for it'
          : seen
            ? 'its keepalived may run on with the last assignment, so the others keep it on their lists'
            : 'it takes no part until its agent connects',
        remedy:
          `bring the node back, see docker service ps${agentServiceName(snapshot)}, or remove its label; ` +
          `when it is off for certain and something waits for it: swarm-vip confirm-down ${nodeArgument(snapshot, node)}`,
      };
    });
}

const agentServiceName = ({ agentServices: [service] = [] }: Snapshot): string =>
  service ? ` ${service.name}` : '';

/** Why there is none, in Swarm's words. */
function agentTaskWords({ agentTasks, agentServices }: Snapshot, node: NodeId): string {
  if (agentServices?.length === 0) return '; no service of agents is deployed';
  if (!agentTasks) return '';
  const task = agentTasks.find((each) => each.node === node);
  if (!task) return '; Swarm has no task for its agent yet';
  return `; its last word of the agent’s task: ${task.state}${task.error === '' ? '' : `: ${readable(task.error)}`}`;
}

function fromAgents(snapshot: Snapshot, agents: Agents): Problem[] {
  return [...agents].flatMap(([node, { connected, report }]) => {
    if (!connected || !report) return [];
    const own = report.problems.map((problem) => ({
      ...problem,
      node,
      where: `node ${nodeName(snapshot, node)}: ${problem.where}`,
    }));
    if (!report.rejected) return own;
    const rejected: Problem = {
      code: 'assignment-rejected',
      severity: 'error',
      where: `node ${nodeName(snapshot, node)}`,
      node,
      message: report.rejected.reason,
      instead: 'the node goes on with what it ran before',
      remedy: 'correct what the message names; the coordinator sends a new assignment by itself',
    };
    return [...own, rejected];
  });
}
