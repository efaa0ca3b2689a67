// Things die: Node, keepalived, both, the container. The address stays, or is given up within the bound; never twice.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { masterDownMs } from '../../shared/timers.ts';
import { type Bench, bringUp, createBench, eventsOf, nth, until } from './bench.ts';
import { judge, probe, vip, watchAddresses, watchHolders } from './witness.ts';

/** 3 intervals and the skew of the second member. */
const boundMs = Math.ceil(masterDownMs(3, 100, 248));

/** The first holds, the second would. */
function stage() {
  let bench: Bench;
  before(async () => {
    bench = await createBench(2);
    await bench.peer.start();
    for (const host of bench.hosts) host.start();
    await bringUp(bench.hosts);
  });
  after(() => bench.close());
  const first = () => nth(bench, 1);
  const second = () => nth(bench, 2);
  return {
    first,
    second,
    get bench() {
      return bench;
    },
    agentPid: () => until('Node runs', () => first().pids().agent),
    settled: () =>
      until('the first holds, the second does not, nobody is paused', () =>
        [first(), second()].every((host, index) => {
          const [instance] = host.report()?.instances ?? [];
          // What keepalived said last is known, whichever side of the FIFO began anew.
          const isTrue = instance?.state === (index === 0 ? 'MASTER' : 'BACKUP');
          return isTrue && instance.pause === null && host.held().length === 1 - index && host.pids().agent;
        }),
      ),
  };
}

