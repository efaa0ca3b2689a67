// Addresses under the virtual router's MAC, on real keepalived: what clients learn, what a move costs, what is left of
// a killed container, what a node refuses.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { AssignedInstance } from '../../shared/protocol.ts';
import { masterDownMs } from '../../shared/timers.ts';
import { type Bench, bringUp, createBench, eventsOf, type Host, instanceFor, nth, until } from './bench.ts';
import { judge, probe, probePeriodMs, vip } from './witness.ts';

const vip6 = 'fd99::100';
const mac = '00:00:5e:00:01:33';
const addresses = [`${vip}/32`, `${vip6}/128`];
const leaseSeconds = 2;

/** Interface of every address of ours outside lo. */
const places = (host: Host) =>
  Object.fromEntries(
    [...host.exec('ip', '-o', 'addr', 'show').matchAll(/^\d+: (\S+) +inet6? (\S+\/(?:32|128)) /gm)]
      .filter(([, link]) => link !== 'lo')
      .map(([, link = '', address = '']) => [address, link]),
  );
const links = (host: Host) =>
  [...host.exec('ip', '-o', 'link', 'show').matchAll(/^\d+: ([^@:]+)/gm)].map(([, name]) => name);
/** What the node has of keepalived besides its interfaces: settings of the interface below, tables of nftables. */
const traces = (host: Host) => [
  ...['arp_announce', 'arp_ignore', 'arp_filter'].map((name) =>
    Number(host.exec('sysctl', '-n', `net.ipv4.conf.eth0.${name}`)),
  ),
  host.exec('nft', 'list', 'tables').trim(),
];
const inUse = [2, 1, 1, 'table ip keepalived\ntable ip6 keepalived'];
const untouched = [0, 0, 0, ''];
const ownMac = (host: Host) => /ether (\S+)/.exec(host.exec('ip', 'link', 'show', 'eth0'))?.[1];
const onMacvlans = { [`${vip}/32`]: 'vrrp.51', [`${vip6}/128`]: 'eth0' };
const onInterface = { [`${vip}/32`]: 'eth0', [`${vip6}/128`]: 'eth0' };

