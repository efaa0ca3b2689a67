// Label priorities → the priorities that keepalived gets: distinct, and shifted up so that the highest is 250 (rule R5).
// The shift makes the successor's skew small; 251 to 254 stay free for hand-overs. Neighbours are kept a step apart,
// since the difference of their skews is all that keeps two backups from taking over at once. Only where check weights
// give differences a meaning does every difference stay as it was written.
import type { NodeId } from '../../shared/words.ts';
import { leadPriority } from './lead.ts';

export interface Ranked {
  node: NodeId;
  /** As the operator wrote it, 1 to 254. */
  wanted: number;
  /** Decides between equal ones, lowest first; then the node id does. */
  order?: number;
  /** Chosen by an operator to lead, above all base priorities. */
  leads?: boolean;
}

export const highestPriority = 250;

/** Backups of neighbouring ranks wait at least 24/256 of an interval apart: 9.4 ms at 100 ms. */
export const leastStep = 24;

/**
 * Distinct priorities for the members of one group, best first. Ties are decided by `order`, then by node id. Where differences do not
 * fit between 1 and 250, the low end is compressed, the order never changes.
 * @param members at most 250
 * @param exact whether differences have a meaning: then none is widened
 */
export function assignPriorities(members: readonly Ranked[], exact = false): Map<NodeId, number> {
  const ranked = [...members].sort(
    (a, b) => b.wanted - a.wanted || (a.order ?? 0) - (b.order ?? 0) || a.node.localeCompare(b.node),
  );
  const shift = highestPriority - (ranked[0]?.wanted ?? 0);
  const assigned = new Map<NodeId, number>();
  const room = Math.floor((highestPriority - 1) / Math.max(1, ranked.length - 1));
  const step = exact ? 1 : Math.min(leastStep, room);
  let above = highestPriority + step;
  ranked.forEach(({ node, wanted, leads }, rank) => {
    const lowestAllowed = 1 + (ranked.length - 1 - rank) * step;
    const priority = Math.max(lowestAllowed, Math.min(above - step, wanted + shift));
    // The lead keeps its place among the others, so that nobody else's priority changes with it.
    assigned.set(node, leads ? leadPriority : priority);
    above = priority;
  });
  return assigned;
}

/**
 * Which members may change their priority now, given what the others run. Members reload at different moments; a
 * change is let through when it does not invert the order of any two members on the way, so that a shift of all
 * priorities moves no address. When every change would invert something (a swap), the change itself is a move:
 * then all go.
 * @param target final priority by node; @param running what runs now, only nodes that are in reach
 * @returns priority to assign by node, for every key of `target`
 */
export function stepPriorities(
  target: ReadonlyMap<NodeId, number>,
  running: ReadonlyMap<NodeId, number>,
): Map<NodeId, number> {
  const order = (a: number, b: number) => Math.sign(a - b);
  const next = new Map<NodeId, number>();
  let changed = false;
  let pending = false;
  for (const [node, final] of target) {
    const now = running.get(node);
    if (now === undefined || now === final) {
      next.set(node, final);
      continue;
    }
    pending = true;
    const harmless = [...target].every(([other, otherFinal]) => {
      const otherNow = running.get(other);
      if (other === node || otherNow === undefined) return true;
      const meanwhile = order(final, otherNow);
      return meanwhile === order(final, otherFinal) || meanwhile === order(now, otherNow) || meanwhile === 0;
    });
    next.set(node, harmless ? final : now);
    changed ||= harmless;
  }
  return pending && !changed ? new Map(target) : next;
}
