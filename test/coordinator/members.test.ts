// Who is a member, with which priority and on which interface: own labels, placement expressions, tiers, patterns.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fits, readExpression } from '../../coordinator/core/placement.ts';
import type { SwarmNode } from '../../coordinator/core/snapshot.ts';
import type { NetworkInterface } from '../../shared/protocol.ts';
import { config, connected, id, ip, member, node, plan, report, running, snapshot } from './world.ts';

const codes = (problems: readonly { code: string }[]) => problems.map(({ code }) => code);
const five = connected(Object.fromEntries([1, 2, 3, 4, 5].map((n) => [n, report(n)])));

/** Plans groups of a file without any env. */
function planned(nodes: SwarmNode[], groups: string, agents = five) {
  const { groups: made, ...rest } = plan(snapshot(nodes, [], [config(`groups:\n${groups}`)]), agents);
  const of = (name: string) => made.find(({ group }) => group.name === name)?.members ?? [];
  return { ...rest, of, names: (name: string) => of(name).map(({ node: each }) => each) };
}
const web = (lines = '') => `  web:\n    addresses: [10.0.0.100]\n${lines}`;

describe('labels', () => {
  it('put a node into several groups, own ones beside the operator’s', () => {
    const nodes = [
      node(1, { 'swarm-vip.groups': 'web, db' }),
      node(2, { keepalived_group: 'web', 'swarm-vip.groups': 'db,web' }),
      node(3, { keepalived_group: 'db' }),
    ];
    const { names, of, problems } = planned(nodes, `${web()}  db:\n    addresses: [10.0.0.101]\n`);
    assert.deepEqual(problems, []);
    assert.deepEqual(
      [names('web'), names('db')],
      [
        [id(1), id(2)],
        [id(1), id(2), id(3)],
      ],
    );
    assert.deepEqual(
      of('db').map(({ memberFrom }) => memberFrom),
      ['label swarm-vip.groups', 'label swarm-vip.groups', 'label keepalived_group'],
    );
  });

  it('own before the operator’s, the one for a group before the one for all', () => {
    const all = { KEEPALIVED_PRIORITY: '10', 'swarm-vip.priority': '20', 'swarm-vip.web.priority': '30' };
    const without = (...keys: string[]) =>
      Object.fromEntries(Object.entries(all).filter(([key]) => !keys.includes(key)));
    const nodes = [
      all,
      without('swarm-vip.web.priority'),
      without('swarm-vip.web.priority', 'swarm-vip.priority'),
    ].map((labels, index) => node(index + 1, { 'swarm-vip.groups': 'web', ...labels }));
    assert.deepEqual(
      planned(nodes, web())
        .of('web')
        .map(({ wantedPriority, priorityFrom }) => [wantedPriority, priorityFrom]),
      [
        [30, 'label swarm-vip.web.priority'],
        [20, 'label swarm-vip.priority'],
        [10, 'label KEEPALIVED_PRIORITY'],
      ],
    );
  });

  it('of the operator speak of the group in keepalived_group only', () => {
    const labels = { 'swarm-vip.groups': 'web,db', keepalived_group: 'web', KEEPALIVED_PRIORITY: '70' };
    const { of } = planned([node(1, labels)], `${web()}  db:\n    addresses: [10.0.0.101]\n`);
    assert.deepEqual(
      ['web', 'db'].map((name) => of(name)[0]?.wantedPriority),
      [70, 100],
    );
  });

  it('that cannot be read give way to the next that counts', () => {
    const labels = { 'swarm-vip.priority': 'high', KEEPALIVED_PRIORITY: '70' };
    const { of, problems } = planned([node(1, { 'swarm-vip.groups': 'web', ...labels })], web());
    assert.equal(of('web')[0]?.wantedPriority, 70);
    assert.deepEqual(codes(problems), ['priority-invalid']);
  });

  it('for a group with dots in its name are found', () => {
    const nodes = [
      node(1, { 'swarm-vip.groups': 'a.b', 'swarm-vip.a.b.priority': '7', 'swarm-vip.a.b.lead': 'x' }),
    ];
    const { of, problems } = planned(nodes, '  a.b: {addresses: [10.0.0.100]}\n');
    assert.deepEqual(problems, []);
    assert.equal(of('a.b')[0]?.wantedPriority, 7);
  });

  it('that name a group whose members a rule chooses are told', () => {
    const nodes = [node(1, { 'swarm-vip.groups': 'web' }), node(2, { zone: 'east' })];
    const { names, problems } = planned(nodes, web('    members: [node.labels.zone == east]\n'));
    assert.deepEqual(names('web'), [id(2)]);
    assert.deepEqual(codes(problems), ['label-without-effect']);
    assert.match(problems[0]?.message ?? '', /config groups-1, line 4/);
  });
});