// Most of the time is waiting: two benches side by side.
describe('when things die', { concurrency: true }, () => {
  describe('the address is held by one', { concurrency: 1 }, () => {
    const on = stage();
    const { first, second, agentPid, settled } = on;

    it('ten kills of Node lose no probe, change no address, and each next life adopts keepalived', async () => {
      const keepalived = first().pids().keepalived;
      const pings = await probe(on.bench);
      const addresses = watchAddresses(on.bench, first());
      for (let kill = 1; kill <= 10; kill += 1) {
        process.kill(await agentPid(), 'SIGKILL');
        await until(`adoption ${kill}`, () => eventsOf(first(), 'adopted').length >= kill);
        // A minute of life resets the delay; here every second kill comes while the agent is starting.
        if (kill % 2 === 0) await sleep(150);
      }
      await until('a report of the last life', () => {
        const report = first().report();
        return report?.instances[0]?.state === 'MASTER' && report.applied?.counter === 1;
      });
      assert.equal((await pings.stop()).lost, 0);
      assert.deepEqual(await addresses.stop(), []);
      assert.deepEqual(first().pids().keepalived, keepalived);
      assert.equal(
        eventsOf(first(), 'keepalived-phase').filter((line) => line['to'] === 'reloading').length,
        0,
      );
    });

    it('leaves no helper of a killed Node behind', async () => {
      await until('one address monitor an agent', () => first().monitors() === 1, 5000);
    });

    it('a failover still works while Node is dead, and the next life knows the new state', async () => {
      const pid = await agentPid();
      process.kill(pid, 'SIGSTOP');
      on.bench.linkDown(first());
      await until('the second holds', () => second().held().length === 1 && first().held().length === 0);
      process.kill(pid, 'SIGKILL');
      const seen = eventsOf(first(), 'adopted').length;
      await until('adopted', () => eventsOf(first(), 'adopted').length > seen);
      // Its link is down: it can tell its log only.
      await until('FAULT is known', () => eventsOf(first(), 'vrrp-state').at(-1)?.['to'] === 'FAULT');
      on.bench.linkUp(first());
      await settled();
    });

    it('a keepalived killed with its child is swept, its peer takes over within the bound, and it joins again', async (t) => {
      const pings = await probe(on.bench);
      const holders = watchHolders(on.bench.hosts);
      const [parent = 0, child = 0] = first().pids().keepalived;
      // A stopped parent cannot respawn its child, a dead child cannot say goodbye: nobody cleans up.
      process.kill(parent, 'SIGSTOP');
      process.kill(child, 'SIGKILL');
      process.kill(parent, 'SIGKILL');
      await until('swept', () => first().held().length === 0);
      await until('the second holds', () => second().held().length === 1);
      await settled();
      const outage = await pings.stop();
      judge(t, outage, boundMs);
      assert.ok((await holders.stop()) < 100);
      assert.equal(eventsOf(first(), 'orphans-removed').length, 1);
      assert.equal(first().report()?.keepalived.restarts, 1);
      assert.ok(!first().report()?.problems.length, 'a problem is left');
    });

    it('a killed child is respawned by its parent, a killed parent takes its child along: both within the bound', async (t) => {
      for (const victim of [1, 0]) {
        const pings = await probe(on.bench);
        const holders = watchHolders(on.bench.hosts);
        const pid = first().pids().keepalived[victim];
        assert.ok(pid);
        process.kill(pid, 'SIGKILL');
        await until(
          'it is replaced',
          () => first().pids().keepalived.length === 2 && !first().pids().keepalived.includes(pid),
        );
        await settled();
        const outage = await pings.stop();
        judge(t, outage, boundMs);
        assert.ok((await holders.stop()) < 100);
      }
      assert.equal(first().report()?.keepalived.restarts, 3);
    });

    it('a container killed in one blow leaves an orphan, which its successor sweeps before it joins paused', async () => {
      const held = () => first().held().includes(`${vip}/32`);
      await first().kill();
      assert.ok(held(), 'the address is expected to stay');
      first().start();
      await until('swept', () => !held());
      assert.ok(
        eventsOf(first(), 'orphans-removed').some((line) => JSON.stringify(line).includes('127.112.0.51/32')),
      );
      await settled();
    });

    it('a successor waits, saying so once, until its predecessor on the same host has ended', async (t) => {
      const successor = first().twin();
      successor.start();
      await until('it says that it waits', () =>
        successor.log().some((line) => line.msg?.includes('waits for its end')),
      );
      await sleep(1500);
      assert.equal(successor.pids().agent, undefined);
      const pings = await probe(on.bench);
      await first().stop();
      await until('the successor runs', () => successor.pids().agent);
      await until('the successor holds', () => first().held().length === 1 && second().held().length === 0);
      const outage = await pings.stop();
      judge(t, outage, boundMs);
      assert.equal(successor.log().filter((line) => line.msg?.includes('waits for its end')).length, 1);
      assert.equal(await successor.stop(), 0);
      first().start();
      await settled();
    });
  });

  describe('PID 1', { concurrency: 1 }, () => {
    const on = stage();
    const { first, second, agentPid, settled } = on;

    it('stale pid files that name a living process keep no keepalived from starting', async () => {
      // As after a restart of the container: 1 is always there, and it is not keepalived.
      for (const file of ['keepalived.pid', 'vrrp.pid']) writeFileSync(join(first().runDir, file), '1\n');
      const [parent = 0, child = 0] = first().pids().keepalived;
      process.kill(parent, 'SIGSTOP');
      process.kill(child, 'SIGKILL');
      process.kill(parent, 'SIGKILL');
      await until('it is gone', () => !first().pids().keepalived.includes(parent));
      // What the agent said before it has noticed looks settled.
      await until('it is started again', () => first().report()?.keepalived.restarts === 1);
      await settled();
      assert.equal(first().report()?.keepalived.restarts, 1);
    });

    it('PID 1 kills a hung Node and starts it again; keepalived goes on', async () => {
      const pings = await probe(on.bench);
      const seen = eventsOf(first(), 'adopted').length;
      process.kill(await agentPid(), 'SIGSTOP');
      await until('a new life adopts', () => eventsOf(first(), 'adopted').length > seen, 25_000);
      assert.ok(
        first()
          .log()
          .some((line) => line.msg?.includes('the agent hangs')),
      );
      assert.equal((await pings.stop()).lost, 0);
    });

    it('PID 1 stops keepalived itself when Node cannot', async () => {
      process.kill(await agentPid(), 'SIGSTOP');
      const began = performance.now();
      assert.equal(await first().stop(), 0);
      assert.ok(performance.now() - began < 13_500);
      assert.deepEqual(first().held(), []);
      await until('the second holds', () => second().held().length === 1);
      assert.deepEqual(first().pids().keepalived, []);
    });

    it('PID 1 ends with 78 when the settings cannot be used, so that Swarm shows it', async () => {
      first().start({ NODE_ID: 'nonsense' });
      assert.equal(await first().ended(), 78);
      assert.ok(
        first()
          .log()
          .some((line) => line.msg?.includes('NODE_ID: found "nonsense"')),
      );
    });
  });
});
