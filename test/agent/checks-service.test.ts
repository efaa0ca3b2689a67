// `service` checks on real keepalived: what the coordinator's words on tasks do to the address, and what their absence
// and their number must never do.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Check } from '../../shared/checks.ts';
import type { AssignedInstance } from '../../shared/protocol.ts';
import { type Bench, createBench, eventsOf, instanceFor, nth, until } from './bench.ts';
import { judgeLossless, watchFinely } from './fine-witness.ts';
import { watchAddresses } from './witness.ts';

const runs: Check = {
  ...{ kind: 'service', name: 'runs', service: 'shop_web', timing: { intervalMs: 200, jitterMs: 20 } },
  ...{ timeoutMs: 500, rise: 2, fall: 2, weight: -15 },
};
const { weight: _, ...fault } = runs;
/** Longer than a word stays fresh, and than any check takes to fail on it. */
const silenceMs = 6_000;

describe('checks of a service', () => {
  let bench: Bench;
  let counter = 0;
  let epoch = 1;
  let talk: NodeJS.Timeout | undefined;
  before(async () => {
    bench = await createBench(2);
    await bench.peer.start();
  });
  after(() => bench.close());
  const host = (number: number) => nth(bench, number);
  const partOf = (number: number) => host(number).report()?.instances[0];
  const checkOf = (number: number) => partOf(number)?.checks?.[0];
  const holders = () =>
    bench.hosts.flatMap((each, index) => (each.held().length > 0 ? [index + 1] : [])).join();
  const assign = (all: Partial<AssignedInstance>) => {
    counter += 1;
    for (const [index, each] of bench.hosts.entries()) {
      each.assign(counter, [instanceFor(each, bench.hosts, { priority: 250 - 10 * index, ...all })]);
    }
  };
  const say = (places: readonly number[], from = epoch) => {
    for (const [index, each] of bench.hosts.entries()) {
      const running = places.includes(index + 1);
      const words = [{ service: 'shop_web', running, detail: running ? 'it runs' : 'it runs not' }];
      each.sendText(JSON.stringify({ type: 'tasks', epoch: from, words }));
    }
  };
  /** As a coordinator does it: the same again, and again. */
  const runsOn = (...places: number[]) => {
    clearInterval(talk);
    say(places);
    talk = setInterval(() => say(places), 500);
  };
  const silence = () => clearInterval(talk);
  const reloads = () =>
    bench.hosts
      .flatMap((each) => eventsOf(each, 'keepalived-phase'))
      .filter((line) => line['to'] === 'reloading').length;

  beforeEach(async () => {
    for (const each of bench.hosts) if (each.pids().agent === undefined) each.start();
    await until('all report', () => bench.hosts.every((each) => each.report()));
    runsOn(1, 2);
    assign({ checks: [runs] });
    await until('the first holds, every check passes', () => {
      const up = bench.hosts.every((_each, index) => checkOf(index + 1)?.up && checkOf(index + 1)?.lastRunMs);
      return up && partOf(1)?.state === 'MASTER' && partOf(2)?.state === 'BACKUP' && holders() === '1';
    });
    for (const each of bench.hosts) each.log().length = 0;
  });
  afterEach(silence);

  it('move the address to where a task runs and back, without loss and without a reload', async (t) => {
    const watch = await watchFinely(bench);
    runsOn(2);
    await until('the second holds', () => holders() === '2' && partOf(2)?.state === 'MASTER');
    await until('the first tells why', () => checkOf(1)?.output === 'it runs not');
    runsOn(1, 2);
    await until('the first holds', () => holders() === '1' && partOf(1)?.state === 'MASTER');
    judgeLossless(t, await watch.stop());
    assert.equal(reloads(), 0);
  });

  it('follow no flutter within their intervals, however often tasks come and go, and never reload', async () => {
    assign({ checks: [{ ...runs, timing: { intervalMs: 2000, jitterMs: 0 } }] });
    await until('it is in force', () => host(1).report()?.applied?.counter === counter);
    silence();
    const watches = bench.hosts.map((each) => watchAddresses(bench, each));
    const generation = host(1).report()?.applied;
    for (let round = 0; round < 100; round++) {
      say(round % 2 === 0 ? [1, 2] : [2]);
      await sleep(15);
    }
    assert.equal(holders(), '1');
    assert.deepEqual(await Promise.all(watches.map((watch) => watch.stop())), [[], []]);
    assert.equal(reloads(), 0);
    assert.deepEqual(host(1).report()?.applied, generation);
  });

  it('stand when nothing is said any more, good or bad, and tell how old that is', async () => {
    runsOn(2);
    await until('the second holds', () => holders() === '2');
    silence();
    const watches = bench.hosts.map((each) => watchAddresses(bench, each));
    await sleep(silenceMs);
    assert.deepEqual(await Promise.all(watches.map((watch) => watch.stop())), [[], []]);
    for (const [number, up] of [
      [1, false],
      [2, true],
    ] as const) {
      assert.equal(checkOf(number)?.up, up);
      assert.match(checkOf(number)?.output ?? '', /^no news for [4-9] s; last: it runs/);
      assert.ok(Date.now() - (checkOf(number)?.lastRunMs ?? 0) > 2_000, 'its age is that of the last word');
    }
  });

  it('do not fail for a bad word that was the last of a dying coordinator', async () => {
    assign({ checks: [{ ...runs, timing: { intervalMs: 2000, jitterMs: 0 }, fall: 3 }] });
    await until('it is checked anew', () => (checkOf(1)?.lastRunMs ?? 0) > Date.now() - 100);
    silence();
    say([2]);
    await until('it is heard', () => checkOf(1)?.output === 'it runs not');
    await sleep(silenceMs + 2_000);
    assert.deepEqual([checkOf(1)?.up, holders()], [true, '1']);
  });

  it('stand when the agent is killed, with and without words', async () => {
    runsOn(2);
    await until('the second holds', () => holders() === '2');
    silence();
    const watches = bench.hosts.map((each) => watchAddresses(bench, each));
    for (const number of [1, 2]) {
      process.kill(host(number).pids().agent ?? assert.fail('no agent'), 'SIGKILL');
      await until('adopted', () => eventsOf(host(number), 'adopted').length > 0);
    }
    await until('the kept words are found', () => checkOf(1)?.up === false && checkOf(2)?.up === true);
    await sleep(2_000);
    assert.deepEqual(await Promise.all(watches.map((watch) => watch.stop())), [[], []]);
    assert.deepEqual([partOf(1)?.effectivePriority, holders()], [235, '2']);
  });

  it('begin with the kept word when there is no coordinator', async () => {
    assign({ checks: [fault] });
    runsOn(2);
    await until('the second holds', () => holders() === '2' && partOf(1)?.pause?.reason === 'check');
    silence();
    await bench.peer.stop();
    for (const each of bench.hosts) await each.stop();
    for (const each of bench.hosts) each.start();
    await until('the second holds again', () => holders() === '2');
    await sleep(2_000);
    assert.equal(holders(), '2');
    await bench.peer.start();
    await until('the first says why it does not', () => partOf(1)?.pause?.reason === 'check');
    assert.match(partOf(1)?.pause?.detail ?? '', /check runs fails: no news for \d+ s; last: it runs not/);
  });

  it('of an earlier epoch are not believed', async () => {
    epoch += 1;
    for (let round = 0; round < 20; round++) {
      await sleep(150);
      say([2], epoch - 1);
    }
    assert.deepEqual([checkOf(1)?.up, checkOf(1)?.output, holders()], [true, 'it runs', '1']);
  });

  it('let a member join once something was said, and not before', async () => {
    await host(2).stop();
    host(2).wipe();
    silence();
    host(2).start();
    await until(
      'it waits',
      () =>
        partOf(2)?.pause?.detail === 'waits for the first result of check runs' && checkOf(2)?.up === null,
      20_000,
    );
    await sleep(2_000);
    assert.equal(partOf(2)?.pause?.reason, 'joining');
    runsOn(1, 2);
    await until('it takes part', () => partOf(2)?.pause === null && partOf(2)?.state === 'BACKUP');
  });

  it('leave nobody holding where they are a fault and all fail', async () => {
    runsOn();
    assign({ checks: [fault] });
    await until('nobody holds', () => holders() === '');
    await until('both say why', () =>
      [1, 2].every((number) => partOf(number)?.pause?.detail === 'check runs fails: it runs not'),
    );
  });
});
