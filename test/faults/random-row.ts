// Random faults, one after the other, on nodes chosen by a seed: each begins while the Swarm still recovers from those
// before. The bound is the sum of what was inflicted; a fault that takes a node out comes only where another node has
// been well for long enough to take over.
import { setTimeout as delay } from 'node:timers/promises';
import { calm, settled, three } from '../demo/stage.ts';
import type { ChaosVerb } from '../lab/chaos.ts';
import { agentsBack, fine, restored } from './acts.ts';
import { L, type Row, V } from './row.ts';

export const randomRowName = 'random';

interface Fault {
  readonly begin: ChaosVerb;
  /** What ends it, for one that lasts. */
  readonly end?: ChaosVerb;
  readonly outageMs: number;
  readonly twoHoldersMs: number;
  /** The node cannot hold the address: while it lasts, and for a while after. */
  readonly takesOut: boolean;
}

const fault = (
  begin: ChaosVerb,
  end: ChaosVerb | undefined,
  [outageMs, twoHoldersMs]: readonly [number, number],
  takesOut: boolean,
): Fault => ({ begin, ...(end ? { end } : {}), outageMs, twoHoldersMs, takesOut });

const faults: readonly Fault[] = [
  fault('power-off', 'boot', [V, 0], true),
  fault('link-down', 'link-up', [V, 0], true),
  fault('isolate', 'heal', [V + 1_000, 1_000], true),
  fault('freeze', 'thaw', [V + 1_000, L + 1_000], true),
  fault('kill-agent', undefined, [V, L], true),
  fault('kill-keepalived', undefined, [V + 1_000, 1_000], true),
  fault('kill-keepalived-parent', undefined, [V + 1_000, 1_000], true),
  fault('kill-keepalived-child', undefined, [V + 1_000, 1_000], true),
  fault('kill-engine', undefined, [V, L], true),
  fault('restart-engine', undefined, [V, 0], true),
  fault('drop-vrrp', 'restore-vrrp', [2_000, 2_000], true),
  fault('add-address', undefined, [1_000, 1_000], false),
  fault('remove-address', undefined, [1_000, 0], false),
  fault('kill-node-process', undefined, [2, 0], false),
  fault('stop-node-process', 'continue-node-process', [2, 0], false),
  fault('kill-coordinator', undefined, [2, 0], false),
  fault('stop-engine', 'start-engine', [2, 0], false),
];

export interface Blow {
  readonly fault: Fault;
  readonly node: string;
  readonly atMs: number;
  readonly forMs: number;
}

/** Twenty in three minutes. */
const slotMs = 9_000;
/** From the end of a fault until its node is counted as one that can take over. */
const recoveryMs = 25_000;

/** The same seed gives the same blows. */
export function blowsOf(seed: number, count: number): Blow[] {
  const random = randomOf(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const outUntil = new Map<string, number>();
  const blows: Blow[] = [];
  while (blows.length < count) {
    const atMs = blows.length * slotMs + Math.floor(random() * 2_000);
    const one = { fault: pick(faults), node: pick(three), atMs, forMs: 500 + Math.floor(random() * 5_500) };
    const others = three.filter((node) => node !== one.node && (outUntil.get(node) ?? 0) < atMs);
    if (one.fault.takesOut && others.length === 0) continue;
    if (one.fault.takesOut) outUntil.set(one.node, atMs + (one.fault.end ? one.forMs : 0) + recoveryMs);
    blows.push(one);
  }
  return blows;
}

export function randomRow(seed: number, count: number, say: (line: string) => void = () => undefined): Row {
  const blows = blowsOf(seed, count);
  const sum = (of: (each: Fault) => number) => blows.reduce((total, blow) => total + of(blow.fault), 0);
  const outageMs = sum((each) => each.outageMs);
  return {
    name: randomRowName,
    title: `${count} random faults, one each ${slotMs / 1000} s (seed ${seed})`,
    prepare: calm,
    act: async (stage) => {
      const { lab, signal } = stage;
      const began = performance.now();
      const wait = (untilMs: number) => delay(began + untilMs - performance.now(), undefined, { signal });
      const inflict = async (verb: ChaosVerb, node: string) => {
        const atS = ((performance.now() - began) / 1000).toFixed(1).padStart(6);
        // What is not there cannot be hurt: an engine that is being started again, an address of another node.
        const said = await lab.chaos(verb, node).then(
          () => '',
          (error: unknown) => ` (not there: ${String(error).split('\n')[0]})`,
        );
        say(`  ${atS} s  ${verb} ${node}${said}`);
      };
      for (const { fault, node, atMs, forMs } of blows) {
        await wait(atMs);
        await inflict(fault.begin, node);
        if (fault.end === undefined) continue;
        await wait(atMs + forMs);
        await inflict(fault.end, node);
      }
      await settled(stage, 'node1');
      await agentsBack(stage);
      await fine(stage);
    },
    mend: restored,
    holder: 'node1',
    bound: {
      outageMs: Math.max(...blows.map((blow) => blow.fault.outageMs)),
      lostProbes: outageMs,
      twoHoldersMs: sum((each) => each.twoHoldersMs),
    },
  };
}

/** Mulberry32: small, and the same everywhere. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
