// Rule R1 on the wire: whoever was not running before begins paused. Each rule has its negative control.
import assert from 'node:assert/strict';
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AssignedInstance } from '../../shared/protocol.ts';
import {
  type Bench,
  bringUp,
  createBench,
  eventsFromNow,
  eventsOf,
  type Host,
  instanceFor,
  key,
  nth,
  until,
} from './bench.ts';
import { startHosts, wipeHosts } from './fresh-hosts.ts';
import { vip, watchHolders } from './witness.ts';

/** Two hosts that know nothing at the beginning of each test. */
function stage() {
  let bench: Bench;
  before(async () => {
    bench = await createBench(2);
  });
  after(() => bench.close());
  beforeEach(() => startHosts(bench));
  afterEach(() => wipeHosts(bench));
  const first = () => nth(bench, 1);
  const second = () => nth(bench, 2);
  const pauseOf = (host: Host) => host.report()?.instances[0]?.pause;
  return {
    first,
    second,
    pauseOf,
    get bench() {
      return bench;
    },
    /** The first holds and does not list the second, who lists the first: it would hear nothing and take the address. */
    async holderThatListsNobody() {
      await bringUp([first()]);
      second().assign(1, [instanceFor(second(), bench.hosts, { peersConfirmed: false })]);
      await until('the second runs paused', () => pauseOf(second()));
    },
  };
}

