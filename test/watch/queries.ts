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

const counters = [
  'become_master',
  'release_master',
  'advertisements_sent',
  'advertisements_received',
  'priority_zero_sent',
  'priority_zero_received',
  'gratuitous_arp_delay',
  'advertisements_interval_errors',
  'packet_length_errors',
  'ip_ttl_errors',
  'invalid_type_received',
  'address_list_errors',
  'authentication_invalid',
  'authentication_failure',
  'authentication_mismatch',
];

/** All that the exporter's own dashboard asks, for one instance; its variable lists `label_values(keepalived_up, instance)`. */
export const exporterQueries: readonly string[] = [
  'keepalived_up{instance="$instance"}',
  'keepalived_script_status{instance="$instance"}',
  'keepalived_exporter_check_script_status{instance="$instance"}',
  'keepalived_script_state{instance="$instance"}',
  'keepalived_vrrp_state{instance="$instance"}',
  ...counters.map((name) => `rate(keepalived_${name}_total{instance="$instance"}[$__rate_interval])`),
];
