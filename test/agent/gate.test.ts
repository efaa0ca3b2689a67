// Rule R8: no reload of a backup that has not just heard its holder.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { beginGate, type GateSample, stepGate } from '../../agent/core/gate.ts';

const backup = (advertsReceived: number, change: Partial<GateSample> = {}): GateSample => ({
  name: 'web',
  state: 'BACKUP',
  paused: false,
  advertsReceived,
  resignations: 0,
  intervalMs: 100,
  ...change,
});
/** Samples 200 ms apart; returns whether the gate was open after each. */
const opens = (...samples: GateSample[][]) => {
  let gate = beginGate(0);
  return samples.map((sample, index) => {
    const step = stepGate(gate, sample, (index + 1) * 200);
    gate = step.gate;
    return step.open;
  });
};

describe('the reload gate', () => {
  it('opens at once without a backup: a MASTER, a FAULT or a paused instance keeps no timer', () => {
    assert.deepEqual(opens([]), [true]);
    const others = [
      backup(0, { state: 'MASTER' }),
      backup(0, { name: 'b', state: 'FAULT' }),
      backup(0, { name: 'c', paused: true }),
    ];
    assert.deepEqual(opens(others), [true]);
  });

  it('stays shut until the count of adverts has grown since the last dump', () => {
    assert.deepEqual(opens([backup(7)], [backup(7)], [backup(7)], [backup(8)]), [false, false, false, true]);
  });

  it('stays shut while the holder is dying, and opens when this node has become MASTER', () => {
    assert.deepEqual(opens([backup(7)], [backup(7)], [backup(7, { state: 'MASTER' })]), [false, false, true]);
  });

  it('does not take the last advert of a holder that stops for a sign of life', () => {
    const resigned = (adverts: number) => backup(adverts, { resignations: 1 });
    assert.deepEqual(opens([backup(7)], [resigned(9)], [resigned(9)], [resigned(10)]), [
      false,
      false,
      false,
      true,
    ]);
  });

  it('wants every backup to have heard its holder within the same period', () => {
    const pair = (a: number, b: number) => [backup(a), backup(b, { name: 'db' })];
    assert.deepEqual(opens(pair(1, 1), pair(2, 1), pair(2, 2), pair(3, 3)), [false, false, false, true]);
  });

  it('accepts adverts within one interval once slow groups have been given two rounds', () => {
    let gate = beginGate(0);
    let openedMs: number | null = null;
    // Two groups of 1 s that advertise half a second apart never grow within the same 200 ms.
    for (let now = 200; now < 10_000 && openedMs === null; now += 200) {
      const count = (phase: number) => Math.floor((now + phase) / 1000);
      const step = stepGate(
        gate,
        [backup(count(0), { intervalMs: 1000 }), backup(count(500), { name: 'db', intervalMs: 1000 })],
        now,
      );
      gate = step.gate;
      if (step.open) openedMs = now;
    }
    assert.ok(openedMs !== null && openedMs > 2000 && openedMs < 3300, `opened at ${openedMs}`);
  });

  it('names those it waits for', () => {
    assert.deepEqual(stepGate(beginGate(0), [backup(1)], 200).waitingFor, ['web']);
  });

  it('opens in the end even if the dump tells nonsense', () => {
    const { gate } = stepGate(beginGate(0), [backup(1)], 0);
    assert.equal(stepGate(gate, [backup(1)], 10_400).open, false);
    assert.equal(stepGate(gate, [backup(1)], 10_600).open, true);
  });

  it('has waited in vain for nobody who has been a backup for a moment only', () => {
    const waiting = stepGate(beginGate(0), [backup(1), backup(1, { name: 'db', state: 'FAULT' })], 0);
    const { open, waitingFor } = stepGate(waiting.gate, [backup(1), backup(1, { name: 'db' })], 10_600);
    assert.equal(open, false);
    assert.deepEqual(waitingFor, ['db']);
  });
});
