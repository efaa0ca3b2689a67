// What kernel and keepalived disagree about, and what follows: the pure rules, then a fuzz that tries to break them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import * as v from 'valibot';
import { readConfig } from '../../agent/config.ts';
import {
  graceMs,
  type Holding,
  type Mismatch,
  mismatches,
  reportedOf,
  stepHolding,
} from '../../agent/core/holding.ts';
import { isRenewal, type KernelInterface } from '../../agent/core/kernel.ts';
import { leaseList, parseLeaseStats } from '../../agent/core/lease.ts';
import type { VrrpState } from '../../shared/protocol.ts';
import { GroupName, Vrid } from '../../shared/words.ts';

const instance = (number: number, addresses: string[]) => ({
  group: v.parse(GroupName, `g${number}`),
  vrid: v.parse(Vrid, number),
  source: '10.0.0.1',
  interface: 'eth0',
  intervalMs: 100,
  addresses,
});
const web = {
  ...instance(51, ['10.0.0.100/32', 'fd00::100/128']),
  addressInterfaces: { 'fd00::100/128': 'eth1' },
};
const anchor = { address: '127.112.0.51/32', interface: 'lo' };
const four = { address: '10.0.0.100/32', interface: 'eth0' };
const six = { address: 'fd00::100/128', interface: 'eth1' };

function kernel(...placed: { address: string; interface: string }[]): KernelInterface[] {
  return ['lo', 'eth0', 'eth1'].map((name) => ({
    name,
    up: true,
    loopback: name === 'lo',
    addresses: placed
      .filter((entry) => entry.interface === name)
      .map((entry) => {
        const [address = '', prefix] = entry.address.split('/');
        return { address, prefix: Number(prefix), linkLocal: false };
      }),
  }));
}
const states = (state: VrrpState) => new Map([['g51', { state }]]);

describe('kernel and keepalived', () => {
  it('agree: a master has all, others have nothing, and of an unknown state nothing is said', () => {
    assert.deepEqual(mismatches([web], states('MASTER'), kernel(anchor, four, six)), []);
    assert.deepEqual(mismatches([web], states('BACKUP'), kernel()), []);
    assert.deepEqual(mismatches([web], states('INIT'), kernel(four)), []);
    assert.deepEqual(mismatches([web], new Map(), kernel(four)), []);
  });

  it('a master that lacks an address gets the anchor as lever, without an anchor another address', () => {
    const [lacks] = mismatches([web], states('MASTER'), kernel(anchor, six));
    assert.deepEqual(lacks, { kind: 'missing', group: 'g51', addresses: [four], lever: anchor });
    assert.deepEqual(mismatches([web], states('MASTER'), kernel(four))[0]?.lever, four);
    assert.equal(mismatches([web], states('MASTER'), kernel())[0]?.lever, null);
  });

  it('an address on another interface is another address: missing here, and no stray', () => {
    const elsewhere = { ...four, interface: 'eth1' };
    assert.deepEqual(mismatches([web], states('MASTER'), kernel(anchor, elsewhere, six))[0]?.addresses, [
      four,
    ]);
    assert.deepEqual(mismatches([web], states('BACKUP'), kernel(elsewhere)), []);
  });

  it('backup and fault: everything of the group that is there is stray, the anchor too; a pin on lo is not', () => {
    for (const state of ['BACKUP', 'FAULT'] as const) {
      assert.deepEqual(mismatches([web], states(state), kernel(anchor, four))[0]?.addresses, [anchor, four]);
    }
    assert.deepEqual(mismatches([web], states('BACKUP'), kernel({ ...four, interface: 'lo' })), []);
  });

  it('what a group holds here is never stray for another group', () => {
    const other = instance(52, ['10.0.0.100/32']);
    const both = new Map<string, { state: VrrpState }>([
      ['g51', { state: 'MASTER' }],
      ['g52', { state: 'BACKUP' }],
    ]);
    assert.deepEqual(mismatches([web, other], both, kernel(anchor, four, six)), []);
  });
});

