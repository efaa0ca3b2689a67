// Groups that a service's own labels define, within the operator's pools; and members that cannot share an address.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import * as v from 'valibot';
import { inPools, readPools } from '../../coordinator/core/address-pools.ts';
import { assignmentOf } from '../../coordinator/core/config-check.ts';
import { collectGroups } from '../../coordinator/core/groups.ts';
import type { Snapshot, SwarmNode, SwarmService } from '../../coordinator/core/snapshot.ts';
import { AssignedInstance, type NetworkInterface } from '../../shared/protocol.ts';
import {
  config,
  connected,
  id,
  ip,
  member,
  node,
  plan,
  report,
  running,
  service,
  snapshot,
} from './world.ts';

const codes = (problems: readonly { code: string }[]) => problems.map(({ code }) => code);
const pools = '10.0.0.100-10.0.0.120, fd00::/120';
let serial = 0;
const shop = (labels: Record<string, string>, more: Partial<SwarmService> = {}): SwarmService => {
  serial += 1;
  return {
    ...{ id: `service-${serial}`, name: 'shop_web', replicas: 2, constraints: [] },
    createdAt: `2026-02-01T00:00:00.${String(serial).padStart(3, '0')}Z`,
    labels: Object.fromEntries(Object.entries(labels).map(([key, text]) => [`swarm-vip.${key}`, text])),
    ...more,
  };
};
const three = [node(1), node(2), node(3)];
const swarm = (
  services: SwarmService[],
  env: Record<string, string> = { ADDRESS_POOLS: pools },
  file?: string,
  nodes: SwarmNode[] = three,
): Snapshot => ({
  ...snapshot(
    nodes,
    [service({ KEEPALIVED_GROUP: '', KEEPALIVED_VIRTUAL_IPS: '', ...env })],
    file === undefined ? [] : [config(file)],
  ),
  allServices: services,
});
const heard = (more: Partial<NetworkInterface> = {}) =>
  connected(
    Object.fromEntries(
      [1, 2, 3].map((n) => [
        n,
        report(n, [], {
          interfaces: [{ name: 'eth0', up: true, addresses: [`${ip(n)}/24`], ...more }],
        }),
      ]),
    ),
  );

describe('address pools', () => {
  const read = (text: string) => readPools(swarm([], { ADDRESS_POOLS: text }));

  it('are ranges, subnets and single addresses of both families', () => {
    const { pools: found, problems } = read(`${pools} 10.0.1.77/30,10.0.2.1`);
    assert.deepEqual(problems, []);
    const within = ['10.0.0.100', '10.0.0.120', 'fd00::ff', '10.0.1.76', '10.0.1.79', '10.0.2.1'];
    const without = [
      '10.0.0.99',
      '10.0.0.121',
      'fd00::100',
      '10.0.1.75',
      '10.0.1.80',
      '10.0.2.2',
      '::a00:64',
    ];
    for (const address of within) assert.ok(inPools(address, found), address);
    for (const address of without) assert.ok(!inPools(address, found), address);
  });

  it('that say something else are problems, and hold nothing', () => {
    const bad = [
      'all',
      '10.0.0.9-10.0.0.1',
      '10.0.0.1-fd00::1',
      '10.0.0.0/33',
      '10.0.0.1-2-3',
      '10.0.0.0/8/8',
    ];
    for (const text of bad) {
      const { pools: found, problems } = read(text);
      assert.deepEqual([found, codes(problems)], [[], ['address-pool-invalid']], text);
    }
  });

  it('hold exactly the addresses of their subnet', () => {
    const byte = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(byte, byte, fc.integer({ min: 16, max: 32 }), byte, byte, (a, b, bits, c, d) => {
        const { pools: found } = read(`10.9.${a}.${b}/${bits}`);
        const number = (x: number, y: number) => x * 256 + y;
        const size = 2 ** (32 - bits);
        const same = Math.floor(number(a, b) / size) === Math.floor(number(c, d) / size);
        assert.equal(inPools(`10.9.${c}.${d}`, found), same);
      }),
    );
  });
});

