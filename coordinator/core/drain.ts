// Label swarm-vip.drain → the operator's intent that a node hold nothing. The label is written before anything moves,
// so the intent outlives every coordinator; taking it away undoes it.
//   swarm-vip.drain=REASON[;until=RFC3339][;force]
import type { Problem } from '../../shared/problem.ts';
import { readable } from './groups.ts';
import { readReason, readTimeMs, splitIntent, writeReason } from './intent-text.ts';
import { nodeName, type Snapshot, type SwarmNode } from './snapshot.ts';

export const drainLabel = 'swarm-vip.drain';

export interface Drain {
  /** For people; may be empty. */
  reason: string;
  /** Unix ms after which the label counts no more. */
  untilMs: number | undefined;
  /** Give the addresses up even when nobody can take them. */
  force: boolean;
}

/** @returns the drain that counts now, if any, and what is wrong with the label */
export function readDrain(
  snapshot: Snapshot,
  node: SwarmNode,
  nowMs: number,
): { drain?: Drain; problem?: Problem } {
  const text = node.labels[drainLabel];
  if (text === undefined) return {};
  const [reason = '', ...options] = splitIntent(text);
  const drain: Drain = { reason: readReason(reason), untilMs: undefined, force: false };
  const wrong: string[] = [];
  for (const option of options.filter((part) => part !== '')) {
    const untilMs = option.startsWith('until=') ? readTimeMs(option.slice('until='.length)) : undefined;
    if (untilMs !== undefined) drain.untilMs = untilMs;
    else if (option === 'force') drain.force = true;
    else wrong.push(option);
  }
  const problem: Problem | undefined =
    wrong.length === 0
      ? undefined
      : {
          code: 'drain-option-invalid',
          severity: 'warning',
          where: `node ${nodeName(snapshot, node.id)}, label ${drainLabel}`,
          node: node.id,
          value: readable(wrong.join(';')),
          message: 'expected REASON[;until=2026-01-31T12:00:00Z][;force]',
          instead: 'the node is drained without this option',
          remedy: 'swarm-vip undrain the node and drain it again',
        };
  const over = drain.untilMs !== undefined && drain.untilMs <= nowMs;
  return { ...(over ? {} : { drain }), ...(problem ? { problem } : {}) };
}

/** The label's text for an intent. */
export function drainText({ reason, untilMs, force }: Drain): string {
  return [
    writeReason(reason),
    ...(untilMs === undefined ? [] : [`until=${new Date(untilMs).toISOString()}`]),
    ...(force ? ['force'] : []),
  ].join(';');
}
