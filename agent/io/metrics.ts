// Prometheus text. Names and labels of keepalived's own series are those of the best-known exporter
// (mehdy/keepalived-exporter), so that its dashboards and alerts go on working; ours begin with swarm_vip_agent_.
import { Counter, Gauge, Registry } from 'prom-client';
import type { Report } from '../../shared/protocol.ts';
import type { LeaseStats } from '../core/lease.ts';
import type { LinkStatus } from './coordinator-link.ts';
import type { Dump } from './dump.ts';

/** keepalived's statistic → the exporter's series. */
const statistics = {
  advert_rcvd: ['keepalived_advertisements_received_total', 'Advertisements received'],
  advert_sent: ['keepalived_advertisements_sent_total', 'Advertisements sent'],
  become_master: ['keepalived_become_master_total', 'Became master'],
  release_master: ['keepalived_release_master_total', 'Released master'],
  packet_len_err: ['keepalived_packet_length_errors_total', 'Packet length errors'],
  advert_interval_err: ['keepalived_advertisements_interval_errors_total', 'Advertisement interval errors'],
  ip_ttl_err: ['keepalived_ip_ttl_errors_total', 'TTL errors'],
  invalid_type_rcvd: ['keepalived_invalid_type_received_total', 'Invalid type errors'],
  addr_list_err: ['keepalived_address_list_errors_total', 'Address list errors'],
  invalid_authtype: ['keepalived_authentication_invalid_total', 'Authentication invalid'],
  authtype_mismatch: ['keepalived_authentication_mismatch_total', 'Authentication mismatch'],
  auth_failure: ['keepalived_authentication_failure_total', 'Authentication failure'],
  pri_zero_rcvd: ['keepalived_priority_zero_received_total', 'Priority zero received'],
  pri_zero_sent: ['keepalived_priority_zero_sent_total', 'Priority zero sent'],
} as const;

const stateNumber: Readonly<Record<string, number>> = { INIT: 0, BACKUP: 1, MASTER: 2, FAULT: 3, STOP: 0 };

export interface MetricsInput {
  readonly report: Report;
  readonly up: boolean;
  readonly dump: Dump | undefined;
  readonly links: ReadonlyMap<string, LinkStatus>;
  readonly fifo: { readonly unknownLines: number; readonly lowerMasters: number };
  readonly holding: { readonly swept: number; readonly repaired: number };
  /** Undefined without leases. */
  readonly leases: LeaseStats | undefined;
  /** A VRRP daemon on this host that is not ours. */
  readonly foreign: boolean;
  readonly agentVersion: string;
  readonly keepalivedVersion: string;
}

/** A fresh registry for each scrape: a series of a removed group ends at once. */
export function renderMetrics(input: MetricsInput): Promise<string> {
  const registers = [new Registry()];
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name, help, labelNames, registers });
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name, help, labelNames, registers });

  // Where the agent only looks on, the keepalived in question is the other one.
  const { observed = [] } = input.report;
  gauge('keepalived_up', 'Status').set(input.up || (observed.length > 0 && input.foreign) ? 1 : 0);
  instanceSeries(input, gauge, counter);
  agentSeries(input, gauge, counter);
  addressSeries(input, counter);
  const [registry] = registers;
  return registry ? registry.metrics() : Promise.resolve('');
}

type MakeGauge = (name: string, help: string, labelNames?: string[]) => Gauge;
type MakeCounter = (name: string, help: string, labelNames?: string[]) => Counter;

function instanceSeries({ report, dump }: MetricsInput, gauge: MakeGauge, counter: MakeCounter): void {
  const state = gauge('keepalived_vrrp_state', 'State of vrrp', ['iname', 'intf', 'vrid', 'ip_address']);
  for (const instance of [...report.instances, ...(report.observed ?? [])]) {
    for (const address of instance.addresses) {
      const [ip_address = ''] = address.split('/');
      const { group: iname, interface: intf, vrid } = instance;
      state.set({ iname, intf, vrid, ip_address }, stateNumber[instance.state] ?? 0);
    }
  }
  const labels = ['iname', 'intf', 'vrid'];
  for (const [statistic, [name, help]] of Object.entries(statistics)) {
    const series = counter(name, help, labels);
    for (const router of dump ?? []) {
      const { name: iname, interface: intf, vrid } = router;
      series.inc({ iname, intf, vrid }, router.stats[statistic] ?? 0);
    }
  }
  const delay = counter('keepalived_gratuitous_arp_delay_total', 'Gratuitous ARP delay', labels);
  for (const { name: iname, interface: intf, vrid, garpDelay } of dump ?? []) {
    delay.inc({ iname, intf, vrid }, garpDelay);
  }
}

