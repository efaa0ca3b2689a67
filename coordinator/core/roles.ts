// Which coordinator is active, and which one of a host has its ports: rules over Swarm's own state, so that all
// coordinators of all stacks agree without an election of ours.

import type { NodeId } from '../../shared/words.ts';
import type { CoordinatorService, Snapshot } from './snapshot.ts';

export interface CoordinatorTask {
  id: string;
  node: NodeId;
  service: string;
}

/** What a process knows of itself; without a task id it is known by node and service. */
export interface Self {
  node: NodeId;
  service?: string | undefined;
  task?: string | undefined;
}

export const isSelf = (self: Self, task: CoordinatorTask | undefined): boolean => {
  if (task === undefined) return false;
  if (self.task !== undefined) return task.id === self.task;
  return task.node === self.node && (self.service === undefined || task.service === self.service);
};

/**
 * Of those that share a key with the agents: the one on Swarm's leader; if none runs there, the one on the lowest node
 * id. Of two on one host the one of the older service.
 */
export function activeCoordinator(snapshot: Snapshot): CoordinatorTask | undefined {
  const tasks = tasksOf(withTheAgentsKey(snapshot));
  const leader = snapshot.nodes.find((node) => node.leader)?.id;
  const onLeader = tasks.find(({ node }) => node === leader);
  return onLeader ?? [...tasks].sort((a, b) => a.node.localeCompare(b.node))[0];
}

/**
 * Whether this process is to have the ports of its host. It counts itself before Swarm calls it running: whoever comes
 * alone need not wait for that.
 */
export function ownsPorts(snapshot: Snapshot, self: Self): boolean {
  const here = tasksOf(withTheAgentsKey(snapshot)).filter(({ node }) => node === self.node);
  const [first] =
    here.length > 0 ? here : tasksOf(snapshot.services).filter(({ node }) => node === self.node);
  return first === undefined || isSelf(self, first);
}

/** Whether a coordinator of this service gets its key from Swarm, and creates the agents. */
export const derivesKey = ({ env }: Pick<CoordinatorService, 'env'>): boolean =>
  !env['SWARM_VIP_KEY_FILE'] && !env['SWARM_VIP_KEY'];

/** Agents from a compose file know the key of that file; others the one from Swarm's join token. */
function withTheAgentsKey({ services, agentServices = [] }: Snapshot): CoordinatorService[] {
  const fromFile = agentServices.some(({ managed }) => !managed);
  const fitting = services.filter((service) => derivesKey(service) !== fromFile && service.tasks.length > 0);
  return fitting.length > 0 ? fitting : services;
}

/** Older services first. */
export const byAge = (services: readonly CoordinatorService[]): CoordinatorService[] =>
  [...services].sort((a, b) => a.createdAt.localeCompare(b.createdAt) || a.id.localeCompare(b.id));

function tasksOf(services: readonly CoordinatorService[]): CoordinatorTask[] {
  return byAge(services).flatMap(({ id: service, tasks }) =>
    [...tasks].sort((a, b) => a.id.localeCompare(b.id)).map((task) => ({ ...task, service })),
  );
}
