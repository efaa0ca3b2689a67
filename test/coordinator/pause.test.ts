// A paused plan: what the label says, what goes out all the same, and what is refused.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import pino from 'pino';
import { createActions } from '../../coordinator/actions.ts';
import { createCoordinator } from '../../coordinator/coordinator.ts';
import type { Claim } from '../../coordinator/core/agents.ts';
import { pauseLabel, pauseText, readPause } from '../../coordinator/core/paused.ts';
import type { Agents, AgentView } from '../../coordinator/core/plan.ts';
import type { Snapshot, SwarmNode } from '../../coordinator/core/snapshot.ts';
import { createMigrateAction } from '../../coordinator/migrate.ts';
import { createRolloutMeter } from '../../coordinator/rollout-meter.ts';
import type { AssignedInstance, CoordinatorFrame, Report, RunningInstance } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';
import { connected, hello, id, member, plan, report, running, snapshot } from './world.ts';

const startMs = Date.UTC(2026, 0, 31, 12);
const hourMs = 3_600_000;
const inForce = pauseText({ reason: 'raft', sinceMs: startMs, untilMs: startMs + hourMs });
const labelled = (n: number, text: string, more: Record<string, string> = {}): SwarmNode =>
  member(n, String(130 - n * 10), { [pauseLabel]: text, ...more });
const one = (n: number, more: Record<string, string> = {}) => member(n, String(130 - n * 10), more);

describe('the label swarm-vip.pause', () => {
  it('reads back what the CLI writes, whatever the reason', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 1e9 }), (reason, forMs) => {
        const text = pauseText({ reason, sinceMs: startMs, untilMs: startMs + forMs });
        const { pause, problems } = readPause(snapshot([labelled(1, text)]), startMs);
        assert.deepEqual([pause?.sinceMs, pause?.untilMs], [startMs, startMs + forMs]);
        assert.deepEqual(
          problems.map(({ code }) => code),
          ['paused'],
        );
      }),
    );
  });

  it('counts no more after its end, and not at all without one', () => {
    assert.equal(readPause(snapshot([labelled(1, inForce)]), startMs + hourMs).pause, undefined);
    for (const text of ['raft', 'raft;until=tomorrow', 'raft;until=2026-01-31T12:00:00Z;for=ever', '']) {
      const { pause, problems } = readPause(snapshot([labelled(1, text)]), 0);
      assert.equal(pause, undefined, text);
      assert.deepEqual(
        problems.map(({ code }) => code),
        ['pause-invalid'],
      );
    }
  });

  it('counts when one node has it; of several the one that ends last, since the first began', () => {
    const later = pauseText({ reason: 'late', sinceMs: startMs + 10, untilMs: startMs + 2 * hourMs });
    const { pause } = readPause(
      snapshot([labelled(1, inForce), labelled(2, later), one(3)]),
      startMs + 1_000,
    );
    assert.deepEqual(pause, { reason: 'late', sinceMs: startMs, untilMs: startMs + 2 * hourMs });
  });
});

/** What three nodes run after a plan without a pause; node 1 holds. */
function running3(more: Record<number, Partial<RunningInstance>> = {}): Map<NodeId, AgentView> {
  const nodes = [one(1), one(2), one(3)];
  const { assignments } = plan(snapshot(nodes), connected({ 1: report(1), 2: report(2), 3: report(3) }));
  return new Map(
    [1, 2, 3].map((n): [NodeId, AgentView] => {
      const instances = (assignments.get(id(n)) ?? []).map((each) =>
        running(each, { state: n === 1 ? 'MASTER' : 'BACKUP', ...more[n] }),
      );
      const state = instances[0]?.state;
      const claims = new Map<string, Claim>(
        state === 'MASTER' ? [['web', { firstMs: startMs, lastMs: startMs + 5_000 }]] : [],
      );
      return [id(n), { connected: true, report: report(n, instances), claims }];
    }),
  );
}
const paused = (...others: SwarmNode[]) => snapshot([labelled(1, inForce), ...others]);
const at = startMs + 5_000;
const frozenOf = (swarm: Snapshot, agents: Agents, nowMs = at) => {
  const { frozen } = plan(swarm, agents, nowMs);
  assert.ok(frozen);
  return frozen;
};

