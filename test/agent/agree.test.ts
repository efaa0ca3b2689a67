// Rule R2 on real keepalived: what all members must agree on changes under a holder that keeps its address. The test
// plays the coordinator: backups are held and changed, the holder leads, the backups join.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AssignedInstance } from '../../shared/protocol.ts';
import { type Bench, createBench, eventsOf, instanceFor, nth, until } from './bench.ts';
import { judgeLossless, watchFinely } from './fine-witness.ts';
import { startHosts, wipeHosts } from './fresh-hosts.ts';

const slow = { version: 2, intervalMs: 1000, password: 'old-word' } as const;
type Change = (number: number) => Partial<AssignedInstance>;

/** Three hosts with two interfaces each, which know nothing at the beginning of each test. */
function stage() {
  let bench: Bench;
  let counter = 0;
  before(async () => {
    bench = await createBench(3);
    bench.hosts.forEach((each, index) => {
      const inLan = (...args: string[]) => bench.inLan('ip', ...args);
      inLan('link', 'add', `w${index}`, 'type', 'veth', 'peer', 'name', 'eth1', 'netns', each.name);
      inLan('link', 'set', `w${index}`, 'master', 'br0', 'up');
      each.exec('ip', 'addr', 'add', `10.99.1.${index + 1}/24`, 'dev', 'eth1');
      each.exec('ip', 'link', 'set', 'eth1', 'up');
      // Both are on one bridge: without this each answers for the other's address, and adverts arrive on the wrong one.
      each.exec('sysctl', '-qw', 'net.ipv4.conf.all.arp_filter=1');
    });
  });
  after(() => bench.close());
  beforeEach(() => startHosts(bench));
  afterEach(async () => {
    await wipeHosts(bench);
    for (const each of bench.hosts) {
      if (each.exec('ip', 'addr', 'show', 'dev', 'eth1').includes('10.99.0.100')) {
        each.exec('ip', 'addr', 'del', '10.99.0.100/32', 'dev', 'eth1');
      }
    }
  });
  const host = (number: number) => nth(bench, number);
  const partOf = (number: number) => host(number).report()?.instances[0];

  const assign = (number: number, change: Partial<AssignedInstance>) => {
    counter += 1;
    host(number).assign(counter, [instanceFor(host(number), bench.hosts, change)]);
    return counter;
  };
  const settled = () =>
    until('the first holds, nobody is paused', () =>
      [1, 2, 3].every((number) => {
        const part = partOf(number);
        return part?.pause === null && part.state === (number === 1 ? 'MASTER' : 'BACKUP');
      }),
    );
  const bring = async (change: Change) => {
    for (const number of [1, 2, 3]) assign(number, change(number));
    await settled();
  };
  const applied = (number: number, generation: number) =>
    until(
      `host ${number} has applied ${generation}`,
      () => host(number).report()?.applied?.counter === generation,
    );

  /** As the coordinator does it. */
  const order = async (from: Change, to: Change) => {
    const held = [2, 3].map(
      (number) => [number, assign(number, { ...to(number), transition: 'hold' })] as const,
    );
    assign(1, { ...to(1), transition: 'keep' });
    for (const [number, generation] of held) {
      await applied(number, generation);
      await until(`host ${number} is held`, () => partOf(number)?.pause?.reason === 'transition');
    }
    assert.equal(partOf(1)?.vrid, from(1).vrid ?? 51);
    const generation = assign(1, { ...to(1), transition: 'lead' });
    await applied(1, generation);
    await until('the leader is MASTER', () => partOf(1)?.state === 'MASTER');
    for (const number of [1, 2, 3]) assign(number, to(number));
    await settled();
  };
  const pinned = () =>
    [1, 2, 3].flatMap(
      (number) =>
        host(number)
          .exec('ip', 'addr', 'show', 'lo')
          .match(/10\.99\.0\.100|fd99::100/g) ?? [],
    );

  const lossless = async (t: TestContext, from: Change, to: Change) => {
    await bring(from);
    const watch = await watchFinely(bench);
    await order(from, to);
    await sleep(200);
    const result = await watch.stop();
    judgeLossless(t, result, 5);
    assert.ok(!/\+[23]/.test(result.moves), result.moves);
    assert.deepEqual(pinned(), []);
  };
  const onEth1: Change = (number) => ({
    interface: 'eth1',
    source: `10.99.1.${number}`,
    peers: bench.hosts
      .map((each, index) => ({ node: each.nodeId, address: `10.99.1.${index + 1}` }))
      .filter((peer) => peer.node !== host(number).nodeId),
  });
  return {
    ...{ host, partOf, assign, settled, bring, applied, pinned, lossless, onEth1 },
    get bench() {
      return bench;
    },
  };
}

