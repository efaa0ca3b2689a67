// A token bucket: how much somebody may do at once, and how much as time goes on. Time is an input.

export interface BucketLimits {
  readonly burst: number;
  readonly perSecond: number;
}

export interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

export const fullBucket = ({ burst }: BucketLimits, nowMs: number): Bucket => ({
  tokens: burst,
  atMs: nowMs,
});

/** Takes `cost` out. What is left may be negative: then it was too much. */
export function takeFrom(
  { tokens, atMs }: Bucket,
  limits: BucketLimits,
  cost: number,
  nowMs: number,
): Bucket {
  const refilled = tokens + (Math.max(0, nowMs - atMs) / 1000) * limits.perSecond;
  return { tokens: Math.min(limits.burst, refilled) - cost, atMs: nowMs };
}
