// VRRP's own arithmetic, in one place: plan, agent, tests and demo all judge by it.
// Source: RFC 5798 §6.1 (version 3), RFC 3768 §6.1 (version 2; skew is in units of a whole second there too).

/** Time by which a backup of this priority waits longer than three intervals, in milliseconds. */
export function skewMs(version: 2 | 3, intervalMs: number, priority: number): number {
  return ((256 - priority) / 256) * (version === 2 ? 1000 : intervalMs);
}

/** Master_Down_Interval: the longest silence before a backup takes over, in milliseconds. */
export function masterDownMs(version: 2 | 3, intervalMs: number, priority: number): number {
  return 3 * intervalMs + skewMs(version, intervalMs, priority);
}

/** Default advertisement interval: sub-second with version 3, one second where a password forces version 2. */
export const defaultIntervalMs = { 2: 1000, 3: 100 } as const;

/** Longest time that a backup stays held for a change of what all members must agree on; the leader needs one master-down. */
export function holdLimitMs(version: 2 | 3, intervalMs: number): number {
  return 3_000 + 2 * masterDownMs(version, intervalMs, 1);
}
