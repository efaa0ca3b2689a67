// A groups.yaml that is not in Swarm yet → what would come of it, and everything that is wrong, in the order of the file.
// Without a snapshot only the file itself is judged; with one also members, interfaces and what others define.
import type { Problem } from '../../shared/problem.ts';
import type { AssignedInstance, NetworkInterface, Report } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';
import { collectGroups, type Group } from './groups.ts';
import { type Agents, type Plan, plan } from './plan.ts';
import type { GroupsConfig, Snapshot } from './snapshot.ts';

export interface ConfigCheck {
  /** False: the file as a whole says nothing usable. */
  usable: boolean;
  /** As they would be served; passwords from secrets show as asterisks when the secrets are not at hand. */
  groups: Group[];
  /** Those of the file have a line and a column, and come first. */
  problems: LocatedProblem[];
}
export type LocatedProblem = Problem & { line?: number; column?: number };

/** A file that is not in Swarm yet. */
export const groupsFile = ({ name, text }: { name: string; text: string }): GroupsConfig => ({
  id: name,
  name,
  createdAt: '',
  text,
  sha256: '',
});

/** @param name of the file, for problems */
export function checkConfig(text: string, name = 'groups.yaml', snapshot?: Snapshot): ConfigCheck {
  const file = groupsFile({ name, text });
  // Alone, without older configs to fall back to: what is wrong must show as wrong.
  const swarm: Snapshot = { nodes: [], services: [], ...snapshot, configs: [file] };
  const { config, groups, problems } = collectGroups(swarm);
  const found = snapshot ? plan(swarm, new Map(), 0).problems.filter(isOfTheFile(groups)) : problems;
  const last = Number.POSITIVE_INFINITY;
  return {
    usable: config !== undefined,
    groups,
    problems: [...found].sort((a: LocatedProblem, b: LocatedProblem) => (a.line ?? last) - (b.line ?? last)),
  };
}

/** Agents are not asked here, so that none answers is no problem. */
const isOfTheFile = (groups: readonly Group[]) => (problem: Problem) =>
  problem.code !== 'agent-unreachable' &&
  (problem.group === undefined || groups.some(({ name }) => name === problem.group) || 'line' in problem);

export type Interfaces = ReadonlyMap<NodeId, readonly NetworkInterface[]>;

/**
 * What a node is to run once everything has settled, from a snapshot alone.
 * @param interfaces what nodes have, where it is known; for the others one interface `eth0` with the node's address in
 *   a /24 is assumed
 */
export function assignmentOf(
  snapshot: Snapshot,
  node: NodeId,
  interfaces: Interfaces = new Map(),
): { instances: AssignedInstance[]; problems: Problem[] } {
  const { assignments, problems } = settledPlan(snapshot, { interfaces });
  return { instances: assignments.get(node) ?? [], problems };
}

/**
 * What all nodes are to run once everything has settled.
 * @param running what agents report now: router ids in use stay, and a group that gets another name goes on
 */
export function settledPlan(
  snapshot: Snapshot,
  known: { interfaces?: Interfaces; running?: Agents; nowMs?: number } = {},
): Plan {
  const agents: Agents = new Map(
    snapshot.nodes.map(({ id, addresses }) => {
      const assumed = addresses.map((address) => `${address}/${address.includes(':') ? 64 : 24}`);
      const interfaces = known.interfaces?.get(id) ?? [{ name: 'eth0', up: true, addresses: assumed }];
      return [id, { connected: true, report: silentReport(interfaces) }];
    }),
  );
  return plan(snapshot, agents, known.nowMs ?? 0, known.running);
}

/** An agent that has applied nothing yet. */
const silentReport = (interfaces: readonly NetworkInterface[]): Report => ({
  type: 'report',
  interfaces: [...interfaces],
  applied: null,
  rejected: null,
  instances: [],
  keepalived: { phase: 'running', restarts: 0 },
  problems: [],
});
