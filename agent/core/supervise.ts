// Life of the keepalived process, as data. The runner (agent/keeper.ts) carries out the effects.
//
//            want             ready             want (other text)      gate opened
//  stopped ───────▶ starting ───────▶ running ────────────────▶ gating ───────────▶ reloading ──ready──▶ running
//     ▲                │ gone            │ gone                   │ gone               │ gone
//     │                ▼                 ▼                        ▼                    ▼
//     │            backing-off ◀─────────┴────────────────────────┴────────────────────┘
//     └─ gone ─ stopping ◀── want (nothing) or leave, from every phase with a process
//
// A configuration arrives here only after `keepalived --config-test` took it: being checked and being rejected happen
// before this machine, in agent/applier.ts, one at a time, and change nothing here. What is checked next to what runs is
// no phase of the process.
import { restartDelayMs } from './backoff.ts';

export type SupervisePhase =
  | 'stopped'
  | 'starting'
  | 'running'
  | 'gating'
  | 'reloading'
  | 'stopping'
  | 'backing-off';

export interface Supervised {
  /** Equal keys: nothing to reload. */
  readonly key: string;
  /** After a crash with live peers: how long they need to take over. 0 without peers. */
  readonly reunionMs: number;
}

export interface Supervise<C extends Supervised> {
  readonly phase: SupervisePhase;
  readonly wanted: C | null;
  /** What the process was given last, complete or not. Null without a process. */
  readonly loading: C | null;
  /** What the process runs, confirmed by its log. */
  readonly running: C | null;
  readonly deadlineMs: number | null;
  readonly startedMs: number;
  /** Crashes in a row. */
  readonly crashes: number;
  readonly restarts: number;
  readonly leaving: boolean;
}

export type SuperviseEvent<C extends Supervised> =
  | { readonly kind: 'want'; readonly config: C | null }
  | { readonly kind: 'ready' }
  | { readonly kind: 'gate-open' }
  | { readonly kind: 'respawning' }
  /** Every process of keepalived is gone. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'tick' }
  | { readonly kind: 'leave' };

export type SuperviseEffect<C extends Supervised> =
  | { readonly kind: 'start'; readonly config: C }
  | { readonly kind: 'open-gate'; readonly config: C }
  | { readonly kind: 'close-gate' }
  | { readonly kind: 'reload'; readonly config: C }
  | { readonly kind: 'terminate' }
  | { readonly kind: 'kill' }
  /** Remove our addresses: nobody else will. */
  | { readonly kind: 'sweep' }
  /** FIFO states are incomplete after this event: ask keepalived and the kernel. */
  | { readonly kind: 'resync' }
  | { readonly kind: 'settled'; readonly config: C }
  | { readonly kind: 'finished' };

export interface SuperviseStep<C extends Supervised> {
  readonly state: Supervise<C>;
  readonly effects: readonly SuperviseEffect<C>[];
}

export const startLimitMs = 10_000;
export const stopLimitMs = 4_000;
/** A process that lived this long has not crashed "again". */
export const healthyMs = 60_000;

export function initialSupervise<C extends Supervised>(): Supervise<C> {
  return {
    phase: 'stopped',
    wanted: null,
    loading: null,
    running: null,
    deadlineMs: null,
    startedMs: 0,
    crashes: 0,
    restarts: 0,
    leaving: false,
  };
}

/** A keepalived that an earlier life of the agent started. */
export function adoptedSupervise<C extends Supervised>(config: C, nowMs: number): Supervise<C> {
  return {
    ...initialSupervise<C>(),
    phase: 'running',
    wanted: config,
    loading: config,
    running: config,
    startedMs: nowMs,
  };
}

export function stepSupervise<C extends Supervised>(
  state: Supervise<C>,
  event: SuperviseEvent<C>,
  nowMs: number,
): SuperviseStep<C> {
  switch (event.kind) {
    case 'want':
      return want(state, event.config, nowMs);
    case 'ready':
      return ready(state, nowMs);
    case 'gate-open':
      return state.phase === 'gating' && state.wanted ? reload(state, state.wanted, nowMs) : same(state);
    case 'respawning':
      return respawning(state);
    case 'gone':
      return gone(state, nowMs);
    case 'tick':
      return tick(state, nowMs);
    case 'leave':
      return leave(state, nowMs);
  }
}

type Of<C extends Supervised> = Supervise<C>;
type Step<C extends Supervised> = SuperviseStep<C>;

const same = <C extends Supervised>(state: Of<C>): Step<C> => ({ state, effects: [] });

function want<C extends Supervised>(state: Of<C>, config: C | null, nowMs: number): Step<C> {
  const next = { ...state, wanted: config };
  switch (state.phase) {
    case 'stopped':
      return config && !state.leaving ? start(next, config, nowMs, []) : same(next);
    case 'running':
      return pursue(next, nowMs, []);
    case 'gating':
      if (config && config.key !== state.running?.key) return same(next);
      return pursue({ ...next, phase: 'running' }, nowMs, [{ kind: 'close-gate' }]);
    case 'backing-off':
      if (!config) return same({ ...next, phase: 'stopped', loading: null, deadlineMs: null });
      // Another text may well cure the crash: it does not wait for the old one's penalty.
      return config.key === state.loading?.key ? same(next) : start(next, config, nowMs, []);
    case 'starting':
    case 'reloading':
    case 'stopping':
      return same(next);
  }
}

