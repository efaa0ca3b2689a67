// The part of an instance in its group: every phase with every event, and what must hold over any sequence of them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { handOverLimitMs, handOverMs } from '../../agent/core/hand-over.ts';
import {
  beginPart,
  deadlineMs,
  isPaused,
  liveValue,
  lowestValue,
  type Part,
  type PartEvent,
  type PartPhase,
  partDetail,
  pauseReason,
  runningPart,
  stepPart,
  type Terms,
} from '../../agent/core/part.ts';

const plain: Terms = {
  boundMs: 302,
  peersConfirmed: true,
  silenceOnly: false,
  standAside: null,
  hold: null,
  holdLimitMs: 3800,
  preempt: true,
  preemptDelayMs: 0,
  needed: false,
};
const terms = (change: Partial<Terms> = {}): PartEvent => ({ kind: 'terms', terms: { ...plain, ...change } });
const vrrp = (state: Part['vrrp']): PartEvent => ({ kind: 'vrrp', state });
const walk = (part: Part, ...events: PartEvent[]) =>
  events.reduce((at, event) => stepPart(at, event, 1000), part);
const relieved = terms({ standAside: 'relieved' });
const running = (state: Part['vrrp']) => walk(runningPart(plain, false, 0), vrrp(state));

const at = {
  joining: beginPart(plain, 0),
  backup: running('BACKUP'),
  master: running('MASTER'),
  unknown: runningPart(plain, false, 0),
  yielding: walk(running('MASTER'), relieved),
  'standing-aside': walk(running('BACKUP'), relieved),
  held: walk(running('BACKUP'), terms({ hold: '1.1' })),
} as const satisfies Record<string, Part>;

const events = {
  advert: { kind: 'advert' },
  'long silence': { kind: 'silence', fromMs: -9000 },
  relieved,
  now: terms({ standAside: 'now' }),
  hold: terms({ hold: '1.1' }),
  'no order': terms(),
  MASTER: vrrp('MASTER'),
  BACKUP: vrrp('BACKUP'),
  FAULT: vrrp('FAULT'),
  leave: { kind: 'leave' },
} as const satisfies Record<string, PartEvent>;

/** Where each event leads. A new phase or event must fill its cells. */
const table: Record<keyof typeof at, Record<keyof typeof events, PartPhase>> = {
  joining: {
    advert: 'active',
    'long silence': 'active',
    relieved: 'standing-aside',
    now: 'standing-aside',
    hold: 'held',
    'no order': 'joining',
    MASTER: 'joining',
    BACKUP: 'joining',
    FAULT: 'joining',
    leave: 'standing-aside',
  },
  backup: {
    advert: 'active',
    'long silence': 'active',
    relieved: 'standing-aside',
    now: 'standing-aside',
    hold: 'held',
    'no order': 'active',
    MASTER: 'active',
    BACKUP: 'active',
    FAULT: 'active',
    leave: 'standing-aside',
  },
  master: {
    advert: 'active',
    'long silence': 'active',
    relieved: 'yielding',
    now: 'standing-aside',
    // The address would go.
    hold: 'active',
    'no order': 'active',
    MASTER: 'active',
    BACKUP: 'active',
    FAULT: 'active',
    leave: 'yielding',
  },
  // As a holder, because it may be one.
  unknown: {
    advert: 'active',
    'long silence': 'active',
    relieved: 'yielding',
    now: 'standing-aside',
    hold: 'active',
    'no order': 'active',
    MASTER: 'active',
    BACKUP: 'active',
    FAULT: 'active',
    leave: 'yielding',
  },
  yielding: {
    advert: 'yielding',
    'long silence': 'yielding',
    relieved: 'yielding',
    now: 'standing-aside',
    hold: 'active',
    'no order': 'active',
    MASTER: 'yielding',
    BACKUP: 'standing-aside',
    FAULT: 'standing-aside',
    leave: 'yielding',
  },
  'standing-aside': {
    advert: 'standing-aside',
    'long silence': 'standing-aside',
    relieved: 'standing-aside',
    now: 'standing-aside',
    hold: 'held',
    'no order': 'joining',
    MASTER: 'standing-aside',
    BACKUP: 'standing-aside',
    FAULT: 'standing-aside',
    leave: 'standing-aside',
  },
  held: {
    advert: 'held',
    'long silence': 'held',
    relieved: 'standing-aside',
    now: 'standing-aside',
    hold: 'held',
    'no order': 'joining',
    MASTER: 'held',
    BACKUP: 'held',
    FAULT: 'held',
    leave: 'standing-aside',
  },
};

