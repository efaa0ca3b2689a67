// Holds the model's VRRP against the real one: a trace is played on real keepalived, then in the model with the moments
// at which things really happened.
import { type Played, playForReal } from './real-lan.ts';
import { difference, playInModel, randomTrace, type Trace } from './trace.ts';
import { randomFrom } from './virtual-time.ts';

/** Start, reload and a loaded machine; the timers themselves are three intervals of 200 ms at least. */
const toleranceMs = 200;
/** Longer, and the run says nothing. */
const mostLagMs = 80;
const mostPlayings = 3;
/** An event within this of a timer's end may come before or after it. */
const raceMs = 25;

export interface Verdict {
  readonly seed: number;
  /** Undefined: alike. */
  readonly difference: string | undefined;
  /** Alike only when events near the end of a timer change places. */
  readonly raced: boolean;
  readonly lagMs: number;
  /** How often it was played. */
  readonly playings: number;
  /** Different, and the machine stood still for too long to tell why. */
  readonly disturbed: boolean;
}

/** What is different in one playing only is the machine's doing: a model that is wrong differs each time. */
export async function replay(seed: number, prefix: string): Promise<Verdict> {
  const trace = randomTrace(seed);
  for (let playings = 1; ; playings += 1) {
    const verdict = await judge(trace, await playForReal(trace, prefix));
    if (verdict.difference === undefined || playings === mostPlayings) return { ...verdict, playings };
  }
}

async function judge(trace: Trace, { timelines, atMs, lagMs }: Played): Promise<Omit<Verdict, 'playings'>> {
  const random = randomFrom(trace.seed);
  let first: string | undefined;
  for (let variant = 0; variant < 30; variant += 1) {
    const moments = atMs.map((ms) => (variant === 0 ? ms : ms + (random() - 0.5) * 2 * raceMs));
    const modelled = await playInModel(trace, moments);
    const differences = modelled.flatMap((timeline, node) => {
      const found = difference(timelines[node] ?? [], timeline, trace.endMs, toleranceMs);
      return found ? [`node ${node}: ${found}`] : [];
    });
    if (differences.length === 0)
      return { seed: trace.seed, difference: undefined, raced: variant > 0, lagMs, disturbed: false };
    first ??= `${differences.join('; ')}\n  real ${JSON.stringify(timelines.map(brief))}\n  model ${JSON.stringify(modelled.map(brief))}\n  events ${JSON.stringify(trace.events.map(({ node, deed }, at) => [Math.round(atMs[at] ?? 0), node, deed]))}`;
  }
  return { seed: trace.seed, difference: first, raced: false, lagMs, disturbed: lagMs > mostLagMs };
}

const brief = (timeline: readonly { atMs: number; state: string }[]) =>
  timeline.map(({ atMs, state }) => `${Math.round(atMs)} ${state}`);

/** Several side by side: they mostly wait. */
export async function replayMany(
  seeds: readonly number[],
  width: number,
  onVerdict: (verdict: Verdict) => void,
): Promise<void> {
  const left = [...seeds];
  const worker = async (index: number) => {
    for (;;) {
      const seed = left.shift();
      if (seed === undefined) return;
      onVerdict(await replay(seed, `svt${process.pid}x${index}`));
    }
  };
  await Promise.all(Array.from({ length: width }, (_, index) => worker(index)));
}
