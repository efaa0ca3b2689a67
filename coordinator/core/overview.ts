// Status and history → what the status page shows. It holds moments, never ages, so that it changes only when something
// has happened: its text is its version.
import type { Problem } from '../../shared/problem.ts';
import type { Generation } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';
import { byGroup, type HistoryDocument, type NodeTransition, type Switch } from './history.ts';
import { type Stretch, stretchesOf } from './holdings.ts';
import type { AgentStatus, GroupStatus, MemberStatus, Status, Verdict, WindowStatus } from './status.ts';

export interface Overview {
  apiVersion: 'swarm-vip/v1';
  kind: 'Overview';
  verdict: Verdict;
  coordinator: { hostname: string; version: string; role: 'active' | 'standby'; active: string | null };
  /** Why Swarm cannot be read at present. */
  swarmError: string | null;
  /** The Docker config that groups.yaml was read from. */
  config: string | null;
  groups: OverviewGroup[];
  agents: OverviewAgent[];
  /** Nothing of the plan changes until then. */
  pause: { reason: string; until: string; waiting: string[] } | null;
  drains: OverviewDrain[];
  /** Maintenance windows that are not carried out: to come, or refused for some groups. */
  windows: OverviewWindow[];
  problems: Problem[];
}

export interface OverviewGroup {
  name: string;
  verdict: Verdict;
  addresses: string[];
  vrid: number;
  failoverBoundMs: number;
  /** `heard` is false when the holder's agent is out of contact: it is what was last known. */
  holders: { node: NodeId; hostname: string; sinceMs: number; heard: boolean }[];
  /** Who takes over when the holder dies. */
  runnerUp: string | null;
  eligible: number;
  members: OverviewMember[];
  waiting: { hostname: string; for: string[]; why: string; outOfContact: string[] }[];
  /** Of the last day, newest first. */
  switches: OverviewSwitch[];
  /** How many more there were. */
  olderSwitches: number;
  /** The last one, however long ago. */
  lastSwitch: OverviewSwitch | null;
  past: Stretch[];
}

export type OverviewSwitch = Omit<Switch, 'group'>;

export type OverviewMember = Pick<
  MemberStatus,
  | 'node'
  | 'hostname'
  | 'state'
  | 'priority'
  | 'effectivePriority'
  | 'interface'
  | 'eligible'
  | 'note'
  | 'leads'
  | 'observed'
  | 'reserve'
> & { drained: boolean };

export interface OverviewAgent {
  node: NodeId;
  hostname: string;
  connected: boolean;
  version: string;
  keepalivedVersion: string;
  keepalived: AgentStatus['keepalived'];
  generation: Generation | null;
  inSync: boolean;
  /** When it was last heard; null while it is connected. */
  seenMs: number | null;
}

export interface OverviewDrain {
  node: NodeId;
  hostname: string;
  groups: string[];
  reason: string;
  until: string | null;
  /** By a maintenance window, which gives the node back by itself. */
  window: boolean;
  /** Groups that it holds all the same. */
  holds: string[];
}

export type OverviewWindow = Omit<WindowStatus, 'schedule' | 'timeZone'>;

interface GroupPast {
  /** Newest first. */
  switches: OverviewGroup['switches'];
  stretches(holders: readonly NodeId[]): Stretch[];
}

const noPast = (): GroupPast => ({ switches: [], stretches: () => [] });
/** Many nodes remember much, and it seldom changes: worked out once for each history. */
const known = new WeakMap<HistoryDocument, Map<string, GroupPast>>();

function pastsOf(history: HistoryDocument): Map<string, GroupPast> {
  const before = known.get(history);
  if (before) return before;
  const switches = byGroup(history.switches);
  const pasts = new Map(
    [...byGroup(history.transitions)].map(([group, transitions]) => [
      group,
      pastOf(transitions, switches.get(group) ?? []),
    ]),
  );
  known.set(history, pasts);
  return pasts;
}

function pastOf(transitions: readonly NodeTransition[], switches: readonly Switch[]): GroupPast {
  let last: { holders: string; stretches: Stretch[] } | undefined;
  return {
    switches: switches.map(({ group: _, ...each }) => each).reverse(),
    stretches(holders) {
      const key = holders.join();
      if (last?.holders !== key) last = { holders: key, stretches: stretchesOf(transitions, holders) };
      return last.stretches;
    },
  };
}

