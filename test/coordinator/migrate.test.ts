// What the former operator left behind: who looks on, who inherits, in which order it is replaced, and by `migrate` itself.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { greeted, reported } from '../../coordinator/core/agents.ts';
import { leftoverProblems, planMigration, servedByLeftover } from '../../coordinator/core/leftovers.ts';
import type { Leftover } from '../../coordinator/core/snapshot.ts';
import { status } from '../../coordinator/core/status.ts';
import { createMigrateAction } from '../../coordinator/migrate.ts';
import { createLog } from '../../shared/io/log.ts';
import type { ObservedInstance, Report } from '../../shared/protocol.ts';
import { connected, hello, id, member, node, plan, report, running, snapshot } from './world.ts';

describe('leftovers of the former operator', () => {
  const left = (n: number, runs = true): Leftover => ({
    id: `left${n}`,
    name: `keepalived-node-host${n}-1`,
    addresses: ['10.0.0.100'],
    hostname: `host${n}`,
    nodes: runs ? [id(n)] : [],
  });
  const swarm = {
    ...snapshot([member(1, '110'), member(2, '120'), member(3, '100')]),
    leftovers: [left(1), left(2), left(3, false)],
  };
  const agents = connected({ 1: report(1), 2: report(2), 3: report(3) });

  it('make the agent of their node look on, and nobody take silence for absence', () => {
    const { assignments, groups, problems } = plan(swarm, agents);
    const told = [1, 2, 3].map((n) => assignments.get(id(n))?.[0]);
    assert.deepEqual(
      told.map((instance) => instance?.observe ?? false),
      [true, true, false],
    );
    assert.equal(told[2]?.peersConfirmed, false);
    assert.equal(groups[0]?.members.filter(({ leftover }) => leftover).length, 2);
    assert.equal(problems.filter(({ code }) => code === 'operator-leftover').length, 3);
    const gone = plan({ ...swarm, leftovers: [] }, agents);
    assert.ok([1, 2, 3].every((n) => !gone.assignments.get(id(n))?.[0]?.observe));
  });

  it('do not take a group away from a node that serves it already', () => {
    const serving = connected({ 1: report(1) });
    const [instance] = plan(snapshot([member(1)]), serving).assignments.get(id(1)) ?? [];
    assert.ok(instance);
    const now = connected({ 1: report(1, [running(instance, { state: 'MASTER' })]) });
    assert.equal(plan(swarm, now).assignments.get(id(1))?.[0]?.observe, undefined);
  });

  it('pass their addresses on to ours on the node of the last one, and only while nobody else could take over', () => {
    const joining = { reason: 'joining', detail: 'waits', sinceMs: 0 } as const;
    const last = { ...swarm, leftovers: [left(2)] };
    const alone = plan(last, agents).assignments;
    const runs = (n: number, more: object) => {
      const assigned = alone.get(id(n))?.[0];
      assert.ok(assigned && !assigned.observe);
      return report(n, [running(assigned, { state: 'FAULT', pause: joining, ...more })]);
    };
    const inherits = (change: object, first: object = {}, reports: object = {}) =>
      plan({ ...last, ...change }, connected({ 1: runs(1, first), 2: report(2), 3: runs(3, {}), ...reports }))
        .assignments.get(id(2))
        ?.some(({ observe, inherit }) => observe === true && inherit === true);
    const cases = {
      'all others are held back': inherits({}),
      'the others run nothing yet': alone.get(id(2))?.[0]?.inherit === true,
      'another old one is left': inherits({ leftovers: [left(1), left(2)] }),
      'another one’s service is left, without a container': inherits({
        leftovers: [left(2), left(3, false)],
      }),
      'an old one of other addresses is left': inherits({
        leftovers: [left(2), { ...left(1), addresses: ['10.0.0.7'] }],
      }),
      'the old operator runs, which makes others': inherits({ formerOperators: ['old'] }),
      'one of ours takes part': inherits({}, { state: 'BACKUP', pause: null }),
      'one of ours waits for a check only': inherits({}, { pause: { ...joining, reason: 'check' } }),
      'another node looks on by its label': inherits({
        nodes: [...last.nodes.slice(0, 2), member(3, '100', { 'swarm-vip.observe': 'yes' })],
      }),
      'the node is drained': inherits({
        nodes: [last.nodes[0], member(2, '120', { 'swarm-vip.drain': 'disks' }), last.nodes[2]],
      }),
    };
    assert.deepEqual(cases, {
      'all others are held back': true,
      'the others run nothing yet': true,
      'another old one is left': false,
      'another one’s service is left, without a container': false,
      'an old one of other addresses is left': true,
      'the old operator runs, which makes others': false,
      'one of ours takes part': false,
      'one of ours waits for a check only': false,
      'another node looks on by its label': false,
      'the node is drained': false,
    });
    const cutOff = new Map(connected({ 1: runs(1, {}), 2: report(2), 3: runs(3, {}) }));
    cutOff.set(id(3), { connected: false, report: runs(3, {}) });
    assert.equal(plan(last, cutOff).assignments.get(id(2))?.[0]?.inherit, undefined, 'a member out of reach');
  });

  it('concern only groups with their addresses', () => {
    const [other] = plan(snapshot([member(1)]), agents).groups;
    assert.ok(other);
    const group = { ...other.group, addresses: ['10.0.0.7/32'] as [string] };
    assert.equal(servedByLeftover(swarm, id(1), group), false);
    const [problem] = leftoverProblems({ ...swarm, leftovers: [left(1)] }, [group]);
    assert.match(problem?.instead ?? '', /left alone/);
  });

  it('are replaced from the lowest priority up, whoever holds last', () => {
    const { groups } = plan(swarm, agents);
    const order = (holder: number) =>
      planMigration(swarm, groups, (node) => node === id(holder)).steps.map(({ hostname }) => hostname);
    assert.deepEqual(order(0), ['host3', 'host1', 'host2']);
    assert.deepEqual(order(1), ['host3', 'host2', 'host1']);
  });

  it('are not touched while the former operator runs, or where the node is no member', () => {
    const { groups } = plan(swarm, agents);
    assert.match(
      planMigration({ ...swarm, formerOperators: ['old'] }, groups, () => false).unsafe[0] ?? '',
      /old still runs/,
    );
    const unlabelled = { ...snapshot([node(1), member(2)]), leftovers: [left(1)] };
    assert.match(
      planMigration(unlabelled, plan(unlabelled, agents).groups, () => false).unsafe[0] ?? '',
      /no member of web/,
    );
  });
});

