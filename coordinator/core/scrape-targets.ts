// Status + snapshot → what /sd tells Prometheus (http_sd_configs): every agent, heard or not, so that a dead one shows as
// a target that is down, and every coordinator.
import type { NodeId } from '../../shared/words.ts';
import type { Snapshot } from './snapshot.ts';
import type { Status } from './status.ts';

/** As https://prometheus.io/docs/prometheus/latest/http_sd/ defines it. */
export interface TargetGroup {
  targets: string[];
  labels: Record<string, string>;
}

/** METRICS_LISTEN of the agents, unless somebody moved it; then relabel the port. */
export const agentMetricsPort = 9165;

export function scrapeTargets(
  { agents, groups }: Status,
  { nodes, services }: Snapshot,
  httpPort: number,
): TargetGroup[] {
  const withAgent = new Set<NodeId>([
    ...agents.map(({ node }) => node),
    ...groups.flatMap(({ members }) => members.map(({ node }) => node)),
  ]);
  const withCoordinator = new Set<NodeId>(services.flatMap(({ tasks }) => tasks.map(({ node }) => node)));
  return nodes.flatMap(({ id, hostname, role, addresses: [address] }): TargetGroup[] => {
    if (address === undefined) return [];
    const meta = { __meta_swarm_vip_node_id: id, __meta_swarm_vip_node_role: role };
    const target = (port: number) => [address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`];
    const found: TargetGroup[] = [];
    if (withAgent.has(id)) {
      const labels = { job: 'swarm-vip-agent', node: hostname, ...meta };
      found.push({ targets: target(agentMetricsPort), labels });
    }
    // No label "node" here: a coordinator's own series say of which node they speak.
    if (withCoordinator.has(id)) {
      const labels = { job: 'swarm-vip-coordinator', coordinator: hostname, ...meta };
      found.push({ targets: target(httpPort), labels });
    }
    return found;
  });
}
