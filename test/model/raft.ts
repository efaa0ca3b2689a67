// Swarm as the model's managers see it: one store, reads that fail where quorum is out of reach, writes with an index.
import type { CoordinatorDeps } from '../../coordinator/coordinator.ts';
import type { GroupsConfig, Snapshot, SwarmNode, Task } from '../../coordinator/core/snapshot.ts';
import type { NodeId } from '../../shared/words.ts';

export interface RaftDeps {
  /** Whether this manager can read and write now. */
  readonly inQuorum: (manager: NodeId) => boolean;
  readonly sleep: (ms: number) => Promise<unknown>;
  /** Something has been written. */
  readonly onWrite: () => void;
}

const callTimeoutMs = 5_000;

/** One coordinator on each of these managers. */
export const tasksOn = (managers: readonly NodeId[]): Task[] => managers.map((node) => ({ id: node, node }));

export class Raft {
  index = 10;
  current: Snapshot;
  readonly #deps: RaftDeps;

  constructor(nodes: SwarmNode[], configs: GroupsConfig[], runningOn: NodeId[], deps: RaftDeps) {
    const service = {
      id: 'service1',
      name: 'vip_coordinator',
      createdAt: '2026-01-01T00:00:00Z',
      env: {},
      tasks: tasksOn(runningOn),
    };
    this.current = { nodes, services: [service], configs };
    this.#deps = deps;
  }

  /** Snapshots are never changed: whoever has read one keeps it. */
  write(change: (snapshot: Snapshot) => Snapshot): number {
    this.current = change(this.current);
    this.index += 1;
    this.#deps.onWrite();
    return this.index;
  }

  changeNode(id: NodeId, change: (node: SwarmNode) => Partial<SwarmNode>): number {
    return this.write((snapshot) => ({
      ...snapshot,
      nodes: snapshot.nodes.map((node) => (node.id === id ? { ...node, ...change(node) } : node)),
    }));
  }

  setLabel(id: NodeId, key: string, value: string | undefined): number {
    return this.changeNode(id, ({ labels }) => {
      const { [key]: _, ...others } = labels;
      return { labels: value === undefined ? others : { ...others, [key]: value } };
    });
  }

  node(id: NodeId): SwarmNode | undefined {
    return this.current.nodes.find((node) => node.id === id);
  }

  /** As one manager's coordinator uses it. */
  seenFrom(manager: NodeId): CoordinatorDeps['swarm'] {
    const answered = async () => {
      await this.#deps.sleep(this.#deps.inQuorum(manager) ? 15 : callTimeoutMs);
      if (!this.#deps.inQuorum(manager)) throw new Error('the swarm does not have a leader');
    };
    return {
      snapshot: async () => {
        await answered();
        return this.current;
      },
      setLabel: async (node, key, value) => {
        await answered();
        return this.setLabel(node, key, value);
      },
      tasks: async () => [],
    };
  }
}