describe('a paused plan', () => {
  it('has nothing urgent while one member holds, whatever the operator changes', () => {
    const agents = running3();
    const changed = paused(
      one(2, { KEEPALIVED_PRIORITY: '250', 'swarm-vip.web.lead': '2026-01-01T00:00:00Z' }),
      one(3, { keepalived_group: 'gone' }),
    );
    assert.equal(frozenOf(changed, agents).urgent.size, 0);
  });

  it('keeps what runs, word for word, in whatever is sent', () => {
    const agents = running3();
    const { assignments } = frozenOf(paused(one(2, { KEEPALIVED_PRIORITY: '250' }), one(3)), agents);
    for (const [node, instances] of assignments) {
      const [before] = agents.get(node)?.report?.instances ?? [];
      const [after] = instances;
      assert.equal(after?.transition, 'keep');
      assert.deepEqual(
        [after?.priority, after?.peers, after?.vrid, after?.addresses],
        [before?.priority, before?.peers, before?.vrid, before?.addresses],
      );
    }
  });

  it('still tells the lower of two holders to step down, and nobody else anything', () => {
    const agents = running3({ 2: { state: 'MASTER' } });
    const { urgent, assignments } = frozenOf(paused(one(2), one(3)), agents);
    assert.deepEqual([...urgent].sort(), [id(1), id(2)]);
    assert.equal(assignments.get(id(2))?.[0]?.standAside, 'now');
    assert.equal(assignments.get(id(1))?.[0]?.contested, true);
    assert.equal(assignments.get(id(1))?.[0]?.standAside, undefined);
  });

  it('does so for a group that the file does not define any more, and says it', () => {
    const agents = running3({ 2: { state: 'MASTER' } });
    const empty: Snapshot = { ...paused(one(2), one(3)), services: [] };
    const { problems, frozen } = plan(empty, agents, at);
    assert.equal(frozen?.assignments.get(id(2))?.[0]?.standAside, 'now');
    assert.ok(problems.some(({ code }) => code === 'two-holders'));
  });

  it('lets in again who has stepped down', () => {
    const agents = running3({
      2: { state: 'FAULT', pause: { reason: 'standing-aside', detail: '', sinceMs: 0 } },
    });
    const { urgent, assignments } = frozenOf(paused(one(2), one(3)), agents);
    assert.deepEqual([...urgent], [id(2)]);
    const [instance] = assignments.get(id(2)) ?? [];
    assert.deepEqual([instance?.standAside, instance?.peersConfirmed], [undefined, true]);
  });

  it('leaves drained who was drained when it began, also when that was to end meanwhile', () => {
    const until = new Date(startMs + 1_000).toISOString();
    const agents = running3({
      2: { state: 'FAULT', pause: { reason: 'standing-aside', detail: '', sinceMs: 0 } },
    });
    const drained = paused(one(2, { 'swarm-vip.drain': `disk;until=${until}` }), one(3));
    const { urgent, assignments } = frozenOf(drained, agents);
    assert.equal(urgent.size, 0);
    assert.equal(assignments.get(id(2))?.[0]?.standAside, 'relieved');
  });

  it('confirms silence only where all who run the group list the node', () => {
    const agents = running3();
    const [first] = agents.get(id(1))?.report?.instances ?? [];
    assert.ok(first);
    const forgetful = new Map(agents).set(id(1), {
      connected: true,
      report: report(1, [{ ...first, peers: first.peers.filter(({ node }) => node !== id(2)) }]),
    });
    const cutOff = new Map(forgetful);
    const last = cutOff.get(id(1));
    if (last) cutOff.set(id(1), { ...last, connected: false });
    for (const seen of [forgetful, cutOff]) {
      const { assignments } = frozenOf(paused(one(2), one(3)), seen);
      assert.equal(assignments.get(id(2))?.[0]?.peersConfirmed, false);
      assert.equal(assignments.get(id(3))?.[0]?.peersConfirmed, true);
    }
  });

  it('takes silence alone for a proof beside whoever was never heard, or runs other values', () => {
    const swarm = paused(one(2), one(3));
    const alone = (seen: Agents, of = swarm) => frozenOf(of, seen).assignments.get(id(2))?.[0]?.silenceOnly;
    const unheard = running3();
    unheard.delete(id(3));
    const otherwise = running3({ 3: { vrid: 77 as never } });
    assert.deepEqual(
      [running3(), unheard, otherwise].map((seen) => alone(seen)),
      [undefined, true, true],
    );
    const removed = { ...swarm, nodes: swarm.nodes.filter((each) => each.id !== id(3)) };
    assert.equal(alone(unheard, removed), undefined);
  });

  it('confirms nobody’s silence beside a keepalived of the former operator', () => {
    const agents = running3({
      2: { state: 'FAULT', pause: { reason: 'standing-aside', detail: '', sinceMs: 0 } },
    }).set(id(3), { connected: true, report: report(3) });
    const old = {
      ...{ id: 'old3', name: 'keepalived-node-host3', hostname: 'host3' },
      ...{ addresses: ['10.0.0.100'], nodes: [id(3)] },
    };
    const swarm = paused(one(2), one(3));
    const confirmed = (seen: Snapshot) => frozenOf(seen, agents).assignments.get(id(2))?.[0]?.peersConfirmed;
    assert.deepEqual([confirmed(swarm), confirmed({ ...swarm, leftovers: [old] })], [true, false]);
  });

  it('wakes when it ends', () => {
    assert.equal(plan(paused(one(2), one(3)), running3(), at).againMs, startMs + hourMs);
    assert.equal(plan(paused(one(2), one(3)), running3(), startMs + hourMs).frozen, undefined);
  });
});

