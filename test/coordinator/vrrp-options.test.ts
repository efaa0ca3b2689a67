// vmac, strict and skip_check_adv_addr of groups.yaml: what reaches the members, and what is refused with which words.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkConfig } from '../../coordinator/core/config-check.ts';
import { collectGroups } from '../../coordinator/core/groups.ts';
import { config, connected, id, member, plan, report, snapshot } from './world.ts';

const groupsOf = (text: string) => collectGroups(snapshot([], [], [config(text, 1)]));
const oneGroup = (lines: string) =>
  groupsOf(`groups:\n  web:\n    addresses: [10.0.0.100]\n${lines.replace(/^/gm, '    ')}\n`);
const multicast = 'transport: multicast';

describe('vmac, strict and skip_check_adv_addr', () => {
  it('stay absent where nobody asks for them', () => {
    const [group] = oneGroup('vmac: false\nstrict: false\nskip_check_adv_addr: false').groups;
    assert.deepEqual(
      [group?.vmac, group?.strict, group?.skipCheckAdvAddr],
      [undefined, undefined, undefined],
    );
  });

  it('reach every member; the interface of vmac: true is named after the router id', () => {
    const text = `groups: {web: {addresses: [10.0.0.100], router_id: 77, ${multicast}, vmac: true, strict: true, skip_check_adv_addr: true}}`;
    const { assignments, problems } = plan(
      snapshot([member(1, '110', { keepalived_group: 'web' })], [], [config(text, 1)]),
      connected({ 1: report(1) }),
    );
    assert.deepEqual(
      problems.filter(({ severity }) => severity === 'error'),
      [],
    );
    const [instance] = assignments.get(id(1)) ?? [];
    assert.deepEqual([instance?.vmac, instance?.strict, instance?.skipCheckAdvAddr], ['vrrp.77', true, true]);
  });

  for (const [says, lines, words] of [
    ['beside unicast', 'strict: true', /no unicast peers/],
    ['beside a password', `strict: true\n${multicast}\nauth: {password: secret}`, /dropped/],
    ['in version 2', `strict: true\n${multicast}\nversion: 2`, /dropped/],
  ] as const) {
    it(`strict ${says} is refused with the reason, and the group is served without it`, () => {
      const { groups, problems } = oneGroup(lines);
      assert.equal(groups[0]?.strict, undefined);
      assert.deepEqual(groups[0]?.addresses, ['10.0.0.100/32']);
      const refusal = problems.find(({ code }) => code === 'strict-impossible');
      assert.match(refusal?.message ?? '', words);
      assert.match(refusal?.where ?? '', /^config groups-1, line 4/);
    });
  }

  it('vmac is refused in a group of IPv6 addresses alone, which is served without it', () => {
    const { groups, problems } = groupsOf('groups: {web: {addresses: ["fd00::1"], vmac: true}}');
    assert.equal(groups[0]?.vmac, undefined);
    assert.equal(problems[0]?.code, 'vmac-impossible');
  });

  it('strict is refused in a group of IPv6 addresses alone', () => {
    const { problems } = groupsOf(`groups: {web: {addresses: ["fd00::1"], ${multicast}, strict: true}}`);
    assert.match(problems.find(({ code }) => code === 'strict-impossible')?.message ?? '', /link-local/);
  });

  it('a name belongs to the first group that says it; the other interface gets a name of its own', () => {
    const { groups, problems } = groupsOf(
      'groups: {a: {addresses: [10.0.0.1], vmac: front}, b: {addresses: [10.0.0.2], vmac: front}}',
    );
    assert.deepEqual(
      groups.map(({ vmac }) => vmac),
      ['front', true],
    );
    assert.deepEqual(
      problems.map(({ code, group }) => [code, group]),
      [['vmac-in-two-groups', 'b']],
    );
  });

  it('names that could be keepalived’s, lo or no interface’s are refused, and for all groups there is no name', () => {
    for (const name of ['vrrp.51', 'lo', 'a b', 'x'.repeat(16), '"}"', '../x']) {
      const { problems } = checkConfig(
        `groups: {web: {addresses: [10.0.0.1], vmac: ${JSON.stringify(name)}}}`,
      );
      assert.match(problems[0]?.message ?? '', /expected true, false, or a name/, name);
    }
    const { problems } = checkConfig('defaults: {vmac: front}\ngroups: {web: {addresses: [10.0.0.1]}}');
    assert.ok(problems.length > 0);
  });
});
