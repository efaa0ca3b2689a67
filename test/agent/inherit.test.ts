// The last keepalived that is not ours ends on a node: its addresses stay there until ours holds them, unless somebody
// else does. The test plays the coordinator.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { heirSeconds } from '../../agent/core/inheritance.ts';
import type { AssignedInstance } from '../../shared/protocol.ts';
import { eventsOf, type Host, instanceFor, until } from './bench.ts';
import { onBench } from './by-hand.ts';
import { watchFinely } from './fine-witness.ts';
import { vip, watchHolders } from './witness.ts';

const six = 'fd99::100';
const both = { addresses: [`${vip}/32`, `${six}/128`] } as Pick<AssignedInstance, 'addresses'>;
/** News from the kernel, and a command that waits for it; on a machine that does other things, too. */
const keptWithinMs = 150;
/** An advert by way of the sensor, and a command that has to start. */
const leftWithinMs = 250;

describe('an heir', { concurrency: true }, () => {
  onBench('whose old keepalived ends', ({ bench, hosts, byHand, has, lookOn, seenBy }) => {
    const onLoopback = (host: Host) =>
      host.exec('ip', '-o', 'addr', 'show', 'dev', 'lo').includes(` ${vip}/32 `);
    const heir = (host: Host, change: Partial<AssignedInstance> = {}) =>
      instanceFor(host, bench().hosts, {
        ...both,
        observe: true,
        inherit: true,
        peersConfirmed: false,
        ...change,
      });
    /** The first is about to inherit, the others join. */
    const begin = async () => {
      const [one, two, three] = hosts();
      const old = await byHand(one, 150, { address: `${vip}/32`, more: `${six}/128` });
      await until('it holds', () => has(one));
      one.assign(1, [heir(one)]);
      for (const host of [two, three]) {
        host.assign(1, [instanceFor(host, bench().hosts, { ...both, peersConfirmed: false })]);
      }
      await until('the first is heir', () => seenBy(one)?.inherits);
      await until('the others ask', () =>
        [two, three].every((host) => host.report()?.instances[0]?.pause?.reason === 'joining'),
      );
      return { one, two, three, old };
    };
    /** What the coordinator says when Swarm calls the old container ended. */
    const takeOver = (counter = 2) => {
      for (const host of bench().hosts) host.assign(counter, [instanceFor(host, bench().hosts, both)]);
    };

    it('keeps its addresses on lo until its own keepalived holds them', async (t) => {
      const { one, two, three, old } = await begin();
      assert.equal(onLoopback(one), false, 'not before the end');
      const [four, sixth] = [await watchFinely(bench()), await watchFinely(bench(), six, 'fd99::2')];
      await old.stop();
      await until('kept', () => onLoopback(one));
      // As long as a container takes to end, and Swarm to say so.
      await sleep(1500);
      takeOver();
      await until('its own holds', () => one.report()?.instances[0]?.state === 'MASTER' && has(one));
      await until('all take part', () =>
        [two, three].every((host) => host.report()?.instances[0]?.pause === null),
      );
      await until('lo is empty again', () => !onLoopback(one));
      const [v4, v6] = [await four.stop(), await sixth.stop()];
      t.diagnostic(JSON.stringify({ v4, v6 }));
      assert.equal(v4.moves, '-1 +1');
      assert.ok(v4.longestGapMs < keptWithinMs + v4.controlGapMs, `${v4.longestGapMs} ms`);
      assert.ok(v4.lost < keptWithinMs + v4.controlGapMs, `${v4.lost} lost`);
      assert.deepEqual(eventsOf(one, 'inherits').length, 1);
      assert.doesNotMatch(one.saved('owned.json'), /"pin"/);
    });

    it('leaves them at once to another old one that takes over', async (t) => {
      const { one, two, old } = await begin();
      two.assign(2, [lookOn(two)]);
      await until('ours has ended there', () => two.pids().keepalived.length === 0);
      // The coordinator did not know of it.
      const other = await byHand(two, 100, { address: `${vip}/32`, more: `${six}/128` });
      await sleep(1500);
      let heldMs: number | undefined;
      let leftMs: number | undefined;
      const watch = setInterval(() => {
        if (heldMs === undefined && has(two)) heldMs = performance.now();
        if (onLoopback(one) || has(one)) leftMs = performance.now();
      }, 5);
      await old.stop();
      await until('the other holds', () => has(two));
      await until('nothing is kept', () => !onLoopback(one));
      await sleep(500);
      clearInterval(watch);
      const twoMs = Math.round((leftMs ?? Number.NaN) - (heldMs ?? Number.NaN));
      t.diagnostic(JSON.stringify({ twoMs, kept: eventsOf(one, 'inherits').length }));
      assert.ok(twoMs < leftWithinMs, `${twoMs} ms`);
      one.assign(3, [instanceFor(one, bench().hosts, both)]);
      await until('it asks', () => one.report()?.instances[0]?.pause?.detail.includes('is answered'));
      await sleep(1000);
      assert.deepEqual([onLoopback(one), has(one), has(two)], [false, false, true]);
      await other.stop();
    });

    it('keeps nothing without the coordinator’s word, and gives back to the old one that returns', async () => {
      const { one, old } = await begin();
      await old.stop();
      await until('kept', () => onLoopback(one));
      const again = await byHand(one, 150, { address: `${vip}/32`, more: `${six}/128` });
      await until('it is left to the old one', () => has(one) && !onLoopback(one));
      assert.equal(seenBy(one)?.inherits, true);
      one.assign(2, [heir(one, { inherit: undefined })]);
      await until('no heir any more', () => seenBy(one)?.inherits === undefined);
      await again.stop();
      await sleep(500);
      assert.equal(onLoopback(one), false);
      assert.equal(eventsOf(one, 'inherits').length, 1);
    });

    it('goes on when its Node process dies while its own keepalived joins', async (t) => {
      const { one, old } = await begin();
      const witness = await watchFinely(bench());
      await old.stop();
      await until('kept', () => onLoopback(one));
      takeOver();
      await until('its own joins', () => one.report()?.instances[0]?.pause?.reason === 'joining');
      const { agent } = one.pids();
      assert.ok(agent);
      process.kill(agent, 'SIGKILL');
      await until('its own holds', () => has(one));
      await until('lo is empty again', () => !onLoopback(one), 3000);
      const result = await witness.stop();
      t.diagnostic(JSON.stringify(result));
      assert.equal(result.moves, '-1 +1');
      assert.ok(result.longestGapMs < keptWithinMs + result.controlGapMs, `${result.longestGapMs} ms`);
    });

    it('that dies in between leaves nothing for long, and another one takes over', async (t) => {
      const { one, two, three, old } = await begin();
      const watch = watchHolders([two, three]);
      await old.stop();
      await until('kept', () => onLoopback(one));
      await one.kill();
      // Nobody lists the dead one as reason to wait.
      for (const host of [two, three]) host.assign(2, [instanceFor(host, [two, three], both)]);
      const began = performance.now();
      await sleep(3000);
      assert.deepEqual([onLoopback(one), has(two), has(three)], [true, false, false]);
      await until('the kernel has removed them', () => !onLoopback(one), heirSeconds(3, 100) * 1000 + 2000);
      t.diagnostic(`kept for ${Math.round(performance.now() - began)} ms`);
      await until('another one holds', () => has(two) !== has(three), 5000);
      assert.ok((await watch.stop()) < 20);
    });
  });
});
