// What a soak leaves behind: every verdict, and of each row the worst over the rounds.
import type { StepResult } from '../demo/steps.ts';

export interface Played {
  readonly round: number;
  readonly name: string;
  readonly title: string;
  readonly ok: boolean;
  /** Seconds, with all that leads up to it and cleans up behind it. */
  readonly tookS: number;
  readonly result?: StepResult;
  /** Why there is no result. */
  readonly failure?: string;
}

interface Worst {
  readonly name: string;
  readonly title: string;
  readonly rounds: number;
  /** Rounds that kept the bound. */
  readonly kept: number;
  readonly lostProbes: readonly [least: number, most: number];
  readonly outageMs: number;
  readonly twoHoldersMs: number;
  readonly controlGapMs: number;
}

/** In the order in which they were played first. */
export function worstOf(played: readonly Played[]): Worst[] {
  return [...new Set(played.map(({ name }) => name))].map((name) => {
    const all = played.filter((one) => one.name === name);
    const results = all.flatMap(({ result }) => result ?? []);
    const most = (of: (result: StepResult) => number) => Math.max(0, ...results.map(of));
    const lost = results.map((result) => result.lostProbes);
    return {
      name,
      title: all[0]?.title ?? name,
      rounds: all.length,
      kept: all.filter(({ ok }) => ok).length,
      lostProbes: [Math.min(...lost, Number.MAX_SAFE_INTEGER), Math.max(0, ...lost)],
      outageMs: most((result) => result.outageMs),
      twoHoldersMs: most((result) => result.twoHoldersMs),
      controlGapMs: most((result) => result.controlGapMs),
    };
  });
}

export function evidenceOf(played: readonly Played[]): {
  readonly text: string;
  readonly worst: readonly Worst[];
  readonly played: readonly Played[];
} {
  const worst = worstOf(played);
  const lines = worst.map(({ name, rounds, kept, lostProbes: [least, most], outageMs, twoHoldersMs }) => {
    const lost = most === 0 || least >= most ? String(most) : `${least}–${most}`;
    const cells = [lost.padStart(11), ms(outageMs), ms(twoHoldersMs), `${kept}/${rounds}`.padStart(8)];
    return `${cells.join('')}  ${kept === rounds ? 'ok    ' : 'MISSED'} ${name}`;
  });
  const head = ['lost'.padStart(11), 'outage'.padStart(12), 'two hold'.padStart(12), 'kept'.padStart(8)];
  const missed = worst.filter(({ rounds, kept }) => kept < rounds).length;
  const sum =
    played.length === 0
      ? 'nothing was played'
      : missed === 0
        ? `all ${worst.length} rows kept`
        : `${missed} of ${worst.length} rows missed`;
  return {
    text: ['worst over all rounds', head.join(''), ...lines, sum].join('\n'),
    worst,
    played,
  };
}

const ms = (value: number): string => `${value.toFixed(1)} ms`.padStart(12);