describe('addresses under a virtual MAC', () => {
  let bench: Bench;
  let counter = 1;
  const first = () => nth(bench, 1);
  const second = () => nth(bench, 2);
  const change: Partial<AssignedInstance> = { addresses, vmac: 'vrrp.51' };
  before(async () => {
    bench = await createBench(2);
    await bench.peer.start();
    for (const host of bench.hosts) host.start({ LEASE: `${leaseSeconds}s` });
    await bringUp(bench.hosts, counter, change);
  });
  after(() => bench.close());
  const assign = (...changes: Partial<AssignedInstance>[]) => {
    counter += 1;
    bench.hosts.forEach((host, index) => {
      host.assign(counter, [instanceFor(host, bench.hosts, { ...change, ...changes[index] })]);
    });
  };
  const held = (host: Host, wanted: Record<string, string>) =>
    until(`${host.name} has ${JSON.stringify(wanted)}`, () => isDeepStrictEqual(places(host), wanted));
  const settled = (wanted = onMacvlans) =>
    until('the first holds, nobody is paused, no problem', () => {
      const good = bench.hosts.every((host, index) => {
        const { instances: [instance] = [], problems } = host.report() ?? {};
        const [state, held] = index === 0 ? (['MASTER', 2] as const) : (['BACKUP', 0] as const);
        return (
          instance?.pause === null &&
          instance.state === state &&
          instance.held.length === held &&
          problems?.length === 0
        );
      });
      return good && isDeepStrictEqual(bench.hosts.map(places), [wanted, {}]);
    });
  /** What the client knows after it has talked to the address, and the holder has had to ask for the client. */
  const learnt = (host: Host, address: string) => {
    bench.inLan('ip', 'neigh', 'flush', 'dev', 'br0');
    host.exec('ip', 'neigh', 'flush', 'dev', 'eth0');
    bench.inLan('ping', '-n', '-q', '-c', '3', '-i', '0.05', '-W', '1', address);
    return /lladdr (\S+)/.exec(bench.inLan('ip', 'neigh', 'show', 'to', address))?.[1];
  };

  it('sit on a macvlan, those of IPv6 beside it, are reported as held, and the macvlan is nobody’s interface', async () => {
    await settled();
    assert.deepEqual(first().report()?.instances[0]?.held, addresses);
    assert.deepEqual(
      first()
        .report()
        ?.interfaces.map(({ name }) => name),
      ['eth0'],
    );
    assert.deepEqual(traces(first()), inUse);
  });

  it('clients learn the virtual MAC, and keep it when the holder asks for them', () => {
    assert.equal(learnt(first(), vip), mac);
    assert.equal(learnt(first(), vip6), ownMac(first()));
  });

  it('negative control: without arp_announce the holder’s questions teach the MAC of its interface', () => {
    const set = (value: number) => first().exec('sysctl', '-qw', `net.ipv4.conf.eth0.arp_announce=${value}`);
    set(0);
    assert.notEqual(learnt(first(), vip), mac);
    set(2);
    assert.equal(learnt(first(), vip), mac);
  });

  it('the node itself answers under the MAC of its interface alone', () => {
    const own = ownMac(first());
    for (let round = 0; round < 5; round += 1) assert.equal(learnt(first(), first().address), own);
    const answers = bench.inLan('arping', '-c', '2', '-w', '2', '-I', 'br0', first().address);
    assert.deepEqual([...new Set(answers.toLowerCase().match(/\[\S+\]/g))], [`[${own}]`]);
  });

  it('have leases', async () => {
    const leased = () =>
      first()
        .exec('ip', '-o', 'addr', 'show')
        .split('\n')
        .filter((line) => / (vrrp\.51|eth0) .*(\/32|\/128) .*valid_lft [0-2]sec/.test(line));
    await until('both have one', () => leased().length === 2);
  });

  it('a planned move there and back loses nothing, for either family', async (t) => {
    const pings = [await probe(bench, vip), await probe(bench, vip6)];
    assign({ standAside: 'relieved' }, {});
    await held(second(), onMacvlans);
    await held(first(), {});
    assign({}, {});
    await settled();
    for (const ping of pings) judge(t, await ping.stop(), 2 * probePeriodMs);
    assert.equal(learnt(first(), vip), mac);
  });

  it('an address taken from its macvlan by hand is back, and one put on a backup’s macvlan goes', async (t) => {
    const pings = await probe(bench);
    first().exec('ip', 'addr', 'del', `${vip}/32`, 'dev', 'vrrp.51');
    await settled();
    judge(t, await pings.stop(), 1_000);
    second().exec('ip', 'addr', 'add', `${vip}/32`, 'dev', 'vrrp.51');
    await held(second(), {});
    await until('it is said', () => eventsOf(second(), 'stray-removed').length === 1);
    await settled();
  });

  it('another MAC is taken by a backup at once and by a holder after a move, and loses nothing', async (t) => {
    const { vmac: _, ...plain } = change;
    const wanted = (host: Host, more: Partial<AssignedInstance> = {}) =>
      instanceFor(host, bench.hosts, { ...plain, ...more });
    const pings = await probe(bench);
    counter += 1;
    for (const host of bench.hosts) host.assign(counter, [wanted(host)]);
    await until('the backup has dropped its macvlans', () => !links(second()).includes('vrrp.51'));
    await until('its interface is as before', () =>
      isDeepStrictEqual(traces(second()).slice(0, 3), [0, 0, 0]),
    );
    await until('the holder says that it waits', () =>
      first()
        .report()
        ?.problems.some(({ code }) => code === 'vmac-waits'),
    );
    assert.deepEqual(places(first()), onMacvlans);
    counter += 1;
    first().assign(counter, [wanted(first(), { standAside: 'relieved' })]);
    second().assign(counter, [wanted(second())]);
    await held(second(), onInterface);
    await until('the former holder has dropped its macvlans', () => !links(first()).includes('vrrp.51'));
    counter += 1;
    for (const host of bench.hosts) host.assign(counter, [wanted(host)]);
    await settled(onInterface);
    judge(t, await pings.stop(), 2 * probePeriodMs);
    assign({}, { standAside: 'now' });
    await until('the backup has its macvlans', () => links(second()).includes('vrrp.51'));
    assign({ standAside: 'relieved' }, {});
    await held(second(), onMacvlans);
    assign({}, {});
    await settled();
  });

  it('a holder that loses its link is followed within VRRP’s bound, under the same MAC', async (t) => {
    const pings = await probe(bench);
    bench.linkDown(first());
    await held(second(), onMacvlans);
    assert.equal(learnt(second(), vip), mac);
    bench.linkUp(first());
    await settled();
    judge(t, await pings.stop(), masterDownMs(3, 100, 248));
  });

  it('a container killed in one blow leaves macvlans without addresses, and the next life takes them over', async () => {
    await first().kill();
    await held(second(), onMacvlans);
    await until('the kernel has ended the leases', () => Object.keys(places(first())).length === 0);
    assert.ok(links(first()).includes('vrrp.51'));
    assert.equal(learnt(second(), vip), mac);
    first().start({ LEASE: `${leaseSeconds}s` });
    await settled();
  });

  it('macvlans that are left and no longer wanted are removed with what belongs to them, others stay', async () => {
    await first().kill();
    assert.deepEqual(traces(first()), inUse);
    first().exec(
      'ip',
      'link',
      'add',
      'theirs',
      'link',
      'eth0',
      'address',
      '00:00:5e:00:01:09',
      'type',
      'macvlan',
    );
    counter += 1;
    first().assign(counter, []);
    second().assign(counter, [instanceFor(second(), [second()], change)]);
    const before = eventsOf(first(), 'macvlans-removed').length;
    first().start({ LEASE: `${leaseSeconds}s` });
    await until('swept', () => eventsOf(first(), 'macvlans-removed').length > before);
    assert.deepEqual(links(first()).sort(), ['eth0', 'lo', 'theirs']);
    await until('nothing else is left', () => isDeepStrictEqual(traces(first()), untouched));
    first().exec('ip', 'link', 'del', 'theirs');
    assign({}, {});
    await settled();
  });

  it('are refused by name where the host filters by the way back, and then served under the interface’s own MAC', async () => {
    await second().stop();
    assert.deepEqual([links(second()).sort(), traces(second())], [['eth0', 'lo'], untouched]);
    second().exec('sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=1');
    second().start({ LEASE: `${leaseSeconds}s` });
    const refusal = await until('refused', () =>
      second()
        .report()
        ?.problems.find(({ code }) => code === 'vmac-refused'),
    );
    assert.match(refusal.value ?? '', /rp_filter/);
    await until('it takes part', () => second().report()?.instances[0]?.pause === null);
    assign({ standAside: 'now' }, {});
    await held(second(), onInterface);
    assert.notEqual(learnt(second(), vip), mac);
  });
});
