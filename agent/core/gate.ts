// When a reload may be sent (rule R8). A reload restarts the master-down timer of every BACKUP, so one that comes
// while a holder is dying prolongs the outage. A backup that has heard its holder just now loses nothing.
import type { VrrpState } from '../../shared/protocol.ts';

export interface GateSample {
  readonly name: string;
  readonly state: VrrpState;
  readonly paused: boolean;
  /** keepalived's own counters; the second counts those that say "I stop" as well. */
  readonly advertsReceived: number;
  readonly resignations: number;
  readonly intervalMs: number;
}

interface Heard {
  readonly adverts: number;
  readonly resignations: number;
  /** End of the sampling period in which the counter last grew; null as long as it has not. */
  readonly grownMs: number | null;
  /** Since when it has been waited for without a break; null for one that is not waited for. */
  readonly waitingMs: number | null;
}

export interface Gate {
  readonly beganMs: number;
  readonly heard: ReadonlyMap<string, Heard>;
}

export interface GateStep {
  readonly gate: Gate;
  readonly open: boolean;
  readonly waitingFor: readonly string[];
}

export function beginGate(nowMs: number): Gate {
  return { beganMs: nowMs, heard: new Map() };
}

/** @param samples the instances that the reload keeps; others cannot be harmed. */
export function stepGate(gate: Gate, samples: readonly GateSample[], nowMs: number): GateStep {
  const heard = new Map<string, Heard>();
  const waitingFor: string[] = [];
  // Slow instances advertise at different moments; after two rounds, "within one interval" must be good enough.
  const longest = Math.max(0, ...samples.map((sample) => sample.intervalMs));
  const patient = nowMs - gate.beganMs > 2 * longest;
  for (const sample of samples) {
    const before = gate.heard.get(sample.name);
    const grown = before !== undefined && sample.advertsReceived > before.adverts;
    // The last advert of a holder that stops: its successor counts its skew, and a reload would make it wait anew.
    const resigned = before !== undefined && sample.resignations > before.resignations;
    const grownMs = resigned ? null : grown ? nowMs : (before?.grownMs ?? null);
    const fresh = grownMs !== null && nowMs - grownMs <= (patient ? sample.intervalMs : 0);
    const waits = sample.state === 'BACKUP' && !sample.paused && !fresh;
    const waitingMs = waits ? (before?.waitingMs ?? nowMs) : null;
    const { advertsReceived: adverts, resignations } = sample;
    heard.set(sample.name, { adverts, resignations, grownMs, waitingMs });
    // A backup that hears nobody becomes MASTER within its bound, and is waited for no more. The limit is for a dump that
    // tells nonsense: an unchangeable configuration would be worse than a late reload.
    const nonsense = waitingMs !== null && nowMs - waitingMs > 10_000 + 5 * longest;
    if (waits && !nonsense) waitingFor.push(sample.name);
  }
  return {
    gate: { beganMs: gate.beganMs, heard },
    open: waitingFor.length === 0,
    waitingFor,
  };
}
