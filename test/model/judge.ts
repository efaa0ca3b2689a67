// What must hold in the model at every moment: the promise (one holder, never two that hear each other, none only within
// VRRP's bound) and the rules behind it. A condition that may last for a while is a violation once it lasts longer.
import { confirmedDownLabel } from '../../coordinator/core/confirmed-down.ts';
import { quietLimitMs } from '../../coordinator/core/peers.ts';
import { type AssignedInstance, compareGenerations, type Generation } from '../../shared/protocol.ts';
import { holdLimitMs, masterDownMs } from '../../shared/timers.ts';
import { isOrphan, longestHoldMs, masterOf, Past, spoken } from './judge-past.ts';
import { readConfig } from './keepalived.ts';
import type { Machine } from './machine.ts';
import { groupOf } from './specs.ts';
import { identityOf, type Router, type RouterConfig } from './vrrp.ts';
import type { World } from './world.ts';

interface Condition {
  readonly key: string;
  readonly limitMs: number;
  readonly words: string;
}

/** A frame's way on the LAN, and keepalived's own time, rounded up. */
const slackMs = 80;
/** Only a coordinator can end it, once it reaches both. */
const outsideMs = 30_000;
/** The longest lease of an address that nobody looks after, and how late the kernel may be. */
const orphanMs = 6_000;

export class Judge {
  dirty = true;
  readonly violations: string[] = [];
  reloads = 0;
  readonly #world: World;
  readonly #since = new Map<string, { ms: number; limitMs: number }>();
  #current: Condition[] = [];
  readonly #past: Past;
  readonly #accepted = new Map<string, Generation & { atMs: number }>();

  constructor(world: World) {
    this.#world = world;
    this.#past = new Past(world);
  }

  violated(words: string): void {
    const text = `${(this.#world.time.nowMs / 1000).toFixed(3)} ${words}`;
    this.#world.story.push(`!!! ${text}`);
    if (this.violations.length < 5) this.violations.push(text);
  }

  /** Before time goes on. */
  look(): void {
    const { nowMs } = this.#world.time;
    if (this.#current.some(({ key }) => this.#isOver(key, nowMs))) {
      // Not everything that ends a condition announces itself.
      this.dirty = true;
    }
    if (this.dirty) {
      this.dirty = false;
      this.#past.look();
      this.#current = this.#conditions();
      const keys = new Set(this.#current.map(({ key }) => key));
      for (const key of this.#since.keys()) if (!keys.has(key)) this.#since.delete(key);
      for (const { key, limitMs } of this.#current) {
        const known = this.#since.get(key);
        // What excuses a condition excuses it until it ends.
        this.#since.set(key, { ms: known?.ms ?? nowMs, limitMs: Math.max(limitMs, known?.limitMs ?? 0) });
      }
    }
    for (const { key, words } of this.#current) {
      const since = this.#since.get(key);
      if (!since || !this.#isOver(key, nowMs)) continue;
      this.violated(`${words} for ${Math.round(nowMs - since.ms)} ms, allowed ${Math.round(since.limitMs)}`);
      this.#since.set(key, { ms: nowMs, limitMs: Number.POSITIVE_INFINITY });
    }
  }

  #isOver(key: string, nowMs: number): boolean {
    const since = this.#since.get(key);
    return since !== undefined && nowMs - since.ms > since.limitMs;
  }

  #conditions(): Condition[] {
    return [...this.#two(), ...this.#none(), ...this.#held(), ...this.#empty()];
  }

  /** Two holders that hear each other. */
  *#two(): Iterable<Condition> {
    const { machines } = this.#world;
    const holding = machines.flatMap((machine) => machine.held().map((address) => ({ machine, address })));
    for (const [at, one] of holding.entries()) {
      for (const other of holding.slice(at + 1)) {
        if (one.address !== other.address || !this.#hearEachOther(one.machine, other.machine)) continue;
        const orphan = [one, other].some(({ machine, address }) => isOrphan(machine, address));
        const intervals = [one, other].flatMap(
          ({ machine, address }) => masterOf(machine, address)?.config.intervalMs ?? 0,
        );
        yield {
          key: `two ${one.address} ${one.machine.number} ${other.machine.number}`,
          limitMs: orphan
            ? orphanMs
            : this.#past.partedWhileChanging() || this.#vouchedFor(one.machine, other.machine)
              ? outsideMs
              : this.#understand(one.machine, other.machine, one.address)
                ? Math.max(...intervals) + slackMs
                : slackMs,
          words: `${one.address} is held by ${one.machine.number} and ${other.machine.number}, which hear each other,`,
        };
      }
    }
  }

  /** Two masters that do not: VRRP's bound is not for them. */
  #understand(a: Machine, b: Machine, address: string): boolean {
    const [one, other] = [masterOf(a, address), masterOf(b, address)];
    return !one || !other || spoken(one.config) === spoken(other.config);
  }

  /** It came back against the operator's word, and no coordinator has heard it yet. */
  #vouchedFor(...machines: Machine[]): boolean {
    return machines.some(({ id }) => this.#world.raft.node(id)?.labels[confirmedDownLabel] !== undefined);
  }

  /** What hears adverts may miss some of them, by a fault of the scenario. */
  #hearEachOther(a: Machine, b: Machine): boolean {
    const { swallowed, mute } = this.#world;
    const deaf = ({ number }: Machine) => (swallowed.get(number) ?? 0) > 0 || mute.has(number);
    return this.#world.hears(a, b) && this.#world.hears(b, a) && !deaf(a) && !deaf(b);
  }

