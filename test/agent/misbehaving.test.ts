// A keepalived that misbehaves: each way is a named fixture, a script that stands before the real one in the PATH. Every
// test on the real agent; two benches side by side, since most of the time is waiting.
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { masterDownMs } from '../../shared/timers.ts';
import { type Bench, bringUp, createBench, eventsOf, type Host, instanceFor, nth, until } from './bench.ts';
import { judge, probe, vip, watchHolders } from './witness.ts';

interface Scene {
  readonly bench: Bench;
  readonly first: Host;
  readonly second: Host;
  /** Tells the fixture to do something: a file beside it. */
  readonly tell: (word: string) => void;
  readonly told: (word: string) => string;
  /** The first runs the fixture, the second the real keepalived. */
  start(): void;
}

/** A bench of two hosts for one fixture. */
async function withFixture(name: string, play: (scene: Scene) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'misbehaving-'));
  const file = join(directory, 'keepalived');
  copyFileSync(new URL(`fixtures/keepalived-${name}`, import.meta.url), file);
  const bench = await createBench(2);
  try {
    await bench.peer.start();
    const [first, second] = [nth(bench, 1), nth(bench, 2)];
    await play({
      bench,
      first,
      second,
      tell: (word) => writeFileSync(`${file}.${word}`, ''),
      told: (word) => readFileSync(`${file}.${word}`, 'utf8'),
      start() {
        first.start({ PATH: `${directory}:${process.env['PATH']}`, LOG_LEVEL: 'info' });
        second.start();
      },
    });
  } finally {
    await bench.close();
    rmSync(directory, { recursive: true });
  }
}

const boundMs = Math.ceil(masterDownMs(3, 100, 248));
const holdsAlone = (holder: Host, other: Host) =>
  holder.held().includes(`${vip}/32`) && other.held().length === 0;

