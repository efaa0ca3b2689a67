// groups.yaml as Docker configs: which version counts, what a bad one does, and that nothing is lost to it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { assignmentOf, checkConfig } from '../../coordinator/core/config-check.ts';
import { collectGroups, type Group } from '../../coordinator/core/groups.ts';
import type { GroupsConfig, Snapshot } from '../../coordinator/core/snapshot.ts';
import { config, connected, id, ip, member, node, plan, report, service, snapshot } from './world.ts';

const groupsOf = (configs: GroupsConfig[], services = [] as Snapshot['services']) =>
  collectGroups(snapshot([], services, configs));
const named = (groups: readonly Group[], name: string) =>
  groups.find((group) => group.name === name) ?? assert.fail(`no group ${name}`);
const codes = (problems: readonly { code: string }[]) => problems.map(({ code }) => code);
const group = (name: string, lines: string) =>
  `groups:\n  ${name}:\n    addresses: [10.0.0.100]\n    ${lines}\n`;

const folder = new URL('../../coordinator/schema/', import.meta.url);
const example = readFileSync(new URL('groups.example.yaml', folder), 'utf8');

describe('versions of groups.yaml', () => {
  it('the newest counts, the older ones are listed as superseded', () => {
    const {
      groups,
      config: used,
      problems,
    } = groupsOf([
      config('groups: {web: {addresses: [10.0.0.1]}}', 1),
      config('groups: {web: {addresses: [10.0.0.3]}}', 3),
      config('groups: {web: {addresses: [10.0.0.2]}}', 2),
    ]);
    assert.deepEqual(named(groups, 'web').addresses, ['10.0.0.3/32']);
    assert.deepEqual(problems, []);
    assert.deepEqual([used?.name, used?.superseded], ['groups-3', ['groups-2', 'groups-1']]);
    assert.equal(used?.sha256, 'sum of 3');
  });

  it('one that cannot be parsed takes no address away: the newest that can stands', () => {
    for (const bad of ['groups: [', '', 'gruops: {}', 'x'.repeat(300_000), 'groups: {}\nfoo: 1']) {
      const good = config('groups: {web: {addresses: [10.0.0.1]}}', 1);
      const { groups, config: used, problems } = groupsOf([good, config(bad, 2)]);
      assert.deepEqual(named(groups, 'web').addresses, ['10.0.0.1/32']);
      assert.deepEqual([used?.name, used?.unusable], ['groups-1', ['groups-2']]);
      assert.ok(problems.length > 0);
      for (const problem of problems) {
        assert.match(problem.where, /^config groups-2, line \d+/);
        assert.equal(problem.instead, 'config groups-1, which is older, stands');
      }
    }
  });

  it('a group with something wrong in it stays as the newest clean definition has it; the others change', () => {
    const before = config('groups: {web: {addresses: [10.0.0.1]}, db: {addresses: [10.0.0.2]}}', 1);
    const after = config(
      'groups: {web: {addresses: [10.0.0.7], preempt: maybe}, db: {addresses: [10.0.0.8]}}',
      2,
    );
    const { groups, config: used, problems } = groupsOf([before, after]);
    assert.deepEqual(named(groups, 'web').addresses, ['10.0.0.1/32']);
    assert.deepEqual(named(groups, 'db').addresses, ['10.0.0.8/32']);
    assert.deepEqual(
      groups.map(({ name }) => name),
      ['web', 'db'],
    );
    assert.deepEqual(used?.kept, [{ group: 'web', config: 'groups-1' }]);
    assert.deepEqual(codes(problems), ['value-invalid']);
    assert.equal(problems[0]?.instead, 'the group stays as config groups-1 defines it');
  });

  it('a group with something wrong in it that no older version defines is served as far as it can be', () => {
    const { groups, problems } = groupsOf([
      config(group('web', 'preempt: maybe\n    garp: {delay: 7, x: 1}')),
    ]);
    assert.deepEqual(named(groups, 'web').garp, { delay: 7 });
    assert.equal(named(groups, 'web').preempt, undefined);
    assert.deepEqual(codes(problems).sort(), ['key-unknown', 'value-invalid']);
  });

  it('a group whose rule of membership is wrong is not served by other nodes instead', () => {
    for (const lines of ['members: [zone = east]', 'members: []', 'tiers: [{members: [], priority: 5}]']) {
      const { groups, problems } = groupsOf([config(group('web', lines))]);
      assert.deepEqual(groups, []);
      assert.ok(
        problems.some(({ instead }) => instead === 'the group is not served'),
        JSON.stringify(problems),
      );
    }
  });

  it('a default that is wrong makes a group that needs it stay as it was, and no other', () => {
    const before = config('groups: {web: {addresses: [10.0.0.1]}, db: {addresses: [10.0.0.2]}}', 1);
    const after = config(
      'defaults: {interval: fast}\ngroups: {web: {addresses: [10.0.0.7]}, db: {addresses: [10.0.0.8], interval: 1s}}',
      2,
    );
    const { groups } = groupsOf([before, after]);
    assert.deepEqual(named(groups, 'web').addresses, ['10.0.0.1/32']);
    assert.deepEqual(
      [named(groups, 'db').addresses, named(groups, 'db').intervalMs],
      [['10.0.0.8/32'], 1000],
    );
  });

  it('an address that moves from a group with an error to a clean one goes to the clean one', () => {
    const before = config('groups: {web: {addresses: [10.0.0.1, 10.0.0.2]}}', 1);
    const after = config('groups: {web: {addresses: [10.0.0.1], x: 1}, db: {addresses: [10.0.0.2]}}', 2);
    const { groups, problems } = groupsOf([before, after]);
    assert.deepEqual(
      groups.map(({ name, addresses }) => [name, addresses]),
      [
        ['web', ['10.0.0.1/32']],
        ['db', ['10.0.0.2/32']],
      ],
    );
    assert.deepEqual(codes(problems), ['key-unknown', 'address-in-two-groups']);
  });

  it('a group that the newest leaves out is gone, and so are all with groups: {}', () => {
    const before = config('groups: {web: {addresses: [10.0.0.1]}}', 1);
    assert.deepEqual(groupsOf([before, config('groups: {}', 2)]).groups, []);
  });
});

