// Rule R1 on the agent: an instance takes part only when that cannot make a second holder.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  activeState,
  beginPause,
  type PauseEvent,
  type PauseState,
  pauseDetail,
  stepPause,
} from '../../agent/core/pause.ts';

const fast = { boundMs: 302, peersConfirmed: true, silenceOnly: false };
const unconfirmed = { ...fast, peersConfirmed: false };
const slow = { boundMs: 3609, peersConfirmed: true, silenceOnly: false };
const answer = { kind: 'answer', address: '10.0.0.100', mac: '02:00:00:00:00:01' } as const;

/** Rounds of a second each. */
const silences = (state: PauseState, fromMs: number, rounds: number) => {
  let next = state;
  for (let round = 0; round < rounds; round += 1) {
    next = stepPause(next, { kind: 'silence', fromMs: fromMs + round * 1000 }, fromMs + (round + 1) * 1000);
  }
  return next;
};

describe('a joining instance', () => {
  it('takes part when it hears an advert addressed to it, whatever else is known', () => {
    assert.equal(stepPause(beginPause(unconfirmed, 0), { kind: 'advert' }, 5).phase, 'active');
    const inUse = [0, 1000, 2000, 3000].reduce(
      (state, t) => stepPause(state, answer, t),
      beginPause(fast, 0),
    );
    assert.equal(inUse.phase, 'address-in-use');
    assert.equal(stepPause(inUse, { kind: 'advert' }, 3100).phase, 'active');
  });

  it('takes part after a second of silence when its peers are confirmed and the bound is shorter', () => {
    assert.equal(silences(beginPause(fast, 0), 0, 1).phase, 'active');
  });

  it('waits out a bound that is longer than a second', () => {
    assert.equal(silences(beginPause(slow, 0), 0, 3).phase, 'joining');
    assert.equal(silences(beginPause(slow, 0), 0, 4).phase, 'active');
  });

  it('never takes part by silence as long as its peers are not confirmed, and at once when they become so', () => {
    const waiting = silences(beginPause(unconfirmed, 0), 0, 100);
    assert.equal(waiting.phase, 'joining');
    assert.match(pauseDetail(waiting), /waits for the holder/);
    assert.equal(stepPause(waiting, { kind: 'rule', rule: fast }, 100_001).phase, 'active');
  });

  it('stays out as address-in-use when somebody answers for three bounds without an advert, and names the MAC', () => {
    let state = beginPause(fast, 0);
    for (let t = 0; t < 3000; t += 500) state = stepPause(state, answer, t);
    assert.equal(state.phase, 'joining');
    state = stepPause(state, answer, 3000);
    assert.equal(state.phase, 'address-in-use');
    assert.match(pauseDetail(state), /02:00:00:00:00:01/);
  });

  it('comes back from address-in-use when the other falls silent', () => {
    let state = beginPause(fast, 0);
    for (let t = 0; t <= 3000; t += 500) state = stepPause(state, answer, t);
    assert.equal(silences(state, 4000, 1).phase, 'active');
  });

  it('takes a broken round for no proof: silence must be unbroken', () => {
    const almost = silences(beginPause(slow, 0), 0, 3);
    const broken = stepPause(almost, { kind: 'unknown' }, 3500);
    assert.equal(silences(broken, 3500, 3).phase, 'joining');
    assert.equal(silences(broken, 3500, 4).phase, 'active');
  });

  it('asks twice where somebody may be about to take over unheard, and takes an advert for a proof all the same', () => {
    const asking = beginPause({ ...fast, askTwice: true }, 0);
    assert.equal(silences(asking, 0, 1).phase, 'joining');
    assert.equal(silences(asking, 0, 2).phase, 'active');
    assert.equal(stepPause(asking, { kind: 'advert' }, 10).phase, 'active');
  });

  it('takes no advert for a proof while a member out of reach does not list it, only silence of everybody', () => {
    const rule = { ...fast, silenceOnly: true };
    const heard = stepPause(silences(beginPause(rule, 0), 0, 0), { kind: 'advert' }, 900);
    assert.equal(heard.phase, 'joining');
    assert.match(pauseDetail(heard), /until nobody holds/);
    const answered = [0, 1000, 2000, 3000, 4000].reduce((state, t) => stepPause(state, answer, t), heard);
    assert.equal(answered.phase, 'joining', 'it hears whoever answers');
    // One may have been asked for while the member out of reach was about to take over.
    assert.equal(silences(answered, 5000, 1).phase, 'joining');
    assert.equal(silences(answered, 5000, 2).phase, 'active');
    assert.equal(
      stepPause(heard, { kind: 'rule', rule: fast }, 1000).phase,
      'joining',
      'that advert is no proof',
    );
  });

  it('begins active when it was running before', () => {
    assert.equal(activeState(fast, 0).phase, 'active');
  });
});

