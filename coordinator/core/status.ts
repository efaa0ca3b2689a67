// Plan + reports → the status document: what /api/v1/status, the CLI and the metrics show. Versioned; fields are only added.
import type { CheckResult } from '../../shared/checks.ts';
import type { Problem } from '../../shared/problem.ts';
import type { Generation, Report, RunningInstance, VrrpState } from '../../shared/protocol.ts';
import { masterDownMs } from '../../shared/timers.ts';
import type { NodeId } from '../../shared/words.ts';
import { type AgentRecord, type AgentRecords, holdersOf } from './agents.ts';
import type { Drain } from './drain.ts';
import type { Group } from './groups.ts';
import type { ConfigInUse } from './groups-configs.ts';
import { observedNote, observedObstacle, sentPriority } from './observed.ts';
import type { Paused } from './paused.ts';
import { maxActiveMembers, type Plan, type PlannedGroup, type PlannedMember } from './plan.ts';
import { underPresentNames } from './renames.ts';
import type { TaskStaleness } from './service-tasks.ts';
import { tasksStaleProblem } from './service-tasks.ts';
import type { Snapshot } from './snapshot.ts';
import type { PlannedWindow } from './windows.ts';

export type Verdict = 'OK' | 'DEGRADED' | 'NO HOLDER' | 'TWO HOLDERS';

export interface NodeRef {
  node: NodeId;
  hostname: string;
}

export interface MemberStatus extends NodeRef {
  state: VrrpState | 'UNKNOWN' | 'NONE';
  /** The operator's priority and where it comes from; what keepalived uses now. */
  priority: number;
  priorityFrom: string;
  effectivePriority: number | null;
  interface: string | null;
  source: string | null;
  /** Where these values come from, in words: "label swarm-vip.groups", "config groups-7, line 12", "default". */
  provenance: { member: string; priority: string; interface: string | null; source: string | null };
  /** May take the addresses over: connected, runs what it should, not paused, not in fault. */
  eligible: boolean;
  /** Why not, in words; or what takes from its priority. */
  note: string | null;
  /** Enough others rank higher: it takes part when one of those is a member no more. */
  reserve: boolean;
  /** How its health checks stand. */
  checks: CheckResult[];
  /** The agent looks on only: what is shown is a keepalived run by hand. */
  observed: boolean;
  /** When that one ends, its addresses stay on the node until the agent's own keepalived holds them. */
  inherits: boolean;
  /** Chosen by `swarm-vip switchover`. */
  leads: boolean;
  /** The operator's intent that it hold nothing. */
  drain: { reason: string; until: string | null; force: boolean } | null;
}

export interface GroupStatus {
  name: string;
  verdict: Verdict;
  addresses: string[];
  vrid: number;
  version: 2 | 3;
  intervalMs: number;
  /** VRRP's own bound for a silent death of the holder, with the successor's priority. */
  failoverBoundMs: number;
  source: string;
  /** Where each value of the group comes from: "config groups-7, line 12", "default". */
  provenance: Group['provenance'];
  holders: (NodeRef & { sinceMs: number })[];
  /**
   * The member that would hold if all were well: the highest that is neither drained nor looking on. Null: nobody is
   * preferred, because a holder stays (`preempt: false`).
   */
  preferred: NodeRef | null;
  members: MemberStatus[];
  /** Steps that wait, for whom and why. */
  waiting: (NodeRef & { for: NodeRef[]; why: string })[];
}

export interface AgentStatus extends NodeRef {
  connected: boolean;
  version: string;
  keepalivedVersion: string;
  keepalived: Report['keepalived'] | null;
  seenAgeMs: number;
  /** Unix milliseconds. */
  seenAtMs: number;
  applied: Generation | null;
  /** True when the agent runs exactly what the plan wants. */
  inSync: boolean;
}

export interface WindowStatus extends NodeRef {
  schedule: string;
  timeZone: string;
  reason: string;
  from: string;
  until: string;
  /** The addresses are to be elsewhere now; a little before `from` already. */
  open: boolean;
  /** Groups for which it is not carried out, because nobody else could hold them. */
  refused: string[];
}

