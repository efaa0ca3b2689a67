// What a node makes of a wanted virtual MAC: core/vmac.ts.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import { fitVmac, type VmacPlace } from '../../agent/core/vmac.ts';
import { AssignedInstance } from '../../shared/protocol.ts';

const make = (change: Record<string, unknown> = {}) =>
  v.parse(AssignedInstance, {
    group: 'web',
    vrid: 51,
    version: 3,
    intervalMs: 100,
    interface: 'eth0',
    source: '10.0.0.1',
    peers: [{ node: 'b'.repeat(25), address: '10.0.0.2' }],
    priority: 250,
    addresses: ['10.0.0.100/32'],
    peersConfirmed: true,
    ...change,
  });
const plain = make();
const virtual = make({ vmac: 'vrrp.51' });
const link = (name: string, mac: string) => ({ name, mac, up: true, loopback: false, addresses: [] });
const free: VmacPlace = { kernel: [link('eth0', '02:00:00:00:00:01')], rpFilter: 0 };

describe('a wanted virtual MAC', () => {
  it('is taken by a node that runs nothing of the group, or does not hold it', () => {
    for (const running of [undefined, plain, virtual]) {
      for (const wanted of [plain, virtual])
        assert.deepEqual(fitVmac(wanted, running, false, free), { instance: wanted });
    }
  });

  it('does not change under a holder, in either direction, and everything else does', () => {
    for (const [running, wanted] of [
      [plain, virtual],
      [virtual, plain],
    ] as const) {
      const { instance, problem } = fitVmac({ ...wanted, priority: 9 }, running, true, free);
      assert.deepEqual(instance, { ...running, priority: 9 });
      assert.equal(problem?.code, 'vmac-waits');
    }
  });

  it('changes under a holder that has nobody to hand over to, or that begins anew all the same', () => {
    const alone = make({ vmac: 'vrrp.51', peers: [] });
    assert.deepEqual(fitVmac(alone, plain, true, free), { instance: alone });
    const moved = make({ vmac: 'vrrp.9', vrid: 9 });
    assert.deepEqual(fitVmac(moved, plain, true, free), { instance: moved });
  });

  it('is refused where the host filters by the way back, but not taken from a holder that has it', () => {
    for (const rpFilter of [0, 2])
      assert.equal(fitVmac(virtual, undefined, false, { ...free, rpFilter }).problem, undefined);
    const strict = { ...free, rpFilter: 1 };
    const { instance, problem } = fitVmac(virtual, undefined, false, strict);
    assert.deepEqual(instance, plain);
    assert.equal(problem?.code, 'vmac-refused');
    assert.deepEqual(fitVmac(virtual, virtual, true, strict), { instance: virtual });
  });

  it('is refused where another interface has the name; a macvlan that was left is no other', () => {
    const taken = { ...free, kernel: [link('vrrp.51', '02:00:00:00:00:02')] };
    assert.equal(fitVmac(virtual, undefined, false, taken).problem?.code, 'vmac-refused');
    const left = { ...free, kernel: [link('vrrp.51', '00:00:5e:00:01:33')] };
    assert.deepEqual(fitVmac(virtual, undefined, false, left), { instance: virtual });
  });

  it('is refused for IPv6 alone', () => {
    const six = make({ source: 'fd00::1', addresses: ['fd00::100/128'], vmac: 'vrrp.51' });
    const { instance, problem } = fitVmac(six, undefined, false, free);
    assert.equal(instance.vmac, undefined);
    assert.match(problem?.message ?? '', /IPv4/);
  });
});