  /** A member could hold, nobody whom it hears does. */
  *#none(): Iterable<Condition> {
    const { machines } = this.#world;
    for (const machine of machines) {
      for (const router of machine.routers()) {
        if (router.state !== 'BACKUP') continue;
        if (this.#hearsHolder(machine, router)) continue;
        const [address = ''] = router.config.addresses;
        const { version, intervalMs } = router.config;
        const paceMs = Math.max(intervalMs, router.masterIntervalMs);
        yield {
          key: `none ${address} ${machine.number}`,
          limitMs: masterDownMs(version, paceMs, 1) + 2 * paceMs + 4 * slackMs,
          words: `${address} is held by nobody, though ${machine.number} takes part,`,
        };
      }
    }
  }

  /** Rule R7: a hold ends by itself, and is not renewed for one that is not heard. */
  *#held(): Iterable<Condition> {
    for (const machine of this.#world.machines) {
      const agent = this.#world.agentOf(machine);
      if (!agent?.parts) continue;
      for (const [group, pause] of agent.parts.current()) {
        if (pause.reason !== 'transition') continue;
        const router = machine.routers().find(({ config }) => config.name === group);
        if (!router) continue;
        const order = this.#accepted.get(machine.id)?.atMs ?? 0;
        const words = `${group} on ${machine.number} is held back`;
        yield {
          key: `held ${group} ${machine.number} ${order}`,
          limitMs: holdLimitMs(router.config.version, Math.max(1000, router.config.intervalMs)) + 1000,
          words: `${words} by one order`,
        };
        if (this.#hearsHolder(machine, router)) continue;
        yield {
          key: `leaderless ${group} ${machine.number}`,
          limitMs: quietLimitMs + this.#world.lateMs + longestHoldMs(this.#world, router) + slackMs,
          words: `${words}, though nobody holds,`,
        };
      }
    }
  }

  /** Itself, or another one. */
  #hearsHolder(machine: Machine, { config }: Router): boolean {
    const [address = ''] = config.addresses;
    return this.#world.machines.some(
      (other) => (other === machine || this.#world.hears(other, machine)) && other.held().includes(address),
    );
  }

  /** Rule R4: an empty list would be multicast. */
  *#empty(): Iterable<Condition> {
    for (const machine of this.#world.machines) {
      for (const { config, state } of machine.routers()) {
        if (config.peers !== null || state === 'FAULT') continue;
        const words = `${config.name} on ${machine.number} takes part without peers`;
        yield { key: words, limitMs: 0, words };
      }
    }
  }

  /** A holder is told to step down only when another one has said, since then, that it holds as well. */
  ordered(machine: Machine, instances: readonly AssignedInstance[]): void {
    const { machines, time, lateMs } = this.#world;
    for (const { group, standAside, order } of instances) {
      if (standAside !== 'now' || !order?.startsWith('steps down')) continue;
      const holder = machine
        .routers()
        .find(({ config, state }) => groupOf(config.name) === groupOf(group) && state === 'MASTER');
      if (!holder) continue;
      const sinceMs = holder.sinceMs - lateMs - slackMs;
      if (machines.some((other) => other !== machine && this.#past.saidSince(other, group, sinceMs)))
        continue;
      this.violated(
        `${group} on ${machine.number}, its holder for ${Math.round(time.nowMs - holder.sinceMs)} ms, is told to step down, though nobody else has said that he holds`,
      );
    }
  }

  /** An assignment that an agent has taken. */
  accepted({ id, number }: Machine, { epoch, counter }: Generation): void {
    const known = this.#accepted.get(id);
    if (known && compareGenerations({ epoch, counter }, known) < 0) {
      this.violated(`agent ${number} goes back from ${known.epoch}.${known.counter} to ${epoch}.${counter}`);
    }
    if (!known || compareGenerations({ epoch, counter }, known) > 0) {
      this.#accepted.set(id, { epoch, counter, atMs: this.#world.time.nowMs });
    }
    this.dirty = true;
  }

  /** Rule R8. */
  reloaded(machine: Machine, before: string, after: string): void {
    this.reloads += 1;
    const { nowMs } = this.#world.time;
    const agent = this.#world.agentOf(machine);
    if (before === after && agent?.life.bornMs !== undefined && nowMs - agent.life.bornMs > 20_000) {
      this.violated(`keepalived on ${machine.number} is reloaded without a change`);
    }
    const keyOf = (config: RouterConfig) => `${groupOf(config.name)} ${identityOf(config)}`;
    const kept = new Set(readConfig(after).map(keyOf));
    for (const router of machine.routers()) {
      if (router.state !== 'BACKUP' || !kept.has(keyOf(router.config))) continue;
      // Whoever was let in a moment ago has waited for nobody yet.
      const silentMs = nowMs - Math.max(router.lastAdvertMs, router.sinceMs);
      if (silentMs > router.masterIntervalMs + 450) {
        this.violated(
          `${identityOf(router.config)} on ${machine.number} is reloaded as a backup that has heard nobody for ${Math.round(silentMs)} ms`,
        );
      } else if (router.resigned && silentMs > 50) {
        this.violated(
          `${router.config.name} on ${machine.number} is reloaded just when its holder has resigned`,
        );
      }
    }
  }

  redefined(): void {
    this.dirty = true;
  }
}
