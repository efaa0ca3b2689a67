// Rule R1 on the agent: an instance that was not running before begins paused (keepalived shows FAULT) and may take
// part only when that cannot make a second holder.
//
//     advert to us, unless  ┌────────┐ silence longer than the bound, and peersConfirmed
//     silenceOnly
//        ┌─────────────────▶│ active │◀──────────────────────┐
//   ┌─────────┐             └────────┘             ┌────────────────┐
//   │ joining │── answered for 3 bounds, unheard ─▶│ address-in-use │
//   └─────────┘                                    └────────────────┘
//
// Why an advert is proof: the holder sends it to us, so it lists us as its peer, so we will hear it as a backup does.
// Why silence alone is not: a holder that does not list us might be cut off from ARP too (another VLAN path); the
// coordinator's word `peersConfirmed` says that everyone in reach lists us.
// When an advert is none: a member that does not list us, or runs other values than we do, may follow the holder, and we
// would take its silence for our turn. `silenceOnly` says so; where nobody answers, that member does not hold either.

export interface PauseRule {
  /** masterDownMs of the instance. */
  readonly boundMs: number;
  readonly peersConfirmed: boolean;
  readonly silenceOnly: boolean;
  /** Somebody may be about to take over unheard, as with `silenceOnly`; an advert is proof all the same. */
  readonly askTwice?: boolean;
}

export interface PauseState {
  readonly phase: 'active' | 'joining' | 'address-in-use';
  /** When this phase began. */
  readonly sinceMs: number;
  /** Begin of the unbroken run of probe rounds that nobody answered. */
  readonly silentFromMs: number | null;
  readonly silentUntilMs: number | null;
  /** Begin of the last round of that run. */
  readonly silentAskedMs: number | null;
  /** Begin of the run of rounds in which somebody answered. */
  readonly answeredFromMs: number | null;
  readonly answeredBy: { readonly address: string; readonly mac: string } | null;
  readonly rule: PauseRule;
}

export type PauseEvent =
  /** An advert with our VRID and a priority other than 0, from one of our peers, addressed to our own source. */
  | { readonly kind: 'advert' }
  /** A round of ARP/ND over every address of the group ended; `fromMs` is when it began. */
  | { readonly kind: 'silence'; readonly fromMs: number }
  | { readonly kind: 'answer'; readonly address: string; readonly mac: string }
  /** A round proved nothing: interface down, tool failed. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'rule'; readonly rule: PauseRule };

/** ARP needs up to a second to be believed, whatever the advertisement interval is. */
const leastSilenceMs = 1000;
const neededSilence = (rule: PauseRule) => Math.max(leastSilenceMs, rule.boundMs);

export function beginPause(rule: PauseRule, nowMs: number): PauseState {
  return {
    phase: 'joining',
    sinceMs: nowMs,
    silentFromMs: null,
    silentUntilMs: null,
    silentAskedMs: null,
    answeredFromMs: null,
    answeredBy: null,
    rule,
  };
}

/** An instance that was running already, found again by a restarted agent. */
export function activeState(rule: PauseRule, nowMs: number): PauseState {
  return { ...beginPause(rule, nowMs), phase: 'active' };
}

/** The phase changes to `active` exactly once, by an advert or by silence; nothing leads back. */
export function stepPause(state: PauseState, event: PauseEvent, nowMs: number): PauseState {
  if (event.kind === 'rule') return settle({ ...state, rule: event.rule }, nowMs);
  if (state.phase === 'active') return state;
  switch (event.kind) {
    case 'advert':
      // A sign of life all the same.
      if (state.rule.silenceOnly) return { ...state, silentFromMs: null, silentUntilMs: null };
      return enter(state, 'active', nowMs);
    case 'silence':
      return settle(
        {
          ...state,
          silentFromMs: state.silentFromMs ?? event.fromMs,
          silentUntilMs: nowMs,
          silentAskedMs: event.fromMs,
          answeredFromMs: null,
          answeredBy: null,
        },
        nowMs,
      );
    case 'answer':
      return settle(
        {
          ...state,
          silentFromMs: null,
          silentUntilMs: null,
          answeredFromMs: state.answeredFromMs ?? nowMs,
          answeredBy: { address: event.address, mac: event.mac },
        },
        nowMs,
      );
    case 'unknown':
      // Silence must be unbroken to count; what was answered stays believed until a silent round.
      return { ...state, silentFromMs: null, silentUntilMs: null };
  }
}

function settle(state: PauseState, nowMs: number): PauseState {
  if (state.phase === 'active') return state;
  const { silentFromMs, silentUntilMs, silentAskedMs, answeredFromMs, rule } = state;
  if (silentFromMs !== null && silentUntilMs !== null && silentAskedMs !== null) {
    // A round asks at its beginning. Whoever would take over unheard must have had the time to do so before the last one.
    const silentMs = (rule.silenceOnly || rule.askTwice ? silentAskedMs : silentUntilMs) - silentFromMs;
    if (rule.peersConfirmed && silentMs >= neededSilence(rule)) return enter(state, 'active', nowMs);
    return state.phase === 'address-in-use' ? enter(state, 'joining', nowMs) : state;
  }
  if (
    state.phase === 'joining' &&
    !rule.silenceOnly &&
    answeredFromMs !== null &&
    nowMs - answeredFromMs >= 3 * neededSilence(rule)
  ) {
    return enter(state, 'address-in-use', nowMs);
  }
  return state;
}

function enter(state: PauseState, phase: PauseState['phase'], nowMs: number): PauseState {
  return { ...state, phase, sinceMs: nowMs };
}

/** For people: what the instance waits for. */
export function pauseDetail(state: PauseState): string {
  if (state.rule.silenceOnly)
    return 'waits until nobody holds: it would not hear a member that may take over';
  if (state.answeredBy !== null) {
    const { address, mac } = state.answeredBy;
    return `${address} is answered by ${mac}, which sends no adverts to this node`;
  }
  if (!state.rule.peersConfirmed) return 'waits for the holder to list this node as its peer';
  return 'listens for the holder before taking part';
}
