// The agent's own series, beside those of the exporter: what keepalived cannot tell.
import type { Families, MetricsInput } from './metrics.ts';
import { stateNumber } from './metrics-exporter.ts';

export function ownSeries(input: MetricsInput, families: Families): void {
  agentSeries(input, families);
  linkSeries(input, families);
  groupSeries(input, families);
  checkSeries(input, families);
  addressSeries(input, families);
}

function agentSeries(input: MetricsInput, { gauge, counter }: Families): void {
  const { report, fifo, reloads } = input;
  const { agentVersion: version, keepalivedVersion: keepalived } = input;
  gauge('swarm_vip_agent_build_info', 'Versions of the agent and its keepalived', [
    [{ version, keepalived }, 1],
  ]);
  gauge('swarm_vip_agent_generation', 'The assignment that keepalived runs', [
    [{ part: 'epoch' }, report.applied?.epoch ?? 0],
    [{ part: 'counter' }, report.applied?.counter ?? 0],
  ]);
  gauge('swarm_vip_agent_rejected', '1 while the newest assignment is refused', [
    [{}, report.rejected ? 1 : 0],
  ]);
  counter(
    'swarm_vip_agent_reloads_total',
    'New configurations for a running keepalived: applied; failed, when it ended; rejected by its test',
    Object.entries(reloads).map(([result, count]) => [{ result }, count]),
  );
  counter('swarm_vip_agent_keepalived_restarts_total', 'Times keepalived ended by itself', [
    [{}, report.keepalived.restarts],
  ]);
  gauge(
    'swarm_vip_agent_foreign_keepalived',
    '1 while a VRRP daemon runs on this host that is not the agent’s',
    [[{}, input.foreign ? 1 : 0]],
  );
  gauge('swarm_vip_agent_problems', 'Problems on this node', [[{}, report.problems.length]]);
  counter('swarm_vip_agent_fifo_unknown_lines_total', 'Unknown lines in the notify FIFO', [
    [{}, fifo.unknownLines],
  ]);
  counter('swarm_vip_agent_lower_master_adverts_total', 'Adverts of a second master of lower priority', [
    [{}, fifo.lowerMasters],
  ]);
}

function linkSeries({ links }: MetricsInput, { gauge, counter }: Families): void {
  gauge(
    'swarm_vip_agent_coordinator_connected',
    '1 when this coordinator has welcomed the agent',
    [...links].map(([endpoint, status]) => [
      { endpoint, role: status.welcome?.role ?? '' },
      status.connected ? 1 : 0,
    ]),
  );
  counter(
    'swarm_vip_agent_bad_frames_total',
    'Frames refused by their schema',
    [...links].map(([endpoint, status]) => [{ endpoint }, status.badFrames]),
  );
  counter(
    'swarm_vip_agent_unproven_coordinators_total',
    'Times that who answered could not prove to be a coordinator',
    [...links].map(([endpoint, status]) => [{ endpoint }, status.unproven]),
  );
}

function groupSeries({ report, instances, standsAside }: MetricsInput, { gauge }: Families): void {
  const { observed = [], problems } = report;
  const all = [...instances, ...observed];
  const held = (instance: (typeof all)[number], address: string) => instance.held.includes(address);
  gauge(
    'swarm_vip_agent_state',
    'VRRP state of the group here: 0 INIT, 1 BACKUP, 2 MASTER, 3 FAULT',
    all.map(({ group, state }) => [{ group }, stateNumber[state]]),
  );
  gauge(
    'swarm_vip_agent_last_transition_timestamp_seconds',
    'When that state began, by the node’s clock',
    all.map(({ group, stateSinceMs }) => [{ group }, stateSinceMs / 1000]),
  );
  gauge(
    'swarm_vip_agent_address_held',
    '1 while the kernel has the virtual address on this node',
    all.flatMap((each) =>
      each.addresses.map((address) => [{ group: each.group, address }, held(each, address) ? 1 : 0] as const),
    ),
  );
  gauge(
    'swarm_vip_agent_addresses_held',
    'Virtual addresses the kernel has on this node',
    all.map((each) => [{ group: each.group }, each.held.length]),
  );
  gauge(
    'swarm_vip_agent_observed',
    '1 for a group that the agent only looks on at',
    observed.map(({ group }) => [{ group }, 1]),
  );
  gauge(
    'swarm_vip_agent_priority',
    'Base priority, as assigned',
    instances.map(({ group, priority }) => [{ group }, priority]),
  );
  gauge(
    'swarm_vip_agent_effective_priority',
    'What keepalived uses now',
    instances.map(({ group, effectivePriority }) => [{ group }, effectivePriority]),
  );
  gauge(
    'swarm_vip_agent_paused',
    '1 while the agent keeps the instance out of its group',
    instances.map(({ group, pause }) => [{ group }, pause ? 1 : 0]),
  );
  gauge(
    'swarm_vip_agent_drained',
    '1 while the node is told to hold nothing of the group',
    instances.map(({ group }) => [{ group }, standsAside(group) ? 1 : 0]),
  );
  gauge(
    'swarm_vip_agent_foreign_holder',
    '1 while another machine answers for an address that this node holds',
    instances.map(({ group }) => [
      { group },
      problems.some((problem) => problem.code === 'foreign-holder' && problem.group === group) ? 1 : 0,
    ]),
  );
}

/** A check that has not run yet has no value. */
function checkSeries({ instances }: MetricsInput, { gauge }: Families): void {
  const checks = instances.flatMap(({ group, checks = [] }) => checks.map((each) => ({ group, ...each })));
  gauge(
    'swarm_vip_check_up',
    '1 while the health check passes',
    checks.flatMap(({ group, name, up }) =>
      up === null ? [] : [[{ group, check: name }, up ? 1 : 0] as const],
    ),
  );
  gauge(
    'swarm_vip_check_last_result_timestamp_seconds',
    'When it last had a result',
    checks.flatMap(({ group, name, lastRunMs }) =>
      lastRunMs === null ? [] : [[{ group, check: name }, lastRunMs / 1000] as const],
    ),
  );
  gauge(
    'swarm_vip_check_duration_seconds',
    'Time that its last run took',
    checks.flatMap(({ group, name, durationMs }) =>
      durationMs === null ? [] : [[{ group, check: name }, durationMs / 1000] as const],
    ),
  );
}

function addressSeries({ holding, leases, leaseSeconds }: MetricsInput, { gauge, counter }: Families): void {
  counter('swarm_vip_agent_addresses_swept_total', 'Addresses removed that keepalived did not hold', [
    [{}, holding.swept],
  ]);
  counter(
    'swarm_vip_agent_address_repairs_total',
    'Times keepalived had to be made to see that an address was missing',
    [[{}, holding.repaired]],
  );
  gauge('swarm_vip_agent_lease_seconds', 'Lease of held addresses; 0 without', [[{}, leaseSeconds ?? 0]]);
  if (!leases) return;
  counter('swarm_vip_agent_lease_renewals_total', 'Leases renewed on held addresses', [[{}, leases.renewed]]);
  counter('swarm_vip_agent_lease_renewer_starts_total', 'Lives of the renewer of leases', [
    [{}, leases.starts],
  ]);
}