describe('the part of an instance', () => {
  for (const [name, row] of Object.entries(table) as [keyof typeof at, Record<string, PartPhase>][]) {
    for (const [event, expected] of Object.entries(row) as [keyof typeof events, PartPhase][]) {
      it(`${name} + ${event} → ${expected}`, () => {
        assert.equal(stepPart(at[name], events[event], 1000).phase, expected);
      });
    }
  }

  it('shows its priority by the live file: lowest while it yields or stands aside, else the base', () => {
    const values = (Object.keys(at) as (keyof typeof at)[]).map((name) => [name, liveValue(at[name], 250)]);
    assert.deepEqual(Object.fromEntries(values), {
      joining: 0,
      backup: 0,
      master: 0,
      unknown: 0,
      yielding: lowestValue,
      'standing-aside': lowestValue,
      held: 0,
    });
  });

  it('says why it is held back, in one word and in several', () => {
    const words = (Object.keys(at) as (keyof typeof at)[]).map((name) => [name, pauseReason(at[name])]);
    assert.deepEqual(Object.fromEntries(words), {
      joining: 'joining',
      backup: null,
      master: null,
      unknown: null,
      yielding: null,
      'standing-aside': 'standing-aside',
      held: 'transition',
    });
    assert.equal(partDetail(walk(at.backup, { kind: 'leave' })), 'the agent stops');
    for (const part of Object.values(at)) assert.ok(partDetail(part).length > 5);
  });

  it('begins aside when that is the order: after a restart of the container it never joins first', () => {
    assert.equal(beginPart({ ...plain, standAside: 'relieved' }, 0).phase, 'standing-aside');
  });

  it('goes on yielding after a restart of the agent, until it is known that another holds', () => {
    const found = runningPart({ ...plain, standAside: 'relieved' }, true, 0);
    assert.deepEqual([found.phase, walk(found, vrrp('MASTER')).phase], ['yielding', 'yielding']);
    assert.equal(walk(found, vrrp('BACKUP')).phase, 'standing-aside');
  });

  it('joins with fresh evidence after it stood aside', () => {
    const back = walk(at['standing-aside'], terms());
    assert.equal(back.pause.silentFromMs, null);
    assert.equal(walk(back, { kind: 'advert' }).phase, 'active');
  });

  it('is held once for one order, and no longer than the limit', () => {
    assert.equal(deadlineMs(at.held), 1000 + 3800);
    const over = stepPart(at.held, { kind: 'tick' }, 4800);
    assert.equal(over.phase, 'joining');
    assert.equal(stepPart(over, terms({ hold: '1.1' }), 4900).phase, 'joining');
    assert.equal(stepPart(over, { kind: 'advert' }, 4900).phase, 'active');
    const again = stepPart(stepPart(over, terms(), 5000), terms({ hold: '1.1' }), 5001);
    assert.equal(again.phase, 'held');
    const newer = stepPart(over, terms({ hold: '1.2' }), 5000);
    assert.deepEqual([newer.phase, deadlineMs(newer)], ['held', 8800]);
  });

  it('of a holder without preemption is stuck to it above every base priority, wherever that lies', () => {
    const sticky = terms({ preempt: false });
    for (const base of [1, 100, 250]) {
      assert.equal(liveValue(walk(at.master, sticky), base), 253 - base);
      assert.equal(liveValue(walk(at.backup, sticky), base), 0);
    }
    assert.equal(
      liveValue(walk(at.yielding, terms({ preempt: false, standAside: 'relieved' })), 250),
      lowestValue,
    );
    // Left as it is: a holder found again must not lose its bonus for a moment.
    assert.equal(liveValue(walk(at.unknown, sticky), 250), undefined);
  });

  it('is modest for its delay when it heard a holder, and never behind silence', () => {
    const delay = { ...plain, preemptDelayMs: 5000 };
    const joined = stepPart(beginPart(delay, 0), { kind: 'advert' }, 100);
    assert.deepEqual(
      [joined.phase, liveValue(joined, 250), deadlineMs(joined)],
      ['active', lowestValue, 5100],
    );
    assert.equal(liveValue(stepPart(joined, { kind: 'tick' }, 5100), 250), 0);
    assert.equal(liveValue(stepPart(joined, vrrp('MASTER'), 200), 250), 0);
    assert.equal(liveValue(stepPart(beginPart(delay, 0), events['long silence'], 100), 250), 0);
    assert.equal(liveValue(runningPart(delay, true, 0), 250), lowestValue);
    const needed = stepPart(joined, { kind: 'terms', terms: { ...plain, needed: true } }, 200);
    assert.equal(liveValue(needed, 250), 0, 'until it is told that it is needed');
    const forgotten = stepPart(joined, { kind: 'terms', terms: plain }, 200);
    assert.equal(liveValue(forgotten, 250), lowestValue, 'a coordinator without a memory changes nothing');
  });

  it('over any sequence: keeps orders, pauses no holder unasked, and comes back when nothing is ordered', () => {
    const change = fc.record({
      standAside: fc.constantFrom(null, null, 'relieved' as const, 'now' as const),
      hold: fc.constantFrom(null, '1.1', '1.2'),
      preempt: fc.boolean(),
      preemptDelayMs: fc.constantFrom(0, 3000),
    });
    const any = fc.oneof(
      fc.constantFrom<PartEvent>(
        ...Object.values(events).filter(({ kind }) => kind !== 'terms' && kind !== 'leave'),
      ),
      change.map((changed): PartEvent => terms(changed)),
      fc.constant<PartEvent>({ kind: 'tick' }),
    );
    const story = fc.array(fc.tuple(any, fc.integer({ min: 1, max: 4000 })), { maxLength: 60 });
    fc.assert(
      fc.property(story, (played) => {
        let part = beginPart(plain, 0);
        let now = 0;
        let heldSince: number | null = null;
        for (const [event, afterMs] of played) {
          now += afterMs;
          const before = part;
          part = stepPart(before, event, now);
          const { standAside, hold } = part.terms;
          if (standAside === 'now') assert.ok(isPaused(part));
          if (standAside !== null && !isPaused(part)) {
            assert.equal(liveValue(part, 250), lowestValue);
            assert.ok(part.vrrp === 'MASTER' || part.vrrp === 'INIT');
          }
          // Once aside it takes no part before the order is gone.
          if (before.phase === 'standing-aside' && standAside !== null)
            assert.equal(part.phase, 'standing-aside');
          if (!isPaused(before) && isPaused(part) && part.vrrp === 'MASTER') assert.equal(standAside, 'now');
          if (isPaused(before) && !isPaused(part)) assert.ok(['advert', 'silence'].includes(event.kind));
          if (part.phase === 'held') {
            assert.ok(hold !== null);
            const goesOn = before.phase === 'held' && before.terms.hold === hold;
            heldSince = goesOn ? heldSince : now;
            assert.ok(heldSince !== null && now < heldSince + 3800);
          }
          const value = liveValue(part, 250);
          assert.ok(value === undefined || (value >= -253 && value <= 3));
        }
        const free = stepPart(stepPart(part, terms(), now + 1), { kind: 'advert' }, now + 2);
        assert.equal(free.phase, 'active');
      }),
      { numRuns: 3000 },
    );
  });
});

describe('the wait for a hand-over before a stop', () => {
  const holder = (intervalMs: number, peers = 1) => ({
    version: intervalMs < 1000 ? (3 as const) : (2 as const),
    intervalMs,
    peers: Array.from({ length: peers }, () => ({ node: 'x'.repeat(25) as never, address: '10.0.0.2' })),
  });
  it('is a little over the master-down time, and stays within what PID 1 allows', () => {
    assert.equal(handOverMs([holder(100)]), 300 + 99.609375 + 500);
    assert.equal(handOverMs([holder(1000)]), 3000 + 996.09375 + 500);
    assert.equal(handOverMs([holder(100), holder(2000)]), handOverLimitMs);
  });
  it('is nothing for nobody, for a member alone, and for timers that no wait could outlast', () => {
    assert.deepEqual([handOverMs([]), handOverMs([holder(100, 0)]), handOverMs([holder(3000)])], [0, 0, 0]);
  });
});
