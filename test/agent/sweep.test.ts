// Addresses that are where keepalived does not hold them, or are not where it does: made by hand, on the real thing.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { masterDownMs } from '../../shared/timers.ts';
import { type Bench, bringUp, createBench, eventsOf, type Host, nth, until } from './bench.ts';
import { judge, probe, vip, watchHolders } from './witness.ts';

const other = '10.99.0.101';
const anchor = '127.112.0.51/32';
const addresses = [`${vip}/32`, `${other}/32`];
/** What is promised for an address taken from its holder by hand. */
const handBoundMs = 1_000;

describe('addresses against what keepalived says', () => {
  let bench: Bench;
  const first = () => nth(bench, 1);
  const second = () => nth(bench, 2);
  before(async () => {
    bench = await createBench(2);
    await bench.peer.start();
    for (const host of bench.hosts) host.start();
    await bringUp(bench.hosts, 1, { addresses });
  });
  after(() => bench.close());
  const settled = (hosts: readonly Host[] = bench.hosts) =>
    until('the first holds all, nobody is paused', () =>
      hosts.every((host) => {
        const [instance] = host.report()?.instances ?? [];
        const held = host === first() ? addresses.length : 0;
        return (
          instance?.pause === null && host.held().length === held && host.report()?.problems.length === 0
        );
      }),
    );
  const metric = (host: Host, name: string) => {
    const text = host.exec('curl', '-s', 'http://127.0.0.1:9165/metrics');
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
  };
  /** More address events than keepalived's netlink socket holds, with what is to be missed at the end of them. */
  const floodAndRemove = (host: Host, address: string) => {
    const lines = Array.from({ length: 1_000 }, (_, index) => {
      const filler = `10.98.${index >> 8}.${index & 255}/32 dev eth0`;
      return `addr add ${filler}\naddr del ${filler}\n`;
    });
    const batch = `${lines.join('')}addr del ${address} dev eth0\n`;
    host.exec('sh', '-c', `ip -batch - <<'END'\n${batch}END`);
  };
  /** Takes an address from a holder so that its keepalived does not hear of it. */
  const removeUnheard = (host: Host, address: string) => {
    const [, child = 0] = host.pids().keepalived;
    process.kill(child, 'SIGSTOP');
    try {
      floodAndRemove(host, address);
    } finally {
      process.kill(child, 'SIGCONT');
    }
  };

  it('an address removed by hand from its holder is back within the bound, by keepalived itself', async (t) => {
    for (const address of addresses) {
      const pings = await probe(bench, address.split('/')[0]);
      first().exec('ip', 'addr', 'del', address, 'dev', 'eth0');
      await sleep(handBoundMs);
      judge(t, await pings.stop(), handBoundMs);
      await settled();
    }
    assert.equal(metric(first(), 'swarm_vip_agent_address_repairs_total'), 0);
  });

  it('an address removed unheard is back within the bound: keepalived is made to look, and it is counted', async (t) => {
    const pings = await probe(bench, other);
    const holders = watchHolders(bench.hosts, `${other}/32`);
    removeUnheard(first(), `${other}/32`);
    await until('noticed', () => eventsOf(first(), 'address-missing').length > 0);
    await until('both are up somewhere', () => first().held().length + second().held().length === 2);
    await settled();
    judge(t, await pings.stop(), handBoundMs);
    assert.ok((await holders.stop()) < 100);
    assert.equal(metric(first(), 'swarm_vip_agent_address_repairs_total'), 1);
    const [line] = eventsOf(first(), 'address-missing');
    assert.deepEqual(line?.['addresses'], [{ address: `${other}/32`, interface: 'eth0' }]);
    assert.deepEqual(line?.['lever'], { address: anchor, interface: 'lo' });
  });

  it('negative control: while Node is stopped the same keepalived stays master without its address', async () => {
    const agent = first().pids().agent ?? 0;
    process.kill(agent, 'SIGSTOP');
    removeUnheard(first(), `${other}/32`);
    await sleep(2 * handBoundMs);
    assert.deepEqual(first().held(), [`${vip}/32`]);
    assert.deepEqual(second().held(), []);
    process.kill(agent, 'SIGCONT');
    await settled();
  });

  it("an address put up by hand on a backup is removed within a second, counted and reported; a stranger's stays", async () => {
    const boundMs = masterDownMs(3, 100, 248);
    assert.ok(boundMs < 1000);
    second().exec('ip', 'addr', 'add', '10.99.0.77/32', 'dev', 'eth0');
    for (const address of addresses) second().exec('ip', 'addr', 'add', address, 'dev', 'eth0');
    const began = performance.now();
    await until('removed', () => second().held().join() === '10.99.0.77/32', 5_000);
    assert.ok(performance.now() - began > 300, 'not before its grace is over');
    await until('counted', () => metric(second(), 'swarm_vip_agent_addresses_swept_total') === 2);
    await until('it is said', () => eventsOf(second(), 'stray-removed').length > 0);
    await sleep(1_000);
    assert.equal(eventsOf(second(), 'stray-removed').length, 1);
    assert.deepEqual(second().held(), ['10.99.0.77/32']);
    second().exec('ip', 'addr', 'del', '10.99.0.77/32', 'dev', 'eth0');
    assert.equal(first().held().length, 2);
  });

  it('an anchor put up by hand on a backup is removed, too: it would get leases for what is not held', async () => {
    second().exec('ip', 'addr', 'add', anchor, 'dev', 'lo');
    await until(
      'removed',
      () => !second().exec('ip', '-o', 'addr', 'show', 'dev', 'lo').includes(anchor),
      5_000,
    );
  });

  it('what comes again and again is removed again and again, is a problem meanwhile, and none afterwards', async () => {
    const add = setInterval(() => {
      if (second().held().length === 0) second().exec('ip', 'addr', 'add', `${vip}/32`, 'dev', 'eth0');
    }, 20);
    await until('reported', () =>
      second()
        .report()
        ?.problems.some((problem) => problem.code === 'address-stray'),
    );
    clearInterval(add);
    await settled();
  });

  it('negative control: while Node is stopped a stray stays, so two hold', async () => {
    const agent = second().pids().agent ?? 0;
    process.kill(agent, 'SIGSTOP');
    second().exec('ip', 'addr', 'add', `${vip}/32`, 'dev', 'eth0');
    await sleep(2_000);
    assert.deepEqual(second().held(), [`${vip}/32`]);
    process.kill(agent, 'SIGCONT');
    await settled();
  });
});
