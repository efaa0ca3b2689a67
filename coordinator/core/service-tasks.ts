// Swarm's task list → what an agent is told for its `service` checks, and what an operator should know of them. Pure.
//
// A word is only said where Swarm knows. Of a node that it cannot reach Swarm knows nothing: it plans the tasks anew
// elsewhere and goes on listing the old ones, so that node gets no word and its checks stand as they are. A list that is
// empty says nothing either, unless the service is meant to have no task.
import type { Problem } from '../../shared/problem.ts';
import type { AssignedInstance, TaskWord } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';
import { didYouMean } from './did-you-mean.ts';
import type { Group } from './groups.ts';
import type { Snapshot } from './snapshot.ts';

export interface ServiceTask {
  /** Id of the service. */
  readonly service: string;
  /** Undefined while no node is found for it. */
  readonly node: NodeId | undefined;
  /**
   * What its node reported last: `running` is also healthy where there is a health check. The state that Swarm desires
   * plays no part: it follows Swarm's opinion of the node, and a task on its way out serves until it has ended.
   */
  readonly state: string;
}

/** Old tasks included, by id of the service: those that were asked for. */
export type TaskReading = ReadonlyMap<string, readonly ServiceTask[]>;

/** Names of the services that a node asks for. */
export function wantedServices(instances: readonly AssignedInstance[]): string[] {
  const names = instances.flatMap(({ checks = [] }) =>
    checks.flatMap((check) => (check.kind === 'service' ? [check.service] : [])),
  );
  return [...new Set(names)].sort();
}

/** What is there to read for these names. */
export function serviceIds({ allServices = [] }: Snapshot, names: readonly string[]): string[] {
  return allServices.filter(({ name }) => names.includes(name)).map(({ id }) => id);
}

export function taskWords(
  snapshot: Snapshot,
  reading: TaskReading,
  node: NodeId,
  names: readonly string[],
): TaskWord[] {
  if (snapshot.nodes.find(({ id }) => id === node)?.state !== 'ready') return [];
  return names.flatMap((name) => taskWord(snapshot, reading, node, name) ?? []);
}

function taskWord(
  { nodes, allServices = [] }: Snapshot,
  reading: TaskReading,
  node: NodeId,
  name: string,
): TaskWord | undefined {
  if (allServices.length === 0) return undefined;
  const service = allServices.find((each) => each.name === name);
  if (!service) return { service: name, running: false, detail: `Swarm has no service ${name}` };
  const tasks = reading.get(service.id);
  if (!tasks || (tasks.length === 0 && service.replicas !== 0)) return undefined;
  const running = tasks.filter(({ state }) => state === 'running');
  if (running.some((task) => task.node === node)) {
    return { service: name, running: true, detail: `a task of ${name} runs here` };
  }
  const hostnames = nodes
    .filter(({ id }) => running.some((task) => task.node === id))
    .map((each) => each.hostname);
  const elsewhere = hostnames.length === 0 ? 'nor elsewhere' : `but on ${named(hostnames)}`;
  return { service: name, running: false, detail: `no task of ${name} runs here, ${elsewhere}` };
}

/** "node2, node3 and 4 more" */
function named(hostnames: readonly string[]): string {
  const [first = '', second = '', ...more] = hostnames.map((hostname) => hostname.slice(0, 64));
  if (hostnames.length <= 2) return [first, second].filter(Boolean).join(' and ');
  return `${first}, ${second} and ${more.length} more`;
}

/** Services that do not exist. Their checks fail on every member, as for one that runs nowhere. */
export function serviceProblems({ allServices = [] }: Snapshot, group: Group): Problem[] {
  if (allServices.length === 0) return [];
  const names = allServices.map(({ name }) => name);
  return (group.checks ?? []).flatMap((check): Problem[] => {
    if (check.kind !== 'service' || names.includes(check.service)) return [];
    return [
      {
        code: 'service-unknown',
        severity: 'error',
        where: group.provenance.checks,
        group: group.name,
        value: check.service,
        message: `check ${check.name}: Swarm has no service ${check.service}${meant(check.service, names)}`,
        instead:
          check.weight === undefined
            ? 'the check fails on every member, so nobody holds the addresses'
            : 'the check fails on every member',
        remedy: 'write a name that `docker service ls` shows; services of a stack are called STACK_SERVICE',
      },
    ];
  });
}

/** People write `web` for the service of a stack that is called `shop_web`. */
function meant(word: string, names: readonly string[]): string {
  const ofStack = names.filter((name) => name.toLowerCase().endsWith(`_${word.toLowerCase()}`));
  return ofStack.length === 1 ? `; did you mean ${ofStack[0]}?` : didYouMean(word, names);
}

export interface TaskStaleness {
  readonly ageMs: number;
  readonly error: string;
}

export const tasksStaleProblem = ({ ageMs, error }: TaskStaleness): Problem => ({
  code: 'tasks-stale',
  severity: 'error',
  where: 'the coordinator’s view of Swarm’s tasks',
  message: `the last good read is ${Math.round(ageMs / 1000)} s old: ${error}`,
  instead: 'service checks that have no engine of their own to ask stand as they are',
  remedy: 'restore the quorum of managers, or the engine on this one',
});
