// Planned moves on real keepalived: standing aside and the hand-over before a stop lose no probe, and nobody who
// stands aside ever holds again. The same moves without make-before-break are the negative controls.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AssignedInstance } from '../../shared/protocol.ts';
import { type Bench, createBench, eventsOf, instanceFor, nth, until } from './bench.ts';
import { judgeLossless, watchFinely } from './fine-witness.ts';
import { vip } from './witness.ts';

/** Far apart, so that a break before make costs the successor's skew: 256 − 100 parts of an interval, 61 ms. */
const priorities = [250, 100, 60];

/** Three hosts; whoever a test has stopped is started again, and every test begins from the same place. */
function stage() {
  let bench: Bench;
  let counter = 0;
  before(async () => {
    bench = await createBench(3);
    await bench.peer.start();
  });
  after(() => bench.close());
  const host = (number: number) => nth(bench, number);
  const partOf = (number: number) => host(number).report()?.instances[0];
  const holders = () => bench.hosts.flatMap((each, index) => (each.held().length > 0 ? [index + 1] : []));
  const reason = (number: number) => partOf(number)?.pause?.reason;

  /** One more assignment for everybody; what differs, by host. */
  const assign = (
    changes: Record<number, Partial<AssignedInstance>> = {},
    all: Partial<AssignedInstance> = {},
  ) => {
    counter += 1;
    bench.hosts.forEach((each, index) => {
      const priority = priorities[index] ?? 1;
      each.assign(counter, [instanceFor(each, bench.hosts, { priority, ...all, ...changes[index + 1] })]);
    });
  };
  const story = () =>
    JSON.stringify(
      bench.hosts.map((_, index) => {
        const { state, pause } = partOf(index + 1) ?? {};
        return { state, pause };
      }),
    );
  const settled = (holder: number) =>
    until(
      () => `host ${holder} holds alone, nobody is paused: held by ${holders()}, reports ${story()}`,
      () =>
        bench.hosts.every((_, index) => {
          const part = partOf(index + 1);
          const state = index + 1 === holder ? 'MASTER' : 'BACKUP';
          return part?.pause === null && part.state === state && holders().join() === String(holder);
        }),
    );
  beforeEach(async () => {
    for (const each of bench.hosts) {
      if (each.pids().agent === undefined) each.start();
    }
    await until('all report', () => bench.hosts.every((each) => each.report()));
    assign();
    await settled(1);
    for (const each of bench.hosts) each.log().length = 0;
  });

  return {
    ...{ host, partOf, holders, reason, assign, settled },
    get bench() {
      return bench;
    },
  };
}

