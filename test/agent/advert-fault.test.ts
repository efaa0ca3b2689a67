// Adverts that keepalived refuses are named problems when they go on, and only then.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AdvertFaults, hearFault, lasting, readAdvertFault } from '../../agent/core/advert-fault.ts';
import type { AssignedInstance } from '../../shared/protocol.ts';
import { bringUp, createBench, instanceFor, nth, until } from './bench.ts';

const kindOf = (text: string) => readAdvertFault(text)?.kind;

describe('a line about a refused advert', () => {
  it('is told apart by keepalived’s words', () => {
    assert.deepEqual(readAdvertFault('(web) received an invalid passwd!'), {
      group: 'web',
      kind: 'password',
      words: 'received an invalid passwd!',
    });
    assert.equal(kindOf("(web) advertisement interval mismatch mine=1 sec rcv'd=2 sec"), 'interval');
    assert.equal(kindOf('(web) wrong version. Received 3 and expect 2'), 'version');
    assert.equal(kindOf('(web) received an unexpected ip number count 2, expected 1!'), 'vrid');
    assert.equal(
      kindOf('(web) ip address associated with VRID 51 not present in MASTER advert: 10.0.0.9'),
      'vrid',
    );
    assert.equal(kindOf('(web) unicast source address 10.0.0.9 not a unicast peer'), 'source');
    assert.equal(kindOf('(web) TTL/HL 64 not in range 255 - 255'), 'ttl');
    for (const other of ['', '(web)', 'received an invalid passwd!', '(web) Entering BACKUP STATE']) {
      assert.equal(kindOf(other), undefined, other);
    }
  });

  const fault = { group: 'web', kind: 'password', words: 'x' } as const;
  const after = (...times: number[]) =>
    times.reduce<AdvertFaults>((faults, ms) => hearFault(faults, fault, ms), new Map());
  it('is no problem while it may be the trace of a change', () => {
    assert.deepEqual(lasting(after(0, 1_000, 4_900), 4_900), []);
    assert.deepEqual(lasting(after(0, 20_000, 40_000), 40_000), []);
  });
  it('is one when it goes on, until it has been silent for a while', () => {
    assert.deepEqual(lasting(after(0, 3_000, 6_000), 6_000), [fault]);
    assert.deepEqual(lasting(after(0, 3_000, 6_000), 15_999), [fault]);
    assert.deepEqual(lasting(after(0, 3_000, 6_000), 16_000), []);
  });
});

describe('a member that missed a change of the password', () => {
  it('is named on real keepalived, and no more once it has caught up', async () => {
    const bench = await createBench(2);
    try {
      await bench.peer.start();
      const hosts = [nth(bench, 1), nth(bench, 2)];
      for (const host of hosts) host.start();
      const spoken = (password: string): Partial<AssignedInstance> => ({
        version: 2,
        intervalMs: 1000,
        password: password as NonNullable<AssignedInstance['password']>,
      });
      const assign = (counter: number, passwords: readonly string[]) =>
        hosts.forEach((host, index) => {
          const change = { priority: 250 - 2 * index, ...spoken(passwords[index] ?? '') };
          host.assign(counter, [instanceFor(host, hosts, change)]);
        });
      await bringUp(hosts, 1, spoken('first'));
      assign(2, ['first', 'second']);
      const told = () =>
        hosts.filter((host) => host.report()?.problems.some(({ code }) => code === 'advert-password'));
      await until('the problem is reported', () => told().length > 0);
      assign(3, ['first', 'first']);
      await until('it ends', () => told().length === 0);
    } finally {
      await bench.close();
    }
  });
});