function agentSeries(input: MetricsInput, gauge: MakeGauge, counter: MakeCounter): void {
  const { report, links, fifo, foreign } = input;
  gauge('swarm_vip_agent_build_info', 'Versions of the agent and its keepalived', [
    'version',
    'keepalived',
  ]).set({ version: input.agentVersion, keepalived: input.keepalivedVersion }, 1);
  const connected = gauge(
    'swarm_vip_agent_coordinator_connected',
    '1 when this coordinator has welcomed the agent',
    ['endpoint', 'role'],
  );
  const badFrames = counter('swarm_vip_agent_bad_frames_total', 'Frames refused by their schema', [
    'endpoint',
  ]);
  for (const [endpoint, status] of links) {
    connected.set({ endpoint, role: status.welcome?.role ?? '' }, status.connected ? 1 : 0);
    badFrames.inc({ endpoint }, status.badFrames);
  }
  const generation = gauge('swarm_vip_agent_generation', 'The assignment that keepalived runs', ['part']);
  generation.set({ part: 'epoch' }, report.applied?.epoch ?? 0);
  generation.set({ part: 'counter' }, report.applied?.counter ?? 0);
  gauge('swarm_vip_agent_rejected', '1 while the newest assignment is refused').set(report.rejected ? 1 : 0);
  const paused = gauge('swarm_vip_agent_paused', '1 while the agent keeps the instance out of its group', [
    'group',
  ]);
  const held = gauge('swarm_vip_agent_addresses_held', 'Virtual addresses the kernel has on this node', [
    'group',
  ]);
  for (const instance of report.instances) {
    paused.set({ group: instance.group }, instance.pause ? 1 : 0);
    held.set({ group: instance.group }, instance.held.length);
  }
  const observed = gauge('swarm_vip_agent_observed', '1 for a group that the agent only looks on at', [
    'group',
  ]);
  for (const instance of report.observed ?? []) {
    observed.set({ group: instance.group }, 1);
    held.set({ group: instance.group }, instance.held.length);
  }
  gauge(
    'swarm_vip_agent_foreign_keepalived',
    '1 while a VRRP daemon runs on this host that is not the agent’s',
  ).set(foreign ? 1 : 0);
  checkSeries(report, gauge);
  const { restarts } = report.keepalived;
  counter('swarm_vip_agent_keepalived_restarts_total', 'Times keepalived ended by itself').inc(restarts);
  gauge('swarm_vip_agent_problems', 'Problems on this node').set(report.problems.length);
  counter('swarm_vip_agent_fifo_unknown_lines_total', 'Unknown lines in the notify FIFO').inc(
    fifo.unknownLines,
  );
  counter('swarm_vip_agent_lower_master_adverts_total', 'Adverts of a second master of lower priority').inc(
    fifo.lowerMasters,
  );
}

function addressSeries({ holding, leases }: MetricsInput, counter: MakeCounter): void {
  const count = (name: string, help: string, value: number) => counter(name, help).inc(value);
  count(
    'swarm_vip_agent_addresses_swept_total',
    'Addresses removed that keepalived did not hold',
    holding.swept,
  );
  count(
    'swarm_vip_agent_address_repairs_total',
    'Times keepalived had to be made to see that an address was missing',
    holding.repaired,
  );
  if (!leases) return;
  count('swarm_vip_agent_lease_renewals_total', 'Leases renewed on held addresses', leases.renewed);
  count('swarm_vip_agent_lease_renewer_starts_total', 'Lives of the renewer of leases', leases.starts);
}

/** A check that has not run yet has no value. */
function checkSeries({ instances }: Report, gauge: MakeGauge): void {
  const labels = ['group', 'check'];
  const up = gauge('swarm_vip_check_up', '1 while the health check passes', labels);
  const seen = gauge('swarm_vip_check_last_result_timestamp_seconds', 'When it last had a result', labels);
  const duration = gauge('swarm_vip_check_duration_seconds', 'Time that its last run took', labels);
  for (const { group, checks = [] } of instances) {
    for (const { name: check, up: passes, lastRunMs, durationMs } of checks) {
      if (passes !== null) up.set({ group, check }, passes ? 1 : 0);
      if (lastRunMs !== null) seen.set({ group, check }, lastRunMs / 1000);
      if (durationMs !== null) duration.set({ group, check }, durationMs / 1000);
    }
  }
}
