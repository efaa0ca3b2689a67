// Status → Prometheus. Gauges are set from one status document per scrape, so that all of them speak of one moment.
import { Counter, Gauge, Registry } from 'prom-client';
import type { RefusalKind } from '../core/refusal.ts';
import type { Status } from '../core/status.ts';

export interface CoordinatorMetrics {
  render(status: Status): Promise<string>;
}

export function createMetrics(
  version: string,
  refused: () => ReadonlyMap<RefusalKind, number>,
): CoordinatorMetrics {
  const registry = new Registry();
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  const perGroup = {
    holders: gauge('swarm_vip_holders', 'Nodes that hold the group now; anything but 1 is an alarm.', [
      'group',
    ]),
    eligible: gauge('swarm_vip_eligible', 'Members that could hold the group now.', ['group']),
    members: gauge('swarm_vip_members', 'Nodes that the operator put into the group.', ['group']),
    waiting: gauge('swarm_vip_rollout_waiting', 'Rollout steps of the group that wait for an agent.', [
      'group',
    ]),
    bound: gauge('swarm_vip_failover_bound_seconds', 'VRRP’s bound for a silent death of the holder.', [
      'group',
    ]),
  };
  const agents = gauge('swarm_vip_agents', 'Agents by state of their connection.', ['connected']);
  const lagging = gauge(
    'swarm_vip_generation_lag',
    'Connected agents that do not run what the plan wants.',
    [],
  );
  const problems = gauge('swarm_vip_problems', 'Problems shown in status.', ['severity']);
  const age = gauge('swarm_vip_snapshot_age_seconds', 'Age of the last good read of Swarm.', []);
  const active = gauge('swarm_vip_coordinator_active', '1 on the active coordinator, 0 on a standby.', []);
  gauge('swarm_vip_coordinator_build_info', 'Always 1.', ['version']).set({ version }, 1);

  new Counter({
    name: 'swarm_vip_frames_refused_total',
    help: 'Connections and frames of agents that were refused, by kind.',
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [kind, count] of refused()) this.inc({ kind }, count);
    },
  });

  return {
    render(status) {
      for (const each of Object.values(perGroup)) each.reset();
      for (const group of status.groups) {
        const labels = { group: group.name };
        perGroup.holders.set(labels, group.holders.length);
        perGroup.eligible.set(labels, group.members.filter(({ eligible }) => eligible).length);
        perGroup.members.set(labels, group.members.length);
        perGroup.waiting.set(labels, group.waiting.length);
        perGroup.bound.set(labels, group.failoverBoundMs / 1000);
      }
      const connected = status.agents.filter((agent) => agent.connected);
      agents.set({ connected: 'true' }, connected.length);
      agents.set({ connected: 'false' }, status.agents.length - connected.length);
      lagging.set(connected.filter(({ inSync }) => !inSync).length);
      for (const severity of ['error', 'warning'] as const) {
        problems.set({ severity }, status.problems.filter((problem) => problem.severity === severity).length);
      }
      age.set(status.snapshot.ageMs / 1000);
      active.set(status.coordinator.role === 'active' ? 1 : 0);
      return registry.metrics();
    },
  };
}