describe('groups.yaml beside the env', () => {
  it('defines further groups; where both define one, the file counts and the loser is told', () => {
    const text = 'groups: {web: {addresses: [10.0.0.1]}, db: {addresses: [10.0.0.2]}}';
    const { groups, problems } = groupsOf([config(text)], [service(), service({ KEEPALIVED_GROUP: 'old' })]);
    assert.deepEqual(
      groups.map(({ name }) => name),
      ['web', 'db', 'old'],
    );
    assert.deepEqual(named(groups, 'web').addresses, ['10.0.0.1/32']);
    assert.deepEqual(codes(problems), ['group-defined-twice']);
    assert.match(problems[0]?.where ?? '', /service vip_coordinator, env KEEPALIVED_GROUP/);
    assert.match(problems[0]?.message ?? '', /config groups-1, line 1/);
  });

  it('keeps an address that the env wants too', () => {
    const { groups, problems } = groupsOf([config('groups: {db: {addresses: [10.0.0.100]}}')], [service()]);
    assert.deepEqual(
      groups.map(({ name }) => name),
      ['db'],
    );
    assert.deepEqual(codes(problems), ['address-in-two-groups', 'group-without-address']);
  });

  it('leaves router id 51 to the env, which means it when it says nothing', () => {
    const text = 'groups: {db: {addresses: [10.0.0.2]}}';
    const { groups } = plan(snapshot([], [service()], [config(text)]), new Map());
    const vrids = Object.fromEntries(groups.map((each) => [each.group.name, each.vrid]));
    assert.equal(vrids['web'], 51);
    assert.notEqual(vrids['db'], 51);
  });
});

