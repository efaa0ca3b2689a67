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

/** A running task. */
export interface Task {
  id: string;
  node: NodeId;
}

/** A service of ours that defines groups; how it is told from others: swarm-services.ts. */
export interface CoordinatorService {
  id: string;
  name: string;
  /** RFC 3339; the older of two services wins where both define one thing. */
  createdAt: string;
  /** As in its specification: with tag, and with digest if a client has resolved it. */
  image?: string;
  env: Record<string, string>;
  /** Carries the label swarm-vip.role. */
  labelled?: boolean;
  updating?: boolean;
  /** Those that run. */
  tasks: Task[];
}

/** A service of agents. */
export interface AgentService {
  id: string;
  name: string;
  /** Created by a coordinator, as opposed to a compose file. */
  managed: boolean;
  /** Of a managed one: what it was made for (agent-service.ts). */
  madeFor?: string;
  /** Names of the secrets that it mounts. */
  secrets: string[];
  env: Record<string, string>;
  /** An update is under way, or has stopped halfway. */
  updating: boolean;
  /** Swarm replaces its tasks, one after the other, forward or back. */
  replacing?: boolean;
  /** Swarm has taken the last update back. */
  rolledBack?: boolean;
}

/** The newest task of an agent service on a node. */
export interface AgentTask {
  node: NodeId;
  state: string;
  /** In Swarm's words; empty if it has none. */
  error: string;
}

/** A service that the former operator created for one node. */
export interface Leftover {
  id: string;
  name: string;
  addresses: string[];
  /** The host name that it is bound to. */
  hostname: string;
  /** Where its keepalived runs now. */
  nodes: NodeId[];
}

/** Any service of the Swarm, as far as checks ask for it and its labels define groups. */
export interface SwarmService {
  id: string;
  name: string;
  /** Undefined for a global one. */
  replicas: number | undefined;
  /** RFC 3339. */
  createdAt?: string;
  /** Those under our prefix. */
  labels?: Readonly<Record<string, string>>;
  /** Placement constraints, as written. */
  constraints?: readonly string[];
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
  agentServices?: AgentService[];
  /** Read only while an agent is missing. */
  agentTasks?: AgentTask[];
  leftovers?: Leftover[];
  /** Names of services that still run the former operator. */
  formerOperators?: string[];
}

const isAlone = (nodes: readonly SwarmNode[], { id, hostname }: SwarmNode): boolean =>
  nodes.every((other) => other.hostname !== hostname || other.id === id);

/** How problems, status and logs name a node: "web-01", and "web-01 (k3v…)" where several nodes have that host name. */
export function nodeName({ nodes }: Pick<Snapshot, 'nodes'>, id: NodeId): string {
  const node = nodes.find((candidate) => candidate.id === id);
  if (!node) return id;
  return isAlone(nodes, node) ? node.hostname : `${node.hostname} (${id})`;
}

/** The same as a word of a command line, by which swarm-vip and Docker find the node. */
export function nodeArgument({ nodes }: Pick<Snapshot, 'nodes'>, id: NodeId): string {
  const node = nodes.find((candidate) => candidate.id === id);
  return node && isAlone(nodes, node) ? node.hostname : id;
}

/** Addresses of all managers, for agents to connect to. */
export function managerAddresses(snapshot: Snapshot): string[] {
  return snapshot.nodes
    .filter((node) => node.role === 'manager')
    .flatMap((node) => node.addresses.slice(0, 1))
    .sort();
}
