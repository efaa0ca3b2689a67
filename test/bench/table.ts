// The table of the bench: one row per step, from the verdicts of its runs.
import type { Series } from './series.ts';

const columns = [
  'runs',
  'missed',
  'lost: median',
  'worst',
  'outage ms: median',
  'worst',
  'two holders ms: worst',
  'control gap ms: worst',
  'void',
];
const nameWidth = 20;
const gap = 3;

export const header = 'step'.padEnd(nameWidth) + columns.map((name) => ' '.repeat(gap) + name).join('');

/** @param missed how many of the runs that count missed the step's bound */
export function row(name: string, { verdicts, voids }: Series, missed: number): string {
  const sorted = (pick: (verdict: Series['verdicts'][number]) => number) =>
    verdicts.map(pick).sort((a, b) => a - b);
  const lost = sorted(({ lostProbes }) => lostProbes);
  const outage = sorted(({ outageMs }) => outageMs);
  const two = sorted(({ twoHoldersMs }) => twoHoldersMs);
  const control = sorted(({ controlGapMs }) => controlGapMs);
  const cells = [
    String(verdicts.length),
    String(missed),
    figure(quantile(lost, 0.5), 0),
    figure(lost.at(-1), 0),
    figure(quantile(outage, 0.5), 1),
    figure(outage.at(-1), 1),
    figure(two.at(-1), 1),
    figure(control.at(-1), 1),
    String(voids),
  ];
  return (
    name.padEnd(nameWidth) +
    cells.map((cell, index) => cell.padStart((columns[index] ?? '').length + gap)).join('')
  );
}

/** Nothing was measured: that is not 0. */
const figure = (value: number | undefined, digits: number): string => value?.toFixed(digits) ?? '–';

export const quantile = (sorted: readonly number[], q: number): number | undefined =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
