// What the nodes remember → the take-overs of a group, with those that nobody writes down: a member that does not hear
// the holder for a moment stands up beside it and gives way again. It remembers both; the holder never moved.
import type { NodeId } from '../../shared/words.ts';
import type { NodeTransition } from './history.ts';

/** A winner says MASTER and the loser BACKUP at about the same time, by two clocks. */
export const sameSwitchMs = 2_000;

/** @param entries of one group, oldest first; @returns oldest first; a return has the `seq` of the holder's own rise */
export function risesOf(entries: readonly NodeTransition[]): NodeTransition[] {
  const rises: NodeTransition[] = [];
  const lastRise = new Map<NodeId, number>();
  for (const [index, entry] of entries.entries()) {
    if (entry.to === 'MASTER') {
      rises.push(entry);
      lastRise.set(entry.node, index);
    }
    const own = lastRise.get(entry.node);
    const back = gaveWay(entry) && own !== undefined ? returnOf(entries, own, index) : undefined;
    if (back) rises.push(back);
  }
  return rises.sort((a, b) => a.atMs - b.atMs);
}

/** Somebody else held at that moment. */
const gaveWay = ({ from, cause, order }: NodeTransition): boolean =>
  from === 'MASTER' && (cause === 'higher-priority' || order?.startsWith('steps down') === true);

/** For whom it gave way, unless somebody says so himself. */
function returnOf(
  entries: readonly NodeTransition[],
  rose: number,
  fell: number,
): NodeTransition | undefined {
  const [rise, fall] = [entries[rose], entries[fell]];
  if (!rise || !fall) return undefined;
  const isOther = (each: NodeTransition) => each.to === 'MASTER' && each.node !== fall.node;
  for (let at = rose + 1; at < entries.length; at++) {
    const each = entries[at];
    if (!each || each.atMs > fall.atMs + sameSwitchMs) break;
    if (isOther(each)) return undefined;
  }
  for (let at = rose - 1; at >= 0; at--) {
    const holder = entries[at];
    if (!holder || !isOther(holder)) continue;
    const moved = entries.slice(at + 1, fell).some(({ node }) => node === holder.node);
    const { order: _, detail: __, peer: ___, ...rest } = holder;
    return moved ? undefined : { ...rest, cause: 'preempted', atMs: fall.atMs };
  }
  return undefined;
}
