// Keeps the addresses of a keepalived that is not ours on this node between its end and the beginning of ours: on lo, with
// a kernel lease, as pins.ts does for a change of our own. core/inheritance.ts says when.
import type { Log } from '../shared/io/log.ts';
import type { AssignedInstance, Pause } from '../shared/protocol.ts';
import type { PlacedAddress } from './core/anchor.ts';
import {
  heirSeconds,
  type Inheritance,
  type InheritanceLook,
  idle,
  stepInheritance,
} from './core/inheritance.ts';
import { isAdvertised, presentOf, type Surroundings } from './core/observation.ts';
import { removeAddresses, startWaitingIp, type WaitingIp } from './io/addresses.ts';
import type { OwnedAddresses } from './owned-addresses.ts';

export interface Heirs {
  /** The whole assignment, and what is around. Nothing may stand between the news of an address that goes and this. */
  look(assigned: readonly AssignedInstance[], around: Surroundings): void;
  /** When the one that is looked on at ends, its addresses stay. */
  isHeir(group: string): boolean;
  /** Addresses of some group are on lo now. */
  keeps(): boolean;
}

export interface HeirsDeps {
  readonly owned: Pick<OwnedAddresses, 'recordPlaced' | 'forget'>;
  readonly log: Log;
  readonly now: () => number;
  /** Somebody else answers for an address of the group. */
  readonly answered: (group: string) => boolean;
  readonly pauseOf: (group: string) => Pause | undefined;
  /** Time is over. */
  readonly lookAgain: () => void;
}

export function createHeirs(deps: HeirsDeps): Heirs {
  const { owned, log, now } = deps;
  const states = new Map<string, Inheritance>();
  const pins = new Map<string, readonly PlacedAddress[]>();
  const waiting = new Map<string, WaitingIp>();
  let queue: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;

  const follow = (group: string, work: Promise<unknown>) => {
    queue = work.then(
      () => undefined,
      (error: unknown) =>
        log.error(
          { event: 'inheritance-failed', group, error: String(error) },
          'the kernel removes them in time',
        ),
    );
  };

  const keep = (group: string, seconds: number, addresses: readonly string[]) => {
    const placed = pins.get(group) ?? [];
    follow(group, Promise.all([queue, waiting.get(group)?.addLeased(placed, seconds)]));
    waiting.delete(group);
    log.info(
      { event: 'inherits', group, addresses },
      'keeps the addresses on lo until keepalived holds them',
    );
  };

  const release = (group: string, look: InheritanceLook) => {
    const placed = pins.get(group) ?? [];
    const why = look.rival ? 'another one holds' : look.present.length > 0 ? 'held here' : 'not to be kept';
    const remove = async () => {
      await removeAddresses(placed);
      // One that may come back is recorded still.
      if (states.get(group)?.phase !== 'ready') owned.forget(placed);
    };
    follow(group, queue.then(remove));
    log.info({ event: 'inherited', group, why }, 'took the addresses off lo');
  };

  const roleOf = ({ group, observe, inherit, standAside }: AssignedInstance): InheritanceLook['role'] => {
    if (observe) return inherit ? 'heir' : 'none';
    return standAside === undefined && deps.pauseOf(group)?.reason !== 'check' ? 'own' : 'none';
  };

  /** Whatever else is on lo already belongs to somebody else, and does what a pin does. */
  const pinsOf = (group: string, addresses: readonly string[], { kernel }: Surroundings): PlacedAddress[] => {
    const known = new Set(pins.get(group)?.map(({ address }) => address));
    const onLoopback = kernel.find(({ loopback }) => loopback)?.addresses ?? [];
    const taken = new Set(onLoopback.map(({ address, prefix }) => `${address}/${prefix}`));
    return addresses
      .filter((address) => known.has(address) || !taken.has(address))
      .map((address) => ({ address, interface: 'lo', pin: true }));
  };

  const step = (group: string, look: InheritanceLook, around: Surroundings) => {
    const before = states.get(group) ?? idle;
    const { state, effect } = stepInheritance(before, look, now());
    states.set(group, state);
    if (state.phase === 'idle') states.delete(group);
    if (effect === 'keep' && state.phase === 'keeping') keep(group, look.leaseMs / 1000, state.addresses);
    if (effect === 'release') release(group, look);
    if (effect === 'record' && state.phase === 'ready') {
      // Now, when nothing hurries: a crash in between leaves a record too much, never one too few.
      const placed = pinsOf(group, state.addresses, around);
      pins.set(group, placed);
      owned.recordPlaced(placed);
    }
    if (before.phase === 'ready' && state.phase === 'idle') owned.forget(pins.get(group) ?? []);
    if (state.phase === 'ready' && !waiting.has(group)) waiting.set(group, startWaitingIp());
    if (state.phase === 'idle') {
      waiting.get(group)?.drop();
      waiting.delete(group);
      pins.delete(group);
    }
  };

  return {
    look(assigned, around) {
      for (const group of [...states.keys()]) {
        if (!assigned.some((each) => each.group === group)) step(group, nothing, around);
      }
      for (const instance of assigned) {
        const { group, version, intervalMs } = instance;
        const role = roleOf(instance);
        // Almost always.
        if (role !== 'heir' && !states.has(group)) continue;
        const look: InheritanceLook = {
          role,
          present: presentOf(instance, around),
          advertised: isAdvertised(instance, around.heard, true),
          rival: deps.answered(group) || isAdvertised(instance, around.heard, false),
          leaseMs: heirSeconds(version, intervalMs) * 1000,
        };
        step(group, look, around);
      }
      clearTimeout(timer);
      const ends = [...states.values()].flatMap((state) =>
        state.phase === 'keeping' ? [state.untilMs] : [],
      );
      if (ends.length > 0)
        timer = setTimeout(deps.lookAgain, Math.max(1, Math.min(...ends) - now() + 1)).unref();
    },
    isHeir: (group) => states.has(group),
    keeps: () => [...states.values()].some(({ phase }) => phase === 'keeping'),
  };
}

const nothing: InheritanceLook = { role: 'none', present: [], advertised: false, rival: false, leaseMs: 0 };
