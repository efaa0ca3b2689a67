// A group that gets another name on its nodes, one after the other: for real keepalived it stays the same virtual router.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AssignedInstance } from '../../shared/protocol.ts';
import type { GroupName } from '../../shared/words.ts';
import { type Bench, createBench, eventsOf, instanceFor, nth, until } from './bench.ts';
import { judgeLossless, watchFinely } from './fine-witness.ts';
import { startHosts, wipeHosts } from './fresh-hosts.ts';

const named = (group: string) => ({ group: group as GroupName });
const renamed = { ...named('web'), formerly: named('production').group };

describe('a group under another name', () => {
  let bench: Bench;
  let counter = 0;
  before(async () => {
    bench = await createBench(3);
  });
  after(() => bench.close());
  beforeEach(() => startHosts(bench));
  afterEach(() => wipeHosts(bench));

  const host = (number: number) => nth(bench, number);
  const partOf = (number: number) => host(number).report()?.instances[0];
  const assign = async (number: number, change: Partial<AssignedInstance>) => {
    counter += 1;
    const generation = counter;
    host(number).assign(generation, [instanceFor(host(number), bench.hosts, change)]);
    await until(
      `host ${number} has applied ${generation}`,
      () => host(number).report()?.applied?.counter === generation,
    );
  };
  const settled = (holder = 1) =>
    until(`host ${holder} holds, nobody is paused`, () =>
      [1, 2, 3].every((number) => {
        const part = partOf(number);
        return part?.pause === null && part.state === (number === holder ? 'MASTER' : 'BACKUP');
      }),
    );
  const bring = async (change: Partial<AssignedInstance> = {}) => {
    await assign(1, { ...named('production'), ...change });
    await until('the first holds', () => partOf(1)?.state === 'MASTER');
    for (const number of [2, 3]) await assign(number, { ...named('production'), ...change });
    await settled();
  };
  /** What the agents tell to have happened under the new name. */
  const past = () =>
    [1, 2, 3].flatMap((number) =>
      eventsOf(host(number), 'transition').filter(({ group }) => group === 'web'),
    );

  it('goes on everywhere: no state changes, no probe is lost, and its past stays short', async (t) => {
    await bring();
    const watch = await watchFinely(bench);
    for (const number of [2, 1, 3]) {
      await assign(number, renamed);
      assert.deepEqual([partOf(number)?.group, partOf(number)?.pause], ['web', null]);
    }
    await settled();
    await sleep(500);
    const result = await watch.stop();
    judgeLossless(t, result);
    assert.equal(result.moves, '');
    assert.deepEqual(past(), []);
    assert.deepEqual(
      [1, 2, 3].map((number) => partOf(number)?.effectivePriority),
      [1, 2, 3].map((number) => partOf(number)?.priority),
    );
  });

  it('keeps what its holder has added to its priority, and hands over as before', async (t) => {
    await bring({ preempt: false });
    const sticky = 253;
    await until('the holder is sticky', () => partOf(1)?.effectivePriority === sticky);
    const watch = await watchFinely(bench);
    for (const number of [1, 2, 3]) await assign(number, { ...renamed, preempt: false });
    await settled();
    assert.equal(partOf(1)?.effectivePriority, sticky);
    await assign(1, { ...renamed, preempt: false, standAside: 'relieved' });
    await until('another holds', () => partOf(2)?.state === 'MASTER' && partOf(1)?.pause !== null);
    judgeLossless(t, await watch.stop());
  });

  it('goes on in a next life of the agent, which was killed right after', async (t) => {
    await bring();
    const watch = await watchFinely(bench);
    await assign(1, renamed);
    const agent = host(1).pids().agent;
    assert.ok(agent);
    process.kill(agent, 'SIGKILL');
    await until('adopted', () => eventsOf(host(1), 'adopted').length === 1);
    for (const number of [2, 3]) await assign(number, renamed);
    await settled();
    const result = await watch.stop();
    judgeLossless(t, result);
    assert.equal(result.moves, '');
  });

  it('begins anew where nobody says what it was called: the negative control', async (t) => {
    await bring();
    const watch = await watchFinely(bench);
    await assign(1, named('web'));
    await settled();
    const result = await watch.stop();
    t.diagnostic(JSON.stringify(result));
    assert.notEqual(result.moves, '');
  });
});