describe('migrate', () => {
  const swarm = {
    ...snapshot([member(1, '110'), member(2, '100')]),
    leftovers: [
      {
        id: 'old1',
        name: 'keepalived-node-host1-1',
        addresses: ['10.0.0.100'],
        hostname: 'host1',
        nodes: [id(1)],
      },
    ],
  };
  const joining = { reason: 'joining', detail: 'waits', sinceMs: 0 } as const;
  const seen = (inherits: boolean): ObservedInstance =>
    ({
      ...{ group: 'web', vrid: 51, interface: 'eth0', addresses: ['10.0.0.100/32'], stateSinceMs: 0 },
      ...{ state: 'MASTER', held: ['10.0.0.100/32'], keepalived: true, advert: null },
      ...(inherits ? { inherits: true } : {}),
    }) as ObservedInstance;
  const second = (pause: typeof joining | null): Report => {
    const agents = connected({ 1: report(1), 2: report(2) });
    const [assigned] = plan(swarm, agents).assignments.get(id(2)) ?? [];
    assert.ok(assigned);
    return report(2, [running(assigned, pause ? { state: 'FAULT', pause } : {})]);
  };
  /** The answer, and what was done to services. */
  const ask = async (body: object, inherits: boolean, other: Report) => {
    const reports = { 1: report(1, [], { observed: [seen(inherits)] }), 2: other };
    const agents = new Map(
      Object.entries(reports).map(([n, each]) => [
        id(Number(n)),
        reported(greeted(undefined, hello(Number(n)), 0), each, 0),
      ]),
    );
    const current = plan(swarm, agents);
    const retired: string[] = [];
    const migrate = createMigrateAction({
      coordinator: {
        look: async () => true,
        snapshot: () => swarm,
        plan: () => current,
        assignment: (of) => current.assignments.get(of),
        status: () =>
          status({
            ...{ self: id(1), version: '1', role: 'active', active: id(1), epoch: 1, snapshot: swarm },
            ...{ snapshotAgeMs: 0, snapshotError: undefined, agents, plan: current, nowMs: 0 },
          }),
      },
      swarm: {
        async retire(service) {
          retired.push(service);
          return true;
        },
      },
      log: createLog('coordinator', 'silent'),
    })['/api/v1/migrate'];
    const answer = (await migrate?.(body)) as { status: number; body: string };
    const { removed, addresses } = JSON.parse(answer.body);
    return [answer.status, removed, addresses ?? null, retired.join()];
  };
  const service = 'keepalived-node-host1-1';

  it('ends the last old holder when its node is ready to keep the addresses, and not a moment before', async () => {
    const other = second(joining);
    assert.deepEqual(await ask({}, false, other), [200, false, null, '']);
    assert.deepEqual(await ask({ service }, false, other), [202, false, 'preparing', '']);
    assert.deepEqual(await ask({ service }, true, other), [200, true, 'kept', 'old1']);
  });

  it('goes on without it, and says so, when nobody can keep them or the agent takes too long', async () => {
    assert.deepEqual(await ask({ service, anyway: true }, false, second(joining)), [
      200,
      true,
      'away',
      'old1',
    ]);
    assert.deepEqual(await ask({ service }, false, second(null)), [200, true, 'away', 'old1']);
  });
});
