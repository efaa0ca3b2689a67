// keepalived.conf as it is written: golden files, each accepted by the real keepalived too.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import * as v from 'valibot';
import { configView, instanceIdentity } from '../../agent/core/view.ts';
import { createRenderer } from '../../agent/io/template.ts';
import { type AssignedInstance, Instance } from '../../shared/protocol.ts';

const render = createRenderer(new URL('../../agent/keepalived.conf.njk', import.meta.url));
const places = {
  hostname: 'web-01',
  nodeId: 'a'.repeat(25),
  notifyFifo: '/run/swarm-vip/notify.fifo',
  pauseDir: '/run/swarm-vip/pause',
  liveDir: '/run/swarm-vip/live',
};
const peer = (index: number, address: string) => ({ node: `peer${index}`.padEnd(25, 'x'), address });
const make = (change: Record<string, unknown>): Instance =>
  v.parse(Instance, {
    group: 'web',
    vrid: 51,
    version: 3,
    intervalMs: 100,
    interface: 'eth0',
    source: '10.0.0.1',
    peers: [peer(2, '10.0.0.2'), peer(3, '10.0.0.3')],
    priority: 250,
    addresses: ['10.0.0.100/32'],
    ...change,
  });

const cases: Record<string, Instance[]> = {
  'single-member': [make({ peers: [] })],
  'three-members': [make({})],
  password: [make({ version: 2, intervalMs: 1000, password: 's3cret-8' })],
  'several-groups': [
    make({ group: 'web' }),
    make({ group: 'db.internal-1', vrid: 52, priority: 248, intervalMs: 50, addresses: ['10.0.0.101/32'] }),
    make({ group: '0slow_one', vrid: 7, intervalMs: 2000, addresses: ['10.0.0.102/32'], peers: [] }),
  ],
  'many-addresses': [make({ addresses: Array.from({ length: 30 }, (_, i) => `10.0.0.${100 + i}/32`) })],
  'both-families': [make({ addresses: ['10.0.0.100/32', 'fd00:9::100/128'] })],
  'v6-only': [make({ source: 'fd00:9::1', peers: [peer(2, 'fd00:9::2')], addresses: ['fd00:9::100/128'] })],
  multicast: [make({ transport: 'multicast' })],
  'v6-multicast': [
    make({
      source: 'fd00:9::1',
      peers: [peer(2, 'fd00:9::2')],
      addresses: ['fd00:9::100/128'],
      transport: 'multicast',
    }),
  ],
  'two-interfaces': [
    make({
      addresses: ['10.0.0.100/32', '10.8.0.100/32'],
      addressInterfaces: { '10.8.0.100/32': 'other' },
      trackInterfaces: ['other'],
    }),
  ],
  'gratuitous-arp': [make({ garp: { delay: 2, repeat: 3, refresh: 60, refreshRepeat: 1 } })],
  'virtual-mac': [make({ vmac: 'vrrp.51', addresses: ['10.0.0.100/32', 'fd00:9::100/128'] })],
  'virtual-mac-named': [
    make({
      addresses: ['10.0.0.100/32', '10.8.0.100/32'],
      addressInterfaces: { '10.8.0.100/32': 'other' },
      vmac: 'front',
      garp: { refresh: 30 },
    }),
  ],
  strict: [make({ transport: 'multicast', strict: true, skipCheckAdvAddr: true, vmac: 'vrrp.51' })],
  'v6-single-member': [make({ source: 'fd00:9::1', peers: [], addresses: ['fd00:9::100/128'] })],
};

