// The verdict on one step: an outage counts against the bound plus what the control probe missed in the same run, up to
// a limit. Noise makes a run worse, never better: beyond the limit a run that keeps the bound keeps it, one that does
// not says nothing; it is repeated, at most twice, and counted. Nor does a pair of holders shorter than that limit: the
// old one drops the address when its process gets its turn on the cores that all nodes share, which no probe feels.
import type { HolderReport } from './holding.ts';
import type { ProbeReport } from './probe.ts';

/** No more of the control probe's gap is excused; above it, a run that missed is void. */
export const MAX_CONTROL_GAP_MS = 20;
const MAX_REPEATS = 2;
/** Held for less: nobody decided so, a process waited for its turn on the cores that all nodes share. */
export const BLINK_MS = 500;

export interface Evidence {
  readonly probe: ProbeReport;
  readonly holders: HolderReport;
}

export interface Bound {
  readonly outageMs: number;
  /** Unless given, as many as fit into `outageMs`. */
  readonly lostProbes?: number;
  /**
   * Not judged unless given. Like an outage it is judged with the noise added: in a planned move the old holder drops
   * the address when the new one's first advert has reached it and its process got a turn.
   */
  readonly twoHoldersMs?: number;
}

export interface Verdict {
  readonly ok: boolean;
  readonly lostProbes: number;
  readonly probeIntervalMs: number;
  readonly outageMs: number;
  readonly boundMs: number;
  readonly twoHoldersMs: number;
  readonly noHolderMs: number;
  /** Comma-separated if, against the promise, there were several; empty for none. */
  readonly holderBefore: string;
  readonly holderAfter: string;
  readonly controlGapMs: number;
  /** Missed on too noisy a machine, or the capture missed packets: neither good nor bad. */
  readonly void: boolean;
}

export interface RepeatedVerdict extends Verdict {
  /** Runs thrown away before this one. */
  readonly voids: number;
}

export function judge({ probe, holders }: Evidence, bound: Bound): Verdict {
  const noiseMs = Math.min(probe.controlGapMs, MAX_CONTROL_GAP_MS);
  const inTime = probe.longestGapMs <= bound.outageMs + noiseMs;
  // Several outages in a row are one fault's doing: together, too, they keep its bound.
  const mayLose = bound.lostProbes ?? bound.outageMs / probe.intervalMs;
  const complete = probe.lost <= mayLose + noiseMs / probe.intervalMs;
  const pairMs = bound.twoHoldersMs === undefined ? 0 : holders.twoHoldersMs - bound.twoHoldersMs;
  // Without a single answer there was nothing to lose.
  const served = probe.received > 0 && inTime && complete;
  const kept = served && pairMs <= noiseMs;
  const isNoise = probe.controlGapMs > MAX_CONTROL_GAP_MS || (served && pairMs <= MAX_CONTROL_GAP_MS);
  const isVoid = probe.captureDropped > 0 || (!kept && isNoise);
  return {
    ok: kept && !isVoid,
    lostProbes: probe.lost,
    probeIntervalMs: probe.intervalMs,
    outageMs: round(probe.longestGapMs),
    boundMs: bound.outageMs,
    twoHoldersMs: round(holders.twoHoldersMs),
    noHolderMs: round(holders.noHolderMs),
    holderBefore: holders.atStart.join(','),
    holderAfter: holders.now.join(','),
    controlGapMs: round(probe.controlGapMs),
    void: isVoid,
  };
}

/** Runs a step until its run is not void, three times at most. A void last run is not ok. */
export async function judged(runOnce: () => Promise<Evidence>, bound: Bound): Promise<RepeatedVerdict> {
  for (let voids = 0; ; voids++) {
    const verdict = judge(await runOnce(), bound);
    if (!verdict.void || voids === MAX_REPEATS) return { ...verdict, voids };
  }
}

const round = (ms: number): number => Math.round(ms * 10) / 10;
