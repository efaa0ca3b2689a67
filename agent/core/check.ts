// One health check: results in, passing or failing out.
//
//                 first result              `fall` failures in a row
//   ┌─────────┐ ─────────────▶ ┌────┐ ──────────────────────────────▶ ┌──────┐
//   │ unknown │                │ up │                                 │ down │
//   └─────────┘ ───────┐       └────┘ ◀────────────────────────────── └──────┘
//                      └──────────────────────── first result ───────────▲   `rise` passes in a row
//
// Unknown is a check of a member that is about to join: it takes no part before the check has spoken. One that is added
// to a running member begins as up, and one of a member that a restarted agent finds as the track files say.

export type CheckStatus = 'unknown' | 'up' | 'down';

export interface Thresholds {
  readonly rise: number;
  readonly fall: number;
}

export interface CheckState {
  readonly status: CheckStatus;
  /** Unix ms. */
  readonly sinceMs: number;
  /** Results in a row that speak against the status. */
  readonly against: number;
  readonly lastRunMs: number | null;
  readonly durationMs: number | null;
  readonly output: string;
}

export type CheckEvent =
  | {
      readonly kind: 'ran';
      readonly passed: boolean;
      readonly output: string;
      /** Monotonic. */
      readonly durationMs: number;
      /** Nobody can say anything new. It decides only where nothing is known yet, if it was true once (Unix ms). */
      readonly stale?: { readonly atMs: number | null };
    }
  /** It is defined otherwise: what was counted counts no more, the status stands until it has run. */
  | { readonly kind: 'redefined' };

export function beginCheck(status: CheckStatus, nowMs: number): CheckState {
  return { status, sinceMs: nowMs, against: 0, lastRunMs: null, durationMs: null, output: '' };
}

export function stepCheck(
  state: CheckState,
  event: CheckEvent,
  { rise, fall }: Thresholds,
  nowMs: number,
): CheckState {
  if (event.kind === 'redefined') return { ...state, against: 0 };
  const { output, passed, stale } = event;
  // What was counted is no row any more either: things may have changed unseen.
  if (stale && (state.status !== 'unknown' || stale.atMs === null)) return { ...state, against: 0, output };
  const durationMs = Math.max(0, Math.round(event.durationMs));
  const ran = { ...state, lastRunMs: stale?.atMs ?? nowMs, durationMs, output };
  const said = passed ? 'up' : 'down';
  if (state.status === said) return { ...ran, against: 0 };
  const against = state.against + 1;
  const needed = state.status === 'unknown' ? 1 : passed ? rise : fall;
  return against >= needed ? { ...ran, status: said, sinceMs: nowMs, against: 0 } : { ...ran, against };
}

const keptOutput = 2048;

/** Output of a tool as it may be shown: one line, no control characters, its last 2 KiB. */
export function readableOutput(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cs}\u2028\u2029]+/gu, ' ')
    .trim()
    .slice(-keptOutput);
}
