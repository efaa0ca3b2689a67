// A keepalived that somebody runs by hand, beside our agents: looked on at, reported, never fought.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventsOf, type Host, instanceFor, until } from './bench.ts';
import { onBench } from './by-hand.ts';
import { judge, probe, vip } from './witness.ts';

describe('beside a keepalived run by hand', { concurrency: true }, () => {
  onBench(
    'that is looked at',
    ({ bench, hosts, byHand, has, lookOn, states, seenBy, problemOf, addresses }) => {
      it('agents that look on report who holds, and change nothing on interfaces and wire', async () => {
        const [one, two, three] = hosts();
        const first = await byHand(one, 150);
        await byHand(two, 100);
        await until('the pair is up', () => has(one) && !has(two));
        // The second round of announcements is over.
        await sleep(1500);
        const before = [one, two, three].map(addresses);
        let wire = '';
        const capture = bench().spawnInLan('tcpdump', '-n', '-l', '-i', 'br0', 'proto 112 or arp');
        capture.stdout?.on('data', (data) => {
          wire += data;
        });
        await until('captures', () => wire.includes('VRRPv3'));
        for (const host of bench().hosts) host.assign(1, [lookOn(host)]);
        await until(
          'all see it',
          () =>
            states(one, two, three) === 'MASTER BACKUP INIT' && seenBy(one)?.advert && seenBy(two)?.advert,
        );
        const { stateSinceMs: _, ...seen } = seenBy(one) ?? {};
        const advert = {
          ...{ interface: 'eth0', source: one.address, vrid: 51, version: 3, priority: 150, intervalMs: 200 },
          addresses: [vip],
        };
        assert.deepEqual(seen, {
          ...{ group: 'web', vrid: 51, interface: 'eth0', addresses: [`${vip}/32`], held: [`${vip}/32`] },
          ...{ state: 'MASTER', keepalived: true, advert: { ...advert, sentHere: true } },
        });
        assert.deepEqual(seenBy(two)?.advert, { ...advert, sentHere: false });
        const metrics = one.exec('curl', '-s', '-m', '5', 'http://127.0.0.1:9165/metrics');
        const labels = `iname="web",intf="eth0",vrid="51",ip_address="${vip}"`;
        for (const line of [
          `keepalived_vrrp_state{${labels}} 2`,
          'keepalived_up 1',
          'swarm_vip_agent_observed{group="web"} 1',
          'swarm_vip_agent_foreign_keepalived 1',
        ])
          assert.ok(metrics.includes(`\n${line}\n`), line);
        assert.deepEqual(
          [one, two, three].map((host) => host.report()?.instances.length),
          [0, 0, 0],
        );
        assert.deepEqual(
          [one, two, three].map((host) => host.report()?.applied),
          [1, 1, 1].map((counter) => ({ epoch: 1, counter })),
        );
        await sleep(1500);
        assert.deepEqual([one, two, three].map(addresses), before);
        assert.deepEqual(
          bench().hosts.map((host) => host.pids().keepalived),
          [[], [], []],
        );
        const vrrp = wire.split('\n').filter((line) => line.includes('VRRP'));
        const foreign = vrrp.filter(
          (line) => !line.includes(`IP ${one.address} > `) || !line.includes('prio 150'),
        );
        assert.ok(vrrp.length > 10);
        assert.deepEqual(foreign, []);
        assert.ok(!wire.includes(vip), 'nobody announces or asks for the address');

        await first.stop();
        await until('the other one is seen to take over', () => states(one, two) === 'INIT MASTER');
        one.exec('ip', 'addr', 'add', `${vip}/32`, 'dev', 'eth0');
        await until('two holders show', () => states(one, two) === 'MASTER MASTER');
        assert.equal(seenBy(one)?.keepalived, false);
        // Ends, restarts and gone coordinators change nothing: what an agent has not put up stays.
        await one.stop();
        assert.ok(has(one));
        await bench().peer.stop();
        await two.kill();
        two.start();
        await until('goes on by what it was told last', () => eventsOf(two, 'observed-state').length > 1);
        assert.ok(has(two));
        assert.deepEqual(two.pids().keepalived, []);
      });

      it('for other addresses, an agent does its duty and names it', async () => {
        const [one, two] = hosts();
        await byHand(one, 150, { vrid: 99, address: '10.99.0.200/32', peers: [two] });
        await until('it holds', () => has(one, '10.99.0.200'));
        for (const host of [one, two]) host.assign(1, [instanceFor(host, [one, two])]);
        await until('ours holds as well', () => has(one));
        const problem = await until('it is named', () =>
          problemOf(one, 'foreign-keepalived')?.message.includes('VRID 99')
            ? problemOf(one, 'foreign-keepalived')
            : undefined,
        );
        assert.equal(problem.severity, 'warning');
        // Our own keepalived and listeners are none.
        await sleep(2500);
        assert.equal(problemOf(two, 'foreign-keepalived'), undefined);
        const move = instanceFor(one, [one, two], { standAside: 'now' });
        one.assign(2, [move]);
        await until('ours moves', () => has(two) && !has(one));
        assert.ok(has(one, '10.99.0.200'));
      });
    },
  );

  onBench('that is in the way', ({ bench, hosts, byHand, has, lookOn, states, problemOf, addresses }) => {
    it('an agent that is to take part stays out where that one holds, and begins when it has gone', async () => {
      const [one, two] = hosts();
      const other = await byHand(one, 150, { peers: [two] });
      await until('it holds', () => has(one));
      // One that comes in the same moment as the assignment is no stranger to stay out for.
      await until('the agent has seen it', () => problemOf(one, 'foreign-keepalived'));
      const before = addresses(one);
      one.assign(1, [instanceFor(one, [one, two])]);
      const problem = await until('a problem says so', () => problemOf(one, 'occupied'));
      assert.match(problem.message, /10\.99\.0\.100\/24 is on eth0/);
      assert.match(problem.remedy, /systemctl disable --now keepalived.*swarm-vip\.observe=yes/);
      await until('and which it is', () => problemOf(one, 'foreign-keepalived')?.message.includes('VRID 51'));
      assert.equal(problemOf(one, 'foreign-keepalived')?.severity, 'error');
      // A second life finds no record that would make the address its own.
      await one.kill();
      one.start();
      await until(
        'still out',
        () => eventsOf(one, 'problem').filter(({ code }) => code === 'occupied').length > 1,
      );
      assert.deepEqual(one.pids().keepalived, []);
      assert.equal(addresses(one), before);

      await other.stop();
      await until('takes part', () => one.held().includes(`${vip}/32`));
      await until('it is over', () => !problemOf(one, 'occupied') && !problemOf(one, 'foreign-keepalived'));
    });

    it('with the same VRID, an advert of it lets nobody in; nodes are switched over with one gap', async (t) => {
      const [one, two, three] = hosts();
      const other = await byHand(one, 150);
      await until('it holds', () => has(one));
      const witness = await probe(bench());
      const join = (host: Host, counter: number, peersConfirmed: boolean) =>
        host.assign(counter, [instanceFor(host, [one, two, three], { peersConfirmed })]);
      one.assign(1, [lookOn(one)]);
      for (const host of [two, three]) join(host, 1, false);
      const problem = await until('they stay out', () => problemOf(two, 'address-in-use'), 20_000);
      assert.match(problem.remedy, /run by hand/);
      assert.deepEqual([has(two), has(three)], [false, false]);
      await other.stop();
      // What the coordinator says once the agent there sees no keepalived any more.
      await until('its end is seen', () => states(one) === 'INIT');
      for (const host of [two, three]) join(host, 2, true);
      await until('one holds', () => has(two) !== has(three));
      await sleep(500);
      judge(t, await witness.stop(), 6_000);
      one.assign(2, [instanceFor(one, [one, two, three])]);
      await until('the preferred one takes part', () => one.report()?.instances[0]?.pause === null);
      await until('and holds alone', () => has(one) && !has(two) && !has(three));
    });

    it('that takes an address where ours is backup keeps it, and is named', async () => {
      const [one, two, three] = hosts();
      await until('ready', () => one.report() && two.report());
      for (const host of [one, two]) host.assign(1, [instanceFor(host, [two, one])]);
      await until('the group is up', () => one.report()?.instances[0]?.state === 'BACKUP' && has(two));
      await byHand(one, 150, { address: `${vip}/32`, peers: [three] });
      await until('it holds, too', () => has(one));
      let missing = 0;
      const watch = setInterval(() => {
        if (!has(one)) missing += 1;
      }, 100);
      await until('an error', () => problemOf(one, 'foreign-keepalived')?.severity === 'error');
      await sleep(4000);
      clearInterval(watch);
      assert.equal(missing, 0);
      assert.deepEqual(eventsOf(one, 'stray-removed'), []);
      assert.equal(one.report()?.instances[0]?.state, 'BACKUP');
    });
  });
});
