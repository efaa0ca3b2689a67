// The queries of a Grafana dashboard, as Grafana would send them: variables filled in.
import { readFileSync } from 'node:fs';
import { monitoring } from './monitor.ts';

export interface Query {
  readonly title: string;
  readonly expression: string;
}

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets: readonly { readonly expr: string }[];
  }[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: string | { readonly query: string } }[];
  };
}

export const readDashboard = (): Dashboard =>
  JSON.parse(readFileSync(`${monitoring}dashboard.json`, 'utf8')) as Dashboard;

/** @param values by variable, without the `$` */
export const filled = (text: string, values: Readonly<Record<string, string>>): string =>
  text.replace(/\$(\w+)/g, (whole, name: string) => values[name] ?? whole);

export const queriesOf = ({ panels }: Dashboard, values: Readonly<Record<string, string>>): Query[] =>
  panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({ title, expression: filled(expr, values) })),
  );

/** What a panel of the exporter's dashboard asks, and by which labels it names each answer. */
export interface ExporterQuery extends Query {
  readonly named: readonly string[];
  /** What the panel has a word for; a counter's rate is any number. */
  readonly values?: readonly number[];
}

const state = (title: string, metric: string, named: readonly string[], most: number): ExporterQuery => ({
  ...{ title, expression: `${metric}{instance="$instance"}`, named },
  values: Array.from({ length: most + 1 }, (_, value) => value),
});
const rate = (title: string, counter: string): ExporterQuery => ({
  ...{ title, named: ['iname'] },
  expression: `rate(keepalived_${counter}_total{instance="$instance"}[$__rate_interval])`,
});

/** All that the exporter's own dashboard asks, for one instance; its variable lists `label_values(keepalived_up, instance)`. */
export const exporterQueries: readonly ExporterQuery[] = [
  state('Keepalived Status', 'keepalived_up', [], 1),
  state('Script Status', 'keepalived_script_status', ['name'], 1),
  state(
    'Keepalived Exporter Check Script Status',
    'keepalived_exporter_check_script_status',
    ['iname', 'ip_address'],
    1,
  ),
  state('Script State', 'keepalived_script_state', ['name'], 3),
  state('VRRP State', 'keepalived_vrrp_state', ['iname', 'ip_address'], 3),
  rate('Master Changes', 'become_master'),
  rate('Master Changes', 'release_master'),
  rate('Advertisements', 'advertisements_sent'),
  rate('Advertisements', 'advertisements_received'),
  rate('Priority Zero', 'priority_zero_sent'),
  rate('Priority Zero', 'priority_zero_received'),
  rate('Gratuitous ARP Delay', 'gratuitous_arp_delay'),
  rate('Errors', 'advertisements_interval_errors'),
  rate('Errors', 'packet_length_errors'),
  rate('Errors', 'ip_ttl_errors'),
  rate('Errors', 'invalid_type_received'),
  rate('Errors', 'address_list_errors'),
  rate('Errors', 'authentication_invalid'),
  rate('Errors', 'authentication_failure'),
  rate('Errors', 'authentication_mismatch'),
];
