// What the coordinator said last of a service on this node → a result for its check, as far as it is one.
import type { TaskWord } from '../../shared/protocol.ts';

/** A word, and how old it is. */
export interface HeardWord extends TaskWord {
  /** Unix ms. */
  readonly atMs: number;
  /** Monotonic ms ago; undefined: an earlier life of the agent has heard it. */
  readonly ageMs: number | undefined;
}

export interface WordResult {
  readonly passed: boolean;
  readonly output: string;
  /** Says nothing new. `atMs`: when it was new, Unix ms; null: there is nothing at all. */
  readonly stale?: { readonly atMs: number | null };
}

/**
 * Older than three periods of reading it is no news: nobody reads Swarm any more, or Swarm does not know. Fewer than the
 * usual `fall` × interval, so that a coordinator that dies right after a bad word makes nothing fail.
 */
export const freshMs = 3_500;

/**
 * @param patienceMs how long the check has waited for a first word. A new one is better than what was kept, so for that
 *   long the kept one does not count.
 */
export function wordResult(word: HeardWord | undefined, patienceMs: number, wallMs: number): WordResult {
  if (!word) return { passed: false, output: 'no coordinator has said anything yet', stale: { atMs: null } };
  const { running: passed, detail, atMs, ageMs } = word;
  if (ageMs !== undefined && ageMs <= freshMs) return { passed, output: detail };
  const known = ageMs !== undefined || patienceMs > freshMs;
  const seconds = Math.max(0, Math.round((ageMs ?? wallMs - atMs) / 1000));
  return {
    passed,
    output: `no news for ${seconds} s; last: ${detail}`,
    stale: { atMs: known ? atMs : null },
  };
}
