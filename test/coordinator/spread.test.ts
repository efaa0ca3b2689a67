// Several groups over several nodes: even, the same everywhere, and steady.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Agents } from '../../coordinator/core/plan.ts';
import { type Candidates, spreadLeaders } from '../../coordinator/core/spread.ts';
import type { NodeId } from '../../shared/words.ts';
import { config, connected, id, member, node, plan, report, snapshot } from './world.ts';

const nodeIds = (least: number, most: number) =>
  fc.uniqueArray(
    fc.string({
      minLength: 25,
      maxLength: 25,
      unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789'),
    }),
    { minLength: least, maxLength: most },
  ) as fc.Arbitrary<NodeId[]>;
const groupNames = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9-]{0,11}$/), {
  minLength: 2,
  maxLength: 20,
});

function loads(nodes: readonly NodeId[], leaders: ReadonlyMap<string, NodeId>): number[] {
  return nodes.map((each) => [...leaders.values()].filter((leader) => leader === each).length);
}
const uneven = (counts: readonly number[]) => Math.max(...counts) - Math.min(...counts);
const everywhere = (groups: readonly string[], nodes: readonly NodeId[]): Candidates[] =>
  groups.map((group) => ({ group, nodes }));

describe('spreadLeaders', () => {
  it('gives no node two groups more than another, over 3 to 100 nodes and 2 to 20 groups', () => {
    fc.assert(
      fc.property(nodeIds(3, 100), groupNames, (nodes, groups) => {
        const leaders = spreadLeaders(everywhere(groups, nodes));
        assert.equal(leaders.size, groups.length);
        assert.ok(uneven(loads(nodes, leaders)) <= 1);
      }),
      { numRuns: 200 },
    );
  });

  it('finds the most even assignment there is when groups have different nodes', () => {
    const some = fc.uniqueArray(fc.nat(4), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(nodeIds(5, 5), fc.array(some, { minLength: 2, maxLength: 6 }), (nodes, choices) => {
        const groups = choices.map((numbers, index) => ({
          group: `g${index}`,
          nodes: numbers.flatMap((n) => nodes[n] ?? []),
        }));
        const leaders = spreadLeaders(groups);
        for (const { group, nodes: candidates } of groups) {
          assert.ok(candidates.includes(leaders.get(group) ?? ('' as NodeId)));
        }
        assert.equal(Math.max(...loads(nodes, leaders)), leastPossible(groups, nodes));
      }),
      { numRuns: 200 },
    );
  });

  it('depends on names alone, not on the order of nodes or groups', () => {
    fc.assert(
      fc.property(nodeIds(3, 30), groupNames, (nodes, groups) => {
        const one = spreadLeaders(everywhere(groups, nodes));
        const other = spreadLeaders(everywhere([...groups].reverse(), [...nodes].reverse()));
        for (const group of groups) assert.equal(one.get(group), other.get(group));
      }),
      { numRuns: 50 },
    );
  });

  it('moves few groups when a node or a group comes', () => {
    const measured = { node: 0, group: 0, groups: 0 };
    for (let round = 0; round < 100; round++) {
      const nodes = Array.from({ length: 6 }, (_, n) => `${round}-${n}`.padEnd(25, 'n') as NodeId);
      const groups = Array.from({ length: 15 }, (_, n) => `group-${round}-${n}`);
      const before = spreadLeaders(everywhere(groups, nodes.slice(1)));
      const moved = (after: ReadonlyMap<string, NodeId>) =>
        groups.filter((group) => before.get(group) !== after.get(group)).length;
      measured.node += moved(spreadLeaders(everywhere(groups, nodes)));
      measured.group += moved(spreadLeaders(everywhere([...groups, 'one-more'], nodes.slice(1))));
      measured.groups += groups.length;
    }
    // At least one group in six must go to the sixth node; filling up in order moves half of them.
    assert.ok(measured.node / measured.groups < 0.33, `a node moved ${measured.node} of ${measured.groups}`);
    assert.ok(
      measured.group / measured.groups < 0.1,
      `a group moved ${measured.group} of ${measured.groups}`,
    );
  });
});

/** By trying everything. */
function leastPossible(groups: readonly Candidates[], nodes: readonly NodeId[]): number {
  const count = new Map(nodes.map((each) => [each, 0]));
  const best = (index: number): number => {
    const group = groups[index];
    if (!group) return Math.max(...count.values());
    return Math.min(
      ...group.nodes.map((candidate) => {
        count.set(candidate, (count.get(candidate) ?? 0) + 1);
        const result = best(index + 1);
        count.set(candidate, (count.get(candidate) ?? 0) - 1);
        return result;
      }),
    );
  };
  return best(0);
}

describe('a plan', () => {
  const numbers = [1, 2, 3, 4];
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  const text = `groups:\n${names.map((name, n) => `  ${name}: {addresses: [10.0.0.${100 + n}], members: [node.role == manager]}`).join('\n')}\n`;
  const agents: Agents = connected(Object.fromEntries(numbers.map((n) => [n, report(n)])));
  const leadersOf = (labels: Record<string, string>, known = agents) => {
    const nodes = numbers.map((n) => node(n, n === 1 ? labels : {}));
    const { groups } = plan(snapshot(nodes, [], [config(text)]), known);
    return groups.map(({ members }) => members.find(({ priority }) => priority === 250)?.node);
  };

  it('leads eight groups on four nodes twice each', () => {
    for (const n of numbers) assert.equal(leadersOf({}).filter((leader) => leader === id(n)).length, 2);
  });

  it('moves no group because a node is drained, out of reach or not heard yet', () => {
    const calm = leadersOf({});
    assert.deepEqual(leadersOf({ 'swarm-vip.drain': 'maintenance' }), calm);
    const without = new Map([...agents].slice(1));
    assert.deepEqual(leadersOf({}, without), calm);
    const report1 = agents.get(id(1))?.report;
    assert.deepEqual(leadersOf({}, new Map(agents).set(id(1), { connected: false, report: report1 })), calm);
  });

  it('leads elsewhere what nobody ranked, when priorities lead another group on a node', () => {
    const own = { 'swarm-vip.web.priority': '110' };
    for (const strong of [1, 2]) {
      const nodes = [1, 2].map((n) => member(n, undefined, n === strong ? own : {}));
      const db = 'groups: {db: {addresses: [10.0.0.101], members: [node.role == manager]}}';
      const { groups } = plan(snapshot(nodes, undefined, [config(db)]), agents);
      const leader = (name: string) =>
        groups.find(({ group }) => group.name === name)?.members.find(({ priority }) => priority === 250)
          ?.node;
      assert.equal(leader('web'), id(strong));
      assert.notEqual(leader('db'), id(strong));
    }
  });

  it('leaves a group alone whose members all have priorities', () => {
    const { groups } = plan(snapshot([member(1, '100'), member(2, '100'), member(3, '90')]), agents);
    assert.deepEqual(
      groups[0]?.members.map(({ node: each, priority, priorityFrom }) => [each, priority, priorityFrom]),
      [
        [id(1), 250, 'label KEEPALIVED_PRIORITY'],
        [id(2), 226, 'label KEEPALIVED_PRIORITY'],
        [id(3), 202, 'label KEEPALIVED_PRIORITY'],
      ],
    );
  });
});
