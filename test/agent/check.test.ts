// Checks without I/O: the life of one, and what all of them together mean for an instance.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import * as v from 'valibot';
import {
  beginCheck,
  type CheckEvent,
  type CheckState,
  readableOutput,
  stepCheck,
} from '../../agent/core/check.ts';
import {
  type CheckRun,
  checkResult,
  foundStatus,
  noChecks,
  pauseOf,
  trackValues,
  verdictOf,
} from '../../agent/core/checks-verdict.ts';
import {
  beginPart,
  lowestValue,
  type Part,
  runningPart,
  stepPart,
  type Terms,
} from '../../agent/core/part.ts';
import { maxChecks } from '../../shared/checks.ts';
import { cronFault } from '../../shared/cron.ts';
import { Pause } from '../../shared/protocol.ts';

const limits = { rise: 2, fall: 3 };
const ran = (passed: boolean, output = ''): CheckEvent => ({ kind: 'ran', passed, output, durationMs: 5 });
const [pass, fail] = [ran(true), ran(false, 'no answer')];
const walk = (state: CheckState, ...events: CheckEvent[]) =>
  events.reduce((at, event, index) => stepCheck(at, event, limits, 1000 + index), state);
const unknown = beginCheck('unknown', 0);
const [up, down] = [beginCheck('up', 0), beginCheck('down', 0)];

