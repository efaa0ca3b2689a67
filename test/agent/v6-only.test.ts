// Groups of IPv6 addresses alone, on real keepalived: nothing of IPv4 is left on the nodes.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { AssignedInstance } from '../../shared/protocol.ts';
import { masterDownMs } from '../../shared/timers.ts';
import { type Bench, createBench, eventsOf, type Host, instanceFor, nth, until } from './bench.ts';
import { judge, probe, watchHolders } from './witness.ts';

const vip = 'fd99::100';
const vips = [`${vip}/128`, 'fd99::101/128'];
const anchor = '100::ff00:33/128';
const leaseSeconds = 2;

describe('a group of IPv6 addresses alone', () => {
  let bench: Bench;
  let counter = 0;
  const first = () => nth(bench, 1);
  const second = () => nth(bench, 2);
  before(async () => {
    bench = await createBench(2);
    await bench.peer.start();
    for (const host of bench.hosts) host.start({ LEASE: `${leaseSeconds}s` });
    await until('all agents report', () => bench.hosts.every((host) => host.report()));
  });
  after(() => bench.close());
  const six = (host: Host, change: Partial<AssignedInstance> = {}) =>
    instanceFor(host, bench.hosts, {
      source: host.address6,
      peers: bench.hosts
        .filter((other) => other !== host)
        .map((other) => ({ node: other.nodeId, address: other.address6 })),
      addresses: vips,
      ...change,
    });
  const assign = (...changes: Partial<AssignedInstance>[]) => {
    counter += 1;
    bench.hosts.forEach((host, index) => {
      host.assign(counter, [six(host, changes[index])]);
    });
  };
  const partOf = (host: Host) => host.report()?.instances[0];
  const settled = () =>
    until('the first holds, nobody is paused, no problem', () =>
      bench.hosts.every((host, index) => {
        const held = index === 0 ? vips.length : 0;
        const part = partOf(host);
        return (
          part?.pause === null &&
          part.state === (index === 0 ? 'MASTER' : 'BACKUP') &&
          part.held.length === held &&
          host.held().length === held &&
          host.report()?.problems.length === 0
        );
      }),
    );
  const leased = (host: Host) =>
    [...host.exec('ip', '-6', '-o', 'addr', 'show').matchAll(/ (\S+\/128) .*valid_lft ([0-2])sec/g)].map(
      ([, address]) => address,
    );

  it('comes up on silence, and a member joins by what it hears from the holder', async () => {
    first().assign(1, [six(first())]);
    await until('the first holds', () => first().held().length === vips.length);
    second().assign(1, [six(second(), { peersConfirmed: false })]);
    await until('the second takes part', () => partOf(second())?.state === 'BACKUP');
    assert.equal(eventsOf(second(), 'pause-ended')[0]?.['by'], 'advert');
    counter = 1;
    assign({}, {});
    await settled();
    assert.doesNotMatch(first().exec('ip', '-o', 'addr', 'show'), /127\.112\./);
  });

  it('has leases on its addresses and its anchor', async () => {
    await until('all three', () => leased(first()).length === 3);
    assert.ok(leased(first()).includes(anchor));
    assert.deepEqual(leased(second()), []);
  });

  it('a planned move there and back loses nothing', async (t) => {
    const pings = await probe(bench, vip);
    const holders = watchHolders(bench.hosts, `${vip}/128`);
    assign({ standAside: 'relieved' }, {});
    await until('the second holds', () => second().held().length === 2 && first().held().length === 0);
    await until('the first stands aside', () => partOf(first())?.pause?.reason === 'standing-aside');
    assign({}, {});
    await settled();
    judge(t, await pings.stop(), 2 * 5);
    assert.ok((await holders.stop()) < 100);
  });

  it('a holder without its link is followed within VRRP’s bound', async (t) => {
    const pings = await probe(bench, vip);
    bench.linkDown(first());
    await until('the second holds', () => second().held().length === 2);
    bench.linkUp(first());
    await settled();
    judge(t, await pings.stop(), masterDownMs(3, 100, 248));
  });

  it('an address taken by hand is back, and one put on a backup is removed', async (t) => {
    const pings = await probe(bench, vip);
    first().exec('ip', 'addr', 'del', `${vip}/128`, 'dev', 'eth0');
    await settled();
    judge(t, await pings.stop(), 1_000);
    second().exec('ip', 'addr', 'add', `${vip}/128`, 'dev', 'eth0', 'nodad');
    await until('removed', () => second().held().length === 0, 3_000);
    assert.equal(eventsOf(second(), 'stray-removed').length, 1);
    await settled();
  });

  it('what a killed container leaves is gone with the lease, and the node takes the group back', async () => {
    await first().kill();
    assert.equal(first().held().length, 2, 'it stays at first');
    await until('the second holds', () => second().held().length === 2);
    await until('the kernel has removed it, the anchor too', () => leased(first()).length === 0);
    assert.deepEqual(first().held(), []);
    first().start({ LEASE: `${leaseSeconds}s` });
    await settled();
  });

  it('what is left is swept where no lease ends it', async () => {
    await first().stop();
    first().start({ LEASE: 'off' });
    await settled();
    await first().kill();
    await until('the second holds', () => second().held().length === 2);
    assert.equal(first().held().length, 2);
    const swept = eventsOf(first(), 'orphans-removed').length;
    first().start({ LEASE: `${leaseSeconds}s` });
    await until('swept', () => eventsOf(first(), 'orphans-removed').length > swept);
    await settled();
  });

  it('stays out while a stranger answers for its address, and names the MAC', async () => {
    for (const host of bench.hosts) await host.stop();
    bench.inLan('ip', 'addr', 'add', `${vip}/128`, 'dev', 'br0', 'nodad');
    const mac = /ether (\S+)/.exec(bench.inLan('ip', 'link', 'show', 'br0'))?.[1] ?? '';
    first().start({ LEASE: `${leaseSeconds}s` });
    const problem = await until('it is said', () =>
      first()
        .report()
        ?.problems.find(({ code }) => code === 'address-in-use'),
    );
    assert.ok(problem.message.includes(mac), problem.message);
    assert.deepEqual(first().held(), []);
    bench.inLan('ip', 'addr', 'del', `${vip}/128`, 'dev', 'br0');
    await until('it holds', () => first().held().length === 2);
  });
});