export interface Status {
  apiVersion: 'swarm-vip/v1';
  kind: 'Status';
  verdict: Verdict;
  coordinator: {
    node: NodeId;
    hostname: string;
    version: string;
    role: 'active' | 'standby';
    active: NodeRef | null;
    epoch: number | null;
  };
  snapshot: { ageMs: number; error: string | null };
  /** The plan stands still; `waiting` are the nodes that are to run something else afterwards. */
  pause: { reason: string; since: string; until: string; waiting: NodeRef[] } | null;
  /** Maintenance windows of nodes: those that are open, and the next ones, in order of time. */
  windows: WindowStatus[];
  /** The Docker config that groups.yaml was read from; null when there is none. */
  config: ConfigInUse | null;
  /** Where agents come from; null when there is no service of them. */
  agentService: { name: string; managed: boolean } | null;
  /** What the former operator left behind: `swarm-vip migrate` replaces it. */
  leftovers: { service: string; nodes: NodeRef[] }[];
  groups: GroupStatus[];
  agents: AgentStatus[];
  problems: Problem[];
}

export interface StatusInput {
  self: NodeId;
  version: string;
  role: 'active' | 'standby';
  active: NodeId | undefined;
  epoch: number | undefined;
  snapshot: Snapshot;
  snapshotAgeMs: number;
  snapshotError: string | undefined;
  /** Of the task list; undefined while nobody asks for it, or it is read as it should be. */
  tasks?: TaskStaleness | undefined;
  agents: AgentRecords;
  plan: Plan;
  nowMs: number;
}

/** Older than this, the snapshot is a problem of its own: plans stand still, the data plane goes on. */
export const staleSnapshotMs = 30_000;

export function status(input: StatusInput): Status {
  const { snapshot, agents, plan, nowMs } = input;
  // Looked up once for each member of each group.
  const names = new Map(snapshot.nodes.map(({ id, hostname }) => [id, hostname]));
  const ref = (node: NodeId): NodeRef => ({
    node,
    hostname: names.get(node) ?? agents.get(node)?.hello.hostname ?? node,
  });
  const problems = [
    ...plan.problems,
    ...staleness(input),
    ...(input.tasks ? [tasksStaleProblem(input.tasks)] : []),
  ];
  const present = underPresentNames(agents, plan.renames ?? new Map());
  const groups = plan.groups.map((planned) => groupStatus(planned, present, ref));
  const shownAgents = [...agents]
    .map(([node, record]) => agentStatus(ref(node), record, plan, nowMs))
    .sort((a, b) => a.hostname.localeCompare(b.hostname) || a.node.localeCompare(b.node));
  return {
    apiVersion: 'swarm-vip/v1',
    kind: 'Status',
    verdict: worst([
      ...groups.map((group) => group.verdict),
      problems.some(({ severity }) => severity === 'error') ? 'DEGRADED' : 'OK',
    ]),
    coordinator: {
      ...ref(input.self),
      version: input.version,
      role: input.role,
      active: input.active === undefined ? null : ref(input.active),
      epoch: input.epoch ?? null,
    },
    snapshot: { ageMs: input.snapshotAgeMs, error: input.snapshotError ?? null },
    pause: plan.pause ? pauseStatus(plan.pause, shownAgents) : null,
    windows: (plan.windows ?? []).map((window) => windowStatus(window, ref(window.node))),
    config: plan.config ?? null,
    agentService: agentServiceOf(snapshot),
    leftovers: (snapshot.leftovers ?? []).map(({ name, nodes }) => ({
      service: name,
      nodes: nodes.map(ref),
    })),
    groups,
    agents: shownAgents,
    problems,
  };
}

function agentServiceOf({ agentServices = [] }: Snapshot): Status['agentService'] {
  const service = agentServices.find(({ managed }) => !managed) ?? agentServices[0];
  return service ? { name: service.name, managed: service.managed } : null;
}

function pauseStatus({ reason, sinceMs, untilMs }: Paused, agents: readonly AgentStatus[]): Status['pause'] {
  const waiting = agents.filter(({ connected, inSync }) => connected && !inSync);
  return {
    reason,
    since: new Date(sinceMs).toISOString(),
    until: new Date(untilMs).toISOString(),
    waiting: waiting.map(({ node, hostname }) => ({ node, hostname })),
  };
}