describe('a check', () => {
  it('of a member that joins is decided by its first result', () => {
    assert.equal(walk(unknown, pass).status, 'up');
    assert.equal(walk(unknown, fail).status, 'down');
  });

  it('fails after `fall` failures in a row, and no sooner', () => {
    assert.equal(walk(up, fail, fail).status, 'up');
    assert.equal(walk(up, fail, fail, fail).status, 'down');
    assert.equal(walk(up, fail, fail, pass, fail, fail).status, 'up');
  });

  it('passes after `rise` passes in a row, and no sooner', () => {
    assert.equal(walk(down, pass).status, 'down');
    assert.equal(walk(down, pass, pass).status, 'up');
    assert.equal(walk(down, pass, fail, pass).status, 'down');
  });

  it('that is redefined keeps its status and begins to count anew', () => {
    const changed = walk(up, fail, fail, { kind: 'redefined' });
    assert.deepEqual([changed.status, changed.against], ['up', 0]);
    assert.equal(walk(changed, fail, fail).status, 'up');
    assert.equal(walk(down, { kind: 'redefined' }).status, 'down');
  });

  it('remembers its last words, when it ran, and since when it stands as it does', () => {
    const state = walk(up, pass, fail, fail, fail, fail);
    assert.deepEqual(
      [state.sinceMs, state.lastRunMs, state.output, state.durationMs],
      [1003, 1004, 'no answer', 5],
    );
  });

  it('over any sequence: turns only by a run of results against it, as long as its limit, and says since when', () => {
    const event = fc.oneof(
      { weight: 8, arbitrary: fc.boolean().map((passed) => ran(passed)) },
      { weight: 1, arbitrary: fc.constant<CheckEvent>({ kind: 'redefined' }) },
    );
    const thresholds = fc.record({
      rise: fc.integer({ min: 1, max: 5 }),
      fall: fc.integer({ min: 1, max: 5 }),
    });
    const first = fc.constantFrom('unknown' as const, 'up' as const, 'down' as const);
    fc.assert(
      fc.property(first, thresholds, fc.array(event, { maxLength: 80 }), (begin, { rise, fall }, played) => {
        let state = beginCheck(begin, 0);
        let streak: { passed: boolean; length: number } | undefined;
        played.forEach((each, index) => {
          const before = state;
          state = stepCheck(before, each, { rise, fall }, index + 1);
          if (each.kind === 'redefined') {
            streak = undefined;
            assert.equal(state.status, before.status);
            return;
          }
          streak = { passed: each.passed, length: streak?.passed === each.passed ? streak.length + 1 : 1 };
          assert.equal(state.lastRunMs, index + 1);
          assert.notEqual(state.status, 'unknown');
          if (before.status === 'unknown') assert.equal(state.status, each.passed ? 'up' : 'down');
          else if (state.status !== before.status) {
            assert.equal(state.status, each.passed ? 'up' : 'down');
            assert.ok(streak.length >= (each.passed ? rise : fall));
            assert.equal(state.sinceMs, index + 1);
          } else {
            const against = each.passed === (before.status === 'down');
            if (against) assert.ok(streak.length < (each.passed ? rise : fall), 'it should have turned');
            assert.equal(state.sinceMs, before.sinceMs);
          }
        });
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the last words of a check', () => {
  it('are one line without control characters, and at most 2 KiB', () => {
    assert.equal(readableOutput('  \u001b[31ma\r\nb\u0000\u2028c\t\ud800 '), '[31ma b c');
    const long = readableOutput(`${'x'.repeat(5000)}end`);
    assert.ok(long.length === 2048 && long.endsWith('end'));
  });

  it('of all checks of a node together fit into a frame', () => {
    const state = { ...up, output: '\u{1f600}'.repeat(1000) };
    const report = Array.from({ length: 255 * 8 }, (_, n) =>
      checkResult({ check: { name: `check-${n}`, weight: -253 }, state }, 255 * 8),
    );
    assert.ok(Buffer.byteLength(JSON.stringify(report)) < 500_000);
  });
});

const terms: Terms = {
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
const at = (change: Partial<Terms>, state: Part['vrrp']) =>
  stepPart(runningPart({ ...terms, ...change }, false, 0), { kind: 'vrrp', state }, 1);
const runOf = (state: CheckState, weight?: number, name = 'api'): CheckRun => ({
  check: { name, ...(weight === undefined ? {} : { weight }) },
  state,
});

describe('the checks of an instance', () => {
  it('together: every failing fault counts, the weights of failing ones add up', () => {
    const verdict = verdictOf([runOf(down), runOf(up), runOf(down, -20), runOf(down, -5), runOf(up, -100)]);
    assert.deepEqual([verdict.faults.length, verdict.weight, verdict.pending], [1, -25, []]);
  });

  it('that have not spoken keep a member from joining and leave its priority file alone', () => {
    const verdict = verdictOf([runOf(unknown, undefined, 'a'), runOf(unknown, -20, 'b')]);
    assert.deepEqual([verdict.pending, verdict.weight, verdict.faults], [['a', 'b'], undefined, []]);
    assert.equal(trackValues(at({}, 'BACKUP'), 250, verdict).live, undefined);
  });

  it('pause a member by a fault, and lower one by a weight', () => {
    const backup = at({}, 'BACKUP');
    assert.deepEqual(trackValues(backup, 250, noChecks), { paused: false, live: 0 });
    assert.deepEqual(trackValues(backup, 250, verdictOf([runOf(down)])), { paused: true, live: 0 });
    assert.deepEqual(trackValues(backup, 250, verdictOf([runOf(down, -30)])), { paused: false, live: -30 });
  });

  it('take from the bonus of a holder that keeps the addresses', () => {
    const holder = at({ preempt: false }, 'MASTER');
    assert.equal(trackValues(holder, 240, verdictOf([runOf(down, -30)])).live, 13 - 30);
  });

  it('found by a restarted agent: a pause goes on until the check has passed, an open priority until it has run', () => {
    const fault = {};
    const weight = { weight: -30 };
    assert.equal(foundStatus(fault, { paused: true, live: 0 }, 250), 'down');
    assert.equal(foundStatus(fault, { paused: false, live: 0 }, 250), 'up');
    assert.equal(foundStatus(weight, { paused: false, live: 0 }, 250), 'up');
    assert.equal(foundStatus(weight, { paused: false, live: 3 }, 250), 'up');
    assert.equal(foundStatus(weight, { paused: false, live: -30 }, 250), 'unknown');
    assert.equal(foundStatus(weight, { paused: false, live: -253 }, 250), 'unknown');
  });

  it('over any part and any weights: orders win, no product is a fault, the sum stays between 2 and the own priority', () => {
    const story = fc.array(
      fc.oneof(
        fc
          .constantFrom<Part['vrrp']>('MASTER', 'BACKUP', 'FAULT', 'INIT')
          .map((state) => ({ kind: 'vrrp', state }) as const),
        fc
          .record({
            standAside: fc.constantFrom(null, null, 'relieved' as const, 'now' as const),
            hold: fc.constantFrom(null, '1.1'),
            preempt: fc.boolean(),
            preemptDelayMs: fc.constantFrom(0, 3000),
          })
          .map((change) => ({ kind: 'terms', terms: { ...terms, ...change } }) as const),
        fc.constant({ kind: 'advert' } as const),
        fc.constant({ kind: 'leave' } as const),
      ),
      { maxLength: 20 },
    );
    const checks = fc.array(
      fc.tuple(
        fc.constantFrom(up, down, down, unknown),
        fc.option(fc.integer({ min: -253, max: -1 }), { nil: undefined }),
      ),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 254 }), story, checks, (base, played, list) => {
        const part = played.reduce<Part>(
          (now, event, index) => stepPart(now, event, index * 100),
          beginPart(terms, 0),
        );
        const verdict = verdictOf(list.map(([state, weight]) => runOf(state, weight)));
        const plain = trackValues(part, base, noChecks);
        const { paused, live } = trackValues(part, base, verdict);
        assert.equal(paused, plain.paused || verdict.faults.length > 0);
        if (plain.live === lowestValue || part.phase !== 'active') return assert.equal(live, plain.live);
        if (live === undefined) return assert.ok(plain.live === undefined || verdict.weight === undefined);
        assert.ok(plain.live !== undefined && live <= plain.live && live > lowestValue);
        // Above a member that hands over at priority 1.
        if (base > 1) assert.ok(base + live >= 2);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('members whose checks fail alike', () => {
  it('keep their order, above whoever hands over, whatever the weight: none are equal', () => {
    const bases = fc.uniqueArray(fc.integer({ min: 1, max: 250 }), { minLength: 2, maxLength: 16 });
    fc.assert(
      fc.property(bases, fc.integer({ min: -2000, max: -1 }), (unsorted, weight) => {
        const sorted = unsorted.toSorted((a, b) => a - b);
        const failing = { ...noChecks, weight };
        const priorities = sorted.map((base, rank) => {
          const { live = 0 } = trackValues(at({}, 'BACKUP'), base, failing, 2 + rank);
          return base + live;
        });
        for (const [rank, priority] of priorities.entries()) {
          assert.ok(priority > (priorities[rank - 1] ?? 0), `${priorities} of ${sorted} by ${weight}`);
          assert.ok(priority >= Math.min(2, sorted[rank] ?? 0));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('negative control: with one floor for all they are equal', () => {
    const failing = { ...noChecks, weight: -253 };
    const effective = [240, 230].map(
      (base) => base + (trackValues(at({}, 'BACKUP'), base, failing).live ?? 0),
    );
    assert.deepEqual(effective, [2, 2]);
  });
});

describe('the words of a pause', () => {
  it('fit into a report, however many checks fail with however much to say', () => {
    const state = { ...down, output: 'x'.repeat(2048) };
    const runs = Array.from({ length: maxChecks }, (_, n) =>
      runOf(state, undefined, `check-${n}`.padEnd(32, 'x')),
    );
    const pause = pauseOf(at({}, 'FAULT'), 1, verdictOf(runs));
    assert.match(pause?.detail ?? '', /^check check-0x+ fails: x+/);
    assert.ok(v.is(Pause, pause), `${pause?.detail.length} characters`);
  });
});

describe('a cron expression', () => {
  it('has five fields or six, of numbers, lists, ranges and steps', () => {
    for (const good of ['* * * * *', '*/5 1-3 * 1,6 0', '0 30 4 1-31/2 12 7'])
      assert.equal(cronFault(good), undefined, good);
    for (const bad of [
      '',
      '* * * *',
      '*  * * * *',
      '60 * * * *',
      '* 24 * * *',
      '* * 0 * *',
      '5-1 * * * *',
      '*/0 * * * *',
      '5/2 * * * *',
      '1,,2 * * * *',
      'MON * * * *',
      '@daily',
      '* * * * * * *',
      '*5 * * * *',
    ]) {
      assert.equal(typeof cronFault(bad), 'string', bad);
    }
  });
});