// Most of the time is waiting: two benches side by side.
describe('planned moves', { concurrency: true }, () => {
  describe('by order', { concurrency: 1 }, () => {
    const on = stage();
    const { host, partOf, holders, reason, assign, settled } = on;

    it('a holder that stands aside is relieved without a lost probe, and then takes no part; it comes back likewise', async (t) => {
      const watch = await watchFinely(on.bench);
      assign({ 1: { standAside: 'relieved' } });
      await until(
        'the second holds, the first is aside',
        () => holders().join() === '2' && reason(1) === 'standing-aside',
      );
      judgeLossless(t, await watch.stop());
      const back = await watchFinely(on.bench);
      assign();
      await settled(1);
      judgeLossless(t, await back.stop());
      for (const each of on.bench.hosts) {
        const reloads = eventsOf(each, 'keepalived-phase').filter((line) => line['to'] === 'reloading');
        assert.equal(reloads.length, 0);
      }
    });

    it('one that stands aside at once costs its successor’s skew: the negative control', async (t) => {
      const watch = await watchFinely(on.bench);
      assign({ 1: { standAside: 'now' } });
      await until('the second holds', () => holders().join() === '2' && reason(1) === 'standing-aside');
      const result = await watch.stop();
      t.diagnostic(JSON.stringify(result));
      assert.ok(result.lost >= 30, `lost ${result.lost}`);
    });

    it('goes on holding at priority 1 while nobody can take over, and is never a silent last resort afterwards', async () => {
      for (const number of [2, 3]) await host(number).stop();
      assign({ 1: { standAside: 'relieved' } });
      await until('it says 1', () => partOf(1)?.effectivePriority === 1);
      await sleep(1000);
      assert.deepEqual([holders(), partOf(1)?.state, partOf(1)?.pause], [[1], 'MASTER', null]);
      host(2).start();
      await until('the second relieves it', () => holders().join() === '2' && reason(1) === 'standing-aside');
      await host(2).stop();
      await sleep(1500);
      assert.deepEqual(holders(), []);
      assign();
      await until('it holds again when it may', () => holders().join() === '1');
    });

    it('stands aside through a restart of Node, of the container, and a reload', async () => {
      assign({ 1: { standAside: 'relieved' } });
      await until('the second holds', () => holders().join() === '2' && reason(1) === 'standing-aside');
      const watch = await watchFinely(on.bench);
      const pid = host(1).pids().agent;
      if (pid) process.kill(pid, 'SIGKILL');
      await until('adopted', () => eventsOf(host(1), 'adopted').length === 1);
      await until('it says so again', () => reason(1) === 'standing-aside');
      assign({ 1: { standAside: 'relieved' } }, { addresses: [`${vip}/32`, '10.99.0.101/32'] });
      await until('reloaded', () => partOf(1)?.addresses.length === 2 && partOf(2)?.addresses.length === 2);
      await on.bench.peer.stop();
      await host(1).stop();
      host(1).start();
      await until('from disk', () => eventsOf(host(1), 'pause-began').at(-1)?.['to'] === 'standing-aside');
      await sleep(1500);
      const { moves, lost, controlLost } = await watch.stop();
      assert.deepEqual([moves, lost <= controlLost], ['', true]);
      await on.bench.peer.start();
      assign();
      // Agents come back within 10 s, and join.
      await settled(1);
    });

    it('keeps yielding through a restart of Node, and steps aside when relieved meanwhile', async () => {
      for (const number of [2, 3]) await host(number).stop();
      assign({ 1: { standAside: 'relieved' } });
      await until('it says 1', () => partOf(1)?.effectivePriority === 1);
      const pid = host(1).pids().agent;
      if (pid) process.kill(pid, 'SIGSTOP');
      host(2).start();
      await until('the second holds', () => holders().join() === '2');
      if (pid) process.kill(pid, 'SIGKILL');
      await until('adopted, and aside', () => reason(1) === 'standing-aside');
      assert.deepEqual(holders(), [2]);
    });
  });

  describe('before a stop, and afterwards', { concurrency: 1 }, () => {
    const on = stage();
    const { host, partOf, holders, reason, assign, settled } = on;

    it('on SIGTERM hands over first, with the coordinator dead, and leaves nothing behind', async (t) => {
      await on.bench.peer.stop();
      const watch = await watchFinely(on.bench);
      assert.equal(await host(1).stop(), 0);
      judgeLossless(t, await watch.stop());
      assert.deepEqual(holders(), [2]);
      assert.equal(`${eventsOf(host(1), 'hand-over-ended')[0]?.['kept']}`, '');
      await on.bench.peer.start();
      host(1).start();
      assign();
      await settled(1);
    });

    it('on SIGTERM without the hand-over costs the successor’s skew: the negative control', async (t) => {
      await host(1).stop();
      host(1).start({ TEST_NO_HAND_OVER: '1' });
      await settled(1);
      const watch = await watchFinely(on.bench);
      await host(1).stop();
      await until('the second holds', () => holders().join() === '2');
      const result = await watch.stop();
      t.diagnostic(JSON.stringify(result));
      assert.ok(result.lost >= 30, `lost ${result.lost}`);
    });

    it('on SIGTERM waits in vain for dead peers no longer than the bound, and a second SIGTERM ends the wait', async () => {
      for (const number of [2, 3]) await host(number).stop();
      const stopping = host(1);
      const beganMs = performance.now();
      await stopping.stop();
      const tookMs = performance.now() - beganMs;
      // Not before a backup could have taken over; PID 1 would kill it after 8 s.
      assert.ok(tookMs > 850 && tookMs < 8000, `${tookMs} ms`);
      assert.deepEqual(eventsOf(stopping, 'hand-over-ended').at(-1)?.['kept'], ['web']);
      assert.deepEqual(holders(), []);
      stopping.start();
      await until('it holds again', () => holders().join() === '1');
      const stopped = stopping.stop();
      await until('it waits', () => eventsOf(stopping, 'hand-over-began').length === 2);
      process.kill(stopping.pids().init, 'SIGTERM');
      await stopped;
      assert.equal(eventsOf(stopping, 'hand-over-ended').at(-1)?.['hastened'], true);
    });

    it('the taker dies before the yielding holder stood aside: the holder goes on, within the bound', async () => {
      await host(3).stop();
      const pid = host(1).pids().agent;
      // Its agent sees nothing, as if the FIFO line of BACKUP came late.
      assign({ 1: { standAside: 'relieved' } });
      await until('it says 1', () => partOf(1)?.effectivePriority === 1);
      if (pid) process.kill(pid, 'SIGSTOP');
      await until('the second holds', () => holders().join() === '2');
      await host(2).kill();
      host(2).wipe();
      await until('the first holds again', () => holders().join() === '1', 2000);
      if (pid) process.kill(pid, 'SIGCONT');
    });

    it('without preemption a holder keeps the address when a higher member returns, through a restart of Node', async () => {
      const sticky = { preempt: false } as const;
      assign({}, sticky);
      await host(1).stop();
      await until('the second holds with its bonus', () => partOf(2)?.effectivePriority === 253);
      host(1).start();
      assign({}, sticky);
      await until('the first takes part', () => partOf(1)?.state === 'BACKUP');
      const watch = await watchFinely(on.bench);
      const pid = host(2).pids().agent;
      if (pid) process.kill(pid, 'SIGKILL');
      await until('adopted', () => eventsOf(host(2), 'adopted').length === 1);
      await until('it says 253', () => partOf(2)?.effectivePriority === 253);
      await sleep(700);
      assert.equal((await watch.stop()).moves, '');
      assign({ 2: { standAside: 'relieved' } }, sticky);
      await until(
        'a hand-over works all the same',
        () => holders().join() === '1' && reason(2) === 'standing-aside',
      );
    });

    it('a member that joins leaves a lower holder alone for the delay, and no longer', async () => {
      const delay = { preemptDelayMs: 3000 };
      await host(1).stop();
      await until('the second holds', () => holders().join() === '2');
      host(1).start();
      assign({}, delay);
      await until('the first takes part', () => partOf(1)?.state === 'BACKUP');
      const sinceMs = performance.now();
      assert.equal(partOf(1)?.effectivePriority, 1);
      await until('it preempts', () => holders().join() === '1');
      const tookMs = performance.now() - sinceMs;
      assert.ok(tookMs > 2500, `${tookMs} ms`);
    });
  });
});
