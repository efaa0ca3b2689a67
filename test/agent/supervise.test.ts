// The life of keepalived: every phase with every event, and what must hold over any sequence of them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { reconnectDelayMs, restartDelayMs } from '../../agent/core/backoff.ts';
import {
  adoptedSupervise,
  healthyMs,
  initialSupervise,
  type Supervise,
  type SuperviseEvent,
  type SupervisePhase,
  startLimitMs,
  stepSupervise,
} from '../../agent/core/supervise.ts';

interface Config {
  readonly key: string;
  readonly reunionMs: number;
}
const old: Config = { key: 'old', reunionMs: 400 };
const next: Config = { key: 'next', reunionMs: 400 };
const alone: Config = { key: 'alone', reunionMs: 0 };

const running = adoptedSupervise(old, 0);
const step = (state: Supervise<Config>, event: SuperviseEvent<Config>, now = 1000) =>
  stepSupervise(state, event, now);
const walk = (state: Supervise<Config>, ...events: SuperviseEvent<Config>[]) =>
  events.reduce((at, event) => step(at, event).state, state);
const want = (config: Config | null): SuperviseEvent<Config> => ({ kind: 'want', config });
const ready: SuperviseEvent<Config> = { kind: 'ready' };

const at: Record<SupervisePhase, Supervise<Config>> = {
  stopped: initialSupervise(),
  starting: walk(initialSupervise(), want(old)),
  running,
  gating: walk(running, want(next)),
  reloading: walk(running, want(next), { kind: 'gate-open' }),
  stopping: walk(running, want(null)),
  'backing-off': walk(running, { kind: 'gone' }),
};

const events = {
  'want same': want(old),
  'want next': want(next),
  'want nothing': want(null),
  ready,
  'gate-open': { kind: 'gate-open' },
  respawning: { kind: 'respawning' },
  gone: { kind: 'gone' },
  'tick early': { kind: 'tick' },
  'tick late': { kind: 'tick' },
  leave: { kind: 'leave' },
} as const satisfies Record<string, SuperviseEvent<Config>>;
type EventName = keyof typeof events;

/** Where each event leads, and what is done: "phase" or "phase: effects". A new phase or event must fill its cells. */
const table: Record<SupervisePhase, Record<EventName, string>> = {
  stopped: {
    'want same': 'starting: start',
    'want next': 'starting: start',
    'want nothing': 'stopped',
    ready: 'stopped',
    'gate-open': 'stopped',
    respawning: 'stopped',
    gone: 'stopped',
    'tick early': 'stopped',
    'tick late': 'stopped',
    leave: 'stopped: sweep finished',
  },
  starting: {
    'want same': 'starting',
    'want next': 'starting',
    'want nothing': 'starting',
    ready: 'running: resync settled',
    'gate-open': 'starting',
    respawning: 'starting: resync',
    gone: 'backing-off: sweep',
    'tick early': 'starting',
    'tick late': 'starting: kill',
    leave: 'stopping: terminate',
  },
  running: {
    'want same': 'running',
    'want next': 'gating: open-gate',
    'want nothing': 'stopping: terminate',
    ready: 'running',
    'gate-open': 'running',
    respawning: 'running: resync',
    gone: 'backing-off: sweep',
    'tick early': 'running',
    'tick late': 'running',
    leave: 'stopping: terminate',
  },
  gating: {
    'want same': 'running: close-gate',
    'want next': 'gating',
    'want nothing': 'stopping: close-gate terminate',
    ready: 'gating',
    'gate-open': 'reloading: reload',
    respawning: 'gating: resync',
    gone: 'backing-off: sweep close-gate',
    'tick early': 'gating',
    'tick late': 'gating',
    leave: 'stopping: close-gate terminate',
  },
  reloading: {
    'want same': 'reloading',
    'want next': 'reloading',
    'want nothing': 'reloading',
    ready: 'running: resync settled',
    'gate-open': 'reloading',
    respawning: 'reloading: resync',
    gone: 'backing-off: sweep',
    'tick early': 'reloading',
    'tick late': 'running: resync settled',
    leave: 'stopping: terminate',
  },
  stopping: {
    'want same': 'stopping',
    'want next': 'stopping',
    'want nothing': 'stopping',
    ready: 'stopping',
    'gate-open': 'stopping',
    respawning: 'stopping: resync',
    gone: 'stopped: sweep',
    'tick early': 'stopping',
    'tick late': 'stopping: kill',
    leave: 'stopping',
  },
  'backing-off': {
    'want same': 'backing-off',
    'want next': 'starting: start',
    'want nothing': 'stopped',
    ready: 'backing-off',
    'gate-open': 'backing-off',
    respawning: 'backing-off',
    gone: 'backing-off',
    'tick early': 'backing-off',
    'tick late': 'starting: start',
    leave: 'stopped: sweep finished',
  },
};

