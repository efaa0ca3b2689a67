// A group that gets another name, where it is defined first or on its nodes first: what every node is told on the way.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Agents } from '../../coordinator/core/plan.ts';
import type { CoordinatorService, SwarmNode } from '../../coordinator/core/snapshot.ts';
import type { AssignedInstance, RunningInstance } from '../../shared/protocol.ts';
import { config, connected, id, node, plan, report, running, service, snapshot } from './world.ts';

const names = { old: 'production', new: 'site' } as const;
const defined = (name: string, env: Record<string, string> = {}) =>
  service({ KEEPALIVED_GROUP: name, ...env });
const labelled = (n: number, name: string, more: Record<string, string> = {}) =>
  node(n, { keepalived_group: name, KEEPALIVED_PRIORITY: String(130 - 10 * n), ...more });
const all = (...called: string[]) => called.map((name, index) => labelled(index + 1, name));
const [old, fresh] = [names.old, names.new];

/** Three nodes that run the group as they are told; node 1 holds. */
const served = (() => {
  const told = plan(
    snapshot(all(old, old, old), [defined(old)]),
    connected({ 1: report(1), 2: report(2), 3: report(3) }),
  );
  return Object.fromEntries(
    [1, 2, 3].map((n) => [
      n,
      report(
        n,
        (told.assignments.get(id(n)) ?? []).map((each) => ran(n, each)),
      ),
    ]),
  );
})();
function ran(n: number, told: AssignedInstance, more: Partial<RunningInstance> = {}): RunningInstance {
  const { formerly: _, ...rest } = told;
  return running(rest, { state: n === 1 ? 'MASTER' : 'BACKUP', ...more });
}
/** Every agent has done what this plan says. */
const obeyed = (swarm: SwarmNode[], services: CoordinatorService[], agents: Agents): Agents => {
  const { assignments } = plan(snapshot(swarm, services), agents);
  return connected(
    Object.fromEntries(
      [1, 2, 3].map((n) => [
        n,
        report(
          n,
          (assignments.get(id(n)) ?? []).map((each) => ran(n, each)),
        ),
      ]),
    ),
  );
};
const told = (swarm: SwarmNode[], services: CoordinatorService[], agents: Agents = connected(served)) => {
  const { assignments, problems, groups } = plan(snapshot(swarm, services), agents);
  const of = (n: number) => (assignments.get(id(n)) ?? [])[0] ?? assert.fail(`node ${n} got nothing`);
  const name = (n: number) => [of(n).group, of(n).formerly];
  return { of, names: () => [1, 2, 3].map(name), codes: problems.map(({ code }) => code), problems, groups };
};
/** Whatever may touch VRRP. */
const onTheWire = ({ group: _g, formerly: _f, ...instance }: AssignedInstance) => instance;

