// A small vocabulary for coordinator tests: snapshots and reports in a line each.
import { type Agents, type Plan, plan as planAt } from '../../coordinator/core/plan.ts';
import type {
  CoordinatorService,
  GroupsConfig,
  Snapshot,
  SwarmNode,
} from '../../coordinator/core/snapshot.ts';
import { createRolloutMeter } from '../../coordinator/rollout-meter.ts';
import type { AssignedInstance, Hello, Report, RunningInstance } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';

/** id(1) → "node001xxxxxxxxxxxxxxxxxx": stable, valid, readable. */
export const id = (n: number): NodeId => `node${String(n).padStart(3, '0')}`.padEnd(25, 'x') as NodeId;
export const ip = (n: number): string => `10.0.0.${10 + n}`;

export const hello = (n: number): Hello => ({
  ...{ type: 'hello', protocol: 1, node: id(n), hostname: `host${n}` },
  ...{ agentVersion: '1', keepalivedVersion: '2.2.7' },
});

/** What a coordinator has around it when no agent is connected. */
export const unattended = () => ({
  send: () => true,
  connected: () => [],
  disconnect: () => undefined,
  meter: createRolloutMeter(() => undefined),
});

export function node(
  n: number,
  labels: Record<string, string> = {},
  more: Partial<SwarmNode> = {},
): SwarmNode {
  return {
    id: id(n),
    hostname: `host${n}`,
    role: 'manager',
    availability: 'active',
    state: 'ready',
    leader: n === 1,
    addresses: [ip(n)],
    labels,
    ...more,
  };
}

export const member = (n: number, priority?: string, more: Record<string, string> = {}): SwarmNode =>
  node(n, {
    keepalived_group: 'web',
    ...(priority === undefined ? {} : { KEEPALIVED_PRIORITY: priority }),
    ...more,
  });

export function service(
  env: Record<string, string> = {},
  more: Partial<CoordinatorService> = {},
): CoordinatorService {
  return {
    id: 'service1',
    name: 'vip_coordinator',
    createdAt: '2026-01-01T00:00:00Z',
    env: { KEEPALIVED_GROUP: 'web', KEEPALIVED_VIRTUAL_IPS: '10.0.0.100', ...env },
    tasks: [{ id: 'task1', node: id(1) }],
    ...more,
  };
}

/** A version of groups.yaml; a greater number is a newer one. */
export const config = (text: string, version = 1): GroupsConfig => ({
  id: `config${version}`,
  name: `groups-${version}`,
  createdAt: `2026-03-01T00:00:00.${String(version).padStart(3, '0')}Z`,
  text,
  sha256: `sum of ${version}`,
});

export const snapshot = (
  nodes: SwarmNode[],
  services: CoordinatorService[] = [service()],
  configs: GroupsConfig[] = [],
): Snapshot => ({ nodes, services, configs, secrets: { 'vrrp-web': 'geheim' } });

export function report(n: number, instances: RunningInstance[] = [], more: Partial<Report> = {}): Report {
  return {
    type: 'report',
    interfaces: [{ name: 'eth0', up: true, addresses: [`${ip(n)}/24`] }],
    applied: null,
    rejected: null,
    instances,
    keepalived: { phase: 'running', restarts: 0 },
    problems: [],
    ...more,
  };
}

/** What an agent reports once it runs `assigned`. */
export function running(assigned: AssignedInstance, more: Partial<RunningInstance> = {}): RunningInstance {
  const { peersConfirmed: _, password: __, checks: _c, notify: _n, ...instance } = assigned;
  return {
    ...instance,
    state: 'BACKUP',
    stateSinceMs: 0,
    effectivePriority: assigned.priority,
    pause: null,
    held: [],
    ...more,
  };
}

export const connected = (reports: Record<number, Report>): Agents =>
  new Map(Object.entries(reports).map(([n, each]) => [id(Number(n)), { connected: true, report: each }]));

/** Tests that are not about time plan at the beginning of it. */
export const plan = (swarm: Snapshot, agents: Agents, nowMs = 0): Plan => planAt(swarm, agents, nowMs);
