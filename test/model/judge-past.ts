// What the judge must remember of the world, because it excuses or accuses later: when members could not hear each other,
// when they agreed and listed each other, when they told a manager that they hold.
import type { Assignment } from '../../shared/protocol.ts';
import { holdLimitMs } from '../../shared/timers.ts';
import type { Machine } from './machine.ts';
import { groupOf } from './specs.ts';
import type { Router, RouterConfig } from './vrrp.ts';
import type { World } from './world.ts';

export class Past {
  readonly #world: World;
  #partedMs = -1;
  #agreedMs = 0;
  /** Those that hold and can tell a manager so, by group and machine; the others when they did last. */
  #saying = new Set<string>();
  readonly #saidMs = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Whenever something may have changed, before time goes on. */
  look(): void {
    this.#watchParting();
    this.#watchSaying();
  }

  /** A LAN that was parted while members did not agree: see ARCHITECTURE.md, known limits. */
  partedWhileChanging(): boolean {
    return this.#partedMs > this.#agreedMs;
  }

  /** Whether a manager could have heard, since then, that it holds. */
  saidSince({ number }: Machine, group: string, ms: number): boolean {
    const key = `${groupOf(group)} ${number}`;
    return this.#saying.has(key) || (this.#saidMs.get(key) ?? Number.NEGATIVE_INFINITY) >= ms;
  }

  #watchParting(): void {
    const { machines, lanCuts, time } = this.#world;
    if (lanCuts.size > 0 || machines.some(({ linkUp }) => !linkUp)) this.#partedMs = time.nowMs;
    const members = machines.flatMap((machine) => this.#membersOn(machine));
    const values = new Map<string, string>();
    const agree = members.every(({ name, text }) => {
      if (!values.has(name)) values.set(name, text);
      return values.get(name) === text;
    });
    if (agree && listEachOther(members)) this.#agreedMs = time.nowMs;
  }

  /** What runs there, or will without any coordinator once its keepalived has been started again. */
  #membersOn(machine: Machine): Member[] {
    if (!machine.powered) return [];
    const pauses = this.#world.agentOf(machine)?.parts?.current();
    const { address } = machine;
    const running = machine.routers().map(({ config, paused }): Member => {
      const { peers } = config;
      const name = groupOf(config.name);
      // Silence lets in one that joins; its track file is a moment late.
      const out = paused && !['joining', undefined].includes(pauses?.get(config.name)?.reason);
      return { name, address, peers, text: spoken(config), active: !out };
    });
    const kept = machine.disk.get('assignment') as { assignment: Assignment } | undefined;
    const starting = (kept?.assignment.instances ?? [])
      .filter(({ group }) => !running.some(({ name }) => name === groupOf(group)))
      .map((instance): Member => {
        const text = spoken({ ...instance, password: instance.password ?? null });
        const peers = instance.peers.map((peer): string => peer.address);
        return { name: groupOf(instance.group), address, peers, text, active: true };
      });
    return [...running, ...starting];
  }

  #watchSaying(): void {
    const { machines, control, time } = this.#world;
    const before = this.#saying;
    const saying = machines
      .filter((machine) => control.managers.some((each) => this.#world.reachable(machine, each.machine)))
      .flatMap((machine) => machine.routers().flatMap((router) => sayer(machine, router)));
    this.#saying = new Set(saying);
    for (const key of before) if (!this.#saying.has(key)) this.#saidMs.set(key, time.nowMs);
  }
}

const sayer = ({ number }: Machine, { state, config }: Router): string[] =>
  state === 'MASTER' ? [`${groupOf(config.name)} ${number}`] : [];

interface Member {
  readonly name: string;
  readonly address: string;
  readonly peers: readonly string[] | null;
  readonly text: string;
  readonly active: boolean;
}

/** Whoever takes part, or will once its link is back, lists all others that do: else they may never hear each other. */
function listEachOther(members: readonly Member[]): boolean {
  const active = members.filter((member) => member.active);
  return active.every((one) =>
    active.every(
      (other) =>
        one === other || one.name !== other.name || one.peers === null || one.peers.includes(other.address),
    ),
  );
}

type Spoken = Pick<RouterConfig, 'vrid' | 'version' | 'password' | 'intervalMs'>;

/** Whoever differs in this rejects the other's adverts. */
export const spoken = ({ vrid, version, password, intervalMs }: Spoken): string =>
  JSON.stringify([vrid, version, password, version === 2 ? intervalMs : null]);

export const masterOf = (machine: Machine, address: string): Router | undefined =>
  machine.routers().find(({ state, config }) => state === 'MASTER' && config.addresses.includes(address));

/** Nobody can take it away but the kernel, or an agent that comes back. */
export const isOrphan = (machine: Machine, address: string): boolean => {
  const kind = masterOf(machine, address) ? undefined : machine.leased.get(address)?.kind;
  return kind === 'orphan' || (kind === 'pin' && machine.keepalived === undefined);
};

/** By what it runs or by what its group is to be: orders on their way are of either. */
export function longestHoldMs({ groups }: World, { config }: Router): number {
  const group = groups.find(({ name }) => name === config.name);
  const nextMs = group ? holdLimitMs(group.password ? 2 : 3, group.intervalMs) : 0;
  return Math.max(nextMs, holdLimitMs(config.version, config.intervalMs));
}
