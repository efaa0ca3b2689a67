// Every bad value: one clear problem that names the place, the value, the remedy and what was done instead; and no other
// group notices.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CoordinatorService, SwarmNode } from '../../coordinator/core/snapshot.ts';
import { connected, id, member, node, plan, report, running, service, snapshot } from './world.ts';

const bystander = service(
  { KEEPALIVED_GROUP: 'db', KEEPALIVED_VIRTUAL_IPS: '10.0.0.200' },
  { id: 'service0', name: 'db', createdAt: '2025-01-01T00:00:00Z' },
);
const dbNode = node(9, { keepalived_group: 'db' });

/** Plans with the given nodes and service beside an untouched group `db` on node 9. */
function planned(nodes: SwarmNode[], services: CoordinatorService[]) {
  const all = [...nodes, dbNode];
  const agents = connected(Object.fromEntries([1, 2, 9].map((n) => [n, report(n)])));
  const result = plan(snapshot(all, [bystander, ...services]), agents);
  const alone = plan(snapshot(all, [bystander]), agents);
  assert.deepEqual(result.assignments.get(id(9)), alone.assignments.get(id(9)), 'another group noticed');
  return {
    ...result,
    problems: result.problems.filter(({ group }) => group !== 'db'),
    web: result.groups.find(({ group }) => group.name === 'web'),
  };
}

interface Case {
  says: string;
  nodes?: SwarmNode[];
  env?: Record<string, string>;
  code: string;
  /** Must all appear in the problem. */
  names: string[];
  priority?: number;
  addresses?: string[];
}

const cases: Case[] = [
  {
    says: 'a priority that is no number counts as the default',
    nodes: [member(1, 'abc'), member(2, '99')],
    code: 'priority-invalid',
    names: ['host1', 'KEEPALIVED_PRIORITY', 'abc', 'default 100', 'docker node update'],
    priority: 100,
  },
  {
    says: 'priority 0 is raised to 1',
    nodes: [member(1, '0'), member(2)],
    code: 'priority-clamped',
    names: ['host1', 'KEEPALIVED_PRIORITY', '"0"', '1 is used'],
    priority: 1,
  },
  {
    says: 'priority 300 is cut to 254',
    nodes: [member(1, '300'), member(2)],
    code: 'priority-clamped',
    names: ['host1', '300', '254 is used'],
    priority: 254,
  },
  {
    says: 'an address that is none is left out, the rest is served',
    env: { KEEPALIVED_VIRTUAL_IPS: '10.0.0.100, 10.0.0.999' },
    code: 'address-invalid',
    names: ['vip_coordinator', 'KEEPALIVED_VIRTUAL_IPS', '10.0.0.999', 'left out'],
    addresses: ['10.0.0.100/32'],
  },
  {
    says: 'a multicast address is left out',
    env: { KEEPALIVED_VIRTUAL_IPS: '10.0.0.100 224.0.0.18' },
    code: 'address-unusable',
    names: ['224.0.0.18', 'multicast'],
    addresses: ['10.0.0.100/32'],
  },
  {
    says: 'an address of another group stays with the older one',
    env: { KEEPALIVED_VIRTUAL_IPS: '10.0.0.100,10.0.0.200' },
    code: 'address-in-two-groups',
    names: ['10.0.0.200', 'db'],
    addresses: ['10.0.0.100/32'],
  },
  {
    says: 'a wide prefix is narrowed to the host',
    env: { KEEPALIVED_VIRTUAL_IPS: '10.0.0.100/24' },
    code: 'prefix-narrowed',
    names: ['10.0.0.100/24', '10.0.0.100/32'],
    addresses: ['10.0.0.100/32'],
  },
  {
    says: 'an address that a node has as its own is left out',
    env: { KEEPALIVED_VIRTUAL_IPS: '10.0.0.100,10.0.0.12' },
    code: 'address-is-a-nodes-own',
    names: ['10.0.0.12', 'host2'],
    addresses: ['10.0.0.100/32'],
  },
  {
    says: 'a group without any address is not served',
    env: { KEEPALIVED_VIRTUAL_IPS: ' , ' },
    code: 'group-without-address',
    names: ['vip_coordinator', 'KEEPALIVED_VIRTUAL_IPS'],
  },
  {
    says: 'addresses without the name of a group are not served',
    env: { KEEPALIVED_GROUP: '' },
    nodes: [],
    code: 'group-without-name',
    names: ['vip_coordinator', 'KEEPALIVED_GROUP'],
  },
  {
    says: 'a name that keepalived.conf cannot carry is refused',
    env: { KEEPALIVED_GROUP: 'we b{' },
    nodes: [],
    code: 'group-name-invalid',
    names: ['we b{'],
  },
  {
    says: 'an interface that the node lacks is replaced by the one that holds the subnet',
    nodes: [member(1, '100', { KEEPALIVED_INTERFACE: 'eth7' }), member(2)],
    code: 'interface-missing',
    names: ['host1', 'KEEPALIVED_INTERFACE', 'eth7', 'eth0 is used'],
  },
  {
    says: 'a source address that the node lacks is replaced',
    nodes: [member(1, '100', { KEEPALIVED_IP: '10.0.0.77' }), member(2)],
    code: 'source-address-foreign',
    names: ['host1', 'KEEPALIVED_IP', '10.0.0.77', '10.0.0.11 is used'],
  },
  {
    says: 'an address outside every subnet of a node leaves that node out',
    env: { KEEPALIVED_VIRTUAL_IPS: '10.9.9.9' },
    nodes: [member(1)],
    code: 'no-interface',
    names: ['host1', '10.9.9.9', 'KEEPALIVED_INTERFACE'],
  },
  {
    says: 'a router id out of range is replaced',
    env: { KEEPALIVED_ROUTER_ID: '256' },
    code: 'router-id-invalid',
    names: ['KEEPALIVED_ROUTER_ID', '256'],
  },
  {
    says: 'a group that lost its only node has no member',
    nodes: [node(1)],
    code: 'group-without-member',
    names: ['keepalived_group=web', 'docker node update --label-add'],
  },
  {
    says: 'a node whose group nobody defines takes part in nothing',
    nodes: [member(1), node(2, { keepalived_group: 'wbe' })],
    code: 'group-unknown',
    names: ['host2', 'keepalived_group', 'wbe', 'db, web'],
  },
];