function windowStatus(window: PlannedWindow, ref: NodeRef): WindowStatus {
  const { schedule, zone, reason, fromMs, untilMs, open, refused } = window;
  const [from = '', until = ''] = [fromMs, untilMs].map((ms) => new Date(ms).toISOString());
  return { ...ref, schedule, timeZone: zone, reason, from, until, open, refused };
}

function groupStatus(
  planned: PlannedGroup,
  agents: AgentRecords,
  ref: (node: NodeId) => NodeRef,
): GroupStatus {
  const { group, vrid, waiting } = planned;
  const holders = holdersOf(agents, group.name);
  const members = planned.members
    .map((member) => memberStatus(member, group.name, agents.get(member.node), ref(member.node)))
    .sort((a, b) => (b.effectivePriority ?? b.priority - 1000) - (a.effectivePriority ?? a.priority - 1000));
  const successor = members.find(({ node, eligible }) => eligible && !holders.includes(node));
  return {
    name: group.name,
    verdict: groupVerdict(holders.length, members),
    addresses: group.addresses,
    vrid,
    version: group.version,
    intervalMs: group.intervalMs,
    failoverBoundMs: Math.ceil(
      masterDownMs(group.version, group.intervalMs, successor?.effectivePriority ?? 1),
    ),
    source: group.source,
    provenance: group.provenance,
    holders: holders.map((node) => ({
      ...ref(node),
      sinceMs: sinceOf(agents.get(node), group.name),
    })),
    preferred: preferredOf(planned, ref),
    members,
    waiting: waiting.map((step) => ({ ...ref(step.node), for: step.for.map(ref), why: step.why })),
  };
}

function preferredOf({ group, members }: PlannedGroup, ref: (node: NodeId) => NodeRef): NodeRef | null {
  const able = members.filter(({ drain, observe, priority }) => !drain && !observe && priority !== undefined);
  if (group.preempt === false && !able.some(({ leads }) => leads)) return null;
  const [first] = able.sort((a, b) => (b.priority ?? 0) - (a.priority ?? 0));
  return first ? ref(first.node) : null;
}

function groupVerdict(holders: number, members: readonly MemberStatus[]): Verdict {
  if (holders > 1) return 'TWO HOLDERS';
  if (holders === 0) return 'NO HOLDER';
  return members.every(({ eligible, drain, reserve }) => eligible || reserve || drain !== null)
    ? 'OK'
    : 'DEGRADED';
}

const severity: readonly Verdict[] = ['OK', 'DEGRADED', 'NO HOLDER', 'TWO HOLDERS'];
const worst = (verdicts: Verdict[]): Verdict =>
  verdicts.reduce((a, b) => (severity.indexOf(b) > severity.indexOf(a) ? b : a), 'OK');

const runs = (record: AgentRecord | undefined, group: string): RunningInstance | undefined =>
  record?.report?.instances.find((instance) => instance.group === group);

const sinceOf = ({ report }: Pick<AgentRecord, 'report'> = { report: undefined }, name: string): number =>
  [...(report?.instances ?? []), ...(report?.observed ?? [])].find(({ group }) => group === name)
    ?.stateSinceMs ?? 0;

function memberStatus(
  member: PlannedMember,
  group: string,
  record: AgentRecord | undefined,
  ref: NodeRef,
): MemberStatus {
  const { wantedPriority, priorityFrom, memberFrom, attachment, drain, leads, observe } = member;
  const running = runs(record, group);
  const seen = record?.report?.observed?.find((each) => each.group === group);
  const obstacle = observe ? observedObstacle(record, seen) : memberNote(record, running, member);
  const reserve = isReserve(member) && !drain;
  const checks = (record?.connected && running?.checks) || [];
  return {
    ...ref,
    state: record?.connected ? ((running ?? seen)?.state ?? 'NONE') : 'UNKNOWN',
    priority: wantedPriority,
    priorityFrom,
    effectivePriority: record?.connected ? (running?.effectivePriority ?? sentPriority(seen)) : null,
    interface: attachment?.interface ?? null,
    source: attachment?.source ?? null,
    provenance: {
      member: memberFrom,
      priority: priorityFrom,
      interface: attachment?.interfaceFrom ?? null,
      source: attachment?.sourceFrom ?? null,
    },
    eligible: obstacle === null,
    note: obstacle ?? (observe ? observedNote(seen) : weightNote(checks)),
    reserve,
    observed: observe,
    inherits: seen?.inherits === true,
    checks,
    leads,
    drain: drain ? { reason: drain.reason, until: isoTime(drain.untilMs), force: drain.force } : null,
  };
}