describe('placement expressions', () => {
  const east = node(1, { zone: 'East', empty: '' }, { role: 'worker' });
  const holds: [expression: string, fits: boolean][] = [
    ['node.labels.zone == east', true],
    ['node.labels.zone==east', true],
    ['node.labels.zone != east', false],
    ['node.labels.zone == west', false],
    ['node.labels.missing == x', false],
    ['node.labels.missing != x', true],
    ['node.labels.toString != x', true],
    ['node.role == worker', true],
    ['node.role != manager', true],
    ['node.hostname == host1', true],
    [`node.id == ${id(1)}`, true],
    [`node.id != ${id(1)}`, false],
  ];
  for (const [text, expected] of holds) {
    it(`${text} ${expected ? 'fits' : 'does not fit'} a worker in zone East`, () => {
      const read = readExpression(text);
      assert.ok(read.ok, JSON.stringify(read));
      assert.equal(fits(east, [read.expression]), expected);
    });
  }

  it('that are none, or that a worker could claim, are refused with a remedy', () => {
    for (const text of [
      '',
      'zone == east',
      'node.labels.zone = east',
      'node.labels.zone',
      'node.labels. == x',
    ]) {
      const read = readExpression(text);
      assert.ok(!read.ok && read.remedy !== '', text);
    }
    const read = readExpression('engine.labels.zone == east');
    assert.ok(!read.ok && read.message.includes('worker'));
  });
});

describe('tiers', () => {
  const site = (n: number, name: string, more = {}) => node(n, { site: name, ...more });
  const tiers = `    tiers:
      - {members: [node.labels.site == main], priority: 110-120}
      - {members: [node.labels.site == city], priority: 100–110}
      - {members: [node.labels.site == remote], priority: 90}
`;

  it('spread their nodes over the range; a node of no tier is no member', () => {
    const nodes = [
      site(1, 'main'),
      site(2, 'main'),
      site(3, 'main'),
      site(4, 'city'),
      site(5, 'remote'),
      node(6),
    ];
    const { of, problems } = planned(nodes, web(tiers));
    const priorities = of('web').map(({ wantedPriority }) => wantedPriority);
    assert.deepEqual([...priorities.slice(0, 3)].sort(), [110, 115, 120]);
    assert.deepEqual(priorities.slice(3), [110, 90]);
    assert.deepEqual(
      of('web').map(({ priorityFrom }) => priorityFrom),
      ['tier 1, spread', 'tier 1, spread', 'tier 1, spread', 'tier 2', 'tier 3'],
    );
    assert.deepEqual(problems, []);
  });

  it('give way to a label on the node', () => {
    const { of } = planned(
      [site(1, 'main'), site(5, 'remote', { 'swarm-vip.web.priority': '200' })],
      web(tiers),
    );
    assert.deepEqual(
      of('web').map(({ wantedPriority }) => wantedPriority),
      [120, 200],
    );
  });

  it('of several groups lead on different nodes of the main site', () => {
    const nodes = [site(1, 'main'), site(2, 'main'), site(4, 'city')];
    const two = `${web(tiers)}  db:\n    addresses: [10.0.0.101]\n${tiers}`;
    const { of } = planned(nodes, two);
    const leader = (name: string) => of(name).find(({ priority }) => priority === 250)?.node;
    assert.deepEqual([leader('web'), leader('db')].sort(), [id(1), id(2)]);
  });
});

