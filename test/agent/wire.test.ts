// The less usual wires on real keepalived: multicast, several interfaces in one group.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AssignedInstance } from '../../shared/protocol.ts';
import { type Bench, bringUp, createBench, eventsOf, type Host, instanceFor, nth, until } from './bench.ts';
import { startHosts, wipeHosts } from './fresh-hosts.ts';

describe('a group', () => {
  let bench: Bench;
  before(async () => {
    bench = await createBench(2);
    for (const host of bench.hosts) {
      host.exec('ip', 'link', 'add', 'ext0', 'type', 'veth', 'peer', 'name', 'ext1');
      host.exec('ip', 'link', 'set', 'ext0', 'up');
      host.exec('ip', 'link', 'set', 'ext1', 'up');
    }
  });
  after(() => bench.close());
  beforeEach(() => startHosts(bench));
  afterEach(() => wipeHosts(bench));
  const first = () => nth(bench, 1);
  const second = () => nth(bench, 2);
  const partOf = (host: Host) => host.report()?.instances[0];

  const six = (host: Host): Partial<AssignedInstance> => ({
    source: host.address6,
    peers: bench.hosts
      .filter((other) => other !== host)
      .map((other) => ({ node: other.nodeId, address: other.address6 })),
    addresses: ['fd99::100/128'],
  });

  for (const [family, change] of [
    ['v4', () => ({})],
    ['v6', six],
  ] as const) {
    it(`on multicast, ${family}: a newcomer hears its holder, and takes over when that dies`, async () => {
      const multicast = (host: Host) =>
        instanceFor(host, bench.hosts, { ...change(host), transport: 'multicast', peersConfirmed: false });
      first().assign(1, [{ ...multicast(first()), peersConfirmed: true }]);
      await until('the first holds', () => first().held().length === 1);
      second().assign(1, [multicast(second())]);
      await until('the second takes part', () => partOf(second())?.state === 'BACKUP');
      assert.equal(eventsOf(second(), 'pause-ended')[0]?.['by'], 'advert');
      await sleep(500);
      assert.deepEqual(second().held(), []);
      bench.linkDown(first());
      await until('the second holds', () => second().held().length === 1 && first().held().length === 0);
      bench.linkUp(first());
      await until('the first holds again', () => first().held().length === 1 && second().held().length === 0);
    });
  }

  it('says where its addresses are again, soon after it became holder: a lost conflict may have been said last', async () => {
    await bringUp(bench.hosts, 1, { addresses: ['10.99.0.100/32', 'fd99::100/128'] });
    const wrong = '02:00:00:00:00:99';
    const poison = (address: string) =>
      bench.inLan('ip', 'neigh', 'replace', address, 'lladdr', wrong, 'dev', 'br0', 'nud', 'reachable');
    bench.linkDown(first());
    await until('the second holds', () => second().held().length === 2);
    for (const address of ['10.99.0.100', 'fd99::100']) poison(address);
    const neighbours = () => bench.inLan('ip', 'neigh', 'show', 'dev', 'br0');
    assert.match(neighbours(), /02:00:00:00:00:99/);
    // keepalived itself says it again after 5 s.
    await until('both are right again', () => !neighbours().includes(wrong), 1500);
    bench.linkUp(first());
  });

  it('with an address on another interface moves both, and leaves none of them behind', async () => {
    const change: Partial<AssignedInstance> = {
      addresses: ['10.99.0.100/32', '10.98.0.100/32'],
      addressInterfaces: { '10.98.0.100/32': 'ext0' },
      trackInterfaces: ['ext0'],
    };
    const external = (host: Host) =>
      host.exec('ip', '-o', 'addr', 'show', 'dev', 'ext0').includes('10.98.0.100/32');
    await bringUp(bench.hosts, 1, change);
    await until('both are reported', () => partOf(first())?.held.length === 2);
    assert.deepEqual([external(first()), external(second())], [true, false]);
    first().exec('ip', 'link', 'set', 'ext1', 'down');
    await until('the second has both', () => external(second()) && second().held().length === 1);
    await until('the first has none', () => !external(first()) && first().held().length === 0);
    first().exec('ip', 'link', 'set', 'ext1', 'up');
    await until('the first has both again', () => external(first()) && !external(second()));
    await first().kill();
    assert.ok(external(first()));
    first().start();
    await until('swept', () => !external(first()));
  });
});
