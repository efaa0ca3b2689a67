// The part an instance plays in its group: whether keepalived is held back, and with which priority it takes part.
// Orders are states, not commands: an assignment that says "stand aside" twice, or again after a restart, changes
// nothing, and a coordinator that dies halfway leaves nobody half moved.
//
//                     R1 (core/pause.ts)                stands aside, MASTER
//        ┌─────────┐ ──────────────────────▶ ┌────────┐ ─────────────────────▶ ┌──────────┐ holds on, at priority 1,
//   ────▶│ joining │                         │ active │ ◀───────────────────── │ yielding │ until another member
//        └─────────┘                         └────────┘       order gone       └──────────┘ has taken over
//          ▲ order gone, or time up            │ held: not MASTER                    │ BACKUP
//          ├───────────────── held ◀───────────┤                                     ▼
//          └──────────────────────────────── standing-aside ◀────────────────────────┘   (from every phase)
//
// In joining, held and standing-aside keepalived is paused. A paused instance never holds an address.
import type { AssignedInstance, Generation, Pause, VrrpState } from '../../shared/protocol.ts';
import { holdLimitMs, masterDownMs } from '../../shared/timers.ts';
import { beginPause, type PauseEvent, type PauseState, pauseDetail, stepPause } from './pause.ts';

export type PartPhase = 'joining' | 'active' | 'yielding' | 'standing-aside' | 'held';

/** What the assignment says of an instance's part. */
export interface Terms {
  readonly boundMs: number;
  readonly peersConfirmed: boolean;
  readonly silenceOnly: boolean;
  readonly askTwice?: boolean;
  readonly standAside: 'relieved' | 'now' | null;
  /** The generation that orders it, or null: an order holds once, a new one holds again. */
  readonly hold: string | null;
  readonly holdLimitMs: number;
  readonly preempt: boolean;
  readonly preemptDelayMs: number;
  /** Nobody else could relieve the holder. */
  readonly needed: boolean;
}

export interface Part {
  readonly phase: PartPhase;
  /** When this phase began. */
  readonly sinceMs: number;
  /** The evidence of rule R1; meaningful in `joining`. */
  readonly pause: PauseState;
  readonly terms: Terms;
  /** What keepalived said last. INIT: not known (a restarted agent has not asked yet). */
  readonly vrrp: VrrpState;
  /** The agent is about to stop: as `relieved`, whatever the assignment says. */
  readonly leaving: boolean;
  /** End of a hold. It stays after that, as long as the order does: one order holds once. */
  readonly holdUntilMs: number | null;
  /** Until then a newcomer leaves a lower holder alone. */
  readonly modestUntilMs: number | null;
}

export type PartEvent =
  | Exclude<PauseEvent, { kind: 'rule' }>
  | { readonly kind: 'terms'; readonly terms: Terms }
  | { readonly kind: 'vrrp'; readonly state: VrrpState }
  | { readonly kind: 'leave' }
  | { readonly kind: 'tick' };

export function termsOf(instance: AssignedInstance, { epoch, counter }: Generation): Terms {
  const { version, intervalMs, priority, outlastMs } = instance;
  return {
    // Whoever is to prove that nobody follows counts the slowest that could.
    boundMs:
      instance.silenceOnly || outlastMs !== undefined
        ? Math.max(masterDownMs(version, intervalMs, 1), outlastMs ?? 0)
        : masterDownMs(version, intervalMs, priority),
    peersConfirmed: instance.peersConfirmed,
    silenceOnly: instance.silenceOnly ?? false,
    askTwice: outlastMs !== undefined,
    standAside: instance.standAside ?? null,
    hold: instance.transition === 'hold' ? `${epoch}.${counter}` : null,
    holdLimitMs: holdLimitMs(version, intervalMs),
    preempt: instance.preempt ?? true,
    preemptDelayMs: instance.preemptDelayMs ?? 0,
    needed: instance.preemptDelayMs === 0,
  };
}

const ruleOf = ({ boundMs, peersConfirmed, silenceOnly, askTwice = false }: Terms) => ({
  boundMs,
  peersConfirmed,
  silenceOnly,
  askTwice,
});

/** A newcomer: it was not running before. */
export function beginPart(terms: Terms, nowMs: number): Part {
  const part: Part = {
    phase: 'joining',
    sinceMs: nowMs,
    pause: beginPause(ruleOf(terms), nowMs),
    terms,
    vrrp: 'INIT',
    leaving: false,
    holdUntilMs: null,
    modestUntilMs: null,
  };
  return settle(part, nowMs);
}

/**
 * One that takes part already: found again by a restarted agent, or the leader of an ordered change.
 * @param lowered it was found at priority 1, which without an order means that it is modest
 */
export function runningPart(terms: Terms, lowered: boolean, nowMs: number): Part {
  const modestUntilMs = lowered && terms.preemptDelayMs > 0 ? nowMs + terms.preemptDelayMs : null;
  return settle({ ...beginPart(terms, nowMs), phase: 'active', holdUntilMs: null, modestUntilMs }, nowMs);
}