describe('labels of a service', () => {
  it('define nothing until the operator names pools, and say so', () => {
    const { groups, problems } = collectGroups(swarm([shop({ 'web.address': '10.0.0.100' })], {}));
    assert.deepEqual([groups, codes(problems)], [[], ['service-labels-off']]);
  });

  it('define a group that follows the service on all nodes where it may run', () => {
    const constraints = ['node.role == manager', 'node.labels.zone==east', 'engine.labels.x == y'];
    const east = [node(1, { zone: 'east' }), node(2, { zone: 'west' }), node(3, { zone: 'east' })];
    const labels = { 'web.address': '10.0.0.100, fd00::5', 'web.interval': '200ms', 'web.preempt': 'false' };
    const at = swarm([shop(labels, { constraints })], undefined, undefined, east);
    const { groups, assignments, problems } = plan(at, heard());
    assert.deepEqual(problems, []);
    const [web] = groups;
    assert.deepEqual(web?.group.addresses, ['10.0.0.100/32', 'fd00::5/128']);
    assert.deepEqual(
      web?.members.map((each) => each.node),
      [id(1), id(3)],
    );
    const [assigned] = assignments.get(id(1)) ?? [];
    assert.deepEqual(
      assigned?.checks?.map((check) => [
        check.kind,
        check.name,
        check.weight,
        'service' in check && check.service,
      ]),
      [['service', 'follow', undefined, 'shop_web']],
    );
    assert.deepEqual([assigned?.intervalMs, assigned?.preempt], [200, false]);
    assert.equal(web?.group.provenance.interval, 'service shop_web, label swarm-vip.web.interval');
    assert.equal(web?.group.provenance.checks, 'service shop_web, which the group follows');
  });

  it('may name members, who leads, interface and router id', () => {
    const labels = {
      ...{ 'a.b.address': '10.0.0.100', 'a.b.members': 'node.id != x, node.role == manager' },
      ...{ 'a.b.preferred': 'node.hostname == host2', 'a.b.router_id': '77', 'a.b.interface': 'eth.*' },
    };
    const { groups, problems } = plan(swarm([shop(labels)]), heard());
    assert.deepEqual(problems, []);
    const [made] = groups;
    assert.deepEqual([made?.group.name, made?.vrid, made?.group.interface], ['a.b', 77, 'eth.*']);
    const best = [...(made?.members ?? [])].sort((a, b) => (b.priority ?? 0) - (a.priority ?? 0));
    assert.deepEqual(best.map(({ node: each, priorityFrom }) => [each, priorityFrom])[0], [
      id(2),
      'preferred',
    ]);
  });

  it('get only what the pools hold', () => {
    const { groups, problems } = collectGroups(swarm([shop({ 'web.address': '10.0.0.100,10.0.0.5' })]));
    assert.deepEqual(groups[0]?.addresses, ['10.0.0.100/32']);
    assert.deepEqual(codes(problems), ['address-outside-pools']);
    const none = collectGroups(swarm([shop({ 'web.address': '10.0.0.5' })]));
    assert.deepEqual([none.groups, codes(none.problems)], [[], ['address-outside-pools']]);
  });

  it('never get a gateway, an address of a node, or the edge of a subnet, though a pool holds it', () => {
    const all = '10.0.0.0/24';
    const asked = (address: string, agents = heard({ gateways: ['10.0.0.1'] })) => {
      const { groups, problems } = plan(
        swarm([shop({ 'web.address': address })], { ADDRESS_POOLS: all }),
        agents,
      );
      return [groups.length, ...codes(problems).filter((code) => code.startsWith('address'))];
    };
    assert.deepEqual(asked('10.0.0.100'), [1]);
    assert.deepEqual(asked('10.0.0.1'), [0, 'address-unfit']);
    for (const edge of ['10.0.0.0', '10.0.0.255']) assert.deepEqual(asked(edge), [0, 'address-unfit']);
    assert.deepEqual(asked(ip(2)), [0, 'address-unfit', 'address-is-a-nodes-own']);
    assert.deepEqual(asked(ip(2), new Map()), [0, 'address-unfit']);
  });

  it('lose an unfit address only as long as nobody serves it', () => {
    const at = swarm([shop({ 'web.address': '10.0.0.100' })]);
    const { assignments } = plan(at, heard());
    const [assigned] = assignments.get(id(1)) ?? [];
    assert.ok(assigned);
    const later = plan(
      at,
      connected({
        1: report(1, [running(assigned, { state: 'MASTER' })], {
          interfaces: [{ name: 'eth0', up: true, addresses: [`${ip(1)}/24`], gateways: ['10.0.0.100'] }],
        }),
      }),
    );
    assert.equal(later.assignments.get(id(1))?.length, 1);
    assert.ok(codes(later.problems).includes('address-unfit'));
  });

  it('yield to the file, and win over the env; of two services the older one counts', () => {
    const labels = shop({ 'web.address': '10.0.0.101' });
    const env = { ADDRESS_POOLS: pools, KEEPALIVED_GROUP: 'web', KEEPALIVED_VIRTUAL_IPS: '10.0.0.102' };
    const file = 'groups:\n  web:\n    addresses: [10.0.0.103]\n';
    const made = (at: Snapshot) => {
      const { groups, problems } = collectGroups(at);
      const told = problems.map(({ code, where, instead }) => `${code}: ${where}: ${instead}`);
      return [groups.map(({ addresses }) => addresses[0]), told];
    };
    const byEnv =
      'group-defined-twice: service vip_coordinator, env KEEPALIVED_GROUP: the label of the service counts, this one is ignored';
    assert.deepEqual(made(swarm([labels], env)), [['10.0.0.101/32'], [byEnv]]);
    assert.deepEqual(made(swarm([labels], env, file)), [
      ['10.0.0.103/32'],
      [
        'group-defined-twice: service shop_web: the file counts, this one is ignored',
        byEnv.replace('the label of the service', 'the file'),
      ],
    ]);
    const second = shop({ 'web.address': '10.0.0.104' }, { name: 'late' });
    assert.deepEqual(made(swarm([second, labels])), [
      ['10.0.0.101/32'],
      ['group-defined-twice: service late: the older service counts, this one is ignored'],
    ]);
  });

  it('that are not known, or cannot be read, are told, and nothing else is touched', () => {
    const bad: [Record<string, string>, string[], number][] = [
      [{ 'web.address': '10.0.0.100', 'web.adress': 'x' }, ['label-unknown'], 1],
      [{ 'web.address': '10.0.0.100', adress: 'x' }, ['label-unknown'], 1],
      // What a coordinator writes on the service of agents that it has created.
      [{ role: 'agent', managed: 'yes', 'made-for': 'image env' }, [], 0],
      [{ 'web.address': '10.0.0.100', role: 'agent', agent: 'yes' }, [], 1],
      [{ 'web.address': '10.0.0.100', 'web.router_id': '300' }, ['value-invalid'], 1],
      [{ 'web.address': '10.0.0.100', 'web.preempt': 'maybe' }, ['value-invalid'], 1],
      [{ 'web.address': '10.0.0.100', 'web.preferred': 'node1' }, ['placement-invalid'], 1],
      [{ 'web.address': '10.0.0.100', 'web.members': 'node1' }, ['placement-invalid'], 0],
      [{ 'web.address': '10.0.0.100', 'web.members': '' }, ['value-invalid'], 0],
      [{ 'web.address': 'x;y' }, ['address-invalid', 'group-without-address'], 0],
      [{ 'web.address': '10.0.0.100, x;y' }, ['address-invalid'], 1],
      [{ 'web.address': '' }, ['group-without-address'], 0],
      [{ 'web.interval': '1s' }, ['group-without-address'], 0],
      [{ 'we b.address': '10.0.0.100' }, ['group-name-invalid'], 0],
    ];
    for (const [labels, expected, groups] of bad) {
      const made = collectGroups(swarm([shop(labels), shop({ 'db.address': '10.0.0.110' }, { name: 'db' })]));
      assert.deepEqual(
        [codes(made.problems), made.groups.length],
        [expected, groups + 1],
        JSON.stringify(labels),
      );
    }
  });

  it('never carry anything into an assignment that its schema refuses, whatever they say', () => {
    const text = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc.constantFrom(
        '10.0.0.100',
        '10.0.0.100\n}',
        'eth0 {',
        '$(x)',
        'node.role == manager',
        '1s',
        '255',
        '__proto__',
      ),
    );
    const word = fc.constantFrom(
      'address',
      'interface',
      'router_id',
      'interval',
      'preempt',
      'members',
      'preferred',
      'x',
    );
    const name = fc.oneof(
      fc.constantFrom('web', 'a.b', '__proto__', 'constructor', ''),
      fc.string({ maxLength: 20 }),
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(name, word, text), { maxLength: 8 }),
        fc.string({ maxLength: 20 }),
        (parts, serviceName) => {
          const labels = Object.fromEntries(parts.map(([group, key, value]) => [`${group}.${key}`, value]));
          const at = swarm([shop({ ...labels, 'db.address': '10.0.0.110' }, { name: serviceName })]);
          for (const n of [1, 2, 3]) {
            for (const instance of assignmentOf(at, id(n)).instances) v.parse(AssignedInstance, instance);
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('a group that follows a service, by the file', () => {
  it('checks it first, as a fault, beside its other checks', () => {
    const file =
      'groups:\n  web:\n    addresses: [10.0.0.100]\n    follow: shop_web\n    checks:\n      - service: other\n        weight: -10\n';
    const { groups, problems } = collectGroups(swarm([], {}, file));
    assert.deepEqual(problems, []);
    assert.deepEqual(
      groups[0]?.checks?.map(({ name, weight }) => [name, weight]),
      [
        ['follow', undefined],
        ['service', -10],
      ],
    );
  });
});

describe('checks beside a service that is followed', () => {
  it('are never more than an assignment can carry', () => {
    const eight = Array.from({ length: 8 }, (_, n) => `{ service: s${n}, name: s${n} }`).join(', ');
    const file = `groups:\n  web:\n    addresses: [10.0.0.100]\n    follow: shop_web\n    checks: [${eight}]\n`;
    const { groups, problems } = collectGroups(swarm([], {}, file));
    assert.deepEqual(codes(problems), ['too-many-checks']);
    assert.deepEqual([groups[0]?.checks?.length, groups[0]?.checks?.[0]?.name], [8, 'follow']);
  });
});

describe('members', () => {
  const members = [member(1), member(2), member(3)];
  const env = [service()];
  const placed = (cidrs: Record<number, string>, more: Record<number, 'holds'> = {}) => {
    const agents = connected(
      Object.fromEntries(
        Object.entries(cidrs).map(([n, cidr]) => [
          n,
          report(Number(n), [], { interfaces: [{ name: 'eth0', up: true, addresses: [cidr] }] }),
        ]),
      ),
    );
    const at = snapshot(
      members.map((each) => ({ ...each, labels: { ...each.labels, KEEPALIVED_INTERFACE: 'eth0' } })),
      env,
    );
    const first = plan(at, agents);
    for (const n of Object.keys(more).map(Number)) {
      const view = agents.get(id(n));
      const [assigned] = first.assignments.get(id(n)) ?? [];
      const own = assigned ?? [...first.assignments.values()].flat()[0];
      if (!view?.report || !own) continue;
      view.report.instances = [
        running({ ...own, source: (cidrs[n] ?? '').split('/')[0] ?? '' }, { state: 'MASTER' }),
      ];
    }
    const { problems, groups } = plan(at, agents);
    return {
      refused: problems.flatMap(({ code, node: each }) => (code === 'segment-differs' ? [each] : [])),
      problems,
      taking: groups[0]?.members.flatMap(({ node: each, attachment }) => (attachment ? [each] : [])),
    };
  };

  it('in another layer 2 segment are refused, and the reason names both', () => {
    const { refused, taking, problems } = placed({ 1: '10.0.0.11/24', 2: '10.0.0.12/24', 3: '10.0.1.13/24' });
    assert.deepEqual([refused, taking], [[id(3)], [id(1), id(2)]]);
    const told = problems.find(({ code }) => code === 'segment-differs');
    assert.match(
      told?.message ?? '',
      /eth0 is in another layer 2 segment than eth0 of node host1 .*10\.0\.0\.11\/24/,
    );
    assert.equal(told?.value, '10.0.1.13/24');
  });

  it('whose subnet holds the addresses stay, even when they are fewer', () => {
    const { taking } = placed({ 1: '10.0.1.11/24', 2: '10.0.1.12/24', 3: '10.0.0.13/24' });
    assert.deepEqual(taking, [id(3)]);
  });

  it('that hold stay, where no subnet holds the addresses; then the most', () => {
    const elsewhere = { 1: '10.0.1.11/24', 2: '10.0.2.12/24', 3: '10.0.2.13/24' };
    assert.deepEqual(placed(elsewhere).taking, [id(2), id(3)]);
    assert.deepEqual(placed(elsewhere, { 1: 'holds' }).taking, [id(1)]);
  });

  it('with different prefixes share a segment when each reaches the other', () => {
    assert.deepEqual(placed({ 1: '10.0.0.11/16', 2: '10.0.0.12/24', 3: '10.0.0.13/25' }).refused, []);
    assert.deepEqual(placed({ 1: '10.0.0.11/16', 2: '10.0.0.12/24', 3: '10.0.9.13/16' }).refused.length, 1);
  });

  it('with different prefixes do not, when only one of them reaches the other', () => {
    assert.deepEqual(placed({ 1: '10.0.9.11/16', 2: '10.0.0.12/24', 3: '10.0.0.13/24' }).refused, [id(1)]);
  });

  it('with a host prefix are taken at their word', () => {
    assert.deepEqual(placed({ 1: '10.0.0.11/32', 2: '10.0.0.12/24', 3: '10.0.0.13/32' }).refused, []);
  });
});