// Most of the time is waiting: two benches side by side.
describe('joining', { concurrency: true }, () => {
  describe('by what is on the wire', { concurrency: 1 }, () => {
    const on = stage();
    const { first, second, pauseOf, holderThatListsNobody } = on;

    it('waits as long as the holder does not list the newcomer, and not an interval longer', async () => {
      await holderThatListsNobody();
      const holders = watchHolders(on.bench.hosts);
      await until('it says who answers', () => pauseOf(second())?.reason === 'address-in-use', 10_000);
      assert.match(pauseOf(second())?.detail ?? '', /10\.99\.0\.100 is answered by [0-9a-f:]{17}/);
      assert.equal(second().report()?.problems[0]?.code, 'address-in-use');
      first().assign(2, [instanceFor(first(), on.bench.hosts)]);
      await until('the second takes part', () => second().report()?.instances[0]?.state === 'BACKUP');
      await sleep(500);
      assert.equal(await holders.stop(), 0);
      assert.deepEqual(second().report()?.problems, []);
      assert.equal(eventsOf(second(), 'pause-ended')[0]?.['by'], 'advert');
    });

    it('waits for adverts of IPv6 as it does for those of IPv4', async () => {
      const six = (host: Host, members: readonly Host[], change: Partial<AssignedInstance> = {}) =>
        instanceFor(host, members, {
          source: host.address6,
          peers: members
            .filter((member) => member !== host)
            .map((member) => ({ node: member.nodeId, address: member.address6 })),
          addresses: ['fd99::100/128'],
          ...change,
        });
      first().assign(1, [six(first(), [first()])]);
      await until('the first holds', () => first().held().length === 1);
      second().assign(1, [six(second(), on.bench.hosts, { peersConfirmed: false })]);
      await until('it says who answers', () => pauseOf(second())?.reason === 'address-in-use', 10_000);
      assert.match(pauseOf(second())?.detail ?? '', /fd99::100 is answered by [0-9a-f:]{17}/);
      first().assign(2, [six(first(), on.bench.hosts)]);
      await until('the second takes part', () => second().report()?.instances[0]?.state === 'BACKUP');
      assert.equal(eventsOf(second(), 'pause-ended')[0]?.['by'], 'advert');
      assert.deepEqual([first().held(), second().held()], [['fd99::100/128'], []]);
    });

    it('does not trust adverts that the firewall of its host hides from keepalived', async () => {
      await bringUp([first()]);
      first().assign(2, [instanceFor(first(), on.bench.hosts)]);
      second().exec(
        'nft',
        'add table ip t; add chain ip t i { type filter hook input priority 0; }; add rule ip t i ip protocol 112 drop',
      );
      second().assign(2, [instanceFor(second(), on.bench.hosts)]);
      await until('it says who answers', () => pauseOf(second())?.reason === 'address-in-use', 10_000);
      assert.deepEqual(second().held(), []);
      second().exec('nft', 'delete table ip t');
      await until('it takes part', () => second().report()?.instances[0]?.state === 'BACKUP');
    });

    it('works with a password, which neither a log line nor a report tells', async () => {
      await bringUp(on.bench.hosts, 1, { version: 2, intervalMs: 1000, password: 's3cret-8' });
      await sleep(1500);
      assert.deepEqual([first().held(), second().held()], [[`${vip}/32`], []]);
      const all = JSON.stringify([on.bench.peer.events(), ...on.bench.hosts.map((host) => host.log())]);
      assert.ok(!all.includes('s3cret-8'));
      const modes = ['assignment.json', 'owned.json'].map(
        (file) => statSync(`${first().stateDir}/${file}`).mode & 0o777,
      );
      assert.deepEqual(modes, [0o600, 0o600]);
    });

    it('goes on with a problem when the volume cannot be written, and saves its state when it can', async () => {
      await first().stop();
      chmodSync(first().stateDir, 0o500);
      first().start();
      first().assign(1, [instanceFor(first(), [first()])]);
      await until('it holds', () => first().held().length === 1);
      const stillBroken = () =>
        first()
          .report()
          ?.problems.some(({ code }) => code === 'state-not-saved');
      await until('it says what is wrong', () => stillBroken() === true);
      chmodSync(first().stateDir, 0o700);
      await until('the problem ends by itself', () => stillBroken() === false);
      assert.match(first().saved('assignment.json'), /"counter":1,/);
      assert.match(first().saved('owned.json'), /10\.99\.0\.100/);
    });

    it('talks to a manager once, even under two names', async () => {
      await first().stop();
      first().start({ COORDINATORS: '10.99.0.254, 10.99.0.253' });
      on.bench.inLan('ip', 'addr', 'add', '10.99.0.253/24', 'dev', 'br0');
      const hellos = () =>
        on.bench.peer
          .events()
          .filter((event) => event.node === first().nodeId && event.frame?.type === 'hello').length;
      const before = hellos();
      await until('both names are tried', () => hellos() >= before + 2);
      await sleep(2000);
      assert.equal(hellos(), before + 2);
      const seen = on.bench.peer.events().length;
      await until('reports go on', () => on.bench.peer.events().length > seen + 1);
      on.bench.inLan('ip', 'addr', 'del', '10.99.0.253/24', 'dev', 'br0');
    });

    it('makes two holders without the pause: the negative control', async () => {
      await holderThatListsNobody();
      writeFileSync(`${second().runDir}/pause/web`, '0\n');
      await until('both hold', () => first().held().length === 1 && second().held().length === 1, 5000);
      const holders = watchHolders(on.bench.hosts);
      await sleep(1000);
      assert.ok((await holders.stop()) > 900);
    });

    it('ends by silence alone only when the peers are confirmed', async () => {
      second().assign(1, [instanceFor(second(), on.bench.hosts, { peersConfirmed: false })]);
      await until('paused', () => pauseOf(second())?.reason === 'joining');
      await sleep(3000);
      assert.equal(pauseOf(second())?.reason, 'joining');
      assert.deepEqual(second().held(), []);
      second().assign(2, [instanceFor(second(), on.bench.hosts)]);
      await until('it holds', () => second().held().length === 1, 3000);
      assert.equal(
        eventsOf(second(), 'keepalived-phase').filter((line) => line['to'] === 'reloading').length,
        0,
      );
    });

    it('takes no silence of a dead link for proof', async () => {
      await bringUp([second()]);
      await second().stop();
      on.bench.linkDown(second());
      const since = eventsFromNow(second());
      second().start();
      await until('it begins from what it has on disk', () => since('pause-began').length === 1);
      await sleep(2500);
      assert.equal(since('pause-ended').length, 0);
      on.bench.linkUp(second());
      await until('it holds when the link is back', () => second().held().length === 1);
    });
  });

  describe('whatever is in the way', { concurrency: 1 }, () => {
    const on = stage();
    const { first, second, pauseOf } = on;

    it('is done when the own address appears only after keepalived has started', async () => {
      await bringUp([second()]);
      await second().stop();
      second().exec('ip', 'addr', 'del', '10.99.0.2/24', 'dev', 'eth0');
      const since = eventsFromNow(second());
      second().start();
      await until('it runs from what it has on disk', () => since('applied').length === 1);
      second().exec('ip', 'addr', 'add', '10.99.0.2/24', 'dev', 'eth0');
      await until('it holds', () => second().held().length === 1);
      assert.equal(since('source-appeared').length, 1);
    });

    it('stays out of an address that a stranger has, until the stranger leaves', async () => {
      on.bench.inLan('ip', 'addr', 'add', `${vip}/32`, 'dev', 'br0');
      first().assign(1, [instanceFor(first(), [first()])]);
      await until('address in use', () => pauseOf(first())?.reason === 'address-in-use');
      assert.deepEqual(first().held(), []);
      on.bench.inLan('ip', 'addr', 'del', `${vip}/32`, 'dev', 'br0');
      await until('it holds', () => first().held().length === 1);
      assert.deepEqual(first().report()?.problems, []);
    });

    it('ends with the group: a node that is to run nothing more asks nobody and has no problem', async () => {
      on.bench.inLan('ip', 'addr', 'add', `${vip}/32`, 'dev', 'br0');
      first().assign(1, [instanceFor(first(), [first()])]);
      await until('address in use', () => first().report()?.problems[0]?.code === 'address-in-use');
      first().assign(2, []);
      await until('it runs nothing', () => first().report()?.applied?.counter === 2);
      await until('the problem is over', () => first().report()?.problems.length === 0);
      on.bench.inLan('ip', 'addr', 'del', `${vip}/32`, 'dev', 'br0');
    });

    it('happens anew when a group changes its virtual router id', async () => {
      await bringUp(on.bench.hosts);
      second().assign(2, [instanceFor(second(), on.bench.hosts, { vrid: 77 as never })]);
      await until('it runs paused', () => second().report()?.instances[0]?.vrid === 77 && pauseOf(second()));
      assert.deepEqual(second().held(), []);
    });

    it('of all members at once, cold, without any coordinator, is done from what is kept on disk', async () => {
      await bringUp(on.bench.hosts);
      await on.bench.peer.stop();
      for (const host of on.bench.hosts) await host.stop();
      assert.deepEqual([first().held(), second().held()], [[], []]);
      const holders = watchHolders(on.bench.hosts);
      for (const host of on.bench.hosts) host.start();
      await until(
        'the first holds',
        () => first().held().length === 1 && second().held().length === 0,
        10_000,
      );
      await until('both take part', () =>
        on.bench.hosts.every((host) => eventsOf(host, 'pause-ended').length === 2),
      );
      assert.ok((await holders.stop()) < 100);
      await on.bench.peer.start();
      await until('both report again', () =>
        on.bench.hosts.every((host) => host.report()?.applied?.counter === 1),
      );
    });

    it('ignores a broken file on disk as a reported problem', async () => {
      await bringUp([first()]);
      await first().stop();
      writeFileSync(`${first().stateDir}/assignment.json`, '{"node":"x","assignment":{"instances":[{');
      first().start();
      const problem = await until('the problem', () =>
        first()
          .report()
          ?.problems.find((found) => found.code === 'state-unreadable'),
      );
      assert.match(problem.where, /assignment\.json/);
      first().assign(1, [instanceFor(first(), [first()])]);
      await until('it holds', () => first().held().length === 1);
    });

    it('is never asked for by a coordinator with another key: the handshake fails', async () => {
      await on.bench.peer.stop();
      await on.bench.peer.start(`not-${key}`);
      await until(
        'refused handshakes',
        () => on.bench.peer.events().filter((event) => event.event === 'tls-error').length >= 2,
      );
      assert.ok(!on.bench.peer.events().some((event) => event.event === 'frame'));
      const words = () => eventsOf(first(), 'coordinator-lost').map((line) => String(line['why']));
      const isRefusal = (why: string) => /bad record mac|decryption failed/i.test(why);
      await until('it is said', () => words().some(isRefusal));
      const said = words();
      const refused = said.filter(isRefusal);
      assert.equal(refused.length, 1, `said once, not at every attempt: ${said.join(' | ')}`);
    });
  });
});
