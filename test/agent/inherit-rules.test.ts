// When an agent keeps the addresses of a keepalived that is not ours: every phase with every look, and what always holds.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import * as v from 'valibot';
import {
  heirSeconds,
  type Inheritance,
  type InheritanceLook,
  idle,
  stepInheritance,
} from '../../agent/core/inheritance.ts';
import { type KernelInterface, removedAddress, withoutAddress } from '../../agent/core/kernel.ts';
import { type HeardAdverts, hearAdvert, isAdvertised } from '../../agent/core/observation.ts';
import { AssignedInstance, SeenAdvert } from '../../shared/protocol.ts';

const a = '10.0.0.100/32';
const b = '10.0.0.101/32';
const leaseMs = 9000;
const held: InheritanceLook = { role: 'heir', present: [a, b], advertised: true, rival: false, leaseMs };
const phases = {
  idle,
  ready: { phase: 'ready', addresses: [a, b] },
  keeping: { phase: 'keeping', addresses: [a, b], sinceMs: 0, untilMs: 5000 },
} satisfies Record<Inheritance['phase'], Inheritance>;
const looks: Record<string, Partial<InheritanceLook>> = {
  'the old one holds': {},
  '… and sends no adverts': { advertised: false },
  'one address has gone': { present: [b] },
  'all have gone': { present: [], advertised: false },
  '… and a rival is heard': { present: [], advertised: false, rival: true },
  '… and ours is to run': { role: 'own', present: [], advertised: false },
  'ours holds': { role: 'own' },
  'a rival beside the old one': { rival: true },
  'neither may hold': { role: 'none', present: [] },
};

describe('the addresses of another keepalived', () => {
  it('are kept after the fact, by the coordinator’s word, and left to whoever holds: every case', () => {
    const table = Object.fromEntries(
      Object.entries(looks).map(([name, change]) => [
        name,
        Object.values(phases)
          .map((state) => {
            const step = stepInheritance(state, { ...held, ...change }, 1000);
            return `${step.state.phase}${step.effect ? ` ${step.effect}` : ''}`;
          })
          .join(', '),
      ]),
    );
    // From idle, ready, keeping.
    assert.deepEqual(table, {
      'the old one holds': 'ready record, ready, ready release',
      '… and sends no adverts': 'idle, ready, ready release',
      'one address has gone': 'ready record, keeping keep, keeping',
      'all have gone': 'idle, keeping keep, keeping',
      '… and a rival is heard': 'idle, idle, idle release',
      '… and ours is to run': 'idle, idle, keeping',
      'ours holds': 'idle, idle, idle release',
      'a rival beside the old one': 'idle, idle, idle release',
      'neither may hold': 'idle, idle, idle release',
    });
  });

  it('that come one after the other are all kept', () => {
    const first = stepInheritance(idle, { ...held, present: [a] }, 0);
    const then = stepInheritance(first.state, held, 10);
    assert.deepEqual(then, { state: { phase: 'ready', addresses: [a, b] }, effect: 'record' });
  });

  it('are kept for a limited time, which runs from the end of the old one and is never renewed', () => {
    const gone = { ...held, present: [], advertised: false };
    const kept = stepInheritance(phases.ready, gone, 1000);
    assert.deepEqual(kept.state, { ...phases.keeping, sinceMs: 1000, untilMs: 1000 + leaseMs });
    assert.equal(stepInheritance(kept.state, { ...gone, role: 'own' }, 999 + leaseMs).effect, null);
    assert.deepEqual(stepInheritance(kept.state, gone, 1000 + leaseMs), { state: idle, effect: 'release' });
    assert.deepEqual([heirSeconds(3, 100), heirSeconds(2, 1000)], [9, 16]);
  });

  it('stay on lo while a reading may be older than the news that they are gone', () => {
    const effects = [0, 499, 500].map((nowMs) => stepInheritance(phases.keeping, held, nowMs).effect);
    assert.deepEqual(effects, [null, null, 'release']);
  });

  it('are never kept beside a rival, without having been held here as heir, or for longer than the lease', () => {
    const anyLook = fc.record({
      role: fc.constantFrom('heir' as const, 'heir' as const, 'own' as const, 'none' as const),
      present: fc.subarray([a, b]),
      advertised: fc.boolean(),
      rival: fc.constantFrom(false, false, false, true),
      leaseMs: fc.constant(leaseMs),
      afterMs: fc.integer({ min: 0, max: 4000 }),
    });
    let keeping = 0;
    fc.assert(
      fc.property(fc.array(anyLook, { maxLength: 40 }), (sequence) => {
        let state: Inheritance = idle;
        let onLo = false;
        let keptMs = 0;
        let nowMs = 0;
        let before: InheritanceLook | undefined;
        for (const { afterMs, ...look } of sequence) {
          nowMs += afterMs;
          const step = stepInheritance(state, look, nowMs);
          if (step.effect === 'keep') {
            keeping += 1;
            assert.ok(!onLo && before?.role === 'heir' && look.role === 'heir' && before.present.length > 0);
            [onLo, keptMs] = [true, nowMs];
          }
          if (step.effect === 'release') {
            assert.ok(onLo);
            onLo = false;
          }
          state = step.state;
          before = look;
          assert.equal(onLo, state.phase === 'keeping');
          if (onLo) assert.ok(!look.rival && look.role !== 'none' && nowMs - keptMs < leaseMs);
        }
      }),
    );
    assert.ok(keeping > 0, 'some were kept');
  });
});

