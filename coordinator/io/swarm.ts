// Docker Swarm → snapshot. Events only say "look again"; what counts is read afresh, whole, and validated. A read that
// fails or is empty changes nothing: the last good snapshot stands, with its age.
import type Docker from 'dockerode';
import * as v from 'valibot';
import { NodeId } from '../../shared/words.ts';
import { configLabel } from '../core/groups-configs.ts';
import type { Kind } from '../core/revisions.ts';
import type { ServiceTask } from '../core/service-tasks.ts';
import type { CoordinatorService, Snapshot } from '../core/snapshot.ts';
import { readNodes, SwarmLabels } from '../core/swarm-node.ts';
import { limit } from './engine.ts';
import { createConfigReader, listConfigs, readShortSecrets } from './groups-sources.ts';
import { createSteadyReader } from './steady-reader.ts';

const roleLabel = 'swarm-vip.role';
/** On the node of the active coordinator; writing it proves quorum and gives the epoch. */
export const activeLabel = 'swarm-vip.active-since';

/** What a write needs; the rest of the specification is kept as it is. */
const WritableNode = v.object({
  Version: v.object({ Index: v.number() }),
  Spec: v.looseObject({ Labels: SwarmLabels }),
});
const maxAttempts = 5;
const RawService = v.object({
  ID: v.string(),
  CreatedAt: v.string(),
  Spec: v.object({
    Name: v.string(),
    Labels: v.optional(v.nullable(v.record(v.string(), v.string()))),
    Mode: v.optional(v.object({ Replicated: v.optional(v.object({ Replicas: v.optional(v.number()) })) })),
    TaskTemplate: v.optional(
      v.object({
        ContainerSpec: v.optional(v.object({ Env: v.optional(v.nullable(v.array(v.string()))) })),
      }),
    ),
  }),
});
const RawTask = v.object({
  ServiceID: v.string(),
  NodeID: v.optional(v.string()),
  Status: v.object({ State: v.string() }),
});

export interface Swarm {
  /** @throws when the engine does not answer in time, or answers what is no Swarm */
  snapshot(): Promise<Snapshot>;
  /**
   * All tasks of these services, also old ones.
   * @param services ids; @throws also when there is no such service any more
   */
  tasks(services: readonly string[]): Promise<ServiceTask[]>;
  /** This engine's node id. */
  ownNode(): Promise<NodeId>;
  /**
   * Sets a label of a node, or takes it away (undefined), and returns the version index that raft gave the write.
   * Tries again when somebody else wrote in between. @throws when Swarm has no quorum
   */
  setLabel(node: NodeId, key: string, value: string | undefined): Promise<number>;
  /** Calls back whenever something may have changed. Reconnects by itself; a silent end is what re-reads are for. */
  watch(lookAgain: () => void, signal: AbortSignal): void;
}

