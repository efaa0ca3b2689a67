// The Swarm as the coordinator sees it at one moment: what `io/swarm.ts` read from the engine, validated and keyed by
// node id. Everything that follows (groups, members, plan, who is active) is computed from this and from reports.
import type { NodeId } from '../../shared/words.ts';

export interface SwarmNode {
  id: NodeId;
  hostname: string;
  role: 'manager' | 'worker';
  availability: 'active' | 'pause' | 'drain';
  /** Swarm's opinion of the node's engine; never proof that the node holds no address. */
  state: 'ready' | 'down' | 'disconnected' | 'unknown';
  leader: boolean;
  /** Addresses under which Swarm knows the node; empty when it knows none (0.0.0.0). */
  addresses: string[];
  labels: Record<string, string>;
  /** When Swarm last changed what it knows of the node, by its leader's clock: Unix ms; 0 when it does not say. */
  updatedMs?: number;
}

/** A service that defines groups: one that carries the label `swarm-vip.role=coordinator`. */
export interface CoordinatorService {
  id: string;
  name: string;
  /** RFC 3339; the older of two services wins where both define one thing. */
  createdAt: string;
  env: Record<string, string>;
  /** Nodes on which a task of it runs. */
  runningOn: NodeId[];
}

/** Any service of the Swarm, as far as checks ask for it. */
export interface SwarmService {
  id: string;
  name: string;
  /** Undefined for a global one. */
  replicas: number | undefined;
}

/** A Docker config labelled `swarm-vip.groups`: one version of groups.yaml. */
export interface GroupsConfig {
  id: string;
  name: string;
  /** RFC 3339; the newest that can be read counts. */
  createdAt: string;
  text: string;
  sha256: string;
}

export interface Snapshot {
  nodes: SwarmNode[];
  services: CoordinatorService[];
  /** All of them; absent where only a file is judged. */
  allServices?: readonly SwarmService[];
  configs?: GroupsConfig[];
  /** Short secrets mounted into the coordinator, by name: passwords that groups.yaml refers to. */
  secrets?: Readonly<Record<string, string>>;
}

/** "web-01 (k3v…)": how problems and status name a node; hostnames alone may repeat. */
export function nodeName(snapshot: Snapshot, id: NodeId): string {
  const node = snapshot.nodes.find((candidate) => candidate.id === id);
  return node ? `${node.hostname} (${id})` : id;
}

/**
 * Which node's coordinator is active: the one on Swarm's leader; if none runs there, the one with the lowest node id.
 * A rule over Swarm's own state, so that all coordinators agree without an election of ours.
 */
export function activeCoordinator(snapshot: Snapshot): NodeId | undefined {
  const running = new Set(snapshot.services.flatMap((service) => service.runningOn));
  const leader = snapshot.nodes.find((node) => node.leader);
  if (leader && running.has(leader.id)) return leader.id;
  return [...running].sort()[0];
}

/** Addresses of all managers, for agents to connect to. */
export function managerAddresses(snapshot: Snapshot): string[] {
  return snapshot.nodes
    .filter((node) => node.role === 'manager')
    .flatMap((node) => node.addresses.slice(0, 1))
    .sort();
}
