// Many runs of one step, one after the other. Pure but for the run itself, which is handed in.
import type { Verdict } from '../lab/judge.ts';

export type Direction = 'forth' | 'back';

export interface Series {
  /** Of the runs that count. */
  readonly verdicts: readonly Verdict[];
  /** Runs on too noisy a machine: they say nothing, and others took their place. */
  readonly voids: number;
}

/** Of every run that counts, so many may be void before the bench gives up: a noisy machine must not run for ever. */
const maxVoidsPerRun = 2;

/**
 * Runs until `runs` verdicts count. Where there is a way back, every other run takes it and only the first one needs
 * to be prepared: no change is made merely to undo another.
 */
export async function series(
  runs: number,
  hasWayBack: boolean,
  runOnce: (direction: Direction, prepare: boolean) => Promise<Verdict>,
  /** After each run: what is known so far is worth something even if the next one is interrupted. */
  onRun: (soFar: Series) => void = () => undefined,
): Promise<Series> {
  const verdicts: Verdict[] = [];
  let voids = 0;
  while (verdicts.length < runs && voids <= runs * maxVoidsPerRun) {
    const done = verdicts.length + voids;
    const direction = hasWayBack && done % 2 === 1 ? 'back' : 'forth';
    const verdict = await runOnce(direction, !hasWayBack || done === 0);
    if (verdict.void) voids += 1;
    else verdicts.push(verdict);
    onRun({ verdicts, voids });
  }
  return { verdicts, voids };
}
