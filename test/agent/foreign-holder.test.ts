// A machine outside the group that has one of its addresses too: VRRP never sees it, the holder says so.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bringUp, createBench, instanceFor, nth, until } from './bench.ts';

describe('an address that somebody else has as well', () => {
  it('is a problem that names the MAC, for as long as it lasts', async () => {
    const bench = await createBench(2);
    try {
      await bench.peer.start();
      const hosts = [nth(bench, 1), nth(bench, 2)];
      const [one, two] = [nth(bench, 1), nth(bench, 2)];
      for (const host of hosts) host.start();
      const addresses = ['10.99.0.100/32', 'fd99::100/128'];
      await bringUp(hosts, 1, { addresses });
      const lead = (counter: number, priorities: readonly number[]) =>
        hosts.forEach((host, index) => {
          const change = { addresses, priority: priorities[index] ?? 1 };
          host.assign(counter, [instanceFor(host, hosts, change)]);
        });
      const holds = (wanted: typeof one) =>
        until(`${wanted.name} holds alone`, () =>
          hosts.every((host) => host.held().length > 0 === (host === wanted)),
        );
      const problemOf = (host: typeof one) =>
        host.report()?.problems.find(({ code }) => code === 'foreign-holder');
      bench.inLan('ip', 'addr', 'add', '10.99.0.100/32', 'dev', 'br0');
      lead(2, [240, 248]);
      await holds(two);
      const problem = await until('the holder reports it', () => problemOf(two), 20_000);
      const [, mac = '?'] = /ether (\S+)/.exec(bench.inLan('ip', '-o', 'link', 'show', 'br0')) ?? [];
      assert.match(problem.message, new RegExp(`10\\.99\\.0\\.100.*${mac}`));
      assert.equal(problemOf(one), undefined);
      bench.inLan('ip', 'addr', 'del', '10.99.0.100/32', 'dev', 'br0');
      lead(3, [250, 248]);
      await holds(one);
      lead(4, [240, 248]);
      await holds(two);
      await until('it is over', () => problemOf(two) === undefined, 20_000);
      assert.equal(problemOf(one), undefined);
    } finally {
      await bench.close();
    }
  });
});
