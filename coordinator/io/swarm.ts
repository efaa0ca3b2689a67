// Docker Swarm → snapshot. Events only say "look again"; what counts is read afresh, whole, and validated. A read that
// fails or is empty changes nothing: the last good snapshot stands, with its age.
import { setTimeout as delay } from 'node:timers/promises';
import type Docker from 'dockerode';
import * as v from 'valibot';
import { NodeId } from '../../shared/words.ts';
import { configLabel } from '../core/groups-configs.ts';
import { ownPrefix } from '../core/labels.ts';
import type { Kind } from '../core/revisions.ts';
import type { ServiceTask } from '../core/service-tasks.ts';
import type { AgentTask, Snapshot } from '../core/snapshot.ts';
import { readNodes, SwarmLabels } from '../core/swarm-node.ts';
import { ourServices, readServices } from '../core/swarm-services.ts';
import { limit } from './engine.ts';
import { createConfigReader, listConfigs, readShortSecrets } from './groups-sources.ts';
import { createSteadyReader } from './steady-reader.ts';

/** On the node of the active coordinator; writing it proves quorum and gives the epoch. */
export const activeLabel = 'swarm-vip.active-since';

/** What a write needs; the rest of the specification is kept as it is. */
const WritableNode = v.object({
  Version: v.object({ Index: v.number() }),
  Spec: v.looseObject({ Labels: SwarmLabels }),
});
const maxAttempts = 5;
/** Docker's usual grace period before SIGKILL; below the patience of who asks. */
const retireMs = 11_000;
const retireLookMs = 100;
/** A task in one of these may have a container that runs. */
const alive = ['assigned', 'accepted', 'preparing', 'ready', 'starting', 'running'];
const WritableService = v.object({
  Version: v.object({ Index: v.number() }),
  Spec: v.looseObject({ Labels: SwarmLabels }),
});
const RawTask = v.object({
  ID: v.string(),
  ServiceID: v.optional(v.string(), ''),
  NodeID: v.optional(v.string()),
  UpdatedAt: v.optional(v.string(), ''),
  DesiredState: v.optional(v.string(), ''),
  Status: v.object({ State: v.string(), Err: v.optional(v.string(), '') }),
});
type RawTask = v.InferOutput<typeof RawTask>;

const Token = v.pipe(v.string(), v.minLength(20));
const SwarmSecrets = v.object({
  ID: v.pipe(v.string(), v.minLength(1)),
  JoinTokens: v.object({ Worker: Token, Manager: Token }),
});

/** What a rotation replaces, and the id of the Swarm, which stays. */
export interface JoinTokens {
  cluster: string;
  worker: string;
  manager: string;
}

export interface Swarm {
  /** @throws when the engine does not answer in time, or answers what is no Swarm */
  snapshot(more?: { agentTasks: boolean }): Promise<Snapshot>;
  /**
   * All tasks of these services, also old ones.
   * @param services ids; @throws also when there is no such service any more
   */
  tasks(services: readonly string[]): Promise<ServiceTask[]>;
  /** This engine's node id. */
  ownNode(): Promise<NodeId>;
  /** Marks the own service as a coordinator, so that those of other stacks see it whatever its image is called. */
  labelService(service: string, key: string, value: string): Promise<void>;
  /**
   * Stops a service and removes it once its containers have ended. False when they have not within some seconds: what
   * they hold would be out of sight with the service gone.
   */
  retire(service: string): Promise<boolean>;
  /** The secrets that let nodes join; managers alone can read them. */
  joinTokens(): Promise<JoinTokens>;
  /**
   * Sets a label of a node, or takes it away (undefined), and returns the version index that raft gave the write.
   * Tries again when somebody else wrote in between. @throws when Swarm has no quorum
   */
  setLabel(node: NodeId, key: string, value: string | undefined): Promise<number>;
  /** Calls back whenever something may have changed. Reconnects by itself; a silent end is what re-reads are for. */
  watch(lookAgain: () => void, signal: AbortSignal): void;
}

