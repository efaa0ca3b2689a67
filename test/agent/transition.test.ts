// Rule R2 on the agent: which instance to run now, of the one assigned and the one that runs.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import * as v from 'valibot';
import { termsOf } from '../../agent/core/part.ts';
import { agreementOf, pinSeconds, resolveTransition } from '../../agent/core/transition.ts';
import { AssignedInstance } from '../../shared/protocol.ts';

const make = (change: Record<string, unknown> = {}): AssignedInstance =>
  v.parse(AssignedInstance, {
    group: 'web',
    vrid: 51,
    version: 2,
    intervalMs: 1000,
    interface: 'eth0',
    source: '10.0.0.1',
    peers: [{ node: 'peer'.padEnd(25, 'x'), address: '10.0.0.2' }],
    priority: 250,
    addresses: ['10.0.0.100/32'],
    password: 'old-word',
    peersConfirmed: true,
    ...change,
  });
const running = make();
const resolve = (change: Record<string, unknown>, holds: boolean) => {
  const { vrid, priority, transition } = resolveTransition(make(change), running, holds);
  return `vrid ${vrid}, priority ${priority}, ${transition ?? 'free'}`;
};

describe('an ordered change', () => {
  it('is resolved by the order and by who holds, in every case', () => {
    const change = { vrid: 77, priority: 240 };
    const cases = (['keep', 'hold', 'lead', undefined] as const).flatMap((transition) =>
      [true, false].map((holds) => [
        `${transition} ${holds ? 'holding' : 'not holding'}`,
        resolve({ ...change, ...(transition ? { transition } : {}) }, holds),
      ]),
    );
    assert.deepEqual(Object.fromEntries(cases), {
      'keep holding': 'vrid 51, priority 250, keep',
      'keep not holding': 'vrid 51, priority 250, keep',
      'hold holding': 'vrid 51, priority 250, hold',
      'hold not holding': 'vrid 77, priority 240, hold',
      'lead holding': 'vrid 77, priority 240, lead',
      'lead not holding': 'vrid 77, priority 240, hold',
      'undefined holding': 'vrid 77, priority 240, free',
      'undefined not holding': 'vrid 77, priority 240, free',
    });
  });

  it('lets through what needs no agreement, also on the holder', () => {
    assert.equal(resolve({ priority: 240, transition: 'hold' }, true), 'vrid 51, priority 240, hold');
    assert.equal(resolve({ priority: 240, transition: 'lead' }, false), 'vrid 51, priority 240, lead');
  });

  it('is taken as assigned where nothing runs', () => {
    const wanted = make({ vrid: 77, transition: 'keep' });
    assert.equal(resolveTransition(wanted, undefined, false), wanted);
  });

  it('keeps what runs with the new orders, and drops the old ones', () => {
    const ran = make({ standAside: 'now', agreement: '00000001' });
    const kept = resolveTransition(make({ vrid: 77, transition: 'keep', peersConfirmed: false }), ran, true);
    assert.deepEqual(kept, make({ agreement: '00000001', peersConfirmed: false, transition: 'keep' }));
    const aside = resolveTransition(
      make({ vrid: 77, transition: 'keep', standAside: 'relieved' }),
      running,
      true,
    );
    assert.equal(aside.standAside, 'relieved');
    // A member that leaves holders alone is needed after all.
    const modest = make({ preemptDelayMs: 300_000 });
    const needed = make({ transition: 'keep', preemptDelayMs: 0 });
    assert.deepEqual(resolveTransition(needed, modest, false), needed);
    const [deaf, hearing] = [make({ silenceOnly: true, outlastMs: 4000 }), make({ transition: 'keep' })];
    assert.deepEqual(resolveTransition(hearing, deaf, false), hearing);
    const both = { ...deaf, transition: 'keep' as const };
    assert.deepEqual(resolveTransition(both, running, false), both);
  });

  it('proves silence by the slowest election there may be, its own one or that of others', () => {
    const boundOf = (change: Record<string, unknown>) =>
      Math.round(termsOf(make(change), { epoch: 1, counter: 1 }).boundMs);
    assert.equal(boundOf({}), 3023);
    assert.equal(boundOf({ outlastMs: 400 }), 3996);
    assert.equal(boundOf({ outlastMs: 9000 }), 9000);
    assert.equal(boundOf({ silenceOnly: true }), 3996);
    assert.equal(boundOf({ silenceOnly: true, outlastMs: 400 }), 3996);
    assert.equal(boundOf({ silenceOnly: true, outlastMs: 9000 }), 9000);
  });

  it('comes before standing aside for whoever leads, which its way through BACKUP would end', () => {
    const order = { transition: 'lead', standAside: 'relieved' };
    const wanted = make({ ...order, vrid: 77 });
    assert.equal(resolveTransition(wanted, running, true).standAside, undefined);
    assert.equal(resolveTransition(wanted, wanted, false).standAside, undefined);
    assert.equal(resolveTransition(wanted, wanted, true).standAside, 'relieved');
  });

  it('is one of exactly these values, and of the interval with version 2 alone', () => {
    const of = (change: Record<string, unknown>) => agreementOf(make(change));
    for (const change of [
      { vrid: 9 },
      { version: 3 },
      { intervalMs: 2000 },
      { password: 'new-word' },
      { password: undefined },
      { transport: 'multicast' },
      { interface: 'eth1' },
      { source: '10.0.0.9' },
    ]) {
      assert.notEqual(of(change), agreementOf(running), JSON.stringify(change));
    }
    for (const change of [
      { priority: 9 },
      { peers: [] },
      { addresses: ['10.0.0.9/32'] },
      { preempt: false },
    ]) {
      assert.equal(of(change), agreementOf(running), JSON.stringify(change));
    }
    assert.equal(of({ version: 3, intervalMs: 100 }), of({ version: 3, intervalMs: 200 }));
  });

  it('never changes a holder that does not lead, nor a leader that does not hold without holding it back', () => {
    const any = fc.record({
      transition: fc.constantFrom('keep', 'hold', 'lead'),
      vrid: fc.constantFrom(51, 77),
      password: fc.constantFrom('old-word', 'new-word'),
    });
    fc.assert(
      fc.property(any, fc.boolean(), (change, holds) => {
        const resolved = resolveTransition(make(change), running, holds);
        if (agreementOf(resolved) === agreementOf(running)) return;
        assert.equal(resolved.transition, holds ? 'lead' : 'hold');
      }),
    );
  });

  it('pins for a little longer than the others are held', () => {
    assert.deepEqual([pinSeconds(3800), pinSeconds(11_000)], [6, 13]);
  });
});