describe('values of groups.yaml', () => {
  it('know where they come from', () => {
    const text = `defaults:\n  interval: 200ms\n${group('web', 'router_id: 61')}`;
    const { provenance } = named(groupsOf([config(text)]).groups, 'web');
    assert.equal(provenance.router_id, 'config groups-1, line 6');
    assert.equal(provenance.interval, 'config groups-1, line 2 (defaults)');
    assert.equal(provenance.transport, 'default');
  });

  it('reach the assignment, and only where they differ from the default', () => {
    const full = `transport: multicast
    preempt: false
    preempt_delay: 30s
    interval: 250ms
    track_interfaces: [eth0, eth1]
    garp: {delay: 3, refresh_repeat: 2}
    members: [node.role == manager]`;
    const more = { name: 'eth1', up: true, addresses: [] };
    const interfaces = [...report(1).interfaces, more];
    const agents = connected({ 1: report(1, [], { interfaces }), 2: report(2) });
    const assigned = (lines: string) => {
      const swarm = snapshot([node(1), node(2)], [], [config(group('web', lines))]);
      return plan(swarm, agents).assignments.get(id(1))?.[0] ?? assert.fail('nothing assigned');
    };
    const plainKeys = Object.keys(assigned('members: [node.role == manager]'));
    const { transport, preempt, preemptDelayMs, intervalMs, trackInterfaces, garp } = assigned(full);
    assert.deepEqual(
      { transport, preempt, preemptDelayMs, intervalMs, trackInterfaces, garp },
      {
        transport: 'multicast',
        preempt: false,
        preemptDelayMs: 30_000,
        intervalMs: 250,
        trackInterfaces: ['eth1'],
        garp: { delay: 3, refreshRepeat: 2 },
      },
    );
    for (const key of [
      'transport',
      'preempt',
      'preemptDelayMs',
      'addressInterfaces',
      'trackInterfaces',
      'garp',
    ]) {
      assert.ok(!plainKeys.includes(key), key);
    }
  });

  it('take a password from a secret, which means version 2 and whole seconds', () => {
    const { groups, problems } = groupsOf([
      config(group('web', 'auth: {password_file: /run/secrets/vrrp-web}\n    interval: 1500ms')),
    ]);
    const { password, version, intervalMs, provenance } = named(groups, 'web');
    assert.deepEqual([password, version, intervalMs], ['geheim', 2, 2000]);
    assert.equal(provenance.version, 'because of the password, config groups-1, line 4');
    assert.deepEqual(codes(problems), ['interval-bent']);
  });

  it('may be shared by anchors', () => {
    const text = `groups:
  a: {addresses: [10.0.0.1], garp: &quiet {delay: 9}}
  b: {addresses: [10.0.0.2], garp: *quiet}`;
    const { groups, problems } = groupsOf([config(text)]);
    assert.deepEqual(problems, []);
    assert.deepEqual(named(groups, 'b').garp, { delay: 9 });
  });
});

describe('config check', () => {
  it('finds nothing wrong with the example', () => {
    const { usable, groups, problems } = checkConfig(example);
    assert.deepEqual([usable, problems], [true, []]);
    assert.deepEqual(
      groups.map(({ name }) => name),
      ['web', 'gateway', 'db', 'shop', 'legacy', 'router'],
    );
  });

  it('tells line and column of everything, in the order of the file', () => {
    const { problems } = checkConfig(group('web', 'preempt: maybe\n    intervall: 1s'));
    assert.deepEqual(
      problems.map(({ code, line, column }) => [code, line, column]),
      [
        ['value-invalid', 4, 5],
        ['key-unknown', 5, 5],
      ],
    );
    assert.match(problems[1]?.message ?? '', /did you mean interval\?/);
    assert.match(problems[1]?.where ?? '', /^config groups\.yaml, line 5, column 5, groups\.web\.intervall$/);
  });

  it('knows with a snapshot whether anybody is a member', () => {
    const text = group('web', 'members: [node.labels.zone == east]');
    assert.deepEqual(checkConfig(text).problems, []);
    assert.deepEqual(codes(checkConfig(text, 'groups.yaml', snapshot([node(1)], [])).problems), [
      'group-without-member',
    ]);
    const swarm = snapshot([node(1, { zone: 'east' })], []);
    assert.deepEqual(checkConfig(text, 'groups.yaml', swarm).problems, []);
  });

  it('never throws, whatever the text', () => {
    for (let at = 0; at < example.length; at += 37) {
      for (const junk of ['', '\u0000', '[', '"', '\n  - ', ': &a *a', '!!x ', '\ud800']) {
        checkConfig(example.slice(0, at) + junk + example.slice(at + 11));
      }
    }
  });
});

it('config render computes the assignment of one node without agents', () => {
  const swarm = snapshot([member(1, '110'), member(2, '100')]);
  const { instances } = assignmentOf(swarm, id(2));
  assert.deepEqual(
    instances.map(({ group: name, interface: on, source, priority }) => [name, on, source, priority]),
    [['web', 'eth0', ip(2), 226]],
  );
});

it('the JSON Schema for editors is current', () => {
  const printed = execFileSync(process.execPath, ['--import', 'tsx', 'generate.ts'], {
    cwd: folder,
    encoding: 'utf8',
  });
  const committed = readFileSync(new URL('groups.schema.json', folder), 'utf8');
  assert.deepEqual(
    JSON.parse(committed),
    JSON.parse(printed),
    'npm run --silent schema > coordinator/schema/groups.schema.json',
  );
});
