// What one run of a check comes to.

export const faultCodes = [
  'check-script-missing',
  'check-not-executable',
  'check-interpreter-missing',
  'check-hangs',
  'check-engine-missing',
] as const;

/** Wrong with the check itself rather than with what it checks; counts as a failure all the same. */
export interface CheckFault {
  readonly code: (typeof faultCodes)[number];
  readonly message: string;
  readonly remedy: string;
}

export interface Outcome {
  readonly passed: boolean;
  /** Words for people: the answer, or why there was none. */
  readonly output: string;
  readonly fault?: CheckFault;
  /**
   * Nobody can say anything new: a check that stands goes on as it does; one that has no result yet takes it, if it is
   * one. `atMs`: when it was new, Unix ms; null: it is none.
   */
  readonly stale?: { readonly atMs: number | null };
}

/** Runs once, never rejects, and ends within its time limit. */
export type Probe = () => Promise<Outcome>;

export const failed = (output: string): Outcome => ({ passed: false, output });

/** An error of Node as one line: "connect ECONNREFUSED 127.0.0.1:80". */
export function errorWords(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return errorWords(error.errors[0]);
  return error instanceof Error ? error.message || error.name : String(error);
}
