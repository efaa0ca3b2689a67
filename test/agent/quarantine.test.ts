// An assignment that ends every agent on arrival: refused after two deaths, reported, and VRRP never notices.
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import * as v from 'valibot';
import { acquitted, afterDeath, isPoison, opened, type Suspect } from '../../agent/core/suspicion.ts';
import { digestOf } from '../../agent/quarantine.ts';
import { AssignedInstance } from '../../shared/protocol.ts';
import { GroupName, Vrid } from '../../shared/words.ts';
import { type Bench, bringUp, createBench, eventsOf, type Host, instanceFor, until } from './bench.ts';
import { probe } from './witness.ts';

describe('suspicion', () => {
  it('falls on what was open when a life ended, and nothing is refused before its second death', () => {
    const first = afterDeath(opened([], 'a'), true);
    assert.ok(!isPoison(first, 'a'));
    const second = afterDeath(opened(opened(first, 'b'), 'a'), true);
    assert.deepEqual([isPoison(second, 'a'), isPoison(second, 'b')], [true, false]);
    assert.ok(!isPoison(afterDeath(opened(first, 'a'), false), 'a'), 'killed from outside');
  });

  it('falls on the last one alone when several came', () => {
    const suspects = afterDeath(opened(opened([], 'a'), 'b'), true);
    assert.deepEqual(suspects, [{ digest: 'b', deaths: 1, open: false }]);
  });

  it('ends for what the agent has lived on with, and not for what it refused', () => {
    const poison: Suspect = { digest: 'a', deaths: 2, open: false };
    const suspects = acquitted(opened([poison, { digest: 'b', deaths: 1, open: false }], 'b'), 'b');
    assert.deepEqual(suspects, [poison]);
  });

  it('whatever comes: refused means two lives ended with it open since it was last lived with; the list is bounded', () => {
    const digest = fc.constantFrom('a', 'b', 'c');
    const event = fc.oneof(
      fc.record({ kind: fc.constant('arrives' as const), digest }),
      fc.record({ kind: fc.constantFrom('dies' as const, 'lives' as const), digest }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (story) => {
        let suspects: readonly Suspect[] = [];
        const deaths = new Map<string, number>();
        let open = new Set<string>();
        for (const { kind, digest: name } of story) {
          if (kind === 'arrives') {
            suspects = opened(suspects, name);
            open = new Set([name]);
          } else if (kind === 'dies') {
            suspects = afterDeath(suspects, true);
            for (const each of open) deaths.set(each, (deaths.get(each) ?? 0) + 1);
            open = new Set();
          } else {
            suspects = acquitted(suspects, name);
            for (const each of [...open, name]) deaths.delete(each);
            open = new Set();
          }
          for (const each of ['a', 'b', 'c']) {
            assert.equal(isPoison(suspects, each), (deaths.get(each) ?? 0) >= 2);
          }
          assert.ok(suspects.length <= 16);
        }
      }),
    );
  });
});

describe('the digest of an assignment', () => {
  const instance = {
    ...{ group: 'web', vrid: 51, version: 3, intervalMs: 100, interface: 'eth0', source: '10.99.0.1' },
    ...{ peers: [], priority: 250, addresses: ['10.99.0.100/32'], peersConfirmed: true },
  };
  const digest = (change: object) => digestOf([v.parse(AssignedInstance, { ...instance, ...change })]);

  it('stays with the words of an order, which come and go, and changes with what is carried out', () => {
    assert.equal(digest({ order: 'drained: new disk' }), digest({}));
    for (const change of [{ priority: 249 }, { standAside: 'now' }, { notify: { file: 'tell' } }])
      assert.notEqual(digest(change), digest({}));
  });
});

// Most of the time is waiting: two benches side by side. At once; and when keepalived has been told already, so that it
// is what the next life finds running.
describe('an assignment that ends the agent', { concurrency: true }, () => {
  for (const afterMs of [0, 700]) {
    describe(`after ${afterMs} ms`, { concurrency: 1 }, () => {
      let bench: Bench;
      before(async () => {
        bench = await createBench(2);
        await bench.peer.start();
        for (const host of bench.hosts) host.start({ TEST_CRASH_ON_GROUP: `bomb ${afterMs}` });
        await bringUp(bench.hosts);
      });
      after(() => bench.close());
      const web = (host: Host) => instanceFor(host, bench.hosts);
      const bomb = (host: Host) => ({
        ...web(host),
        group: v.parse(GroupName, 'bomb'),
        vrid: v.parse(Vrid, 52),
        addresses: ['10.99.0.152/32'],
      });
      const deaths = (host: Host) => eventsOf(host, 'bug').length;
      const rejected = (host: Host) => host.report()?.rejected;
      const groupsOf = (host: Host) => host.report()?.instances.map((instance) => instance.group);
      const configOf = (host: Host) => readFileSync(`${host.runDir}/keepalived.conf`, 'utf8');

      it('is refused by its third life, with the reason; keepalived and the address never notice', async () => {
        const keepalived = bench.hosts.map((host) => host.pids().keepalived.join());
        const pings = await probe(bench);
        for (const host of bench.hosts) host.assign(2, [web(host), bomb(host)]);
        await until(
          'two deaths, then refused and back to what ran before',
          () =>
            bench.hosts.every(
              (host) =>
                deaths(host) === 2 &&
                rejected(host)?.counter === 2 &&
                groupsOf(host)?.join() === 'web' &&
                !configOf(host).includes('bomb'),
            ),
          30_000,
        );
        await sleep(3_000);
        for (const host of bench.hosts) {
          assert.equal(deaths(host), 2);
          assert.match(rejected(host)?.reason ?? '', /ended twice/);
        }
        assert.deepEqual(
          bench.hosts.map((host) => host.pids().keepalived.join()),
          keepalived,
        );
        assert.equal((await pings.stop()).lost, 0);
      });

      it('the next assignment is carried out, and the poison under a new generation refused', async () => {
        const addresses = ['10.99.0.100/32', '10.99.0.101/32'];
        for (const host of bench.hosts) host.assign(3, [{ ...web(host), addresses }]);
        await until('carried out', () =>
          bench.hosts.every((host) => host.report()?.applied?.counter === 3 && rejected(host) === null),
        );
        for (const host of bench.hosts) host.assign(4, [web(host), bomb(host)]);
        await until('refused', () => bench.hosts.every((host) => rejected(host)?.counter === 4));
        for (const host of bench.hosts) {
          assert.deepEqual([deaths(host), host.report()?.applied?.counter], [2, 3]);
        }
      });

      it('negative control: without a memory of suspects it dies again and again', async () => {
        // Another poison.
        for (const host of bench.hosts) host.assign(5, [web(host), { ...bomb(host), priority: 77 }]);
        await until(
          'four more deaths everywhere',
          () => {
            for (const host of bench.hosts) rmSync(`${host.runDir}/suspects.json`, { force: true });
            return bench.hosts.every((host) => deaths(host) >= 6);
          },
          30_000,
        );
      });
    });
  }
});
