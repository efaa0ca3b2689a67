// Status → Prometheus. Gauges are set from one status document per scrape, so that all of them speak of one moment; a
// series of a group or node that is gone ends with the next scrape.
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { HandOverCount } from '../core/hand-over-count.ts';
import { handOverCauses } from '../core/history.ts';
import type { RefusalKind } from '../core/refusal.ts';
import type { GroupStatus, Status } from '../core/status.ts';
import type { NotificationCount } from '../notifier.ts';
import type { RolloutMeter } from '../rollout-meter.ts';

export interface CoordinatorMetrics {
  /** From a change by an operator until every agent runs it. */
  applied(seconds: number): void;
  render(status: Status, handOvers: HandOverCount, steps: ReturnType<RolloutMeter['steps']>): Promise<string>;
}

export function createMetrics(
  version: string,
  refused: () => ReadonlyMap<RefusalKind, number>,
  notified: () => ReadonlyMap<string, NotificationCount> = () => new Map(),
): CoordinatorMetrics {
  const registry = new Registry();
  const registers = [registry];
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Gauge({ name, help, labelNames, registers });
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name, help, labelNames, registers });
  const perGroup = (name: string, help: string) => gauge(name, help, ['group']);

  const groupGauges: [Gauge<'group'>, (group: GroupStatus) => number][] = [
    [
      perGroup('swarm_vip_holders', 'Nodes that hold the group now; anything but 1 is an alarm.'),
      ({ holders }) => holders.length,
    ],
    [perGroup('swarm_vip_eligible', 'Members that could hold the group now.'), eligible],
    [
      perGroup('swarm_vip_members', 'Nodes that the operator put into the group.'),
      ({ members }) => members.length,
    ],
    [
      perGroup('swarm_vip_rollout_waiting', 'Rollout steps of the group that wait for an agent.'),
      ({ waiting }) => waiting.length,
    ],
    [
      perGroup('swarm_vip_failover_bound_seconds', 'VRRP’s bound for a silent death of the holder.'),
      ({ failoverBoundMs }) => failoverBoundMs / 1000,
    ],
    [
      perGroup(
        'swarm_vip_holder_preferred',
        '1 when the holder is the preferred member, the highest that is not drained, or none is preferred.',
      ),
      holdsPreferred,
    ],
  ];
  const memberEligible = gauge('swarm_vip_member_eligible', '1 when the node could hold the group now.', [
    'group',
    'node',
  ]);
  const memberHolds = gauge('swarm_vip_member_holds', '1 when the node holds the group now.', [
    'group',
    'node',
  ]);
  const memberDrained = gauge('swarm_vip_member_drained', '1 when the node is to hold nothing.', [
    'group',
    'node',
  ]);
  const agentConnected = gauge(
    'swarm_vip_agent_connected',
    '1 when the agent of a member, or of a node that had one, is connected.',
    ['node'],
  );
  const agents = gauge('swarm_vip_agents', 'Agents by state of their connection.', ['connected']);
  const lagging = gauge(
    'swarm_vip_generation_lag',
    'Connected agents that do not run what the plan wants.',
    [],
  );
  const problems = gauge('swarm_vip_problems', 'Problems shown in status.', ['severity']);
  const age = gauge('swarm_vip_snapshot_age_seconds', 'Age of the last good read of Swarm.', []);
  const active = gauge('swarm_vip_coordinator_active', '1 on the active coordinator, 0 on a standby.', []);
  const paused = gauge('swarm_vip_paused', '1 while an operator has paused the plan.', []);
  const pauseEnd = gauge('swarm_vip_pause_end_timestamp_seconds', 'When the pause ends; 0 without one.', []);
  gauge('swarm_vip_coordinator_build_info', 'Always 1.', ['version']).set({ version }, 1);
  const handOvers = counter(
    'swarm_vip_hand_overs_total',
    'Changes of the holder since this coordinator was started, by cause.',
    ['group', 'reason'],
  );
  const steps = counter(
    'swarm_vip_rollout_steps_total',
    'Changes of what a node is to run of a group, as this coordinator sent them.',
    ['group', 'step'],
  );
  const applied = new Histogram({
    name: 'swarm_vip_apply_duration_seconds',
    help: 'From a change of labels or groups in Swarm until every agent in reach runs it.',
    buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
    registers,
  });
  const fresh = [
    ...groupGauges.map(([each]) => each),
    ...[memberEligible, memberHolds, memberDrained, agentConnected, handOvers, steps],
  ];

  new Counter({
    name: 'swarm_vip_frames_refused_total',
    help: 'Connections and frames that were refused, of agents or somebody else, by kind.',
    labelNames: ['kind'],
    registers,
    collect() {
      this.reset();
      for (const [kind, count] of refused()) this.inc({ kind }, count);
    },
  });

  new Counter({
    name: 'swarm_vip_notifications_total',
    help: 'Notices told to receivers, attempts that failed, and notices that were refused or dropped.',
    labelNames: ['receiver', 'result'],
    registers,
    collect() {
      this.reset();
      for (const [receiver, count] of notified())
        for (const result of ['delivered', 'failed', 'lost'] as const)
          this.inc({ receiver, result }, count[result]);
    },
  });
  new Gauge({
    name: 'swarm_vip_notifications_pending',
    help: 'Notices that wait for their receiver.',
    labelNames: ['receiver'],
    registers,
    collect() {
      this.reset();
      for (const [receiver, { pending }] of notified()) this.set({ receiver }, pending);
    },
  });

  return {
    applied: (seconds) => applied.observe(seconds),
    render(status, handOverCount, stepsByGroup) {
      for (const each of fresh) each.reset();
      for (const group of status.groups) {
        const labels = { group: group.name };
        for (const [each, read] of groupGauges) each.set(labels, read(group));
        for (const member of group.members) {
          const ofNode = { ...labels, node: member.hostname };
          memberEligible.set(ofNode, member.eligible ? 1 : 0);
          memberHolds.set(ofNode, group.holders.some(({ node }) => node === member.node) ? 1 : 0);
          memberDrained.set(ofNode, member.drain ? 1 : 0);
          agentConnected.set({ node: member.hostname }, 0);
        }
        // From 0 on, or the first one would be no increase.
        const counts = handOverCount.byGroup.get(group.name);
        for (const reason of handOverCauses) handOvers.inc({ ...labels, reason }, counts?.get(reason) ?? 0);
        for (const [step, count] of stepsByGroup.get(group.name) ?? []) steps.inc({ ...labels, step }, count);
      }
      for (const { hostname, connected } of status.agents)
        agentConnected.set({ node: hostname }, connected ? 1 : 0);
      const connected = status.agents.filter((agent) => agent.connected);
      agents.set({ connected: 'true' }, connected.length);
      agents.set({ connected: 'false' }, status.agents.length - connected.length);
      lagging.set(connected.filter(({ inSync }) => !inSync).length);
      for (const severity of ['error', 'warning'] as const) {
        problems.set({ severity }, status.problems.filter((problem) => problem.severity === severity).length);
      }
      age.set(status.snapshot.ageMs / 1000);
      paused.set(status.pause ? 1 : 0);
      pauseEnd.set(status.pause ? Date.parse(status.pause.until) / 1000 : 0);
      active.set(status.coordinator.role === 'active' ? 1 : 0);
      return registry.metrics();
    },
  };
}

const eligible = ({ members }: GroupStatus): number => members.filter((member) => member.eligible).length;

const holdsPreferred = ({ holders, preferred }: GroupStatus): number =>
  preferred === null || holders.some(({ node }) => node === preferred.node) ? 1 : 0;