export function stepPart(part: Part, event: PartEvent, nowMs: number): Part {
  switch (event.kind) {
    case 'terms': {
      const pause = stepPause(part.pause, { kind: 'rule', rule: ruleOf(event.terms) }, nowMs);
      const { hold } = event.terms;
      const renewed = hold !== null && part.phase === 'held' ? nowMs + event.terms.holdLimitMs : null;
      const holdUntilMs = hold !== null && hold === part.terms.hold ? part.holdUntilMs : renewed;
      const modestUntilMs = event.terms.needed ? null : part.modestUntilMs;
      return settle({ ...part, terms: event.terms, pause, holdUntilMs, modestUntilMs }, nowMs);
    }
    case 'vrrp': {
      // A modest member that became MASTER has nobody to be modest to.
      const modestUntilMs = event.state === 'MASTER' ? null : part.modestUntilMs;
      return settle({ ...part, vrrp: event.state, modestUntilMs }, nowMs);
    }
    case 'leave':
      return settle({ ...part, leaving: true }, nowMs);
    case 'tick':
      return settle(part, nowMs);
    default: {
      if (part.phase !== 'joining') return settle(part, nowMs);
      const pause = stepPause(part.pause, event, nowMs);
      // Only somebody who was heard is owed modesty; behind silence there is nobody.
      const owed = event.kind === 'advert' ? part.terms.preemptDelayMs : 0;
      return settle({ ...part, pause, modestUntilMs: owed > 0 ? nowMs + owed : null }, nowMs);
    }
  }
}

/** Brings the phase in line with orders, evidence and time. */
function settle(part: Part, nowMs: number): Part {
  const { modestUntilMs } = part;
  const due: Part = {
    ...part,
    modestUntilMs: modestUntilMs !== null && nowMs >= modestUntilMs ? null : modestUntilMs,
  };
  const phase = nextPhase(due, nowMs);
  if (phase === due.phase) return due;
  const next = { ...due, phase, sinceMs: nowMs };
  // Evidence from before a pause proves nothing after it.
  if (phase === 'joining') return { ...next, pause: beginPause(ruleOf(due.terms), nowMs) };
  if (phase === 'held') return { ...next, holdUntilMs: nowMs + due.terms.holdLimitMs };
  return next;
}

function nextPhase(part: Part, nowMs: number): PartPhase {
  const { phase, terms, vrrp } = part;
  const aside = terms.standAside ?? (part.leaving ? 'relieved' : null);
  if (aside !== null) {
    const holds = (phase === 'active' || phase === 'yielding') && (vrrp === 'MASTER' || vrrp === 'INIT');
    return aside === 'relieved' && holds ? 'yielding' : 'standing-aside';
  }
  switch (phase) {
    case 'standing-aside':
      return canBeHeld(part) ? 'held' : 'joining';
    case 'held':
      return part.holdUntilMs !== null && nowMs < part.holdUntilMs ? 'held' : 'joining';
    case 'yielding':
    case 'active':
      // A holder is never held: the address would go. INIT may be a holder.
      return canBeHeld(part) && (vrrp === 'BACKUP' || vrrp === 'FAULT') ? 'held' : 'active';
    case 'joining':
      if (canBeHeld(part)) return 'held';
      return part.pause.phase === 'active' ? 'active' : 'joining';
  }
}

const canBeHeld = (part: Part) => part.terms.hold !== null && part.holdUntilMs === null;

/** keepalived shows FAULT by our track file. */
export function isPaused(part: Part): boolean {
  return part.phase !== 'active' && part.phase !== 'yielding';
}

/** When `tick` has something to do. */
export function deadlineMs(part: Part): number | null {
  if (part.phase === 'held') return part.holdUntilMs;
  return part.phase === 'active' ? part.modestUntilMs : null;
}

/** keepalived clamps the sum to 1; a product of −254 would be a fault (keepalived 2.2.7, vrrp_track.c). */
export const lowestValue = -253;
/** Above every base priority (at most 250). */
export const stickyPriority = 253;

/**
 * What the instance's live track file adds to the base priority. Undefined: leave it as it is, for whether this node
 * holds is not known.
 */
export function liveValue(part: Part, basePriority: number): number | undefined {
  switch (part.phase) {
    case 'yielding':
    case 'standing-aside':
      return lowestValue;
    case 'joining':
    case 'held':
      return 0;
    case 'active':
      if (part.modestUntilMs !== null) return lowestValue;
      if (part.terms.preempt) return 0;
      if (part.vrrp === 'INIT') return undefined;
      return part.vrrp === 'MASTER' ? Math.max(0, stickyPriority - basePriority) : 0;
  }
}

/** As the report says it; null for an instance that takes part. */
export function pauseReason(part: Part): Pause['reason'] | null {
  switch (part.phase) {
    case 'active':
    case 'yielding':
      return null;
    case 'joining':
      return part.pause.phase === 'address-in-use' ? 'address-in-use' : 'joining';
    case 'standing-aside':
      return 'standing-aside';
    case 'held':
      return 'transition';
  }
}

/** For people: what it does, or waits for. */
export function partDetail(part: Part): string {
  switch (part.phase) {
    case 'active':
      return 'takes part';
    case 'yielding':
      return 'holds on until another member has taken over';
    case 'joining':
      return pauseDetail(part.pause);
    case 'standing-aside':
      return part.terms.standAside === null ? 'the agent stops' : 'holds nothing, as ordered';
    case 'held':
      return 'waits while the holder changes first';
  }
}