/** A coordinator with one Swarm whose labels can be written, and agents that are values. */
function stage(nodes: SwarmNode[]) {
  let swarmNow = snapshot(nodes);
  let nowMs = startMs;
  const sent: { node: NodeId; instances: readonly AssignedInstance[] }[] = [];
  const log = pino({ level: 'silent' });
  const swarm = {
    snapshot: () => Promise.resolve(swarmNow),
    tasks: () => Promise.resolve([]),
    setLabel: (node: NodeId, key: string, value: string | undefined) => {
      const change = (each: SwarmNode): SwarmNode => {
        const { [key]: _, ...others } = each.labels;
        return { ...each, labels: value === undefined ? others : { ...others, [key]: value } };
      };
      swarmNow = {
        ...swarmNow,
        nodes: swarmNow.nodes.map((each) => (each.id === node ? change(each) : each)),
      };
      return Promise.resolve(7);
    },
  };
  const make = () =>
    createCoordinator({
      self: id(1),
      version: '1',
      now: () => nowMs,
      log,
      swarm,
      send: (node: NodeId, frame: CoordinatorFrame) => {
        if (frame.type === 'assignment') sent.push({ node, instances: frame.instances });
        return true;
      },
      connected: () => [id(1), id(2), id(3)],
      disconnect: () => assert.fail('nobody is to go'),
      meter: createRolloutMeter(() => undefined),
    });
  const settle = async () => {
    for (let turns = 0; turns < 4; turns++) await turn();
  };
  return {
    sent,
    settle,
    make,
    swarm,
    log,
    now: () => nowMs,
    pass(ms: number) {
      nowMs += ms;
    },
    /** Every agent says hello and reports. */
    async reports(coordinator: ReturnType<typeof make>, reports: Record<number, Report>) {
      for (const [n, each] of Object.entries(reports)) coordinator.report(id(Number(n)), each);
      await settle();
    },
    greet(coordinator: ReturnType<typeof make>) {
      for (const n of [1, 2, 3]) coordinator.hello(hello(n));
    },
    actions: (coordinator: ReturnType<typeof make>) =>
      createActions({ coordinator, swarm, log, now: () => nowMs }),
  };
}

const reportsOf = (agents: Map<NodeId, AgentView>): Record<number, Report> =>
  Object.fromEntries(
    [1, 2, 3].flatMap((n) => {
      const each = agents.get(id(n))?.report;
      return each ? [[n, each]] : [];
    }),
  );

async function answer(action: Promise<unknown> | unknown): Promise<{ status: number; body: unknown }> {
  const { status, body } = (await action) as { status: number; body: string };
  return { status, body: JSON.parse(body) };
}