describe('keepalived.conf', () => {
  const namespace = `svr${process.pid}`;
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'swarm-vip-render-'));
    execFileSync('ip', ['netns', 'add', namespace]);
    const inside = (...args: string[]) => execFileSync('ip', ['-n', namespace, ...args]);
    inside('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'other');
    inside('addr', 'add', '10.0.0.1/24', 'dev', 'eth0');
    inside('addr', 'add', 'fd00:9::1/64', 'dev', 'eth0', 'nodad');
    inside('link', 'set', 'eth0', 'up');
    inside('link', 'set', 'other', 'up');
  });
  after(() => {
    execFileSync('ip', ['netns', 'del', namespace]);
    rmSync(directory, { recursive: true });
  });

  const test = (text: string) => {
    const file = join(directory, 'keepalived.conf');
    writeFileSync(file, text);
    const command = [`--net=/run/netns/${namespace}`, 'keepalived', '--config-test', '-f', file];
    const { status, stdout, stderr } = spawnSync('nsenter', command, { encoding: 'utf8' });
    return { status, words: `${stdout}${stderr}` };
  };

  for (const [name, instances] of Object.entries(cases)) {
    it(`of ${name} is its golden file`, () => {
      const golden = new URL(`golden/${name}.conf`, import.meta.url);
      const text = render(configView(instances, places));
      if (process.env['UPDATE_GOLDEN']) writeFileSync(golden, text);
      assert.equal(text, readFileSync(golden, 'utf8'));
    });
    it(`of ${name} is accepted by keepalived without a word`, () => {
      const { status, words } = test(render(configView(instances, places)));
      assert.deepEqual({ status, words }, { status: 0, words: '' });
    });
  }

  it('is refused by keepalived when a group uses an interface that is not there', () => {
    const { status, words } = test(render(configView([make({ interface: 'eth7' })], places)));
    assert.notEqual(status, 0);
    assert.match(words, /eth7/);
  });

  it('does not depend on the order of groups, peers and addresses', () => {
    const [a, b] = [
      make({ group: 'a', vrid: 1 }),
      make({ group: 'b', vrid: 2, addresses: ['10.0.0.5/32', '10.0.0.6/32'] }),
    ];
    const turned = { ...b, peers: [...b.peers].reverse(), addresses: [...b.addresses].reverse() };
    assert.equal(render(configView([a, b], places)), render(configView([turned, a], places)));
  });

  it('has no place for the words of an order', () => {
    const order = 'drained: } vrrp_instance evil {';
    const ordered: AssignedInstance = { ...make({}), peersConfirmed: true, standAside: 'relieved', order };
    assert.equal(render(configView([ordered], places)), render(configView([make({})], places)));
  });

  it('never says nopreempt, nor strict_mode without accept and multicast, never has an empty peer list, and names the node when the hostname is odd', () => {
    for (const instances of Object.values(cases)) {
      const text = render(configView(instances, { ...places, hostname: 'we"b {' }));
      assert.doesNotMatch(text, /nopreempt|vrrp_strict|strict_mode(?!\n {4}accept)/);
      assert.doesNotMatch(text, /unicast_peer \{\s*\}/);
      assert.match(text, new RegExp(`router_id ${places.nodeId}`));
    }
  });

  it('throws rather than print an undefined value', () => {
    const view = configView([make({})], places);
    const broken = { ...view, instances: view.instances.map(({ vrid: _, ...rest }) => rest) };
    assert.throws(() => render(broken as unknown as typeof view));
  });

  it('knows a changed VRID, interface or source as another instance, and a changed peer or address as the same', () => {
    const id = instanceIdentity(make({}));
    for (const change of [
      { vrid: 9 },
      { interface: 'eth1' },
      { source: '10.0.0.9' },
      { group: 'x' },
      { transport: 'multicast' },
    ]) {
      assert.notEqual(instanceIdentity(make(change)), id);
    }
    for (const change of [
      { peers: [] },
      { addresses: ['10.0.0.7/32'] },
      { priority: 9 },
      { intervalMs: 50 },
      { preempt: false },
      { garp: { delay: 1 } },
      { vmac: 'vrrp.51' },
    ]) {
      assert.equal(instanceIdentity(make(change)), id);
    }
  });
});