describe('the pause machine, under any sequence of events', () => {
  const event: fc.Arbitrary<PauseEvent> = fc.oneof(
    { weight: 1, arbitrary: fc.constant<PauseEvent>({ kind: 'advert' }) },
    { weight: 8, arbitrary: fc.constant<PauseEvent>({ kind: 'silence', fromMs: -1 }) },
    { weight: 4, arbitrary: fc.constant<PauseEvent>(answer) },
    { weight: 2, arbitrary: fc.constant<PauseEvent>({ kind: 'unknown' }) },
    {
      weight: 2,
      arbitrary: fc
        .record({
          boundMs: fc.integer({ min: 40, max: 5000 }),
          peersConfirmed: fc.boolean(),
          silenceOnly: fc.boolean(),
          askTwice: fc.boolean(),
        })
        .map((rule): PauseEvent => ({ kind: 'rule', rule })),
    },
  );
  const story = fc.array(fc.tuple(event, fc.integer({ min: 1, max: 1500 })), { maxLength: 60 });

  /** Plays a story; a silent round begins where the last event ended, as in the agent's loop. */
  const play = (events: readonly (readonly [PauseEvent, number])[], visit: (step: Step) => void) => {
    let now = 0;
    let state = beginPause(unconfirmed, now);
    for (const [raw, stepMs] of events) {
      const at = now + stepMs;
      const played: PauseEvent = raw.kind === 'silence' ? { kind: 'silence', fromMs: now } : raw;
      const next = stepPause(state, played, at);
      visit({ before: state, event: played, after: next, now: at });
      state = next;
      now = at;
    }
  };
  interface Step {
    before: PauseState;
    event: PauseEvent;
    after: PauseState;
    now: number;
  }

  it('becomes active only by an advert or by confirmed, unbroken silence of at least a second and the bound', () => {
    fc.assert(
      fc.property(story, (events) => {
        let silentFrom: number | null = null;
        let silentUntil = 0;
        let asked = 0;
        play(events, ({ before, event: played, after, now }) => {
          if (played.kind === 'silence') {
            silentFrom ??= played.fromMs;
            silentUntil = now;
            asked = played.fromMs;
          } else if (played.kind !== 'rule') silentFrom = null;
          if (before.phase === 'active' || after.phase !== 'active') return;
          if (played.kind === 'advert' && !before.rule.silenceOnly) return;
          assert.equal(after.rule.peersConfirmed, true);
          assert.ok(silentFrom !== null, 'no silence at all');
          const { silenceOnly, askTwice, boundMs } = after.rule;
          const until = silenceOnly || askTwice ? asked : silentUntil;
          assert.ok(until - silentFrom >= Math.max(1000, boundMs));
        });
      }),
      { numRuns: 2000 },
    );
  });

  it('never leaves active again', () => {
    fc.assert(
      fc.property(story, (events) => {
        play(events, ({ before, after }) => {
          if (before.phase === 'active') assert.equal(after.phase, 'active');
        });
      }),
    );
  });

  it('always becomes active in the end when confirmed silence lasts: nobody is paused for ever', () => {
    fc.assert(
      fc.property(story, (events) => {
        let last = beginPause(fast, 0);
        let now = 0;
        play(events, (step) => {
          last = step.after;
          now = step.now;
        });
        const confirmed = stepPause(
          last,
          { kind: 'rule', rule: { ...last.rule, peersConfirmed: true } },
          now + 1,
        );
        assert.equal(silences(confirmed, now + 1, 8).phase, 'active');
      }),
    );
  });
});
