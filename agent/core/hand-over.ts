// Before a planned stop: how long the holder goes on at priority 1, so that a backup takes over make-before-break.
import type { AssignedInstance } from '../../shared/protocol.ts';
import { masterDownMs } from '../../shared/timers.ts';

/** PID 1 allows 8 s in all, and a clean stop of keepalived takes 1 s. */
export const handOverLimitMs = 6_300;
/** A backup that wakes up late on a busy node, and the way of its first advert. */
const marginMs = 500;

type Holding = Pick<AssignedInstance, 'version' | 'intervalMs' | 'peers'>;

/**
 * The longest wait for these holders; 0 when none of them can be relieved: alone, or with timers so slow that no
 * backup could take over in time.
 */
export function handOverMs(holders: readonly Holding[]): number {
  const waits = holders
    .filter((holder) => holder.peers.length > 0 && 3 * holder.intervalMs < handOverLimitMs)
    .map((holder) => masterDownMs(holder.version, holder.intervalMs, 1) + marginMs);
  return Math.min(handOverLimitMs, Math.max(0, ...waits));
}
