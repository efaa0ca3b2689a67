// When nothing has happened for a while, everything is as groups and labels say.
import { confirmedDownLabel } from '../../coordinator/core/confirmed-down.ts';
import { drainLabel } from '../../coordinator/core/drain.ts';
import type { Assignment } from '../../shared/protocol.ts';
import { memberships } from './acts.ts';
import { spoken } from './judge-past.ts';
import type { Machine } from './machine.ts';
import { type GroupSpec, groupOf } from './specs.ts';
import type { Router } from './vrrp.ts';
import type { World } from './world.ts';

interface Member {
  readonly machine: Machine;
  readonly router: Router | undefined;
  readonly drained: boolean;
  readonly reason: string | undefined;
  /** May take over only when nobody holds: one that is off may come back and would not be heard (rule R4). */
  readonly barred: boolean;
}

/** What is not as it should be, in words. */
export function settledFaults(world: World): string[] {
  const faults: string[] = [];
  const complete = world.machines.every(({ powered }) => powered);
  for (const group of world.groups) faults.push(...groupFaults(world, group, complete));
  for (const machine of world.machines) {
    for (const { config } of machine.routers()) {
      const present = world.groups.find(({ name }) => groupOf(name) === groupOf(config.name))?.name;
      // What waits for a machine that is off keeps everything, the name too.
      const isLate = complete && config.name !== present;
      const serves =
        present !== undefined && (isMember(world, machine, present) || staysOn(world, machine, present));
      if (isLate || !serves) faults.push(`${machine.number} still runs ${config.name}`);
    }
  }
  return faults;
}

const isDefined = (world: World, group: string): boolean => world.groups.some(({ name }) => name === group);

const isMember = (world: World, machine: Machine, group: string): boolean =>
  isDefined(world, group) && memberships(world, machine).includes(group);

/** Its label names a group that nobody defines, and nobody is named for the one that it runs (members-named.ts). */
const staysOn = (world: World, machine: Machine, group: string): boolean =>
  memberships(world, machine).some((name) => !isDefined(world, name)) &&
  !world.machines.some((other) => memberships(world, other).includes(group));

/**
 * A machine that is off keeps an assignment of the group without this one, or with values that it does not run; or its agent
 * was never heard by the coordinator that is active now.
 */
const isBarred = (world: World, { address }: Machine, group: string, router: Router | undefined): boolean =>
  world.machines.some(({ id, powered, disk }) => {
    const labels = world.raft.node(id)?.labels;
    if (powered || !labels || labels[confirmedDownLabel] !== undefined) return false;
    const kept = disk.get('assignment') as { assignment: Assignment } | undefined;
    const instance = kept?.assignment.instances.find((each) => groupOf(each.group) === groupOf(group));
    if (!instance) return false;
    const heard = world.control.managers.some(
      ({ coordinator }) =>
        coordinator?.isActive() && coordinator.status()?.agents.some(({ node }) => node === id),
    );
    if (!heard) return true;
    const runs = { ...instance, password: instance.password ?? null };
    const strange = router !== undefined && spoken(router.config) !== spoken(runs);
    return strange || !instance.peers.some((peer) => peer.address === address);
  });

function* groupFaults(world: World, { name, address }: GroupSpec, complete: boolean): Iterable<string> {
  const members = world.machines
    .filter((machine) => machine.powered && isMember(world, machine, name))
    .map((machine): Member => {
      const router = machine.routers().find(({ config }) => groupOf(config.name) === groupOf(name));
      const drained = world.raft.node(machine.id)?.labels[drainLabel] !== undefined;
      const reason = world
        .agentOf(machine)
        ?.parts?.current()
        .get(router?.config.name ?? name)?.reason;
      return { machine, router, drained, reason, barred: isBarred(world, machine, name, router) };
    });
  const able = members.filter(({ drained, reason }) => !drained && reason !== 'check');
  const holders = world.machines.filter((machine) => machine.held().includes(address));
  const names = holders.map(({ number }) => number).join(' and ');
  if (holders.length > 1) yield `${name} is held by ${names}`;
  if (able.length === 0) return;
  if (holders.length === 0)
    yield `${name} is held by nobody, though ${able.map(({ machine }) => machine.number)} could`;
  const holder = members.find(({ machine }) => machine === holders[0]);
  // Nobody is relieved by those who would not hear one that is off, should it be cut off from the managers alone: only
  // an operator knows (confirmed-down, or a forced drain).
  if (holder?.drained && able.some(({ barred }) => !barred))
    yield `${name} is held by ${names}, which is drained`;
  if (!complete) return;
  for (const { machine, router, reason, drained } of members) {
    if (!router) yield `${machine.number} does not run ${name}`;
    else if (router.paused !== (drained || reason === 'check'))
      yield `${name} on ${machine.number} is paused: ${reason}`;
    for (const other of members) {
      if (!router || other.machine === machine || !other.router) continue;
      const { config } = router;
      const theirs = other.router.config;
      if (!config.peers?.includes(other.machine.address)) {
        yield `${name} on ${machine.number} does not list ${other.machine.number}`;
      }
      if (config.priority === theirs.priority) {
        yield `${name} has priority ${config.priority} on ${machine.number} and ${other.machine.number}`;
      }
      if (
        config.vrid !== theirs.vrid ||
        config.password !== theirs.password ||
        config.intervalMs !== theirs.intervalMs
      ) {
        yield `${machine.number} and ${other.machine.number} do not agree on ${name}`;
      }
    }
  }
  const spec = world.groups.find((each) => each.name === name);
  const best = [...able].sort((a, b) => (b.router?.effective ?? 0) - (a.router?.effective ?? 0))[0];
  if (spec?.preempt && holder && best && holder.machine !== best.machine) {
    yield `${name} is held by ${names}, not by ${best.machine.number}, which has the highest priority`;
  }
}