describe('a keepalived that', { concurrency: 2 }, () => {
  it('ignores SIGTERM is handed over from and killed within the grace of a stop, its addresses gone', (t) =>
    withFixture('ignores-sigterm', async ({ bench, first, second, start }) => {
      start();
      await bringUp(bench.hosts);
      const pings = await probe(bench);
      const holders = watchHolders(bench.hosts);
      const beganMs = performance.now();
      assert.equal(await first.stop(), 0);
      const tookMs = performance.now() - beganMs;
      t.diagnostic(`stopped in ${Math.round(tookMs)} ms`);
      // PID 1 would cut the agent short after 8 s.
      assert.ok(tookMs < 8_000, `${tookMs} ms`);
      assert.equal(eventsOf(first, 'keepalived-hangs').length, 1);
      assert.ok(holdsAlone(second, first));
      assert.deepEqual(first.pids().keepalived, []);
      assert.ok((await holders.stop()) < 100);
      judge(t, await pings.stop(), boundMs);
    }));

  it('crashes at its start is tried ever more rarely, named, and heals when it works again', () =>
    withFixture('crashes-at-start', async ({ bench, first, second, tell, told, start }) => {
      start();
      await until('both report', () => bench.hosts.every((host) => host.report()));
      for (const host of bench.hosts) host.assign(1, [instanceFor(host, bench.hosts)]);
      const problem = await until('the problem is named', () =>
        first.report()?.problems.find(({ code }) => code === 'keepalived-down'),
      );
      assert.match(problem.message, /exit code 3.*the moon is in the wrong house/);
      await until('the second holds', () => holdsAlone(second, first));
      await sleep(8_000);
      assert.equal(first.report()?.keepalived.phase, 'backing-off');
      // 0.4 s (peers may take over), 1, 2, 4, 8 s apart.
      const starts = told('starts').trim().split('\n').length;
      assert.ok(starts >= 4 && starts <= 6, `${starts} starts`);
      tell('works');
      await until('the first holds again', () => holdsAlone(first, second), 20_000);
      await until('the problem is over', () => first.report()?.problems.length === 0);
    }));

  it('hangs in a configuration test is refused after ten seconds, with words, and the old one goes on', () =>
    withFixture('hangs-in-config-test', async ({ bench, first, tell, start }) => {
      start();
      await bringUp(bench.hosts);
      const [before, pings] = [first.pids().keepalived, await probe(bench)];
      tell('hangs');
      const beganMs = performance.now();
      first.assign(2, [instanceFor(first, bench.hosts, { addresses: [`${vip}/32`, '10.99.0.101/32'] })]);
      const rejected = await until('it is refused', () => first.report()?.rejected, 13_000);
      assert.ok(performance.now() - beganMs > 9_000, 'it had its time');
      assert.equal(rejected.counter, 2);
      assert.match(rejected.reason, /still reading \(no end within 10000 ms\)/);
      assert.equal((await pings.stop()).lost, 0);
      assert.deepEqual([first.report()?.applied?.counter, first.held()], [1, [`${vip}/32`]]);
      assert.deepEqual(first.pids().keepalived, before);
    }));

  it('ends at a reload and leaves its addresses is swept, and its peer holds within the bound', (t: TestContext) =>
    withFixture('exits-at-reload', async ({ bench, first, second, start }) => {
      start();
      await bringUp(bench.hosts);
      const pings = await probe(bench);
      const holders = watchHolders(bench.hosts);
      first.assign(2, [instanceFor(first, bench.hosts, { addresses: [`${vip}/32`, '10.99.0.101/32'] })]);
      await until('the second holds', () => holdsAlone(second, first));
      await until('it says what it has swept', () => eventsOf(first, 'orphans-removed').length === 1);
      await until('the first holds again, with what it was to load', () => first.held().length === 2);
      await until('it is applied', () => first.report()?.applied?.counter === 2);
      assert.equal(first.report()?.keepalived.restarts, 1);
      await until('no problem is left', () => first.report()?.problems.length === 0);
      assert.ok((await holders.stop()) < 100);
      judge(t, await pings.stop(), boundMs);
    }));

  it('floods its log holds up nobody, and fills neither memory nor our log', () =>
    withFixture('floods-its-log', async ({ bench, first, second, tell, start }) => {
      start();
      await bringUp(bench.hosts);
      const pings = await probe(bench);
      tell('floods');
      await sleep(5_000);
      assert.equal((await pings.stop()).lost, 0);
      const said = eventsOf(first, 'keepalived-says').length;
      assert.ok(said >= 1 && said <= 100, `${said} lines in our log`);
      assert.equal(eventsOf(first, 'keepalived-flood').length, 1);
      const agent = first.pids().agent;
      const rssKb = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent}/status`, 'utf8'))?.[1]);
      assert.ok(rssKb < 120_000, `${rssKb} kB`);
      // It still hears the flooder, and is heard.
      bench.linkDown(first);
      await until('the second holds', () => second.held().length === 1);
      bench.linkUp(first);
      await until('the first holds again', () => holdsAlone(first, second));
      assert.deepEqual(eventsOf(first, 'adopted'), [], 'one life of the agent');
    }));

  it('has nonsense in its notify FIFO is understood all the same', () =>
    withFixture('garbles-its-fifo', async ({ bench, first, second, start }) => {
      start();
      await bringUp(bench.hosts);
      await sleep(2_000);
      assert.equal(first.report()?.instances[0]?.state, 'MASTER');
      const metrics = first.exec('wget', '-qO-', 'http://127.0.0.1:9165/metrics');
      const unknown = Number(/^swarm_vip_agent_fifo_unknown_lines_total (\d+)/m.exec(metrics)?.[1]);
      assert.ok(unknown >= 10, `${unknown} unknown lines`);
      bench.linkDown(first);
      await until('its fault is known', () => eventsOf(first, 'transition').at(-1)?.['to'] === 'FAULT');
      bench.linkUp(first);
      await until('it holds again', () => holdsAlone(first, second));
      await until('and says so', () => first.report()?.instances[0]?.state === 'MASTER');
      assert.deepEqual(
        eventsOf(first, 'transition').filter(({ to }) => to === 'DANCING'),
        [],
      );
      assert.deepEqual(eventsOf(first, 'adopted'), [], 'one life of the agent');
    }));
});