describe('a coordinator in a pause', () => {
  const nodes = () => [one(1), one(2), one(3)];

  it('sends nothing that an operator changes, and all of it once the pause ends', async () => {
    const it = stage(nodes());
    const coordinator = it.make();
    await coordinator.look();
    it.greet(coordinator);
    it.pass(10_000);
    await it.reports(coordinator, reportsOf(running3()));
    const { status, body } = await answer(it.actions(coordinator)['/api/v1/pause']?.({ forMs: 60_000 }));
    assert.deepEqual([status, (body as { written: boolean }).written], [200, true]);
    it.sent.length = 0;
    await it.swarm.setLabel(id(2), 'KEEPALIVED_PRIORITY', '200');
    await coordinator.look();
    await it.settle();
    assert.equal(it.sent.length, 0);
    assert.ok((coordinator.status()?.pause?.waiting.length ?? 0) > 0);
    it.pass(60_001);
    await coordinator.look();
    await it.settle();
    assert.ok(it.sent.length > 0);
    assert.equal(coordinator.status()?.pause, null);
  });

  it('that is new sends nothing either, but still settles two holders and what follows from it', async () => {
    const it = stage([labelled(1, inForce), one(2), one(3)]);
    const coordinator = it.make();
    await coordinator.look();
    it.greet(coordinator);
    it.pass(10_000);
    await it.reports(coordinator, reportsOf(running3()));
    assert.equal(it.sent.length, 0);
    const both = reportsOf(running3({ 2: { state: 'MASTER' } }));
    await it.reports(coordinator, both);
    it.pass(1_500);
    await it.reports(coordinator, both);
    await coordinator.look();
    await it.settle();
    assert.deepEqual(it.sent.map(({ node }) => node).sort(), [id(1), id(2)]);
    it.sent.length = 0;
    const aside = { reason: 'standing-aside', detail: '', sinceMs: 0 } as const;
    await it.reports(coordinator, reportsOf(running3({ 2: { state: 'FAULT', pause: aside } })));
    assert.deepEqual(it.sent.map(({ node }) => node).sort(), [id(1), id(2)]);
    assert.ok(it.sent.every(({ instances }) => !instances[0]?.standAside && !instances[0]?.contested));
  });

  it('refuses what would move something, with or without force; a dry run is answered', async () => {
    const it = stage([labelled(1, inForce), one(2), one(3)]);
    const coordinator = it.make();
    await coordinator.look();
    it.greet(coordinator);
    await it.reports(coordinator, reportsOf(running3()));
    const actions = it.actions(coordinator);
    const asked = [
      ['/api/v1/drain', { nodes: ['host1'], force: true }],
      ['/api/v1/undrain', { nodes: ['host1'] }],
      ['/api/v1/switchover', { group: 'web', to: 'host2' }],
      ['/api/v1/confirm-down', { node: 'host2', force: true }],
    ] as const;
    for (const [path, body] of asked) {
      const refused = await answer(actions[path]?.(body));
      assert.equal(refused.status, 409, path);
      assert.match(JSON.stringify(refused.body), /paused until .*raft.*swarm-vip resume/);
    }
    assert.equal((await answer(actions['/api/v1/drain']?.({ nodes: ['host1'], dryRun: true }))).status, 200);
  });

  it('refuses to migrate; what would happen is answered', async () => {
    const world = stage([labelled(1, inForce), one(2), one(3)]);
    const coordinator = world.make();
    const migrate = createMigrateAction({
      coordinator,
      swarm: { retire: () => assert.fail('nothing is to be removed') },
      log: world.log,
    })['/api/v1/migrate'];
    assert.equal((await answer(migrate?.({}))).status, 200);
    const refused = await answer(migrate?.({ service: 'keepalived-node-host3' }));
    assert.equal(refused.status, 409);
    assert.match(JSON.stringify(refused.body), /the plan is paused until/);
  });

  it('is prolonged by another pause, ended by resume, and neither minds being asked twice', async () => {
    const it = stage(nodes());
    const coordinator = it.make();
    await coordinator.look();
    const actions = it.actions(coordinator);
    const ask = async (path: string, body: object) => (await answer(actions[path]?.(body))).body;
    assert.equal((await answer(actions['/api/v1/pause']?.({ forMs: 8 * 24 * hourMs }))).status, 400);
    await ask('/api/v1/pause', { forMs: hourMs, dryRun: true });
    assert.equal(coordinator.status()?.pause, null);
    await ask('/api/v1/pause', { forMs: hourMs, reason: 'a' });
    it.pass(60_000);
    await ask('/api/v1/pause', { forMs: hourMs, reason: 'b' });
    const { reason, since, until } = coordinator.status()?.pause ?? {};
    assert.deepEqual(
      [reason, since, until],
      ['b', new Date(startMs).toISOString(), new Date(startMs + 60_000 + hourMs).toISOString()],
    );
    for (const before of [true, false]) {
      assert.deepEqual((await ask('/api/v1/resume', {})) as object, {
        pause: null,
        before,
        written: before,
        nodes: before ? [1, 2, 3].map((n) => ({ node: id(n), hostname: `host${n}` })) : [],
      });
      assert.equal(coordinator.status()?.pause, null);
    }
  });
});