describe('supervision of keepalived', () => {
  for (const [phase, row] of Object.entries(table) as [SupervisePhase, Record<EventName, string>][]) {
    for (const [name, expected] of Object.entries(row) as [EventName, string][]) {
      it(`${phase} + ${name} → ${expected}`, () => {
        const now = name === 'tick late' ? 1_000_000 : 1000;
        const { state, effects } = step(at[phase], events[name], now);
        const kinds = effects.map((effect) => effect.kind).join(' ');
        assert.equal(kinds ? `${state.phase}: ${kinds}` : state.phase, expected);
      });
    }
  }

  it('takes a newer generation of the same text without a reload', () => {
    const newer = { ...old, reunionMs: 500 };
    const { state, effects } = step(running, want(newer));
    assert.deepEqual([state.phase, effects, state.running], ['running', [], newer]);
  });

  it('reloads what came while it was busy, once it is ready', () => {
    const { state, effects } = step(walk(at.starting, want(next)), ready);
    assert.equal(state.phase, 'gating');
    assert.deepEqual(
      effects.map((effect) => effect.kind),
      ['resync', 'settled', 'open-gate'],
    );
  });

  it('reloads the newest wish when the gate opens', () => {
    const { effects } = step(walk(at.gating, want(alone)), { kind: 'gate-open' });
    assert.deepEqual(effects, [{ kind: 'reload', config: alone }]);
  });

  it('gives live peers time to take over after a crash, and none when it is alone', () => {
    assert.equal(step(running, { kind: 'gone' }, 5000).state.deadlineMs, 5400);
    assert.equal(step(adoptedSupervise(alone, 0), { kind: 'gone' }, 5000).state.deadlineMs, 5000);
  });

  it('waits longer with every crash in a row, up to 30 s, and forgets them after a minute of health', () => {
    let state = adoptedSupervise(alone, 0);
    let now = 0;
    const waits: number[] = [];
    for (let crash = 0; crash < 9; crash += 1) {
      now += 10;
      state = step(state, { kind: 'gone' }, now).state;
      const deadline = state.deadlineMs ?? Number.NaN;
      waits.push(deadline - now);
      now = deadline;
      state = step(step(state, { kind: 'tick' }, now).state, ready, now).state;
      assert.equal(state.phase, 'running');
    }
    assert.deepEqual(waits, [0, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    assert.equal(step(state, { kind: 'gone' }, now + healthyMs).state.deadlineMs, now + healthyMs);
  });

  it('kills a keepalived that neither starts nor stops in time, again and again', () => {
    const first = step(at.starting, { kind: 'tick' }, 1000 + startLimitMs);
    const second = step(first.state, { kind: 'tick' }, first.state.deadlineMs ?? 0);
    assert.deepEqual([first.effects, second.effects], [[{ kind: 'kill' }], [{ kind: 'kill' }]]);
  });

  it('ends a stop for good only when the last process is gone', () => {
    const leaving = step(running, { kind: 'leave' }).state;
    const { state, effects } = step(leaving, { kind: 'gone' });
    assert.equal(state.phase, 'stopped');
    assert.deepEqual(
      effects.map((effect) => effect.kind),
      ['sweep', 'finished'],
    );
  });

  it('starts again when it was wanted anew while it stopped, but not when it leaves', () => {
    assert.equal(walk(at.stopping, want(next), { kind: 'gone' }).phase, 'starting');
    assert.equal(walk(at.stopping, { kind: 'leave' }, want(next), { kind: 'gone' }).phase, 'stopped');
    assert.equal(walk(at.stopped, { kind: 'leave' }, want(next)).phase, 'stopped');
  });

  it('over any sequence: one process at a time, no reload without an open gate, a sweep after every death', () => {
    const any = fc.constantFrom<SuperviseEvent<Config>>(...Object.values(events), want(alone));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(any, fc.integer({ min: 0, max: 20_000 })), { maxLength: 80 }),
        (story) => {
          let state: Supervise<Config> = initialSupervise();
          let alive = false;
          let gate = false;
          let left = false;
          let now = 0;
          for (const [event, afterMs] of story) {
            // The world's own order: nothing dies that does not live.
            if ((event.kind === 'gone' || event.kind === 'ready' || event.kind === 'respawning') && !alive)
              continue;
            if (event.kind === 'gate-open' && !gate) continue;
            now += afterMs;
            if (event.kind === 'gone') alive = false;
            if (event.kind === 'leave') left = true;
            const { state: after, effects } = stepSupervise(state, event, now);
            for (const effect of effects) {
              if (effect.kind === 'start') {
                assert.equal(alive, false, 'a second keepalived');
                assert.equal(left, false, 'started while leaving');
                alive = true;
              }
              if (effect.kind === 'open-gate') gate = true;
              if (effect.kind === 'close-gate') gate = false;
              if (effect.kind === 'reload') {
                assert.ok(alive && gate, 'reload without process or gate');
                gate = false;
              }
              if (effect.kind === 'finished') assert.equal(alive, false);
            }
            if (event.kind === 'gone') assert.ok(effects.some((effect) => effect.kind === 'sweep'));
            assert.equal(after.running !== null && !alive, false, 'reports what does not run');
            // A busy loop needs an alarm that is due again at once, or a start that nobody has asked for.
            if (event.kind === 'tick' && after.deadlineMs !== null)
              assert.ok(after.deadlineMs > now, 'an alarm that rings without end');
            assert.ok(effects.length <= 4, 'more than one life at a time');
            if (effects.some((effect) => effect.kind === 'start'))
              assert.ok(
                event.kind === 'want' || state.phase === 'backing-off' || state.phase === 'stopping',
                'a start without a wish, a delay or an ordered stop before it',
              );
            state = after;
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('whatever it dies of, and however soon: seven starts, and then two a minute', () => {
    /** What a life does before it ends: it never lasts long enough to be forgiven. */
    const life = fc.record({
      readyAfterMs: fc.option(fc.integer({ min: 0, max: 5_000 })),
      respawns: fc.boolean(),
      livesMs: fc.integer({ min: 0, max: 20_000 }),
    });
    fc.assert(
      fc.property(
        fc.array(life, { minLength: 1, maxLength: 40 }),
        fc.constantFrom(old, alone),
        (lives, config) => {
          let now = 0;
          let starts = 0;
          let state: Supervise<Config> = initialSupervise();
          const feed = (event: SuperviseEvent<Config>) => {
            const { state: after, effects } = stepSupervise(state, event, now);
            state = after;
            starts += effects.filter((effect) => effect.kind === 'start').length;
          };
          feed(want(config));
          for (const { readyAfterMs, respawns, livesMs } of lives) {
            assert.equal(state.phase, 'starting');
            now += readyAfterMs ?? 0;
            if (readyAfterMs !== null) feed(ready);
            if (respawns) feed({ kind: 'respawning' });
            now += livesMs;
            feed({ kind: 'gone' });
            // Alarms that ring too often change nothing.
            feed({ kind: 'tick' });
            // The same wish again, as with each new generation, shortens nothing.
            feed(want({ ...config }));
            now = Math.max(now, state.deadlineMs ?? now);
            feed({ kind: 'tick' });
            assert.ok(starts <= 7 + now / 30_000, `${starts} starts in ${now} ms`);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('delays', () => {
  it('of a restart: 0, 1, 2, 4 … 30 s', () => {
    assert.deepEqual([1, 2, 3, 4, 7, 50].map(restartDelayMs), [0, 1000, 2000, 4000, 30_000, 30_000]);
  });
  it('of a reconnect: full jitter below 0.25 s to 10 s', () => {
    assert.deepEqual(
      [0, 1, 9, 1000].map((attempt) => reconnectDelayMs(attempt, 1)),
      [250, 500, 10_000, 10_000],
    );
    assert.equal(reconnectDelayMs(1000, 0), 50);
  });
});