/** @param own id of the service that this process belongs to */
export function createSwarm(docker: Docker, own: string | undefined): Swarm {
  const configs = createConfigReader();
  const known = new Set<string>();
  let secrets: Snapshot['secrets'];

  /** Of these services; Swarm lists a task until its container is gone. */
  const tasksOf = async (services: readonly { id: string }[], wanted: 'running' | 'any') => {
    if (services.length === 0) return [];
    const filters = {
      service: services.map(({ id }) => id),
      ...(wanted === 'running' ? { 'desired-state': ['running'] } : {}),
    };
    return v.parse(v.array(RawTask), await docker.listTasks({ ...limit(), filters }));
  };
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
    async snapshot(more) {
      secrets ??= await readShortSecrets();
      const read = await reader.read();
      const all = readServices(read.service);
      // This process is a task of it: without it, what the operator's env defines would be gone.
      if (own !== undefined && !all.some(({ ID }) => ID === own))
        throw new Error(`the engine's list leaves out service ${own}, which this coordinator belongs to`);
      const found = ourServices(all, own, known);
      for (const { id } of found.coordinators) known.add(id);
      const [running, left, ofAgents] = await Promise.all([
        tasksOf([...found.coordinators, ...found.formerOperators], 'running'),
        tasksOf(found.leftovers, 'any'),
        more?.agentTasks ? tasksOf(found.agents, 'any') : undefined,
      ]);
      const runningOf = (tasks: RawTask[], service: string) =>
        tasks.filter(({ ServiceID, Status }) => ServiceID === service && Status.State === 'running');
      const snapshot: Snapshot = {
        nodes: readNodes(read.node),
        services: found.coordinators.map((service) => ({
          ...service,
          tasks: runningOf(running, service.id).flatMap((task) =>
            nodeOf(task).map((node) => ({ id: task.ID, node })),
          ),
        })),
        allServices: all.map(({ ID: id, CreatedAt: createdAt, Spec: { Name: name, Mode, ...spec } }) => ({
          ...{ id, name, createdAt, labels: ownLabels(spec.Labels) },
          constraints: spec.TaskTemplate?.Placement?.Constraints ?? [],
          // An absent number is 0 in Docker's JSON.
          replicas: Mode?.Replicated && (Mode.Replicated.Replicas ?? 0),
        })),
        configs: configs(read.config),
        secrets,
        agentServices: found.agents,
        leftovers: found.leftovers.map((leftover) => ({
          ...leftover,
          nodes: runningOf(left, leftover.id).flatMap(nodeOf),
        })),
        formerOperators: found.formerOperators
          .filter(({ id }) => runningOf(running, id).length > 0)
          .map(({ name }) => name),
        ...(ofAgents ? { agentTasks: newestByNode(ofAgents) } : {}),
      };
      if (snapshot.nodes.length === 0) throw new Error('expected at least one node, the engine listed none');
      return snapshot;
    },

    async tasks(services) {
      const tasks = await tasksOf(
        services.map((id) => ({ id })),
        'any',
      );
      return tasks.map((task) => ({
        service: task.ServiceID,
        state: task.Status.State,
        node: nodeOf(task)[0],
      }));
    },

    async labelService(service, key, value) {
      const handle = docker.getService(service);
      const { Version, Spec } = v.parse(WritableService, await handle.inspect(limit()));
      const spec = { ...Spec, Labels: { ...Spec.Labels, [key]: value } };
      await handle.update({ ...limit(), _query: { version: Version.Index }, _body: spec });
    },

    async retire(service) {
      const handle = docker.getService(service);
      const { Version, Spec } = v.parse(WritableService, await handle.inspect(limit()));
      const body = { ...Spec, Mode: { Replicated: { Replicas: 0 } } };
      await handle.update({ ...limit(), _query: { version: Version.Index }, _body: body });
      for (const until = Date.now() + retireMs; Date.now() < until; await delay(retireLookMs)) {
        const tasks = await tasksOf([{ id: service }], 'any');
        if (tasks.some(({ Status }) => alive.includes(Status.State))) continue;
        await handle.remove(limit());
        return true;
      }
      return false;
    },

    async joinTokens() {
      // The types know no options here; dockerode takes them.
      const inspect: (options: object) => Promise<unknown> = docker.swarmInspect.bind(docker);
      const { ID: cluster, JoinTokens } = v.parse(SwarmSecrets, await inspect(limit()));
      return { cluster, worker: JoinTokens.Worker, manager: JoinTokens.Manager };
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

const ownLabels = (labels: Record<string, string> | null | undefined): Record<string, string> =>
  Object.fromEntries(Object.entries(labels ?? {}).filter(([key]) => key.startsWith(ownPrefix)));

/** None while Swarm has not placed the task. */
const nodeOf = ({ NodeID }: RawTask): NodeId[] => {
  const read = v.safeParse(NodeId, NodeID);
  return read.success ? [read.output] : [];
};

/** Swarm keeps the history of a task; the one that changed last says how things are. */
function newestByNode(tasks: readonly RawTask[]): AgentTask[] {
  const newest = new Map<NodeId, RawTask>();
  for (const task of [...tasks].sort((a, b) => a.UpdatedAt.localeCompare(b.UpdatedAt))) {
    for (const node of nodeOf(task)) newest.set(node, task);
  }
  return [...newest].map(([node, { Status }]) => ({ node, state: Status.State, error: Status.Err }));
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
