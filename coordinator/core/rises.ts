// What the nodes remember → the take-overs of a group, with those that nobody writes down: a member that does not hear
// the holder for a moment stands up beside it and gives way again. It remembers both; the holder never moved.
import type { NodeId } from '../../shared/words.ts';
import type { NodeTransition } from './history.ts';

/** A winner says MASTER and the loser BACKUP at about the same time, by two clocks. */
export const sameSwitchMs = 2_000;

export interface Rise extends NodeTransition {
  /** It held all the time, as another one says that gave way to it; `seq` is that of its own rise. */
  returned?: true;
}

/** @param entries of one group, oldest first; @returns oldest first */
export function risesOf(entries: readonly NodeTransition[]): Rise[] {
  const rises: Rise[] = [];
  const returns: Rise[] = [];
  const lastRise = new Map<NodeId, number>();
  for (const [index, entry] of entries.entries()) {
    if (entry.to === 'MASTER') {
      rises.push(entry);
      lastRise.set(entry.node, index);
    }
    const own = lastRise.get(entry.node);
    const back = gaveWay(entry) && own !== undefined ? returnOf(entries, own, index) : undefined;
    if (back) returns.push(back);
  }
  return returns.length === 0 ? rises : [...rises, ...returns].sort((a, b) => a.atMs - b.atMs);
}

/** Somebody else held at that moment. */
const gaveWay = ({ from, cause, order }: NodeTransition): boolean =>
  from === 'MASTER' && (cause === 'higher-priority' || order?.startsWith('steps down') === true);

/** For whom it gave way, unless that one says itself when it rose. */
function returnOf(entries: readonly NodeTransition[], rose: number, fell: number): Rise | undefined {
  const fall = entries[fell];
  if (!fall) return undefined;
  const { node, peerHostname } = fall;
  const isWinner = (each: NodeTransition) =>
    each.to === 'MASTER' &&
    each.node !== node &&
    (peerHostname === undefined || each.hostname === peerHostname);
  for (let at = rose + 1; at < entries.length; at++) {
    const each = entries[at];
    if (!each || each.atMs > fall.atMs + sameSwitchMs) break;
    if (isWinner(each)) return undefined;
  }
  for (let at = rose - 1; at >= 0; at--) {
    const holder = entries[at];
    if (!holder || !isWinner(holder)) continue;
    const moved = entries.slice(at + 1, fell).some((each) => each.node === holder.node);
    const { order: _, detail: __, peer: ___, ...rest } = holder;
    return moved ? undefined : { ...rest, cause: 'preempted', atMs: fall.atMs, returned: true };
  }
  return undefined;
}