describe('a group that gets another name', () => {
  const before = told(all(old, old, old), [defined(old)]);

  it('is run as before by nodes whose labels still say the former one, and says what to do', () => {
    const during = told(all(old, old, old), [defined(fresh)]);
    for (const n of [1, 2, 3]) assert.deepEqual(during.of(n), before.of(n));
    assert.deepEqual(during.codes, ['group-renamed', 'group-renamed', 'group-renamed']);
    assert.deepEqual(
      during.problems.map(({ remedy }) => remedy),
      ['host1', 'host2', 'host3'].map(
        (host) => `docker node update --label-add keepalived_group=site ${host}`,
      ),
    );
    assert.deepEqual(
      during.groups.map(({ group, members }) => [group.name, members.length]),
      [[fresh, 3]],
    );
  });

  it('goes on under the new name on each node when its label says that, and nothing else changes', () => {
    let agents = connected(served);
    const steps = [all(old, fresh, old), all(fresh, fresh, old), all(fresh, fresh, fresh)];
    const expected = [
      [
        [old, undefined],
        [fresh, old],
        [old, undefined],
      ],
      [
        [fresh, old],
        [fresh, undefined],
        [old, undefined],
      ],
      [
        [fresh, undefined],
        [fresh, undefined],
        [fresh, old],
      ],
    ];
    for (const [index, nodes] of steps.entries()) {
      const step = told(nodes, [defined(fresh)], agents);
      assert.deepEqual(step.names(), expected[index]);
      for (const n of [1, 2, 3]) assert.deepEqual(onTheWire(step.of(n)), onTheWire(before.of(n)));
      agents = obeyed(nodes, [defined(fresh)], agents);
    }
    const end = told(all(fresh, fresh, fresh), [defined(fresh)], agents);
    assert.deepEqual(
      end.names(),
      [1, 2, 3].map(() => [fresh, undefined]),
    );
    assert.deepEqual(end.codes, []);
  });

  it('may get it on its nodes first: who is left serves on, the last one too, whatever its label says', () => {
    const services = [defined(old)];
    const two = told(all(fresh, old, old), services);
    assert.equal(two.of(1).standAside, 'relieved');
    const last = connected({ ...served, 1: report(1), 2: report(2) });
    const alone = told(all(fresh, fresh, fresh), services, last);
    assert.deepEqual(
      alone.groups[0]?.members.map((member) => member.node),
      [id(3)],
    );
    assert.match(alone.problems.at(-1)?.instead ?? '', /goes on serving group production/);
    const after = told(all(fresh, fresh, fresh), [defined(fresh)], last);
    assert.deepEqual(after.names(), [
      [fresh, undefined],
      [fresh, undefined],
      [fresh, old],
    ]);
    assert.equal(after.of(1).peersConfirmed, false);
  });

  it('may come with a stack of its own: until the old one goes, its last nodes serve on', () => {
    const services = [defined(old), { ...defined(fresh), id: 'service2', createdAt: '2026-01-02T00:00:00Z' }];
    const both = told(all(fresh, fresh, fresh), services);
    for (const n of [1, 2, 3]) assert.deepEqual(both.of(n), before.of(n));
    assert.ok(both.codes.includes('group-unserved'));
    const after = told(all(fresh, fresh, fresh), services.slice(1));
    assert.deepEqual(
      after.names(),
      [1, 2, 3].map(() => [fresh, old]),
    );
    for (const n of [1, 2, 3]) assert.deepEqual(onTheWire(after.of(n)), onTheWire(before.of(n)));
  });

  it('leaves a node whose label is taken away, as ever', () => {
    const nodes = [labelled(1, old), labelled(2, old), node(3)];
    assert.throws(() => told(nodes, [defined(fresh)]).of(3), /node 3 got nothing/);
    const holder = told([node(1), labelled(2, fresh), labelled(3, old)], [defined(fresh)]);
    assert.deepEqual([holder.of(1).group, holder.of(1).standAside], [old, 'relieved']);
  });

  it('keeps its router id until nobody runs it under the former name', () => {
    const services = [defined(fresh, { KEEPALIVED_ROUTER_ID: '77' })];
    const nodes = all(fresh, fresh, old);
    const during = told(nodes, services);
    assert.deepEqual(
      [1, 2, 3].map((n) => during.of(n).vrid),
      [51, 51, 51],
    );
    const agents = obeyed(nodes, services, connected(served));
    const last = obeyed(all(fresh, fresh, fresh), services, agents);
    assert.equal(told(all(fresh, fresh, fresh), services, last).of(2).vrid, 77);
  });

  it('changes in order what all must agree on, also while it has two names', () => {
    const during = told(all(fresh, fresh, old), [defined(fresh, { KEEPALIVED_PASSWORD: 'secret' })]);
    assert.deepEqual(
      [1, 2, 3].map((n) => during.of(n).transition),
      ['keep', 'hold', 'hold'],
    );
    assert.deepEqual(during.names(), [
      [fresh, old],
      [fresh, old],
      [old, undefined],
    ]);
  });

  it('keeps the names that run while the plan is paused', () => {
    const nodes = all(fresh, fresh, old);
    const [first, ...others] = nodes;
    assert.ok(first);
    const paused = [
      { ...first, labels: { ...first.labels, 'swarm-vip.pause': 'work;until=1970-01-01T01:00:00Z' } },
      ...others,
    ];
    const { frozen } = plan(snapshot(paused, [defined(fresh)]), connected(served));
    for (const n of [1, 2, 3]) {
      const [instance] = frozen?.assignments.get(id(n)) ?? [];
      assert.deepEqual([instance?.group, instance?.formerly, instance?.transition], [old, undefined, 'keep']);
    }
  });

  it('is ranked by labels for either name', () => {
    const nodes = [
      labelled(1, old),
      labelled(2, fresh),
      labelled(3, old, { 'swarm-vip.production.priority': '200' }),
    ];
    assert.equal(told(nodes, [defined(fresh)]).of(3).priority, 250);
  });

  it('follows from groups.yaml as well, where members need no label', () => {
    const text = 'groups: { site: { addresses: [10.0.0.100], members: [node.role == manager] } }';
    const nodes = all(old, old, old);
    const { assignments, problems } = plan(snapshot(nodes, [], [config(text)]), connected(served));
    const [instance] = assignments.get(id(1)) ?? [];
    assert.deepEqual([instance?.group, instance?.formerly, instance?.vrid], [fresh, old, 51]);
    assert.ok(problems.every(({ code }) => code === 'group-renamed'));
  });

  it('is not seen where the other group runs already, or has other addresses', () => {
    const elsewhere = told(
      all(old, old, old).slice(0, 3),
      [defined(fresh, { KEEPALIVED_VIRTUAL_IPS: '10.0.0.101' })].map((each) => ({ ...each })),
      connected({ ...served, 3: report(3) }),
    );
    assert.deepEqual(
      elsewhere.groups.map(({ members }) => members.length),
      [0],
    );
    const [third] = served[3]?.instances ?? [];
    assert.ok(third);
    const both = connected({
      ...served,
      3: report(3, [{ ...third, group: fresh as never, vrid: 90 as never }]),
    });
    const nodes = [labelled(1, old), labelled(2, old), labelled(3, fresh)];
    const apart = plan(snapshot(nodes, [defined(fresh)]), both);
    assert.equal(apart.renames, undefined);
    assert.deepEqual(apart.assignments.get(id(1)), []);
  });
});
