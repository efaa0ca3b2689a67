// The series of the best-known keepalived exporter (mehdy/keepalived-exporter), with its names, labels, types and values,
// so that its dashboards and alerts go on working.
import { addressesOn } from '../core/anchor.ts';
import type { Families, Labels, MetricsInput } from './metrics.ts';

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

/** STOP is no state of the exporter's: such an instance takes no part, like one that has just begun. */
export const stateNumber = { INIT: 0, STOP: 0, BACKUP: 1, MASTER: 2, FAULT: 3 } as const;

/** As Go names it, which the exporter's build information does. */
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

export function exporterSeries(input: MetricsInput, { gauge, counter }: Families): void {
  const { report, up, foreign, agentVersion } = input;
  const { observed = [] } = report;
  const arch = process.arch;
  const build = { version: agentVersion, goos: process.platform, goarch: architectures[arch] ?? arch };
  gauge('keepalived_exporter_build_info', 'What answers here in the place of the exporter', [
    [{ branch: '', goversion: '', revision: '', tags: '', ...build }, 1],
  ]);
  // Where the agent only looks on, the keepalived in question is the other one.
  gauge('keepalived_up', 'Status', [[{}, up || (observed.length > 0 && foreign) ? 1 : 0]]);
  addressSeries(input, { gauge, counter });
  routerSeries(input, { gauge, counter });
  scriptSeries(input, { gauge, counter });
}

/**
 * keepalived gets the real addresses as excluded ones, and an anchor that nobody needs to see as the only other. Whoever
 * asks the exporter's names means the real ones, so they are served under both.
 */
function addressSeries({ report, instances }: MetricsInput, { gauge }: Families): void {
  const states = [...instances, ...(report.observed ?? [])].flatMap((instance) => {
    const { group: iname, vrid } = instance;
    const placed =
      'peers' in instance
        ? addressesOn(instance)
        : instance.addresses.map((address) => ({ address, interface: instance.interface }));
    return placed.map(({ address, interface: intf }) => {
      const [ip_address = ''] = address.split('/');
      const labels = { iname, intf, vrid, ip_address };
      const checks = 'checks' in instance ? instance.checks : undefined;
      return { labels, state: stateNumber[instance.state], checks };
    });
  });
  const values = states.map(({ labels, state }) => [labels, state] as const);
  gauge('keepalived_vrrp_state', 'State of vrrp', values);
  gauge('keepalived_vrrp_excluded_state', 'State of vrrp with excluded VIP', values);
  gauge(
    'keepalived_exporter_check_script_status',
    'Check Script status for each VIP',
    states.flatMap(({ labels, checks = [] }) =>
      checks.some(({ up }) => up !== null)
        ? [[labels, checks.every(({ up }) => up !== false) ? 1 : 0] as const]
        : [],
    ),
  );
}

function routerSeries({ dump, instances }: MetricsInput, { counter }: Families): void {
  // A group that is gone may be in the last dump still.
  const routers = dump.filter(({ name }) => instances.some(({ group }) => group === name));
  const labelsOf = ({ name, interface: intf, vrid }: (typeof routers)[number]): Labels => ({
    ...{ iname: name, intf, vrid },
  });
  for (const [statistic, [name, help]] of Object.entries(statistics)) {
    counter(
      name,
      help,
      routers.map((router) => [labelsOf(router), router.stats[statistic] ?? 0]),
    );
  }
  counter(
    'keepalived_gratuitous_arp_delay_total',
    'Gratuitous ARP delay',
    routers.map((router) => [labelsOf(router), router.garpDelay]),
  );
}

/** Our checks are what an operator's vrrp_script was. One that has not run yet has no status. */
function scriptSeries({ instances, checking }: MetricsInput, { gauge }: Families): void {
  const scripts = instances.flatMap(({ group, checks = [] }) =>
    checks.map(({ name, up }) => ({ name: `${group}/${name}`, up, busy: checking(group, name) })),
  );
  gauge(
    'keepalived_script_status',
    'Tracker Script Status',
    scripts.flatMap(({ name, up }) => (up === null ? [] : [[{ name }, up ? 1 : 0] as const])),
  );
  gauge(
    'keepalived_script_state',
    'Tracker Script State',
    scripts.map(({ name, busy }) => [{ name }, busy ? 1 : 0]),
  );
}