const dayMs = 86_400_000;
const mostSwitches = 20;

export function overview(status: Status, history: HistoryDocument, nowMs: number): Overview {
  const connected = new Set(status.agents.filter((agent) => agent.connected).map(({ node }) => node));
  const pasts = pastsOf(history);
  const sinceMs = nowMs - dayMs;
  return {
    apiVersion: 'swarm-vip/v1',
    kind: 'Overview',
    verdict: status.verdict,
    coordinator: {
      hostname: status.coordinator.hostname,
      version: status.coordinator.version,
      role: status.coordinator.role,
      active: status.coordinator.active?.hostname ?? null,
    },
    swarmError: status.snapshot.error,
    config: status.config?.name ?? null,
    groups: status.groups.map((group) =>
      overviewGroup(group, connected, pasts.get(group.name) ?? noPast(), sinceMs),
    ),
    agents: status.agents.map((agent) => ({
      ...{ node: agent.node, hostname: agent.hostname, connected: agent.connected, version: agent.version },
      ...{ keepalivedVersion: agent.keepalivedVersion, keepalived: agent.keepalived },
      ...{ generation: agent.applied, inSync: agent.inSync },
      seenMs: agent.connected ? null : agent.seenAtMs,
    })),
    pause: status.pause && {
      ...{ reason: status.pause.reason, until: status.pause.until },
      waiting: status.pause.waiting.map(({ hostname }) => hostname),
    },
    drains: drainsOf(status.groups, status.windows),
    windows: status.windows
      .filter(({ open, refused }) => !open || refused.length > 0)
      .map(({ schedule: _, timeZone: __, ...window }) => window),
    problems: status.problems,
  };
}

function overviewGroup(
  { name, verdict, addresses, vrid, failoverBoundMs, holders, members, waiting }: GroupStatus,
  connected: ReadonlySet<NodeId>,
  past: GroupPast,
  sinceMs: number,
): OverviewGroup {
  const holding = holders.map(({ node }) => node);
  const told = past.switches;
  const recent = told.filter(({ atMs }) => atMs >= sinceMs);
  return {
    ...{ name, verdict, addresses, vrid, failoverBoundMs },
    holders: holders.map(({ node, hostname, sinceMs }) => ({
      ...{ node, hostname, sinceMs },
      heard: connected.has(node),
    })),
    runnerUp: members.find(({ node, eligible }) => eligible && !holding.includes(node))?.hostname ?? null,
    eligible: members.filter(({ eligible }) => eligible).length,
    members: members.map((member) => ({
      ...{ node: member.node, hostname: member.hostname, state: member.state, interface: member.interface },
      ...{ priority: member.priority, effectivePriority: member.effectivePriority },
      ...{ eligible: member.eligible, note: member.note, leads: member.leads },
      ...{ observed: member.observed, reserve: member.reserve },
      drained: member.drain !== null,
    })),
    waiting: waiting.map((step) => ({
      hostname: step.hostname,
      for: step.for.map(({ hostname }) => hostname),
      why: step.why,
      outOfContact: step.for.filter(({ node }) => !connected.has(node)).map(({ hostname }) => hostname),
    })),
    switches: recent.slice(0, mostSwitches),
    olderSwitches: Math.max(0, recent.length - mostSwitches),
    lastSwitch: told[0] ?? null,
    past: past.stretches(holding).filter(({ toMs }) => toMs === null || toMs >= sinceMs),
  };
}

function drainsOf(groups: readonly GroupStatus[], windows: readonly WindowStatus[]): OverviewDrain[] {
  const drains = new Map<NodeId, OverviewDrain>();
  for (const { name, members } of groups) {
    for (const { node, hostname, drain, state } of members) {
      if (!drain) continue;
      const known = drains.get(node);
      const { reason, until } = drain;
      const window = windows.some((each) => each.node === node && each.open && each.until === until);
      const entry = known ?? { node, hostname, groups: [], reason, until, window, holds: [] };
      drains.set(node, entry);
      entry.groups.push(name);
      if (state === 'MASTER') entry.holds.push(name);
    }
  }
  return [...drains.values()];
}
