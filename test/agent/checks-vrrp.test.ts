// Checks on real keepalived: what a failing one does to the address, and what it must never do.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import type { Check } from '../../shared/checks.ts';
import { type AssignedInstance, Report } from '../../shared/protocol.ts';
import { masterDownMs } from '../../shared/timers.ts';
import { type Bench, createBench, eventsOf, type Host, instanceFor, nth, until } from './bench.ts';
import { judgeLossless, watchFinely } from './fine-witness.ts';
import { judge, probe, watchAddresses } from './witness.ts';

const boundMs = Math.ceil(masterDownMs(3, 100, 240));
const timing = { intervalMs: 200, jitterMs: 20 };
const common = { timing, timeoutMs: 500, rise: 2, fall: 2 };
/** Fails while there is a file "down" in the node's directory. */
const isUp: Check = { kind: 'script', name: 'up', script: { file: 'up' }, ...common };
const web: Check = {
  kind: 'http',
  name: 'backend',
  url: 'http://127.0.0.1:8080/',
  method: 'GET',
  headers: {},
  status: [[200, 200]],
  body: 'alive',
  ...common,
};
const backend = `require('http').createServer((q, r) => r.end('alive')).listen(8080, () => console.log('listening'))`;

describe('checks', () => {
  let bench: Bench;
  let counter = 0;
  const root = mkdtempSync(join(tmpdir(), 'checks-vrrp-'));
  const directory = (number: number) => join(root, String(number));
  before(async () => {
    bench = await createBench(3);
    await bench.peer.start();
    for (const number of [1, 2, 3]) {
      mkdirSync(directory(number));
      const script = (name: string, text: string) =>
        writeFileSync(join(directory(number), name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
      script('up', '[ ! -e down ] || { echo "there is a file down"; exit 1; }');
      script('slowly-up', 'sleep 1.5');
      script('tell', 'echo "$@" >>told');
      script('tell-slowly', 'sleep 0.4; echo "$@" >>told');
    }
  });
  after(async () => {
    await bench.close();
    rmSync(root, { recursive: true });
  });
  const host = (number: number) => nth(bench, number);
  const numberOf = (each: Host) => bench.hosts.indexOf(each) + 1;
  const start = (number: number) => host(number).start({ CHECKS_DIR: directory(number) });
  const down = (number: number) => writeFileSync(join(directory(number), 'down'), '');
  const up = (number: number) => rmSync(join(directory(number), 'down'), { force: true });
  const partOf = (number: number) => host(number).report()?.instances[0];
  const checkOf = (number: number, name = 'up') =>
    partOf(number)?.checks?.find((check) => check.name === name);
  const holders = () => bench.hosts.filter((each) => each.held().length > 0).map(numberOf);
  const assign = (
    all: Partial<AssignedInstance> = {},
    changes: Record<number, Partial<AssignedInstance>> = {},
  ) => {
    counter += 1;
    for (const each of bench.hosts) {
      const number = numberOf(each);
      const priority = [250, 240, 230][number - 1] ?? 1;
      each.assign(counter, [instanceFor(each, bench.hosts, { priority, ...all, ...changes[number] })]);
    }
  };
  const settled = (holder: number) =>
    until(`host ${holder} holds alone, nobody is paused`, () =>
      bench.hosts.every((each) => {
        const part = partOf(numberOf(each));
        const state = numberOf(each) === holder ? 'MASTER' : 'BACKUP';
        return part?.pause === null && part.state === state && holders().join() === String(holder);
      }),
    );
  const checked = () =>
    until('every check has passed', () =>
      bench.hosts.every((each) =>
        partOf(numberOf(each))?.checks?.every((check) => check.up && check.lastRunMs),
      ),
    );
  const killAgent = async (number: number) => {
    const adopted = eventsOf(host(number), 'adopted').length;
    const pid = host(number).pids().agent ?? assert.fail('no agent');
    process.kill(pid, 'SIGKILL');
    await until('adopted', () => eventsOf(host(number), 'adopted').length > adopted);
  };
  const reloads = () =>
    bench.hosts
      .flatMap((each) => eventsOf(each, 'keepalived-phase'))
      .filter((line) => line['to'] === 'reloading');

  beforeEach(async () => {
    for (const number of [1, 2, 3]) {
      up(number);
      if (host(number).pids().agent === undefined) start(number);
    }
    await until('all report', () => bench.hosts.every((each) => each.report()));
    assign();
    await settled(1);
    for (const each of bench.hosts) each.log().length = 0;
  });

  it('a failing fault check makes the holder give up in time, says why, and gives back when it passes', async (t) => {
    assign({ checks: [isUp] });
    await checked();
    const pings = await probe(bench);
    const fromMs = performance.now();
    down(1);
    await until('the second holds', () => holders().join() === '2');
    const tookMs = performance.now() - fromMs;
    t.diagnostic(`moved ${Math.round(tookMs)} ms after the fault; promised ${2 * 220 + 500 + boundMs} ms`);
    await until(
      'the report says why',
      () => partOf(1)?.pause?.reason === 'check' && partOf(1)?.state === 'FAULT',
    );
    assert.equal(partOf(1)?.pause?.detail, 'check up fails: exit code 1: there is a file down');
    assert.equal(checkOf(1)?.up, false);
    assert.ok(v.is(Report, host(1).report()));
    up(1);
    await settled(1);
    judge(t, await pings.stop(), boundMs);
    assert.equal(reloads().length, 0, 'checks must never reload keepalived');
  });

  it('the same without a check moves nothing: the negative control', async () => {
    const watches = bench.hosts.map((each) => watchAddresses(bench, each));
    down(1);
    await sleep(1500);
    assert.deepEqual(await Promise.all(watches.map((watch) => watch.stop())), [[], [], []]);
  });

  it('a failing check with a weight moves the address and gives it back, and no probe is lost', async (t) => {
    assign({ checks: [{ ...isUp, weight: -15 }] });
    await checked();
    const watch = await watchFinely(bench);
    down(1);
    await until('the second holds', () => holders().join() === '2' && partOf(1)?.effectivePriority === 235);
    await until(
      'the first is a lowered backup',
      () => partOf(1)?.state === 'BACKUP' && partOf(2)?.state === 'MASTER',
    );
    assert.deepEqual([partOf(1)?.state, partOf(1)?.pause, checkOf(1)?.weight], ['BACKUP', null, -15]);
    up(1);
    await settled(1);
    const result = await watch.stop();
    judgeLossless(t, result);
    assert.deepEqual(
      result.moves.split(' ').filter((move) => move.startsWith('+')),
      ['+2', '+1'],
    );
  });

  it('a weight keeps somebody holding when the check fails everywhere; a fault leaves nobody', async () => {
    const watch = watchAddresses(bench, host(1));
    assign({ checks: [{ ...isUp, weight: -253 }] });
    await checked();
    for (const number of [1, 2, 3]) down(number);
    await until('it fails everywhere', () => [1, 2, 3].every((number) => checkOf(number)?.up === false));
    await sleep(1500);
    assert.equal(holders().length, 1);
    await watch.stop();
    assign({ checks: [isUp] });
    await until('nobody holds', () => holders().length === 0);
  });

  it('a backend that hangs is found by its missing answer', async (t) => {
    const server = bench.spawnIn(host(1), process.execPath, '-e', backend);
    const others = [2, 3].map((number) => bench.spawnIn(host(number), process.execPath, '-e', backend));
    await Promise.all(
      [server, ...others].map((child) => new Promise((done) => child.stdout?.once('data', done))),
    );
    assign({ checks: [web] });
    await checked();
    const pings = await probe(bench);
    server.kill('SIGSTOP');
    await until('the second holds', () => holders().join() === '2');
    await until('the report says why', () => partOf(1)?.pause?.reason === 'check');
    assert.equal(checkOf(1, 'backend')?.output, 'no answer within 500 ms');
    server.kill('SIGCONT');
    await settled(1);
    judge(t, await pings.stop(), boundMs);
    const metrics = host(1).exec('curl', '-s', '-m', '5', 'http://127.0.0.1:9165/metrics');
    assert.match(metrics, /^swarm_vip_check_up\{group="web",check="backend"\} 1$/m);
    assert.match(metrics, /^swarm_vip_check_duration_seconds\{group="web",check="backend"\} 0\.?\d*$/m);
    for (const child of [server, ...others]) child.kill('SIGKILL');
  });

  it('a drain goes before a weight: the holder is relieved without loss, and comes back lowered', async (t) => {
    const checks = [{ ...isUp, weight: -5 }];
    assign({ checks });
    await checked();
    down(1);
    await until(
      'it holds on, lowered',
      () => partOf(1)?.effectivePriority === 245 && holders().join() === '1',
    );
    const watch = await watchFinely(bench);
    assign({ checks }, { 1: { standAside: 'relieved' } });
    await until('relieved', () => holders().join() === '2' && partOf(1)?.pause?.reason === 'standing-aside');
    judgeLossless(t, await watch.stop());
    assign({ checks });
    await until('it leads again', () => holders().join() === '1' && partOf(1)?.effectivePriority === 245);
  });

  it('a SIGTERM of the holder hands over to a lowered member: one that holds is better than none', async (t) => {
    assign({ checks: [{ ...isUp, weight: -100 }] });
    await checked();
    down(2);
    down(3);
    await until('both are lowered', () => [2, 3].every((number) => checkOf(number)?.up === false));
    await until(
      'lowered in their order',
      () => partOf(2)?.effectivePriority === 140 && partOf(3)?.effectivePriority === 130,
    );
    const watch = await watchFinely(bench);
    await host(1).stop();
    judgeLossless(t, await watch.stop());
    assert.equal(holders().length, 1);
  });

  it('members at the floor are in order, too: a SIGTERM of the holder loses nothing', async (t) => {
    const floors = { 1: { floor: 4 }, 2: { floor: 3 }, 3: { floor: 2 } };
    assign({ checks: [{ ...isUp, weight: -253 }] }, floors);
    await checked();
    down(2);
    down(3);
    await until('at their floors', () =>
      [2, 3].every((number) => partOf(number)?.effectivePriority === 5 - number),
    );
    const watch = await watchFinely(bench);
    await host(1).stop();
    judgeLossless(t, await watch.stop());
    assert.deepEqual(holders(), [2]);
  });

  it('a SIGKILL of Node changes nothing, neither while a fault lasts nor while a weight does', async () => {
    assign({ checks: [isUp] });
    await checked();
    down(1);
    await until('the second holds', () => holders().join() === '2' && partOf(1)?.pause?.reason === 'check');
    const watches = bench.hosts.map((each) => watchAddresses(bench, each));
    const tell = () => Promise.all(watches.map((watch) => watch.stop()));
    await killAgent(1);
    await until('it fails again', () => checkOf(1)?.lastRunMs && checkOf(1)?.up === false);
    await sleep(1000);
    assert.deepEqual([await tell(), partOf(1)?.state, partOf(2)?.state], [[[], [], []], 'FAULT', 'MASTER']);
    up(1);
    await settled(1);

    assign({ checks: [{ ...isUp, weight: -15 }] });
    await until('as a weight', () => checkOf(1)?.weight === -15 && checkOf(1)?.up);
    down(1);
    await until('the second holds', () => holders().join() === '2' && partOf(1)?.effectivePriority === 235);
    const priorities = () =>
      host(1)
        .log()
        .filter((line) => line.event === 'vrrp-state' && line['group'] === 'web')
        .map((line) => line['to']);
    host(1).log().length = 0;
    const again = bench.hosts.map((each) => watchAddresses(bench, each));
    await killAgent(1);
    await until('it fails again', () => checkOf(1)?.lastRunMs && checkOf(1)?.up === false);
    await sleep(500);
    assert.deepEqual(await Promise.all(again.map((watch) => watch.stop())), [[], [], []]);
    assert.deepEqual([partOf(1)?.effectivePriority, priorities().includes('MASTER')], [235, false]);
  });

  it('a node that starts with a failing check never holds, not even for a moment', async () => {
    await host(1).stop();
    await until('the second holds', () => holders().join() === '2');
    down(1);
    const watch = watchAddresses(bench, host(1));
    assign({ checks: [isUp] });
    start(1);
    await until('it is kept out by the check', () => partOf(1)?.pause?.reason === 'check');
    await sleep(1000);
    assert.deepEqual(await watch.stop(), []);
    assert.deepEqual(holders(), [2]);
    up(1);
    await until('it takes over once it passes', () => holders().join() === '1');
  });

  it('a node that starts waits for the first result, and says so', async () => {
    await host(1).stop();
    await until('the second holds', () => holders().join() === '2');
    const slow: Check = { ...isUp, name: 'slow', script: { file: 'slowly-up' }, timeoutMs: 5000 };
    assign({ checks: [slow] });
    start(1);
    const waits = 'waits for the first result of check slow';
    await until(
      'it waits',
      () => partOf(1)?.pause?.detail === waits && partOf(1)?.pause?.reason === 'joining',
    );
    assert.deepEqual(holders(), [2]);
    await until('it takes over', () => holders().join() === '1');
  });

  it('a check that is added to a holder disturbs it only after it has failed `fall` times', async () => {
    down(1);
    const watch = watchAddresses(bench, host(1));
    assign({ checks: [{ ...isUp, fall: 8 }] });
    await until('it has failed', () => checkOf(1)?.output.startsWith('exit code 1'));
    await sleep(300);
    assert.deepEqual([checkOf(1)?.up, holders(), await watch.stop()], [true, [1], []]);
    await until('the second holds', () => holders().join() === '2');
    assign();
    // Without the check nothing is in the way.
    await settled(1);
  });

  it('a script that is missing is a problem with its remedy, and a failure', async () => {
    assign({ checks: [{ ...isUp, script: { file: 'nothing' }, weight: -1 }] });
    const problem = await until('a problem', () =>
      host(1)
        .report()
        ?.problems.find(({ code }) => code === 'check-script-missing'),
    );
    assert.match(problem.where, /group web, check up/);
    assert.match(problem.remedy, /mount nothing into .* mode 0555/);
    await until('it fails', () => checkOf(1)?.up === false);
    assign();
    await until('the problem is gone', () => host(1).report()?.problems.length === 0);
  });

  it('a notify script that fails is a problem until the group has another', async () => {
    assign({ notify: { file: 'nothing' } });
    await until('taken over', () => host(1).report()?.applied?.counter === counter);
    bench.linkDown(host(1));
    await until('the second holds', () => holders().includes(2));
    bench.linkUp(host(1));
    await settled(1);
    const has = () =>
      host(1)
        .report()
        ?.problems.some(({ code }) => code === 'notify-failed');
    await until('a problem', has);
    assign();
    await until('the problem is gone', () => !has());
  });

  it('a notify script is told of every change in order, with the arguments of keepalived, and holds up nothing', async (t) => {
    const told = (number: number) => {
      const file = join(directory(number), 'told');
      const lines = readFileSync(file, { encoding: 'utf8', flag: 'a+' }).trim().split('\n').filter(Boolean);
      return lines;
    };
    assign({ notify: { file: 'tell-slowly', args: ['first'] } });
    await until('taken over by all', () =>
      bench.hosts.every((each) => each.report()?.applied?.counter === counter),
    );
    const pings = await probe(bench);
    for (let round = 0; round < 2; round += 1) {
      bench.linkDown(host(1));
      await until('the second holds', () => holders().includes(2));
      bench.linkUp(host(1));
      await until('the first holds again', () => holders().join() === '1');
    }
    judge(t, await pings.stop(), boundMs);
    const expected = ['MASTER', 'BACKUP', 'MASTER', 'BACKUP'].map(
      (state) => `first INSTANCE web ${state} 240`,
    );
    await until('all is told', () => told(2).length >= 4);
    assert.deepEqual(told(2), expected);
    await killAgent(2);
    await until('its state is known', () => partOf(2)?.state === 'BACKUP');
    await sleep(600);
    assert.deepEqual(told(2), expected, 'a restart of the agent is no change of state');
    assign({ notify: { file: 'tell' } });
    await until('taken over by all', () =>
      bench.hosts.every((each) => each.report()?.applied?.counter === counter),
    );
    await host(3).stop();
    // Its own priority at that moment: who leaves stands aside first.
    assert.equal(told(3).at(-1), 'INSTANCE web STOP 1');
  });
});
