// All that can happen to the world of the model: faults of every layer, and an operator's changes.
import { confirmedDownLabel } from '../../coordinator/core/confirmed-down.ts';
import { drainLabel } from '../../coordinator/core/drain.ts';
import { leadLabel } from '../../coordinator/core/lead.ts';
import type { Machine } from './machine.ts';
import { type GroupSpec, groupOf, nodeId, otherName, pairOf } from './specs.ts';
import type { World } from './world.ts';

export interface Act {
  readonly kind: ActKind;
  /** Which machine, group or value: taken modulo what there is. */
  readonly a: number;
  readonly b: number;
  /** Before it, ms. */
  readonly waitMs: number;
}

export const groupNames = ['web', 'db'];
const passwords = [undefined, 'first', 'second'];
export const intervals = [100, 300, 1000];
/** 56 and 254 are what `web` and `db` get when nobody says anything. */
const routerIds = [undefined, 61, 56, 254];
export const priorities = ['100', '110', '120', '90'];

export type Doing = (world: World, a: number, b: number) => string | undefined;

const at = (world: World, a: number): Machine => world.machines[a % world.machines.length] as Machine;
const managerAt = (world: World, a: number) => {
  const { managers } = world.control;
  return managers[a % managers.length] as (typeof managers)[number];
};

export const label = (world: World, machine: Machine, key: string, value: string | undefined): string => {
  if (world.raft.node(machine.id)) world.raft.setLabel(machine.id, key, value);
  return `label ${key}=${value ?? '(gone)'} on ${machine.number}`;
};

/** Groups that its label names. */
export const memberships = (world: World, machine: Machine): string[] =>
  (world.raft.node(machine.id)?.labels['swarm-vip.groups'] ?? '').split(',').filter(Boolean);

/** Labels say the names of today. */
export const relabelled = (world: World, machine: Machine): string => {
  const present = (name: string) =>
    world.groups.find((group) => groupOf(group.name) === groupOf(name))?.name ?? name;
  const names = memberships(world, machine).map(present);
  return label(world, machine, 'swarm-vip.groups', [...new Set(names)].join(',') || undefined);
};

const redefine = (world: World, a: number, change: (group: GroupSpec) => GroupSpec): string | undefined => {
  const group = world.groups[a % Math.max(1, world.groups.length)];
  if (!group) return undefined;
  const next = change(group);
  world.define(world.groups.map((each) => (each === group ? next : each)));
  return `group ${JSON.stringify(next)}`;
};

export const freshGroup = (name: string): GroupSpec => ({
  name,
  address: `10.0.0.${100 + groupNames.indexOf(name)}/32`,
  intervalMs: 100,
  password: undefined,
  routerId: undefined,
  preempt: true,
});

