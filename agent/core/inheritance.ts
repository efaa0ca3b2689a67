// The last keepalived that is not ours ends on a node → the addresses stay there, on lo, until ours holds them. For each
// group; what it says to do is carried out by ../inheritance.ts.
//
//            may inherit, the other    one of the addresses
//   ┌──────┐    one holds    ┌───────┐     has gone     ┌─────────┐ no rival, at most `heirSeconds`
//   │ idle │ ──────────────▶ │ ready │ ───────────────▶ │ keeping │
//   └──────┘                 └───────┘                  └─────────┘
//       ▲  may not, or a rival  │ ▲      on the interface again │
//       ├───────────────────────┘ └────── (or idle, if ours) ───┤
//       └──────────── may not, a rival, or time is over ────────┘
//
// Why this makes no second holder: (1) the coordinator's word (`inherit`) is that no other keepalived could take over
// from the one that ends: no other old one is left, and none of ours takes part; (2) members of ours that join ask for the
// addresses, and lo answers, so to them there is a holder (R1); (3) whoever is heard or answers in spite of that is a
// rival, and to him everything is left at once; (4) a node that dies takes its lo along, and an agent that dies leaves a
// lease. It keeps after the fact only: a lo that had the addresses before would go on answering beside whoever made the old
// one step back.
import { masterDownMs } from '../../shared/timers.ts';

export type Inheritance =
  | { readonly phase: 'idle' }
  | { readonly phase: 'ready'; readonly addresses: readonly string[] }
  | {
      readonly phase: 'keeping';
      readonly addresses: readonly string[];
      readonly sinceMs: number;
      readonly untilMs: number;
    };

/** What is seen of the group on this node now. */
export interface InheritanceLook {
  /** `heir`: only looks on, and may inherit; `own`: is to run it, and could hold; `none`: neither. */
  readonly role: 'heir' | 'own' | 'none';
  /** Addresses of the group outside lo. */
  readonly present: readonly string[];
  /** This host sends adverts for them: it is a keepalived that has put them up, and adverts can be heard here. */
  readonly advertised: boolean;
  /** Somebody elsewhere sends adverts for them, or answers for them. */
  readonly rival: boolean;
  readonly leaseMs: number;
}

export interface InheritanceStep {
  readonly state: Inheritance;
  /** `record`: they may be kept; `keep`: put them on lo; `release`: take them off. */
  readonly effect: 'record' | 'keep' | 'release' | null;
}

/** The news that an address is gone is faster than a reading; one from before may come in between. */
const staleMs = 500;

export const idle: Inheritance = { phase: 'idle' };

export function stepInheritance(state: Inheritance, look: InheritanceLook, nowMs: number): InheritanceStep {
  const { role, present, rival } = look;
  const whole = (addresses: readonly string[]) => addresses.every((address) => present.includes(address));
  switch (state.phase) {
    case 'idle':
      return role === 'heir' && !rival && look.advertised && present.length > 0
        ? ready(look)
        : { state, effect: null };
    case 'ready':
      if (role !== 'heir' || rival) return { state: idle, effect: null };
      if (!whole(state.addresses)) {
        return {
          state: { ...state, phase: 'keeping', sinceMs: nowMs, untilMs: nowMs + look.leaseMs },
          effect: 'keep',
        };
      }
      return present.length > state.addresses.length ? ready(look) : { state, effect: null };
    case 'keeping':
      if (role === 'none' || rival || nowMs >= state.untilMs) return { state: idle, effect: 'release' };
      if (!whole(state.addresses) || nowMs < state.sinceMs + staleMs) return { state, effect: null };
      return { state: role === 'heir' ? { ...state, phase: 'ready' } : idle, effect: 'release' };
  }
}

const ready = ({ present }: InheritanceLook): InheritanceStep => ({
  state: { phase: 'ready', addresses: present },
  effect: 'record',
});

/**
 * Whole seconds from the last moment of the old keepalived to the first of ours: its container ends and Swarm says so, ours
 * is told and starts (8 s, where 3 are the rule), asks whether anybody answers, and waits as a backup does.
 */
export function heirSeconds(version: 2 | 3, intervalMs: number): number {
  return Math.ceil((8_000 + 2 * masterDownMs(version, intervalMs, 1)) / 1000);
}