const isReserve = (member: PlannedMember): boolean =>
  member.priority === undefined && member.attachment !== undefined && !member.observe;

function memberNote(
  record: AgentRecord | undefined,
  running: RunningInstance | undefined,
  member: PlannedMember,
): string | null {
  if (member.drain) return drainNote(record, running, member.drain);
  if (!record?.connected) return 'agent not connected';
  if (isReserve(member)) return `in reserve: ${maxActiveMembers} members that rank higher take part`;
  if (member.priority === undefined)
    return record.report ? 'no interface for the address' : 'agent has not reported yet';
  if (!running) return 'assignment not applied yet';
  if (running.pause?.reason === 'check') return running.pause.detail;
  if (running.pause) return `paused: ${running.pause.detail}`;
  if (running.state === 'FAULT') return 'keepalived reports a fault';
  return null;
}

/** Failing checks that lower the priority and leave the member in the group. */
function weightNote(checks: readonly CheckResult[]): string | null {
  const failing = checks.filter(({ up, weight }) => up === false && weight !== undefined);
  const words = failing.map(({ name, weight, output }) => `check ${name} fails (${weight}): ${output}`);
  return words.length === 0 ? null : words.join('; ');
}

function drainNote(
  record: AgentRecord | undefined,
  running: RunningInstance | undefined,
  drain: Drain,
): string {
  const why = drain.reason === '' ? '' : `: ${drain.reason}`;
  const until = isoTime(drain.untilMs);
  const intent = `drained${why}${until === null ? '' : ` until ${until}`}`;
  if (!record?.connected) return `${intent}; agent not connected`;
  return running?.state === 'MASTER' ? `${intent}; holds on until another member takes over` : intent;
}

const isoTime = (ms: number | undefined): string | null =>
  ms === undefined ? null : new Date(ms).toISOString();

function agentStatus(ref: NodeRef, record: AgentRecord, plan: Plan, nowMs: number): AgentStatus {
  const { hello, report } = record;
  return {
    ...ref,
    connected: record.connected,
    version: hello.agentVersion,
    keepalivedVersion: hello.keepalivedVersion,
    keepalived: report?.keepalived ?? null,
    seenAgeMs: nowMs - record.seenMs,
    seenAtMs: record.seenMs,
    applied: report?.applied ?? null,
    inSync: inSync(
      report,
      (plan.assignments.get(ref.node) ?? []).filter(({ observe }) => !observe),
    ),
  };
}

function inSync(report: Report | undefined, wanted: readonly Pick<RunningInstance, WantedKey>[]): boolean {
  if (!report || report.instances.length !== wanted.length) return false;
  return wanted.every((want) => {
    const running = report.instances.find(({ group }) => group === want.group);
    return running !== undefined && wantedKeys.every((key) => same(running[key], want[key]));
  });
}

const wantedKeys = [
  'vrid',
  'version',
  'intervalMs',
  'interface',
  'source',
  'peers',
  'priority',
  'addresses',
  'agreement',
  'transport',
  'preempt',
  'preemptDelayMs',
  'addressInterfaces',
  'trackInterfaces',
  'garp',
  'vmac',
  'strict',
  'skipCheckAdvAddr',
  'checksMark',
] as const;
type WantedKey = (typeof wantedKeys)[number] | 'group';
const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

function staleness({ snapshotAgeMs, snapshotError }: StatusInput): Problem[] {
  if (snapshotAgeMs < staleSnapshotMs) return [];
  return [
    {
      code: 'snapshot-stale',
      severity: 'error',
      where: 'the coordinator’s view of Swarm',
      message: `the last good read is ${Math.round(snapshotAgeMs / 1000)} s old: ${snapshotError ?? 'no answer'}`,
      instead: 'assignments stand as they are; VRRP fails over without Swarm',
      remedy: 'restore the quorum of managers, or the engine on this one',
    },
  ];
}