export const doings = {
  killAgent: (world, a) => {
    world.killAgent(at(world, a));
    return `agent ${at(world, a).number} dies`;
  },
  killContainer: (world, a) => {
    if (at(world, a).powered) world.killContainer(at(world, a));
    return `container ${at(world, a).number} is killed`;
  },
  stopContainer: (world, a, b) => {
    world.stopContainer(at(world, a), 500 + b * 700);
    return `container ${at(world, a).number} stops`;
  },
  killKeepalived: (world, a) => {
    at(world, a).killKeepalived();
    return `keepalived ${at(world, a).number} dies`;
  },
  powerOff: (world, a) => {
    const machine = at(world, a);
    if (world.machines.filter(({ powered }) => powered).length <= 1) return undefined;
    world.powerOff(machine);
    return `machine ${machine.number} loses power`;
  },
  boot: (world, a) => {
    const machine = at(world, a);
    if (machine.powered) return undefined;
    if (!world.raft.node(machine.id)) rejoin(world, machine);
    world.boot(machine);
    return `machine ${machine.number} boots`;
  },
  linkDown: (world, a) => {
    at(world, a).setLink(false);
    world.control.cut();
    return `link ${at(world, a).number} down`;
  },
  linkUp: (world, a) => {
    at(world, a).setLink(true);
    return `link ${at(world, a).number} up`;
  },
  cutLan: (world, a, b) => {
    const [one, other] = [at(world, a), at(world, b)];
    if (one === other) return undefined;
    world.lanCuts.add(pairOf(one.number, other.number));
    world.judge.dirty = true;
    return `LAN cut between ${one.number} and ${other.number}`;
  },
  isolateLan: (world, a) => {
    for (const other of world.machines) world.lanCuts.add(pairOf(at(world, a).number, other.number));
    world.judge.dirty = true;
    return `LAN cut around ${at(world, a).number}`;
  },
  healLan: (world) => {
    world.lanCuts.clear();
    world.judge.dirty = true;
    return 'LAN whole';
  },
  cutControl: (world, a, b) => {
    world.controlCuts.add(`${at(world, a).number} ${managerAt(world, b).machine.number}`);
    world.judge.dirty = true;
    world.control.cut();
    return `${at(world, a).number} does not reach manager ${managerAt(world, b).machine.number}`;
  },
  cutOff: (world, a) => {
    for (const { machine } of world.control.managers)
      world.controlCuts.add(`${at(world, a).number} ${machine.number}`);
    world.judge.dirty = true;
    world.control.cut();
    return `${at(world, a).number} reaches no manager`;
  },
  healControl: (world) => {
    world.controlCuts.clear();
    world.judge.dirty = true;
    return 'all managers in reach';
  },
  restartCoordinator: (world, a, b) => {
    const manager = managerAt(world, a);
    world.control.kill(manager);
    world.time.after(500 + b * 600, () => manager.machine.powered && world.control.start(manager));
    return `coordinator ${manager.machine.number} restarts`;
  },
  losesQuorum: (world, a) => {
    world.withoutQuorum.add(managerAt(world, a).machine.number);
    return `manager ${managerAt(world, a).machine.number} loses the quorum`;
  },
  gainsQuorum: (world) => {
    world.withoutQuorum.clear();
    return 'all managers in quorum';
  },
  moveLeader: (world, a) => {
    const { machine } = managerAt(world, a);
    if (world.inQuorum(machine.id)) world.lead(machine.id);
    return `leader ${machine.number}`;
  },
  swallow: (world, a, b) => {
    world.swallowed.set(at(world, a).number, 1 + (b % 5));
    world.judge.dirty = true;
    return `the next ${1 + (b % 5)} adverts to ${at(world, a).number} are lost`;
  },
  mute: (world, a) => {
    const { number } = at(world, a);
    if (!world.mute.delete(number)) world.mute.add(number);
    world.judge.dirty = true;
    return `adverts of ${number} ${world.mute.has(number) ? 'are lost' : 'pass again'}`;
  },
  trouble: (world, _, b) => {
    world.troubleMs = b % 3 === 0 ? 0 : 1000 * (b % 3);
    return `frames are disturbed by up to ${world.troubleMs} ms`;
  },
  join: (world, a, b) => {
    const machine = at(world, a);
    const groups = new Set([...memberships(world, machine), groupNames[b % groupNames.length]]);
    return label(world, machine, 'swarm-vip.groups', [...groups].join(','));
  },
  leave: (world, a, b) => {
    const machine = at(world, a);
    const groups = memberships(world, machine).filter(
      (name) => groupOf(name) !== groupNames[b % groupNames.length],
    );
    return label(world, machine, 'swarm-vip.groups', groups.join(',') || undefined);
  },
  move: (world, a) => {
    const machine = at(world, a);
    const groups = memberships(world, machine).map((name) => (groupOf(name) === 'web' ? 'db' : 'web'));
    return label(world, machine, 'swarm-vip.groups', groups.join(',') || undefined);
  },
  rename: (world) => {
    const before = world.groups.find(({ name }) => otherName(name) !== name);
    if (!before) return undefined;
    const next = { ...before, name: otherName(before.name) };
    world.define(world.groups.map((group) => (group === before ? next : group)));
    return `group ${before.name} is called ${next.name}`;
  },
  relabel: (world, a) => relabelled(world, at(world, a)),
  priority: (world, a, b) =>
    label(world, at(world, a), 'swarm-vip.priority', priorities[b % priorities.length]),
  password: (world, a, b) => {
    const password = passwords[b % passwords.length];
    return redefine(world, a, (group) => ({
      ...group,
      password,
      intervalMs: password ? 1000 : group.intervalMs,
    }));
  },
  interval: (world, a, b) => {
    const intervalMs = intervals[b % intervals.length] ?? 100;
    return redefine(world, a, (group) => (group.password ? group : { ...group, intervalMs }));
  },
  routerId: (world, a, b) =>
    redefine(world, a, (group) => ({ ...group, routerId: routerIds[b % routerIds.length] })),
  preempt: (world, a) => redefine(world, a, (group) => ({ ...group, preempt: !group.preempt })),
  define: (world, _, b) => {
    const name = groupNames[b % groupNames.length] ?? 'web';
    const without = world.groups.filter((group) => groupOf(group.name) !== name);
    const removes = without.length < world.groups.length && without.length > 0;
    world.define(removes ? without : [...without, freshGroup(name)]);
    return `group ${name} ${removes ? 'is removed' : 'is added'}`;
  },
  drain: (world, a, b) => label(world, at(world, a), drainLabel, b % 4 === 0 ? 'test;force' : 'test'),
  undrain: (world, a) => label(world, at(world, a), drainLabel, undefined),
  switchover: (world, a, b) => {
    const group = groupNames[b % groupNames.length] ?? '';
    return label(world, at(world, a), leadLabel(group), new Date(1e12 + world.time.nowMs).toISOString());
  },
  confirmDown: (world, a) => {
    const machine = at(world, a);
    if (machine.powered) return undefined;
    return label(world, machine, confirmedDownLabel, 'yes');
  },
  removeNode: (world, a) => {
    const machine = at(world, a);
    const manager = world.control.managers.some((each) => each.machine === machine);
    if (machine.powered || manager) return undefined;
    const { id } = machine;
    world.raft.write((snapshot) => ({ ...snapshot, nodes: snapshot.nodes.filter((node) => node.id !== id) }));
    return `docker node rm ${machine.number}`;
  },
  check: (world, a, b) => {
    const agent = world.agentOf(at(world, a));
    const group = groupNames[b % groupNames.length] ?? '';
    if (agent?.check) world.time.afterAs(agent.life, 1, () => agent.check(group, b % 3 !== 0));
    return `check of ${group} on ${at(world, a).number} ${b % 3 !== 0 ? 'fails' : 'passes'}`;
  },
} satisfies Record<string, Doing>;

export type ActKind = keyof typeof doings;
export const actKinds = Object.keys(doings) as ActKind[];

/** A machine that was removed from Swarm comes back as a new node with an empty volume. */
export function rejoin(world: World, machine: Machine): void {
  const lives = Number(/life(\d+)/.exec(machine.id)?.[1] ?? 0) + 1;
  machine.id = nodeId(machine.number, lives);
  machine.disk.clear();
  world.raft.write((snapshot) => ({
    ...snapshot,
    nodes: [
      ...snapshot.nodes,
      {
        ...{ id: machine.id, hostname: `host${machine.number}`, role: 'worker', availability: 'active' },
        ...{ state: 'ready', leader: false, addresses: [machine.address], labels: {} },
      },
    ],
  }));
}