describe('acting on a disagreement', () => {
  const missing: Mismatch = { kind: 'missing', group: 'g51', addresses: [four], lever: anchor };

  it('waits for the grace, then goes on with growing pauses', () => {
    let state: Holding = new Map();
    const acted: number[] = [];
    for (let now = 0; now < 20_000; now += 50) {
      const step = stepHolding(state, [missing], now);
      state = step.state;
      if (step.due.length > 0) acted.push(now);
      assert.equal(reportedOf(state, now).length, acted.length > 0 ? 1 : 0);
    }
    assert.deepEqual(acted, [300, 1300, 3300, 7300, 15300]);
  });

  it('says nothing of what ends within its grace', () => {
    const { state } = stepHolding(new Map(), [missing], 0);
    assert.deepEqual(stepHolding(state, [], 299), { state: new Map(), due: [], nextMs: null });
  });

  it('does not make a group flap that comes back without its address each time', () => {
    let state: Holding = new Map();
    let acted = 0;
    // Master for 400 ms of each 700.
    for (let now = 0; now < 60_000; now += 50) {
      const step = stepHolding(state, now % 700 < 400 ? [missing] : [], now);
      state = step.state;
      acted += step.due.length;
    }
    assert.ok(acted >= 4 && acted <= 6, `${acted} times in a minute`);
  });

  it('removes a stray whenever it comes back, and reports it as one problem until 5 s after the last time', () => {
    const stray: Mismatch = { kind: 'stray', group: 'g51', addresses: [four], lever: null };
    let state: Holding = new Map();
    let step = stepHolding(state, [stray], 0);
    for (let now = 0; now < 10_000; now += 600) {
      state = stepHolding(step.state, [stray], now).state;
      step = stepHolding(state, [stray], now + 500);
      assert.equal(step.due.length, 1, `at ${now}`);
      step = stepHolding(step.state, [], now + 550);
      assert.equal(reportedOf(step.state, now + 550).length, 1);
    }
    // The last time was at 10,100.
    assert.equal(step.nextMs, 15_100);
    step = stepHolding(step.state, [], 15_100);
    assert.deepEqual(reportedOf(step.state, 15_100), []);
    assert.equal(step.nextMs, null);
  });

  it('whatever happens: nothing of a master is removed but a lever, nothing foreign, nothing before its grace', () => {
    const all = [web, instance(52, ['10.0.0.52/32'])];
    const own = new Set(
      [
        anchor,
        four,
        six,
        { address: '127.112.0.52/32', interface: 'lo' },
        { address: '10.0.0.52/32', interface: 'eth0' },
      ].map((placed) => JSON.stringify(placed)),
    );
    const places = [
      ...[...own].map((text): { address: string; interface: string } => JSON.parse(text)),
      { address: '10.0.0.1/24', interface: 'eth0' },
      { address: '10.0.0.100/24', interface: 'eth0' },
      { address: '10.0.0.100/32', interface: 'lo' },
    ];
    const moment = fc.record({
      there: fc.subarray(places),
      first: fc.constantFrom<VrrpState>('INIT', 'BACKUP', 'MASTER', 'FAULT'),
      second: fc.constantFrom<VrrpState>('INIT', 'BACKUP', 'MASTER', 'FAULT'),
      passes: fc.integer({ min: 1, max: 900 }),
    });
    const key = (placed: { address: string; interface: string }) => JSON.stringify(placed);
    const run = fc.property(fc.array(moment, { maxLength: 40 }), (story) => {
      let state: Holding = new Map();
      let now = 0;
      const since = new Map<string, number>();
      const levers = new Map<string, number>();
      for (const { there, first, second, passes } of story) {
        now += passes;
        const said = new Map([
          ['g51', { state: first }],
          ['g52', { state: second }],
        ]);
        const found = mismatches(all, said, kernel(...there));
        const names = new Set(found.map(({ kind, group }) => `${kind} ${group}`));
        for (const name of [...since.keys()]) if (!names.has(name)) since.delete(name);
        for (const name of names) since.set(name, since.get(name) ?? now);
        const step = stepHolding(state, found, now);
        state = step.state;
        for (const { kind, group, addresses, lever } of step.due) {
          assert.ok(now - (since.get(`${kind} ${group}`) ?? now) >= graceMs[kind]);
          const removed = kind === 'stray' ? addresses : lever ? [lever] : [];
          for (const placed of removed) {
            assert.ok(own.has(key(placed)), `${key(placed)} is not ours`);
            assert.ok(there.some((entry) => key(entry) === key(placed)));
            const owner = placed.address === four.address || group === 'g51' ? first : second;
            assert.equal(owner === 'MASTER', kind === 'missing');
          }
          if (kind === 'missing') {
            assert.ok(now - (levers.get(group) ?? Number.NEGATIVE_INFINITY) >= 1_000);
            levers.set(group, now);
          }
        }
      }
    });
    fc.assert(run, { numRuns: 2_000 });
  });
});

describe('what the renewer is told and says', () => {
  it('lease, period and patience in seconds; each instance once, its anchor first, in hexadecimal', () => {
    assert.equal(
      leaseList([web, web], 4),
      '4 1 1.2\n7f700033@lo 0a000064@eth0 fd000000000000000000000000000100@eth1\n',
    );
    assert.equal(leaseList([{ ...web, intervalMs: 3000 }], 6).split('\n')[0], '6 1.5 7');
    assert.equal(leaseList([], 4), '4 1 1\n');
  });

  it('is understood only as a whole', () => {
    assert.deepEqual(parseLeaseStats('renewing absent 3 renewed 12 rounds 4 starts 1\n'), {
      phase: 'renewing',
      starts: 1,
      rounds: 4,
      renewed: 12,
      absent: 3,
    });
    assert.equal(parseLeaseStats('renewing absent 3 renewed 12 rou'), undefined);
  });

  it('a renewal is no news to the agent; a new address, a removed one and another line are', () => {
    const known = kernel(four, six);
    const line =
      '3: eth0    inet 10.0.0.100/32 scope global dynamic eth0\\       valid_lft 4sec preferred_lft 4sec';
    assert.ok(isRenewal(line, known));
    assert.ok(isRenewal('4: eth1    inet6 fd00::100/128 scope global nodad deprecated dynamic', known));
    assert.ok(!isRenewal(line, kernel(six)));
    assert.ok(!isRenewal(`Deleted ${line}`, known));
    assert.ok(!isRenewal(line.replace('/32', '/24'), known));
    assert.ok(!isRenewal('3: eth0: <BROADCAST,UP> mtu 1500 qdisc noqueue state UP', known));
  });

  it('LEASE is a number of seconds within bounds or off; anything else is refused by name', () => {
    const env = { NODE_ID: 'a'.repeat(25), SWARM_VIP_KEY: 'k'.repeat(32) };
    const read = (LEASE: string) => readConfig({ ...env, LEASE }).leaseSeconds;
    assert.equal(read(''), 4);
    assert.equal(read('6s'), 6);
    assert.equal(read('10'), 10);
    assert.equal(read('off'), null);
    for (const text of ['0', '1s', '61s', '4 s', '-4', 'on', '2.5s'])
      assert.throws(() => read(text), /^SettingError: LEASE/);
  });
});
