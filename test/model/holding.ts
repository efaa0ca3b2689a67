// Who holds one address of the model, over virtual time: looked at after every step, as the judge is.
import type { World } from './world.ts';

export interface Holding {
  /** Since the last `restart`: in the order of their first moment; whoever held then comes first. */
  readonly inTurn: readonly number[];
  /** How often two began to hold, and how long two and nobody did, in ms. */
  readonly conflicts: number;
  readonly twoMs: number;
  readonly noneMs: number;
  /** By the last look. */
  readonly now: readonly number[];
}

export interface Watch {
  look(): void;
  /** Counts from here on. */
  restart(): void;
  seen(): Holding;
}

export function watchAddress(world: World, address: string): Watch {
  const holding = () =>
    world.machines.filter((machine) => machine.held().includes(address)).map(({ number }) => number);
  let now = holding();
  let sinceMs = world.time.nowMs;
  let inTurn: number[] = [...now];
  let [conflicts, twoMs, noneMs] = [0, 0, 0];

  const look = () => {
    const lastedMs = world.time.nowMs - sinceMs;
    if (now.length > 1) twoMs += lastedMs;
    if (now.length === 0) noneMs += lastedMs;
    sinceMs = world.time.nowMs;
    const before = now;
    now = holding();
    if (before.length < 2 && now.length > 1) conflicts += 1;
    for (const number of now) if (!inTurn.includes(number)) inTurn.push(number);
  };
  return {
    look,
    restart() {
      look();
      [conflicts, twoMs, noneMs, inTurn] = [0, 0, 0, [...now]];
    },
    seen: () => ({ inTurn: [...inTurn], conflicts, twoMs, noneMs, now }),
  };
}
