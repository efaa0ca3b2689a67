// Leases on held addresses: what a killed container leaves vanishes by itself, a living holder never loses anything,
// and no renewal ever makes a holder. Each with its negative control.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, bringUp, createBench, eventsOf, type Host, nth, until } from './bench.ts';
import { probe, vip, watchAddresses, watchHolders } from './witness.ts';

const leaseSeconds = 3;
/** The kernel looks at v4 lifetimes up to a second late. */
const goneMs = (leaseSeconds + 1.5) * 1000;
const vip6 = 'fd99::100/128';
const addresses = [`${vip}/32`, vip6];

/** What the kernel says of every address of ours on the host: remaining seconds, or Infinity without a lease. */
function lifetimes(host: Host): Map<string, number> {
  const shown = host.exec('ip', '-o', 'addr', 'show');
  const found = shown.matchAll(/ inet6? (\S+\/(?:32|128)) .*valid_lft (forever|\d+)/g);
  return new Map(
    [...found]
      .filter(([, address]) => address !== '::1/128')
      .map(([, address = '', left = '']) => [
        address,
        left === 'forever' ? Number.POSITIVE_INFINITY : Number(left),
      ]),
  );
}

const isLeased = (host: Host) => {
  const all = lifetimes(host);
  return all.size === 3 && [...all.values()].every((left) => left <= leaseSeconds);
};
const renewerOf = (host: Host) => {
  const { init } = host.pids();
  const found = execFileSync('ps', ['-e', '-o', 'pid=,args='], { encoding: 'utf8' })
    .split('\n')
    .find((line) => line.includes('lease.pl') && line.includes(host.runDir));
  assert.ok(init);
  return Number(found?.trim().split(' ')[0] ?? 0);
};
/** Page faults of the children that Node has waited for: every `ip` that it has run adds some. */
const childFaults = (host: Host) => {
  const stat = readFileSync(`/proc/${host.pids().agent ?? 0}/stat`, 'utf8');
  return Number(/\) (.*)/s.exec(stat)?.[1]?.split(' ')[8] ?? Number.NaN);
};
/** All that runs in a container, into a cgroup; what ends meanwhile needs not go. */
function moveProcesses(pid: number, group: string): void {
  try {
    writeFileSync(`${group}/cgroup.procs`, String(pid));
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    for (const child of children) moveProcesses(Number(child), group);
  } catch (error) {
    if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
/** The old hierarchy's freezer or the unified one. */
const unified = existsSync('/sys/fs/cgroup/cgroup.controllers');
const cgroup = `/sys/fs/cgroup/${unified ? '' : 'freezer/'}svalease${process.pid}`;
const setFrozen = (frozen: boolean) =>
  unified
    ? writeFileSync(`${cgroup}/cgroup.freeze`, frozen ? '1' : '0')
    : writeFileSync(`${cgroup}/freezer.state`, frozen ? 'FROZEN' : 'THAWED');

describe('leases on held addresses', () => {
  let bench: Bench;
  const first = () => nth(bench, 1);
  const second = () => nth(bench, 2);
  before(async () => {
    bench = await createBench(2);
    await bench.peer.start();
    for (const host of bench.hosts) host.start({ LEASE: `${leaseSeconds}s` });
    await bringUp(bench.hosts, 1, { addresses });
  });
  after(() => bench.close());
  const settled = () =>
    until(
      'the first holds with leases, the second does not, nobody is paused',
      () =>
        [first(), second()].every((host, index) => {
          const [instance] = host.report()?.instances ?? [];
          return instance?.pause === null && host.held().length === (index === 0 ? 2 : 0);
        }) && isLeased(first()),
    );

  it('every address of a holder has a lease, v4, v6 and the anchor; a backup has nothing', async () => {
    await settled();
    assert.equal(lifetimes(second()).size, 0);
  });

  it('renewals lose no probe and change no address, while Node is stopped and then killed', async () => {
    const pid = first().pids().agent;
    assert.ok(pid);
    const pings = await probe(bench);
    process.kill(pid, 'SIGSTOP');
    // Two leases long: without renewals both addresses would be gone.
    await sleep(2 * goneMs);
    assert.ok(isLeased(first()), 'renewed while Node is stopped');
    process.kill(pid, 'SIGKILL');
    await until('the next life adopts', () => eventsOf(first(), 'adopted').length > 0);
    await settled();
    assert.equal((await pings.stop()).lost, 0);
  });

  it('a renewal is no event for the agent: it does not read the kernel again', async () => {
    const watch = watchAddresses(bench, first(), true);
    let faults = Number.NaN;
    let since = 0;
    // Every renewal comes within a second, a slow reading every 15 s.
    await until(
      'four seconds without a reading',
      () => {
        const now = performance.now();
        if (childFaults(first()) !== faults) since = now;
        faults = childFaults(first());
        return now - since > 4_000;
      },
      25_000,
    );
    const lines = await watch.stop();
    assert.ok(lines.length >= 8, 'ip monitor hears the renewals');
    assert.ok(
      lines.every((line) => !line.includes('Deleted')),
      lines.join('\n'),
    );
    // The control: another address is read.
    first().exec('ip', 'addr', 'add', '10.98.0.1/32', 'dev', 'eth0');
    await until('it has read the kernel', () => childFaults(first()) !== faults, 2_000);
    first().exec('ip', 'addr', 'del', '10.98.0.1/32', 'dev', 'eth0');
    await settled();
  });

  it('a killed renewer is back at once, and its lives are counted', async () => {
    const pid = renewerOf(first());
    assert.ok(pid);
    process.kill(pid, 'SIGKILL');
    await until('another one', () => renewerOf(first()) !== pid && renewerOf(first()));
    await until('it renews', () => isLeased(first()));
    await until('counted', () => readFileSync(`${first().runDir}/lease.stats`, 'utf8').includes('starts 2'));
    assert.ok(
      first()
        .log()
        .some((line) => line.msg?.includes('the renewer of leases ended with code 137')),
    );
  });

  it('a VRRP process that is stopped gets no renewals: its address goes, though nothing has died', async () => {
    const [, child = 0] = first().pids().keepalived;
    const agent = first().pids().agent ?? 0;
    // Nobody but the kernel shall act on it.
    process.kill(agent, 'SIGSTOP');
    process.kill(child, 'SIGSTOP');
    await until('the second holds', () => second().held().length === 2);
    assert.equal(first().held().length, 2, 'two holders, until the lease ends');
    const stopped = performance.now();
    await until('the addresses are gone', () => lifetimes(first()).size === 0, goneMs);
    assert.ok(performance.now() - stopped > 500);
    process.kill(child, 'SIGCONT');
    process.kill(agent, 'SIGCONT');
    await settled();
  });

  it('a container killed in one blow, with nobody to start it again, leaves nothing behind after the lease', async () => {
    await first().kill();
    assert.equal(first().held().length, 2, 'it stays at first');
    await until('the second holds', () => second().held().length === 2);
    await until('nothing is left, not on lo either', () => lifetimes(first()).size === 0, goneMs);
    first().start({ LEASE: `${leaseSeconds}s` });
    await settled();
    assert.equal(eventsOf(first(), 'orphans-removed').length, 0);
  });

  it('negative control: without leases the address of a killed container stays', async () => {
    await first().stop();
    first().start({ LEASE: 'off' });
    await until('the first holds', () => first().held().length === 2 && second().held().length === 0);
    assert.ok([...lifetimes(first()).values()].every((left) => left === Number.POSITIVE_INFINITY));
    assert.equal(renewerOf(first()), 0);
    await first().kill();
    await sleep(goneMs);
    assert.equal(lifetimes(first()).size, 3);
    first().wipe();
    first().start({ LEASE: `${leaseSeconds}s` });
    await settled();
  });

  it('a frozen container loses its addresses by the kernel, and when it thaws nobody holds twice for long', async () => {
    mkdirSync(cgroup);
    moveProcesses(first().pids().init, cgroup);
    try {
      setFrozen(true);
      await until('the second holds', () => second().held().length === 2);
      await until('the addresses are gone', () => lifetimes(first()).size === 0, goneMs);
      const holders = watchHolders(bench.hosts);
      setFrozen(false);
      await settled();
      assert.ok((await holders.stop()) < 100);
    } finally {
      setFrozen(false);
      moveProcesses(first().pids().init, join(cgroup, '..'));
      await until('the group is empty', () => readFileSync(`${cgroup}/cgroup.procs`, 'utf8') === '');
      rmdirSync(cgroup);
    }
  });
});
