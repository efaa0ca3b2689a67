// History → how often each group changed its holder, by cause, since this coordinator began to count. A counter must only
// grow, while history forgets; so each take-over is counted once, when what its former holder has to say is in.
import type { HandOverCause, Switch } from './history.ts';

export interface HandOverCount {
  readonly sinceMs: number;
  /** Take-overs of the history as it was last looked at: when each was first seen, and whether it is counted. */
  readonly seen: ReadonlyMap<string, { readonly firstMs: number; readonly counted: boolean }>;
  readonly byGroup: ReadonlyMap<string, ReadonlyMap<HandOverCause, number>>;
}

/** The winner may be heard before the loser, who knows why. */
const settleMs = 2_000;

/** @param sinceMs by this node's clock; what happened before is no news, though agents still tell it */
export const beginCount = (sinceMs: number): HandOverCount => ({
  sinceMs,
  seen: new Map(),
  byGroup: new Map(),
});

export function countHandOvers(
  count: HandOverCount,
  switches: readonly Switch[],
  nowMs: number,
): HandOverCount {
  const seen = new Map<string, { firstMs: number; counted: boolean }>();
  const byGroup = new Map([...count.byGroup].map(([group, causes]) => [group, new Map(causes)]));
  for (const { group, to, atMs, cause } of switches) {
    if (atMs < count.sinceMs) continue;
    const key = `${group} ${to.node} ${atMs}`;
    const known = count.seen.get(key) ?? { firstMs: nowMs, counted: false };
    const due = !known.counted && nowMs - Math.min(known.firstMs, atMs) >= settleMs;
    seen.set(key, { ...known, counted: known.counted || due });
    if (!due) continue;
    const causes = byGroup.get(group) ?? new Map<HandOverCause, number>();
    byGroup.set(group, causes.set(cause, (causes.get(cause) ?? 0) + 1));
  }
  return { ...count, seen, byGroup };
}
