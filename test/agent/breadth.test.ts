// Several groups of different make on the same nodes, on real keepalived: many addresses, short intervals, strict VRRP,
// announcements, priorities of processes. Other wires are in wire.test.ts, IPv6 alone in v6-only.test.ts.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import type { AssignedInstance } from '../../shared/protocol.ts';
import { masterDownMs } from '../../shared/timers.ts';
import { GroupName, Vrid } from '../../shared/words.ts';
import { type Bench, createBench, type Host, instanceFor, nth, until } from './bench.ts';
import { judge, probe, probePeriodMs } from './witness.ts';

const many = Array.from({ length: 50 }, (_, index) => `10.99.0.${150 + index}/32`);
const hostOf = (address: string | undefined) => address?.split('/')[0] ?? '';
const groups: readonly (Partial<AssignedInstance> & { addresses: string[] })[] = [
  {
    group: v.parse(GroupName, 'many'),
    vrid: v.parse(Vrid, 60),
    intervalMs: 50,
    addresses: many,
    garp: { delay: 1, repeat: 2, refresh: 1, refreshRepeat: 1 },
  },
  {
    group: v.parse(GroupName, 'strict'),
    vrid: v.parse(Vrid, 61),
    addresses: ['10.99.0.101/32'],
    transport: 'multicast',
    strict: true,
    skipCheckAdvAddr: true,
  },
  // The second host leads this one.
  { group: v.parse(GroupName, 'turned'), vrid: v.parse(Vrid, 62), addresses: ['10.99.0.102/32'] },
];

describe('groups of different make', () => {
  let bench: Bench;
  let counter = 0;
  const first = () => nth(bench, 1);
  const second = () => nth(bench, 2);
  before(async () => {
    bench = await createBench(2);
    await bench.peer.start();
    for (const host of bench.hosts) host.start();
    await until('all agents report', () => bench.hosts.every((host) => host.report()));
    assign();
    await settled();
  });
  after(() => bench.close());
  const partOf = (host: Host, group: string) =>
    host.report()?.instances.find((instance) => instance.group === group);
  const assign = (aside: { host: Host; group: string } | undefined = undefined) => {
    counter += 1;
    for (const host of bench.hosts) {
      const instances = groups.map((group) => {
        const leads = (group.group === 'turned') === (host === second());
        const yields = aside?.host === host && aside.group === group.group;
        return instanceFor(host, bench.hosts, {
          ...group,
          priority: leads ? 250 : 248,
          ...(yields ? { standAside: 'relieved' } : {}),
        });
      });
      host.assign(counter, instances);
    }
  };
  const heldBy = (host: Host) =>
    groups
      .filter(({ addresses }) => addresses.every((address) => host.held().includes(address)))
      .map(({ group }) => group);
  const settled = () =>
    until('each group is where it belongs, nobody is paused, no problem', () => {
      const calm = bench.hosts.every(
        (host) =>
          host.report()?.instances.length === groups.length &&
          host.report()?.instances.every(({ pause }) => pause === null) &&
          host.report()?.problems.length === 0,
      );
      return calm && heldBy(first()).join() === 'many,strict' && heldBy(second()).join() === 'turned';
    });

  it('each group has a holder of its own, and every address of fifty is reported as held', async () => {
    await until('it is reported', () => partOf(first(), 'many')?.held.length === many.length);
    assert.equal(first().held().length, many.length + 1);
    assert.deepEqual(second().held(), ['10.99.0.102/32']);
  });

  for (const { group, addresses } of groups.slice(0, 2)) {
    it(`"${group}" is handed over and back without losing a packet, and no other group moves`, async (t) => {
      const pings = await probe(bench, hostOf(addresses.at(-1)));
      assign({ host: first(), group: group ?? '' });
      await until('the second holds it, too', () => heldBy(second()).length === 2);
      assert.ok(heldBy(second()).includes(group));
      assert.equal(heldBy(first()).length, 1);
      await until('the first has none of it', () => addresses.every((a) => !first().held().includes(a)));
      await until('it stands aside', () => partOf(first(), group ?? '')?.pause !== null);
      assign();
      await settled();
      // Two probes in each direction.
      judge(t, await pings.stop(), 2 * probePeriodMs);
    });
  }

  it('at 50 ms a holder without its link is followed within VRRP’s bound', async (t) => {
    const pings = await probe(bench, hostOf(many[0]));
    bench.linkDown(first());
    await until('the second holds all', () => heldBy(second()).length === groups.length);
    const result = await pings.stop();
    bench.linkUp(first());
    await settled();
    judge(t, result, masterDownMs(3, 50, 248));
  });

  it('a refresh corrects what a neighbour has wrong; without one it stays wrong', async () => {
    const wrong = '02:00:00:00:00:99';
    const [refreshed, control] = [hostOf(many[0]), '10.99.0.101'];
    // What is announced after a take-over ends after 5 s, and keepalived's refresh of the other group never begins.
    await sleep(6_000);
    for (const address of [refreshed, control])
      bench.inLan('ip', 'neigh', 'replace', address, 'lladdr', wrong, 'dev', 'br0', 'nud', 'reachable');
    const known = (address: string) => bench.inLan('ip', 'neigh', 'show', 'to', address);
    await until('it is right again', () => !known(refreshed).includes(wrong), 3_000);
    assert.match(known(control), new RegExp(wrong));
    bench.inLan('ip', 'neigh', 'flush', 'dev', 'br0');
  });

  it('keepalived names the node in router_id', () => {
    assert.match(readFileSync(`${first().runDir}/keepalived.conf`, 'utf8'), /^ {4}router_id host-1$/m);
  });

  it('a priority of the process counts where the container may set it; elsewhere it is a problem, and the group runs', async () => {
    const niceOf = (host: Host) =>
      host
        .pids()
        .keepalived.map((pid) =>
          Number(/\) (.*)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]?.split(' ')[16]),
        );
    const takesPart = () =>
      until('the second takes part', () => partOf(second(), 'turned')?.state === 'MASTER');
    await second().stop();
    second().start({ VRRP_PRIORITY: '-5' });
    await takesPart();
    assert.deepEqual(
      second()
        .report()
        ?.problems.map(({ code, where }) => [code, where]),
      [['priority-refused', 'VRRP_PRIORITY']],
    );
    assert.deepEqual(niceOf(second()), [0, 0]);
    await second().stop();
    second().start({ VRRP_PRIORITY: '-5' }, ['+sys_nice']);
    await takesPart();
    assert.deepEqual(niceOf(second()), [0, -5]);
    await settled();
  });
});