describe('interfaces', () => {
  const eth = (name: string, address: string, more: Partial<NetworkInterface> = {}) => ({
    name,
    up: true,
    addresses: [address],
    ...more,
  });
  const two = [eth('eth0', `${ip(1)}/24`), eth('ens5', '10.0.5.1/24', { defaultRoute: true })];
  const here = (interfaces: NetworkInterface[], instances: ReturnType<typeof running>[] = []) =>
    connected({ 1: report(1, instances, { interfaces }) });
  const labelled = (labels = {}) => [node(1, { 'swarm-vip.groups': 'web', ...labels })];
  const attached = (groups: string, interfaces: NetworkInterface[], labels = {}) => {
    const { of, problems } = planned(labelled(labels), groups, here(interfaces));
    return { at: of('web')[0]?.attachment, problems };
  };

  it('are found by name, by a pattern that matches all of the name, and by the default route', () => {
    const at = (wish: string) => attached(web(`    interface: ${wish}\n`), two).at?.interface;
    assert.deepEqual(['auto', 'ens5', '"ens.*"', '"eth[0-9]"', 'default-route'].map(at), [
      'eth0',
      'ens5',
      'ens5',
      'eth0',
      'ens5',
    ]);
  });

  it('that nothing fits are replaced by the one that holds the subnet, aloud', () => {
    for (const wish of ['"wlan.*"', '"th0"', '"eth"', 'default-route']) {
      const { at, problems } = attached(web(`    interface: ${wish}\n`), two.slice(0, 1));
      assert.equal(at?.interface, 'eth0');
      assert.deepEqual(codes(problems), ['interface-missing']);
      assert.match(problems[0]?.where ?? '', /config groups-1, line 4/);
    }
  });

  it('of a label count before that of the group, and say so', () => {
    const { at } = attached(web('    interface: eth0\n'), two, { 'swarm-vip.web.interface': 'en.*' });
    assert.deepEqual([at?.interface, at?.interfaceFrom], ['ens5', 'label swarm-vip.web.interface']);
  });

  it('of single addresses: as named, else by subnet', () => {
    const inside = (item: string) => `  web:\n    addresses: [10.0.0.100, ${item}]\n`;
    assert.deepEqual(attached(inside('10.0.5.9'), two).at?.addressInterfaces, { '10.0.5.9/32': 'ens5' });
    assert.deepEqual(attached(inside('{address: 10.9.9.9, interface: "ens.*"}'), two).at?.addressInterfaces, {
      '10.9.9.9/32': 'ens5',
    });
    assert.equal(attached(inside('10.0.0.101'), two).at?.addressInterfaces, undefined);
    const { at, problems } = attached(inside('{address: 10.9.9.9, interface: ens7}'), two);
    assert.equal(at?.addressInterfaces, undefined);
    assert.deepEqual(codes(problems), ['interface-missing']);
  });

  it('that are tracked must exist to begin with, but one that goes away stays tracked', () => {
    const groups = web('    track_interfaces: [ens5]\n');
    const full = planned(labelled(), groups, here(two));
    const [assigned] = full.assignments.get(id(1)) ?? [];
    assert.deepEqual(assigned?.trackInterfaces, ['ens5']);
    const missing = planned(labelled(), groups, here(two.slice(0, 1)));
    assert.deepEqual(missing.assignments.get(id(1)), []);
    assert.deepEqual(codes(missing.problems), ['tracked-interface-missing']);
    const gone = planned(labelled(), groups, here(two.slice(0, 1), assigned ? [running(assigned)] : []));
    assert.deepEqual(gone.assignments.get(id(1))?.[0]?.trackInterfaces, ['ens5']);
  });

  it('that VRRP runs on are not tracked twice, which keepalived rejects', () => {
    const at = (names: string) =>
      attached(web(`    track_interfaces: [${names}]\n`), two).at?.trackInterfaces;
    assert.equal(at('eth0'), undefined);
    assert.deepEqual(at('eth0, ens5'), ['ens5']);
  });

  it('are not taken for those of an address that a killed keepalived left behind', () => {
    const left = [eth('eth0', `${ip(1)}/24`), eth('ens5', '10.0.0.100/32')];
    assert.deepEqual(attached(web(), left).at?.interface, 'eth0');
    assert.equal(attached(web(), left).at?.addressInterfaces, undefined);
  });
});

it('an agent that reports nonsense harms no plan', () => {
  for (const nonsense of ['', 'x', '10.0.0.1', '10.0.0.1/99', '::/0/1', '010.0.0.1/24', '10.0.0.1/-1']) {
    const interfaces = [{ name: 'eth0', up: true, addresses: [nonsense, `${ip(1)}/24`] }];
    const { assignments } = plan(
      snapshot([member(1), member(2)]),
      connected({ 1: report(1, [], { interfaces }), 2: report(2) }),
    );
    assert.deepEqual(
      [1, 2].map((n) => assignments.get(id(n))?.[0]?.source),
      [ip(1), ip(2)],
    );
  }
});

it('a member of the operator’s contract is none the wiser', () => {
  const { assignments } = plan(snapshot([member(1, '110'), member(2, '100')]), five);
  assert.deepEqual(Object.keys(assignments.get(id(1))?.[0] ?? {}).sort(), [
    'addresses',
    'agreement',
    'group',
    'interface',
    'intervalMs',
    'peers',
    'peersConfirmed',
    'priority',
    'source',
    'version',
    'vrid',
  ]);
});