// Most of the time is waiting: two benches side by side.
describe('ordered changes', { concurrency: true }, () => {
  describe('of what all members agree on', { concurrency: 1 }, () => {
    const on = stage();
    const { host, partOf, assign, bring, lossless, onEth1 } = on;

    it('of the virtual router id leaves the address on its holder', (t) =>
      lossless(
        t,
        () => ({}),
        () => ({ vrid: 77 as never }),
      ));
    it('of the interface', (t) => lossless(t, () => ({}), onEth1));
    it('of the transport, to multicast', (t) =>
      lossless(
        t,
        () => ({}),
        () => ({ transport: 'multicast' }),
      ));
    it('of the password', (t) =>
      lossless(
        t,
        () => slow,
        () => ({ ...slow, password: 'new-word' }),
      ));
    it('of the version', (t) =>
      lossless(
        t,
        () => ({}),
        () => slow,
      ));

    it('without the pin costs a master-down time: the negative control', async (t) => {
      await bring(() => ({}));
      const watch = await watchFinely(on.bench);
      for (const number of [2, 3]) assign(number, { vrid: 77 as never, transition: 'hold' });
      await until('held', () => [2, 3].every((number) => partOf(number)?.pause?.reason === 'transition'));
      // Nobody leads: the holder changes like anybody else, and begins paused.
      assign(1, { vrid: 77 as never });
      // A report from before keepalived took the address down would say so, too.
      await until('it has joined anew', () => eventsOf(host(1), 'pause-ended').length === 2);
      await until('it holds again', () => partOf(1)?.vrid === 77 && partOf(1)?.held.length === 1);
      const result = await watch.stop();
      t.diagnostic(JSON.stringify(result));
      assert.ok(result.lost > 300);
    });
  });

  describe('that do not go as they should', { concurrency: 1 }, () => {
    const on = stage();
    const { host, partOf, assign, settled, bring, applied, pinned } = on;

    it('that nobody finishes ends by itself: the held join their group again', async () => {
      await bring(() => ({}));
      const watch = await watchFinely(on.bench);
      for (const number of [2, 3]) assign(number, { transition: 'hold' });
      await until('held', () => [2, 3].every((number) => partOf(number)?.pause?.reason === 'transition'));
      await on.bench.peer.stop();
      await until(
        'they take part again',
        () => [2, 3].every((number) => eventsOf(host(number), 'pause-ended').length === 2),
        6000,
      );
      assert.equal((await watch.stop()).moves, '');
    });

    it('whose leader is killed in one blow in the middle leaves a pin that the kernel removes', async () => {
      await bring(() => ({}));
      for (const number of [2, 3]) assign(number, { vrid: 77 as never, transition: 'hold' });
      await until('held', () => [2, 3].every((number) => partOf(number)?.pause?.reason === 'transition'));
      assign(1, { vrid: 77 as never, transition: 'lead' });
      await until('pinned', () => pinned().length === 1);
      await host(1).kill();
      await until(
        'another holds when its hold is over',
        () => host(2).held().length + host(3).held().length === 1,
        10_000,
      );
      await until('the kernel has removed the pin', () => pinned().length === 0, 8000);
    });

    it('reaches a member that became holder meanwhile: it keeps what runs until it holds no more', async () => {
      await bring(() => ({}));
      const before = partOf(1)?.vrid;
      const generation = assign(1, { vrid: 77 as never, transition: 'hold' });
      await applied(1, generation);
      assert.deepEqual(
        [before, partOf(1)?.vrid, partOf(1)?.state, partOf(1)?.pause],
        [51, 51, 'MASTER', null],
      );
      on.bench.linkDown(host(1));
      await until('it has changed', () => eventsOf(host(1), 'applied').length === 2);
      on.bench.linkUp(host(1));
    });

    it('does not let a newcomer take adverts with another password for those of its holder', async () => {
      await bring(() => slow);
      await host(3).kill();
      host(3).wipe();
      host(3).start();
      const generation = assign(3, { ...slow, password: 'new-word' });
      await applied(3, generation);
      // With the right one it would take part within a second.
      await sleep(2500);
      assert.equal(partOf(3)?.pause?.reason, 'joining');
      // Nor by the right one, as long as its keepalived does not know that.
      const { keepalived } = host(3).pids();
      for (const pid of keepalived) process.kill(pid, 'SIGSTOP');
      assign(3, slow);
      await sleep(2500);
      assert.equal(partOf(3)?.pause?.reason, 'joining');
      for (const pid of keepalived) process.kill(pid, 'SIGCONT');
      await settled();
    });

    it('that have to wait leave a member that starts anew with what it ran', async () => {
      await bring(() => slow);
      await host(3).kill();
      const waiting = { ...slow, password: 'new-word', transition: 'keep' } as const;
      const generation = assign(3, waiting);
      host(3).start();
      await applied(3, generation);
      await settled();
      // The next life as well, and without a word from anybody.
      await host(3).kill();
      await on.bench.peer.stop();
      const begun = eventsOf(host(3), 'pause-ended').length;
      host(3).start();
      await until('it takes part', () => eventsOf(host(3), 'pause-ended').length > begun);
      assert.equal(eventsOf(host(3), 'pause-ended').at(-1)?.['by'], 'advert');
    });
  });
});
