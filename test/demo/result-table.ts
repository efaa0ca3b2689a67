// One line per step that was judged, as demo and soak print it.
import type { StepResult } from './steps.ts';

const columns = [7, 12, 10, 12, 12] as const;
export const header = ['lost', 'outage', 'bound', 'two hold', 'control', '']
  .map((text, index) => text.padStart(columns[index] ?? 0))
  .join('')
  .concat('  step');

export function row({
  ok,
  title,
  lostProbes,
  outageMs,
  boundMs,
  twoHoldersMs,
  controlGapMs,
  voids,
  ...rest
}: StepResult): string {
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  const cells = [
    String(lostProbes),
    ms(outageMs),
    Number.isFinite(boundMs) ? `${boundMs} ms` : '–',
    ms(twoHoldersMs),
    ms(controlGapMs),
  ];
  const text = cells.map((cell, index) => cell.padStart(columns[index] ?? 0)).join('');
  const again = voids > 0 ? `, repeated ${voids} × on a noisy machine` : '';
  return `${text}  ${ok ? 'ok    ' : 'MISSED'} ${title} (${rest.holderBefore || 'nobody'} → ${rest.holderAfter || 'nobody'}${again})`;
}
