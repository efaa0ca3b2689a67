// All checks of an instance → what they mean for its part in the group, and that → the two track files.
import type { Check, CheckResult } from '../../shared/checks.ts';
import type { Pause } from '../../shared/protocol.ts';
import type { CheckState, CheckStatus } from './check.ts';
import {
  isPaused,
  liveValue,
  lowestValue,
  type Part,
  partDetail,
  pauseReason,
  stickyPriority,
} from './part.ts';

export interface CheckRun {
  readonly check: Pick<Check, 'name' | 'weight'>;
  readonly state: CheckState;
}

export interface Verdict {
  /** The failing checks that are a fault, with their last words; empty: none. */
  readonly faults: readonly { readonly name: string; readonly output: string; readonly sinceMs: number }[];
  /** What the failing checks take from the priority. Undefined: not known yet, what the file says stays. */
  readonly weight: number | undefined;
  /** The failing checks that take it, with their last words; empty: none. */
  readonly weighs: string;
  /** Checks that have not spoken yet. */
  readonly pending: readonly string[];
}

export const noChecks: Verdict = { faults: [], weight: 0, weighs: '', pending: [] };

export function verdictOf(runs: readonly CheckRun[]): Verdict {
  const weighing = runs.filter(({ check }) => check.weight !== undefined);
  const failing = weighing.filter(({ state }) => state.status === 'down');
  return {
    faults: runs
      .filter(({ check, state }) => check.weight === undefined && state.status === 'down')
      .map(({ check, state }) => ({ name: check.name, output: state.output, sinceMs: state.sinceMs })),
    weight: weighing.some(({ state }) => state.status === 'unknown')
      ? undefined
      : failing.reduce((sum, { check }) => sum + (check.weight ?? 0), 0),
    weighs: failing
      .map(({ check, state }) => `check ${check.name} fails (${check.weight}): ${state.output.slice(0, 200)}`)
      .join('; '),
    pending: runs.filter(({ state }) => state.status === 'unknown').map(({ check }) => check.name),
  };
}

export const sameVerdict = (a: Verdict, b: Verdict): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Above 1, the priority of a member that hands over. */
const lowestFloor = 2;

/**
 * What keepalived is to read. Orders and hand-overs say their own priority, checks only lower one that takes part; they
 * leave it at its floor, and never make the product that would be a fault.
 * @param floor each member has another, so that no two that fail everything are equal
 */
export function trackValues(
  part: Part,
  basePriority: number,
  { faults, weight }: Verdict,
  floor = lowestFloor,
): { readonly paused: boolean; readonly live: number | undefined } {
  const paused = isPaused(part) || faults.length > 0;
  const own = liveValue(part, basePriority);
  if (part.phase !== 'active' || own === undefined || own === lowestValue) return { paused, live: own };
  if (weight === undefined) return { paused, live: undefined };
  return { paused, live: Math.max(own + weight, Math.min(own, floor - basePriority)) };
}

/** What an earlier life of the agent left in the track files of an instance. */
export interface FoundFiles {
  readonly paused: boolean;
  readonly live: number | undefined;
}

/**
 * How the checks of an instance stand that runs already. A pause may be a fault, so those go on as failing; a priority
 * that nothing else explains is that of failing checks, but not of which: there the first result decides.
 */
export function foundStatus(
  { weight }: Pick<Check, 'weight'>,
  { paused, live }: FoundFiles,
  basePriority: number,
): CheckStatus {
  if (weight === undefined) return paused ? 'down' : 'up';
  const unweighed = live === 0 || live === Math.max(0, stickyPriority - basePriority);
  return unweighed ? 'up' : 'unknown';
}

/** What a report may say of one pause (Words in shared/words.ts): a longer one would cost the agent its connection. */
const detailLength = 2000;

/** "check api: connection refused; check db: timed out" */
function faultDetail({ faults }: Verdict): string {
  return faults
    .map(({ name, output }) => `check ${name} fails${output === '' ? '' : `: ${output.slice(0, 300)}`}`)
    .join('; ')
    .slice(0, detailLength);
}

/** Why an instance is held back; undefined for one that takes part. Its own reason comes before that of a check. */
export function pauseOf(part: Part, sinceMs: number, verdict: Verdict): Pause | undefined {
  const reason = pauseReason(part);
  const waits = reason === 'joining' ? pendingDetail(verdict) : '';
  if (reason !== null) return { reason, detail: waits || partDetail(part), sinceMs };
  const [fault] = verdict.faults;
  return fault && { reason: 'check', detail: faultDetail(verdict), sinceMs: fault.sinceMs };
}

/** "waits for the first result of check api"; empty when it waits for none. */
function pendingDetail({ pending }: Verdict): string {
  return pending.length === 0 ? '' : `waits for the first result of check ${pending.join(', ')}`;
}

/** Words of all checks of a node together, so that a report stays far below the limit of a frame. */
const reportedWords = 60_000;

export function checkResult({ check, state }: CheckRun, checksOnNode: number): CheckResult {
  const most = Math.max(20, Math.min(200, Math.floor(reportedWords / Math.max(1, checksOnNode))));
  return {
    name: check.name,
    up: state.status === 'unknown' ? null : state.status === 'up',
    sinceMs: state.sinceMs,
    lastRunMs: state.lastRunMs,
    durationMs: state.durationMs,
    output: state.output.slice(-most),
    ...(check.weight === undefined ? {} : { weight: check.weight }),
  };
}
