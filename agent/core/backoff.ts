// Waiting times as values; randomness is an input.

/** Reconnect: exponential from 0.25 s to 10 s with full jitter. @param attempt 0 for the first failure; @param random 0..1 */
export function reconnectDelayMs(attempt: number, random: number): number {
  const ceiling = Math.min(10_000, 250 * 2 ** Math.min(attempt, 10));
  return Math.round(Math.max(50, random * ceiling));
}

/** Restart of keepalived: nothing for the first crash, then 1, 2, 4 … 30 s. @param crashes crashes in a row, from 1 */
export function restartDelayMs(crashes: number): number {
  return crashes <= 1 ? 0 : Math.min(30_000, 1000 * 2 ** Math.min(crashes - 2, 10));
}
