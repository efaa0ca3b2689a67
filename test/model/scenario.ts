// A scenario is a list of acts with waits between them: what operators and faults do to the world. Then everything is
// healed, and in the end all must be as the labels say, whatever happened before.
import {
  type Act,
  type Doing,
  doings,
  freshGroup,
  groupNames,
  label,
  priorities,
  rejoin,
  relabelled,
} from './acts.ts';
import { settledFaults } from './settled.ts';
import { World } from './world.ts';

export interface Scenario {
  readonly seed: number;
  readonly count: number;
  readonly acts: readonly Act[];
  /** Machines that are off in the end stay off. */
  readonly leaveOff?: boolean;
}

export interface Outcome {
  readonly violations: readonly string[];
  readonly story: readonly string[];
  readonly steps: number;
  /** Acts; none follows a violation. */
  readonly played: number;
  readonly virtualMs: number;
}

/** Enough for a reconnect, the settling of a coordinator, a change in order and a join, one after the other. */
const calmMs = 60_000;

/** Until somebody holds each group, and everybody takes part. */
export const settledMs = 14_000;

/** Two groups, machine 3 the highest member of the first one. */
export function begin(world: World): void {
  world.define(groupNames.map(freshGroup));
  for (const [index, machine] of world.machines.entries()) {
    label(world, machine, 'swarm-vip.groups', index < 3 ? 'web' : 'web,db');
    label(world, machine, 'swarm-vip.priority', priorities[index % 3]);
    world.startContainer(machine, index * 100);
  }
  for (const manager of world.control.managers) world.control.start(manager);
  world.followLeader();
}

export async function play({ seed, count, acts, leaveOff = false }: Scenario): Promise<Outcome> {
  const world = new World(seed, count);
  const { time, judge } = world;
  const restore = time.install();
  const look = () => judge.look();
  const wait = (ms: number) => time.runUntil(time.nowMs + ms, look);
  let played = 0;
  try {
    begin(world);
    await wait(settledMs);
    for (const act of acts) {
      played += 1;
      await wait(act.waitMs);
      const words = (doings[act.kind] as Doing)(world, act.a, act.b);
      if (words !== undefined) world.tell(words);
      if (judge.violations.length > 0) break;
    }
    if (judge.violations.length === 0) {
      world.tell('everything is healed');
      heal(world, leaveOff);
      await wait((2 * calmMs) / 3);
      const changes = stateChanges(world);
      await wait(calmMs / 3);
      if (stateChanges(world) !== changes) judge.violated('somebody flaps in a calm minute');
      for (const fault of settledFaults(world)) judge.violated(`after a calm minute ${fault}`);
    }
    const complete = world.machines.every(({ powered }) => powered);
    if (judge.violations.length === 0 && complete) await restartAllCoordinators(world, wait);
    return {
      violations: judge.violations,
      story: world.story,
      steps: time.steps,
      played,
      virtualMs: time.nowMs,
    };
  } finally {
    restore();
  }
}

const stateChanges = (world: World): number =>
  world.machines.flatMap((machine) => machine.routers()).reduce((sum, { changes }) => sum + changes, 0);

function heal(world: World, leaveOff: boolean): void {
  world.lanCuts.clear();
  world.controlCuts.clear();
  world.withoutQuorum.clear();
  world.swallowed.clear();
  world.mute.clear();
  world.troubleMs = 0;
  world.judge.dirty = true;
  for (const machine of world.machines) {
    relabelled(world, machine);
    machine.setLink(true);
    const manager = world.control.managers.some((each) => each.machine === machine);
    if (!machine.powered && (!leaveOff || manager)) {
      if (!world.raft.node(machine.id)) rejoin(world, machine);
      world.boot(machine);
    }
  }
}

/** No memory is left, Swarm cannot be read for a while: nothing may change, neither a router id nor a holder. */
async function restartAllCoordinators(world: World, wait: (ms: number) => Promise<void>): Promise<void> {
  const shown = () =>
    JSON.stringify(
      world.machines.map((machine) =>
        machine.routers().map(({ config, state }) => [config.name, config.vrid, config.priority, state]),
      ),
    );
  const before = shown();
  const { reloads } = world.judge;
  for (const manager of world.control.managers) {
    world.withoutQuorum.add(manager.machine.number);
    world.control.kill(manager);
    world.time.after(300 + world.random() * 3000, () => world.control.start(manager));
  }
  world.tell('all coordinators restart, without quorum');
  await wait(8_000);
  world.withoutQuorum.clear();
  await wait(22_000);
  if (shown() !== before)
    world.judge.violated(`a restart of the coordinators changes ${before} to ${shown()}`);
  if (world.judge.reloads !== reloads)
    world.judge.violated('a restart of the coordinators reloads keepalived');
}