describe('what an heir goes by', () => {
  it('is a line of the kernel about an address that has gone, whatever its prefix', () => {
    const line =
      'Deleted 3: eth0    inet 10.0.0.100/24 brd 10.0.0.255 scope global eth0\\       valid_lft forever';
    assert.deepEqual(removedAddress(line), { interface: 'eth0', address: '10.0.0.100' });
    assert.deepEqual(removedAddress('[ADDR]Deleted 4: eth1    inet6 fd00:0::100/128 scope global'), {
      interface: 'eth1',
      address: 'fd00::100',
    });
    assert.equal(removedAddress(line.replace('Deleted ', '')), undefined);
    assert.equal(removedAddress('Deleted 10.0.0.7 dev eth0 lladdr 02:00:00:00:00:01 REACHABLE'), undefined);
    const [v4, v6] = ['10.0.0.100', 'fd00::100'].map((address) => ({
      address,
      prefix: 24,
      linkLocal: false,
    }));
    assert.ok(v4 && v6);
    const link = (name: string, addresses: KernelInterface['addresses']) => ({
      ...{ name, up: true, loopback: name === 'lo', addresses },
    });
    assert.deepEqual(
      withoutAddress([link('lo', [v4]), link('eth0', [v4, v6])], {
        interface: 'eth0',
        address: '10.0.0.100',
      }),
      [link('lo', [v4]), link('eth0', [v6])],
    );
  });

  it('are adverts: its own host’s for the addresses, and anybody else’s for them or from a member of ours', () => {
    const instance = v.parse(AssignedInstance, {
      ...{ group: 'web', vrid: 51, version: 3, intervalMs: 100, interface: 'eth0', source: '10.0.0.1' },
      ...{ peers: [], priority: 250, addresses: [a], peersConfirmed: false },
    });
    const heard = (source: string, sentHere: boolean, change: object): HeardAdverts =>
      hearAdvert(new Map(), {
        advert: v.parse(SeenAdvert, {
          ...{ interface: 'eth0', source, vrid: 51, version: 2, priority: 100, intervalMs: 1000 },
          ...change,
        }),
        sentHere,
        atMs: 0,
      });
    const here = heard('10.0.0.1', true, { vrid: 7, addresses: ['10.0.0.100'] });
    assert.deepEqual(
      [isAdvertised(instance, here, true), isAdvertised(instance, here, false)],
      [true, false],
    );
    const elsewhere = (change: object) => isAdvertised(instance, heard('10.0.0.2', false, change), false);
    assert.equal(elsewhere({ vrid: 7, addresses: ['10.0.0.9', '10.0.0.100'] }), true);
    assert.equal(elsewhere({ addresses: ['127.112.0.51'] }), true, 'a member of ours that holds');
    assert.equal(elsewhere({ addresses: ['127.112.0.51'], priority: 0 }), false, 'one that stops');
    assert.equal(elsewhere({ addresses: ['10.0.0.9'] }), false, 'a stranger’s router of the same number');
    assert.equal(elsewhere({ vrid: 52, addresses: ['127.112.0.52'] }), false, 'another group of ours');
  });
});