/** In `running`: brings the process nearer to what is wanted. */
function pursue<C extends Supervised>(state: Of<C>, nowMs: number, effects: SuperviseEffect<C>[]): Step<C> {
  const { wanted, running } = state;
  if (!wanted) return stop(state, nowMs, effects);
  if (running && wanted.key === running.key) {
    // Same text, perhaps a newer generation or a changed word about peers: nothing for keepalived.
    return { state: { ...state, running: wanted, loading: wanted }, effects };
  }
  return {
    state: { ...state, phase: 'gating' },
    effects: [...effects, { kind: 'open-gate', config: wanted }],
  };
}

function start<C extends Supervised>(
  state: Of<C>,
  config: C,
  nowMs: number,
  effects: SuperviseEffect<C>[],
): Step<C> {
  return {
    state: {
      ...state,
      phase: 'starting',
      loading: config,
      running: null,
      startedMs: nowMs,
      deadlineMs: nowMs + startLimitMs,
    },
    effects: [...effects, { kind: 'start', config }],
  };
}

function reload<C extends Supervised>(state: Of<C>, config: C, nowMs: number): Step<C> {
  return {
    state: { ...state, phase: 'reloading', loading: config, deadlineMs: nowMs + startLimitMs },
    effects: [{ kind: 'reload', config }],
  };
}

function ready<C extends Supervised>(state: Of<C>, nowMs: number): Step<C> {
  if ((state.phase !== 'starting' && state.phase !== 'reloading') || !state.loading) return same(state);
  const config = state.loading;
  const settled: Of<C> = { ...state, phase: 'running', running: config, deadlineMs: null };
  return pursue(settled, nowMs, [{ kind: 'resync' }, { kind: 'settled', config }]);
}

function respawning<C extends Supervised>(state: Of<C>): Step<C> {
  if (state.phase === 'stopped' || state.phase === 'backing-off') return same(state);
  return { state: { ...state, restarts: state.restarts + 1 }, effects: [{ kind: 'resync' }] };
}

function gone<C extends Supervised>(state: Of<C>, nowMs: number): Step<C> {
  switch (state.phase) {
    case 'stopped':
    case 'backing-off':
      return same(state);
    case 'stopping': {
      const stopped: Of<C> = { ...state, phase: 'stopped', loading: null, running: null, deadlineMs: null };
      if (state.leaving) return { state: stopped, effects: [{ kind: 'sweep' }, { kind: 'finished' }] };
      return state.wanted
        ? start(stopped, state.wanted, nowMs, [{ kind: 'sweep' }])
        : { state: stopped, effects: [{ kind: 'sweep' }] };
    }
    default:
      return crashed(state, nowMs);
  }
}

function crashed<C extends Supervised>(state: Of<C>, nowMs: number): Step<C> {
  const crashes = (nowMs - state.startedMs >= healthyMs ? 0 : state.crashes) + 1;
  const delayMs = Math.max(restartDelayMs(crashes), state.loading?.reunionMs ?? 0);
  const effects: SuperviseEffect<C>[] = [{ kind: 'sweep' }];
  if (state.phase === 'gating') effects.push({ kind: 'close-gate' });
  return {
    state: {
      ...state,
      phase: 'backing-off',
      running: null,
      crashes,
      restarts: state.restarts + 1,
      deadlineMs: nowMs + delayMs,
    },
    effects,
  };
}

function tick<C extends Supervised>(state: Of<C>, nowMs: number): Step<C> {
  if (state.deadlineMs === null || nowMs < state.deadlineMs) return same(state);
  switch (state.phase) {
    case 'starting':
    case 'stopping':
      return { state: { ...state, deadlineMs: nowMs + stopLimitMs }, effects: [{ kind: 'kill' }] };
    case 'reloading':
      // The line may have been lost while the agent was busy; the dump that resync takes shows what runs.
      return ready(state, nowMs);
    case 'backing-off':
      return state.wanted
        ? start(state, state.wanted, nowMs, [])
        : same({ ...state, phase: 'stopped', loading: null, deadlineMs: null });
    default:
      return same({ ...state, deadlineMs: null });
  }
}

function leave<C extends Supervised>(state: Of<C>, nowMs: number): Step<C> {
  const leaving = { ...state, leaving: true, wanted: null };
  switch (state.phase) {
    case 'stopped':
    case 'backing-off':
      return {
        state: { ...leaving, phase: 'stopped', loading: null, deadlineMs: null },
        effects: state.leaving ? [] : [{ kind: 'sweep' }, { kind: 'finished' }],
      };
    case 'stopping':
      return same(leaving);
    case 'gating':
      return stop(leaving, nowMs, [{ kind: 'close-gate' }]);
    default:
      return stop(leaving, nowMs, []);
  }
}

function stop<C extends Supervised>(state: Of<C>, nowMs: number, effects: SuperviseEffect<C>[]): Step<C> {
  return {
    state: { ...state, phase: 'stopping', deadlineMs: nowMs + stopLimitMs },
    effects: [...effects, { kind: 'terminate' }],
  };
}
