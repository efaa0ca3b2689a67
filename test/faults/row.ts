// What a row of the table of faults is, the bounds in which rows are judged, and the shapes that most rows have. Bounds
// are formulas of the timers, never figures of a machine.
import { silenceLimitMs } from '../../shared/protocol.ts';
import { aftermathMs, calm, type Stage, settled, tookOver } from '../demo/stage.ts';
import { boundMs, type Step } from '../demo/steps.ts';
import type { ChaosVerb } from '../lab/chaos.ts';
import type { Bound } from '../lab/judge.ts';
import { agentsBack, restored } from './acts.ts';

export interface Row extends Step {
  /** The same seconds of trouble, shortened for `npm test`; a soak takes the time that the title says. */
  act(stage: Stage, timing?: Timing): Promise<void>;
  /** Takes away what `act` has left behind; runs even when it fails. */
  mend?(stage: Stage): Promise<void>;
}

export interface Timing {
  /** How long a lasting fault lasts. */
  readonly minuteMs: number;
  /** How often something is killed. */
  readonly kills: number;
  readonly randomFaults: number;
  /** How long it is watched after a take-over: what a coordinator still believes of the dead must not harm the living. */
  readonly aftermathMs: number;
}

export const soak: Timing = {
  minuteMs: 60_000,
  kills: 10,
  randomFaults: 20,
  aftermathMs: silenceLimitMs + 3_000,
};
export const quick: Timing = { minuteMs: 12_000, kills: 4, randomFaults: 4, aftermathMs };

/** VRRP's bound for the death of the holder. */
export const V = boundMs;
/** A lease (`LEASE`, 4 s), and a second in which the kernel looks at it. */
export const L = V + 4_000 + 1_000;
/** Docker's own time to start a container again. */
const restartMs = 2_000;
export const unnoticed: Bound = { outageMs: 2, lostProbes: 2, twoHoldersMs: 0 };
export const failover: Bound = { outageMs: V, twoHoldersMs: 0 };
export const crash: Bound = { outageMs: V + 1_000, twoHoldersMs: 1_000 };
export const replacement: Bound = { outageMs: V, twoHoldersMs: restartMs + 2_000 };
export const leased: Bound = { outageMs: V, twoHoldersMs: L };

/** Befalls the holder, and stays: another node takes over. */
export const lost = (name: string, title: string, verbs: readonly ChaosVerb[], bound: Bound): Row => ({
  name,
  title,
  prepare: calm,
  act: async (stage, timing = soak) => {
    for (const verb of verbs) await stage.lab.chaos(verb, 'node1');
    await tookOver(stage, 'node2', timing.aftermathMs);
  },
  mend: restored,
  holder: 'node2',
  bound,
});

/** What befell the holder ends: it takes the address back. */
export const back = (
  name: string,
  title: string,
  [from, to]: readonly [ChaosVerb, ChaosVerb],
  bound: Bound,
): Row => ({
  name,
  title,
  prepare: async (stage) => {
    await calm(stage);
    await stage.lab.chaos(from, 'node1');
    await settled(stage, 'node2');
  },
  act: async (stage) => {
    await stage.lab.chaos(to, 'node1');
    await settled(stage, 'node1');
    await agentsBack(stage);
  },
  mend: restored,
  holder: 'node1',
  bound,
});

/** Befalls the holder, and mends itself: in the end it holds again. */
export const survived = (name: string, title: string, verb: ChaosVerb, bound: Bound, over?: Over): Row => ({
  name,
  title,
  prepare: calm,
  act: async (stage) => {
    const isOver = await over?.(stage, 'node1');
    await stage.lab.chaos(verb, 'node1');
    await isOver?.();
    await settled(stage, 'node1');
    await agentsBack(stage);
  },
  mend: restored,
  holder: 'node1',
  bound,
});
type Over = (stage: Stage, node: string) => Promise<() => Promise<void>>;
