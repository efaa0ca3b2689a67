// The agent against real keepalived: comes up, fails over, changes, refuses, stops.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import * as v from 'valibot';
import { type AssignedInstance, Report } from '../../shared/protocol.ts';
import { masterDownMs } from '../../shared/timers.ts';
import { GroupName, Vrid } from '../../shared/words.ts';
import { type Bench, bringUp, createBench, eventsOf, instanceFor, nth, until } from './bench.ts';
import { judge, probe, vip, watchAddresses, watchHolders } from './witness.ts';

/** 3 intervals and the skew of the second member. */
const boundMs = Math.ceil(masterDownMs(3, 100, 248));

describe('the agent', () => {
  let bench: Bench;
  before(async () => {
    bench = await createBench(2);
    await bench.peer.start();
    for (const host of bench.hosts) host.start();
  });
  after(() => bench.close());
  const first = () => nth(bench, 1);
  const second = () => nth(bench, 2);
  const both = () => [first(), second()];
  const mine = (change: Partial<AssignedInstance> = {}) =>
    both().map((host) => instanceFor(host, both(), change));
  const reloads = () =>
    both()
      .flatMap((host) => eventsOf(host, 'keepalived-phase'))
      .filter((line) => line['to'] === 'reloading');
  const assignBoth = (counter: number, change: Partial<AssignedInstance> = {}) => {
    const [a, b] = mine(change);
    if (a && b)
      for (const [host, instance] of [
        [first(), a],
        [second(), b],
      ] as const)
        host.assign(counter, [instance]);
  };
  const applied = (counter: number) =>
    until(`generation ${counter} is applied`, () =>
      both().every((host) => host.report()?.applied?.counter === counter),
    );

  it('reports its interfaces without loopback and link-local addresses before it is told anything', async () => {
    const report = await until('a report', () => first().report());
    assert.deepEqual(report.interfaces, [
      { name: 'eth0', up: true, addresses: ['10.99.0.1/24', 'fd99::1/64'] },
    ]);
    assert.deepEqual([report.applied, report.instances, report.keepalived.phase], [null, [], 'stopped']);
  });

  it('brings the address up on the member with the highest priority, and there alone', async () => {
    await bringUp(both());
    assert.deepEqual([first().held(), second().held()], [[`${vip}/32`], []]);
    bench.inLan('ping', '-c1', '-W1', vip);
  });

  it('reports by the schema what runs: state, effective priority, held addresses', async () => {
    const report = await until('a report that holds', () =>
      first().report()?.instances[0]?.held.length ? first().report() : null,
    );
    assert.ok(v.is(Report, report));
    const [instance] = report.instances;
    assert.deepEqual(
      [instance?.state, instance?.effectivePriority, instance?.held, instance?.peers[0]?.address],
      ['MASTER', 250, [`${vip}/32`], '10.99.0.2'],
    );
    assert.ok(
      !report.interfaces.some((link) => link.addresses.includes(`${vip}/32`)),
      'a virtual address as own',
    );
  });

  it('serves the series of the keepalived exporter and a health page, and nothing else', () => {
    const page = (path: string, ...args: string[]) =>
      first().exec('curl', '-s', '-m', '5', ...args, `http://127.0.0.1:9165${path}`);
    const metrics = page('/metrics');
    for (const series of [
      'keepalived_up 1',
      `keepalived_vrrp_state{iname="web",intf="eth0",vrid="51",ip_address="${vip}"} 2`,
      'keepalived_become_master_total{iname="web",intf="eth0",vrid="51"} ',
      'keepalived_advertisements_sent_total{iname="web",intf="eth0",vrid="51"}',
      'swarm_vip_agent_generation{part="counter"} 1',
      'swarm_vip_agent_paused{group="web"} 0',
      'swarm_vip_agent_coordinator_connected{endpoint="10.99.0.254:9166",role="active"} 1',
    ]) {
      assert.ok(metrics.includes(series), `${series} in\n${metrics}`);
    }
    assert.match(page('/healthz'), /"healthy":true/);
    assert.equal(page('/other', '-o', '/dev/null', '-w', '%{http_code}'), '404');
    assert.equal(page('/healthz', '-X', 'POST', '-o', '/dev/null', '-w', '%{http_code}'), '405');
  });

  it('fails over within the bound when the link of the holder goes down, and back', async (t) => {
    const pings = await probe(bench);
    bench.linkDown(first());
    await until('the second holds', () => second().held().length === 1);
    bench.linkUp(first());
    await until('the first holds again', () => first().held().length === 1 && second().held().length === 0);
    const outage = await pings.stop();
    // 3 intervals + skew of priority 248 = 303 ms; the rest is for a busy machine.
    judge(t, outage, boundMs);
  });

  it('does nothing to keepalived when the same assignment, in another order or with a new generation, comes again', async () => {
    const watch = watchAddresses(bench, first());
    assignBoth(2);
    await applied(2);
    assignBoth(3, { peersConfirmed: false });
    await applied(3);
    assert.equal(reloads().length, 0);
    assert.deepEqual(await watch.stop(), []);
  });

  it('adds and removes an address, v4 and v6, without a lost probe to the others', async () => {
    const pings = await probe(bench);
    assignBoth(4, { addresses: [`${vip}/32`, '10.99.0.101/32', 'fd99::100/128'] });
    await applied(4);
    await until('all are held', () => first().held().length === 3);
    assignBoth(5);
    await applied(5);
    await until('the others are gone', () => first().held().length === 1);
    const { sent, lost } = await pings.stop();
    assert.deepEqual([sent > 50, lost], [true, 0]);
    assert.equal(reloads().length, 4);
  });

  it('refuses an older generation, says so once, and goes on', async () => {
    const before = first().report()?.applied;
    for (let time = 0; time < 3; time += 1) first().assign(4, []);
    first().assign(99, [], 0);
    await until('the refusal is logged', () => eventsOf(first(), 'assignment-older').length === 1);
    assert.deepEqual(first().report()?.applied, before);
    assert.deepEqual(first().held(), [`${vip}/32`]);
  });

  it('keeps what runs when keepalived refuses a configuration, and reports its words', async () => {
    const pings = await probe(bench);
    first().assign(6, [instanceFor(first(), both(), { interface: 'eth7' })]);
    const rejected = await until('a rejection', () => first().report()?.rejected);
    assert.deepEqual([rejected.epoch, rejected.counter], [1, 6]);
    assert.match(rejected.reason, /keepalived --config-test: .*eth7/);
    assert.equal(first().report()?.applied?.counter, 5);
    assert.deepEqual(first().held(), [`${vip}/32`]);
    assignBoth(7);
    await applied(7);
    assert.equal(first().report()?.rejected, null);
    assert.equal((await pings.stop()).lost, 0);
  });

  it('closes a connection that sends a bad frame, with the code for it, and connects again', async () => {
    second().sendText(
      JSON.stringify({ type: 'assignment', epoch: 1, counter: 8, instances: [{ group: 'we b' }] }),
    );
    await until('the close code', () =>
      bench.peer.events().some((event) => event.event === 'close' && event.code === 4000),
    );
    const seen = bench.peer.events().length;
    await until('a new hello', () =>
      bench.peer
        .events()
        .slice(seen - 1)
        .some((event) => event.frame?.type === 'hello'),
    );
    assert.equal(second().report()?.applied?.counter, 7);
  });

  it('runs a second group beside the first without disturbing it, one of v6 alone', async () => {
    const pings = await probe(bench);
    const watch = watchHolders(both());
    const six = (host: typeof first extends () => infer H ? H : never, priority: number) =>
      instanceFor(host, both(), {
        group: v.parse(GroupName, 'six'),
        vrid: v.parse(Vrid, 52),
        source: host.address6,
        peers: both()
          .filter((other) => other !== host)
          .map((other) => ({ node: other.nodeId, address: other.address6 })),
        addresses: ['fd99::66/128'],
        priority,
      });
    first().assign(8, [instanceFor(first(), both()), six(first(), 240)]);
    second().assign(8, [instanceFor(second(), both()), six(second(), 250)]);
    await applied(8);
    await until('the v6 address is held where its priority is higher', () =>
      second().held().includes('fd99::66/128'),
    );
    await until('nobody is paused', () =>
      both().every((host) => host.report()?.instances.every((instance) => instance.pause === null)),
    );
    assert.ok(!first().held().includes('fd99::66/128'));
    assert.deepEqual([(await pings.stop()).lost, await watch.stop()], [0, 0]);
    assignBoth(9);
    await applied(9);
    await until('it is gone', () => !second().held().includes('fd99::66/128'));
  });

  it('never reloads a backup while its holder is dying', async (t) => {
    const pings = await probe(bench);
    const from = second().log().length;
    bench.linkDown(first());
    second().assign(10, [instanceFor(second(), both(), { addresses: [`${vip}/32`, '10.99.0.102/32'] })]);
    await until('the second holds both', () => second().held().length === 2);
    const order = () =>
      second()
        .log()
        .slice(from)
        .map((line) =>
          line.event === 'vrrp-state' || line.event === 'keepalived-phase' ? line['to'] : undefined,
        )
        .filter((to) => to === 'gating' || to === 'MASTER' || to === 'reloading');
    // The kernel is asked at once, lines of the log take their time.
    await until('the log has caught up', () => order().length >= 3);
    assert.deepEqual(order(), ['gating', 'MASTER', 'reloading']);
    bench.linkUp(first());
    await until('the first holds again', () => first().held().length === 1 && second().held().length === 0);
    const outage = await pings.stop();
    judge(t, outage, boundMs);
  });

  it('stops keepalived when it has nothing to run, and starts it again', async () => {
    second().assign(11, []);
    await until(
      'stopped',
      () => second().report()?.keepalived.phase === 'stopped' && second().report()?.applied?.counter === 11,
    );
    assert.equal(second().pids().keepalived.length, 0);
    assignBoth(12);
    await applied(12);
    await until('it is a backup again', () => second().report()?.instances[0]?.state === 'BACKUP');
  });

  it('hands over quickly and leaves nothing behind on SIGTERM', async (t) => {
    const pings = await probe(bench);
    const began = performance.now();
    assert.equal(await first().stop(), 0);
    assert.ok(performance.now() - began < 4000);
    assert.deepEqual(first().held(), []);
    assert.doesNotMatch(first().exec('ip', 'addr', 'show', 'lo'), /127\.112/);
    await until('the second holds', () => second().held().length === 1);
    const outage = await pings.stop();
    judge(t, outage, 100);
  });

  it('logs no password and no key', () => {
    const all = JSON.stringify(both().map((host) => host.log()));
    assert.ok(!all.includes('a-test-key'));
  });
});