/** @param ownService id of a service that counts as coordinator even without the label */
export function createSwarm(docker: Docker, ownService: string | undefined): Swarm {
  const configs = createConfigReader();
  let secrets: Snapshot['secrets'];

  const reader = createSteadyReader({
    async lists() {
      const [node, service, config] = await Promise.all([
        docker.listNodes(limit()),
        docker.listServices(limit()),
        listConfigs(docker),
      ]);
      return { node, service, config };
    },
    belongs: (kind, id) => belongs(docker, kind, id),
  });

  return {
    async snapshot() {
      secrets ??= await readShortSecrets();
      const read = await reader.read();
      const all = v.parse(v.array(RawService), read.service);
      // This process is a task of it: without it, what the operator's env defines would be gone.
      if (ownService !== undefined && !all.some(({ ID }) => ID === ownService))
        throw new Error(
          `the engine's list leaves out service ${ownService}, which this coordinator belongs to`,
        );
      const found = all.filter(
        ({ ID, Spec }) => ID === ownService || Spec.Labels?.[roleLabel] === 'coordinator',
      );
      const tasks =
        found.length === 0 ? [] : await docker.listTasks({ ...limit(), filters: taskFilter(found) });
      const running = v.parse(v.array(RawTask), tasks).filter(({ Status }) => Status.State === 'running');
      const snapshot = {
        nodes: readNodes(read.node),
        services: found.map(({ ID, CreatedAt, Spec }): CoordinatorService => {
          const runningOn = running.filter(({ ServiceID }) => ServiceID === ID).map(({ NodeID }) => NodeID);
          return {
            id: ID,
            name: Spec.Name,
            createdAt: CreatedAt,
            env: envRecord(Spec.TaskTemplate?.ContainerSpec?.Env ?? []),
            runningOn: runningOn.filter((node): node is NodeId => v.is(NodeId, node)),
          };
        }),
        allServices: all.map(({ ID: id, Spec: { Name: name, Mode } }) => ({
          ...{ id, name },
          // An absent number is 0 in Docker's JSON.
          replicas: Mode?.Replicated && (Mode.Replicated.Replicas ?? 0),
        })),
        configs: configs(read.config),
        secrets,
      };
      if (snapshot.nodes.length === 0) throw new Error('expected at least one node, the engine listed none');
      return snapshot;
    },

    async tasks(services) {
      const tasks = v.parse(
        v.array(RawTask),
        await docker.listTasks({ ...limit(), filters: { service: [...services] } }),
      );
      const isNode = (id: string | undefined): id is NodeId => v.is(NodeId, id);
      return tasks.map(({ ServiceID: service, NodeID: node, Status: { State: state } }) => ({
        ...{ service, state },
        node: isNode(node) ? node : undefined,
      }));
    },

    async ownNode() {
      const Info = v.object({ Swarm: v.object({ NodeID: NodeId }) });
      // The types know no options here; dockerode takes them.
      const info: (options: object) => Promise<unknown> = docker.info.bind(docker);
      return v.parse(Info, await info(limit())).Swarm.NodeID;
    },

    async setLabel(node, key, value) {
      const handle = docker.getNode(node);
      for (let attempt = 1; ; attempt++) {
        const { Version, Spec } = v.parse(WritableNode, await handle.inspect(limit()));
        const { [key]: _, ...others } = Spec.Labels ?? {};
        const spec = { ...Spec, Labels: value === undefined ? others : { ...others, [key]: value } };
        try {
          await handle.update({ ...limit(), _query: { version: Version.Index }, _body: spec });
          const { Index } = v.parse(WritableNode, await handle.inspect(limit())).Version;
          reader.wrote('node', node, Index);
          return Index;
        } catch (error) {
          if (attempt >= maxAttempts || !String(error).includes('out of sequence')) throw error;
        }
      }
    },

    watch(lookAgain, signal) {
      void follow(docker, lookAgain, signal);
    },
  };
}

/** Asked for one object that a list has left out. @throws when that is not clear either */
async function belongs(docker: Docker, kind: Kind, id: string): Promise<boolean> {
  const asked = { node: docker.getNode(id), service: docker.getService(id), config: docker.getConfig(id) };
  // The types know no options for all of them; dockerode takes them.
  const inspect: (options: object) => Promise<unknown> = asked[kind].inspect.bind(asked[kind]);
  try {
    const { Spec } = v.parse(v.object({ Spec: v.object({ Labels: SwarmLabels }) }), await inspect(limit()));
    return kind !== 'config' || Spec.Labels?.[configLabel] !== undefined;
  } catch (error) {
    if (error instanceof Error && 'statusCode' in error && error.statusCode === 404) return false;
    throw error;
  }
}

const taskFilter = (services: readonly { ID: string }[]) => ({
  service: services.map(({ ID }) => ID),
  'desired-state': ['running'],
});

/** ["A=b", "A=c"] → {A: "c"}: the last one counts, as in the container. */
function envRecord(env: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    env.map((pair) => {
      const at = pair.indexOf('=');
      return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

async function follow(docker: Docker, lookAgain: () => void, signal: AbortSignal): Promise<void> {
  const reconnectMs = 1_000;
  while (!signal.aborted) {
    try {
      const stream = await docker.getEvents({
        filters: { type: ['node', 'service', 'config'] },
        abortSignal: signal,
      });
      lookAgain();
      for await (const _ of stream) lookAgain();
    } catch (error) {
      // The periodic read reports an engine that does not answer; here there is nothing to add but patience.
      if (signal.aborted || !(error instanceof Error)) return;
    }
    await new Promise((resolve) => setTimeout(resolve, reconnectMs));
  }
}