describe('bad input', () => {
  for (const { says, nodes = [member(1), member(2)], env = {}, code, names, priority, addresses } of cases) {
    it(says, () => {
      const { problems, web } = planned(nodes, [service(env)]);
      assert.deepEqual(
        problems.map((problem) => problem.code),
        [code],
        'expected exactly one problem',
      );
      const text = JSON.stringify(problems[0]).replaceAll('\\"', '"');
      for (const name of names) assert.ok(text.includes(name), `expected ${name} in ${text}`);
      if (priority !== undefined) assert.equal(web?.members[0]?.wantedPriority, priority);
      if (addresses) assert.deepEqual(web?.group.addresses, addresses);
    });
  }

  it('a password over 8 characters is cut aloud, never quoted, and means version 2 with whole seconds', () => {
    const secret = 'correct-horse-battery';
    const { problems, web, assignments } = planned([member(1)], [service({ KEEPALIVED_PASSWORD: secret })]);
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['password-cut'],
    );
    assert.ok(!JSON.stringify(problems).includes('correct'));
    const [instance] = assignments.get(id(1)) ?? [];
    assert.deepEqual(
      [instance?.password, instance?.version, instance?.intervalMs, web?.group.version],
      ['correct-', 2, 1000, 2],
    );
  });

  it('a password of hostile characters loses them, on all members alike', () => {
    const { problems, assignments } = planned([member(1)], [service({ KEEPALIVED_PASSWORD: 'a"b{c\nd!' })]);
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['password-characters-dropped'],
    );
    assert.equal(assignments.get(id(1))?.[0]?.password, 'abcd');
  });

  it('a router id that another group runs already is replaced, and the other keeps it', () => {
    const wishing = [bystander, service({ KEEPALIVED_ROUTER_ID: '51' })];
    const [before] =
      plan(snapshot([dbNode], [bystander]), connected({ 9: report(9) })).assignments.get(id(9)) ?? [];
    assert.equal(before?.vrid, 51);
    const agents = connected({ 1: report(1), 9: report(9, before ? [running(before)] : []) });
    const { problems, groups } = plan(snapshot([member(1), dbNode], wishing), agents);
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['router-id-taken'],
    );
    const byName = Object.fromEntries(groups.map(({ group, vrid }) => [group.name, vrid]));
    assert.equal(byName['db'], 51);
    assert.ok(problems[0]?.instead.includes(String(byName['web'])), problems[0]?.instead);
  });

  it('two services with one group name: the older counts', () => {
    const younger = service(
      { KEEPALIVED_VIRTUAL_IPS: '10.0.0.150' },
      { id: 'service2', name: 'other', createdAt: '2026-02-01T00:00:00Z' },
    );
    const { problems, web } = planned([member(1)], [younger, service()]);
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['group-defined-twice'],
    );
    assert.deepEqual(web?.group.addresses, ['10.0.0.100/32']);
  });

  it('no value reaches an assignment with a control character, quote, brace or comment sign', () => {
    for (const evil of [
      '}',
      '{',
      '"',
      '\n',
      '!',
      '#',
      '$',
      '@',
      '\u0000',
      ' }\nglobal_defs {',
      'x'.repeat(10_000),
    ]) {
      const nodes = [
        member(1, evil, { KEEPALIVED_INTERFACE: evil, KEEPALIVED_IP: evil }),
        node(2, { keepalived_group: evil }),
      ];
      const env = {
        KEEPALIVED_VIRTUAL_IPS: `10.0.0.100,${evil}`,
        KEEPALIVED_INTERFACE: evil,
        KEEPALIVED_PASSWORD: evil,
        KEEPALIVED_ROUTER_ID: evil,
      };
      const agents = connected({ 1: report(1), 2: report(2) });
      const { assignments, problems } = plan(snapshot(nodes, [service(env)]), agents);
      for (const [, instances] of assignments) {
        for (const value of strings(instances)) assert.match(value, /^[A-Za-z0-9_.:/-]{1,64}$/);
      }
      for (const problem of problems)
        assert.ok(JSON.stringify(problem).length < 1_000, 'a problem quotes too much');
    }
  });
});

function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(strings) : [];
}
