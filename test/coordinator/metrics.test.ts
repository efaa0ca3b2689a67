// What the coordinator counts and tells Prometheus: hand-overs by cause, steps, durations, targets.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import pino from 'pino';
import { createCoordinator } from '../../coordinator/coordinator.ts';
import { type AgentRecord, greeted, reported } from '../../coordinator/core/agents.ts';
import { beginCount, countHandOvers } from '../../coordinator/core/hand-over-count.ts';
import {
  type HandOverCause,
  handOverCauses,
  historyDocument,
  type Switch,
} from '../../coordinator/core/history.ts';
import { scrapeTargets } from '../../coordinator/core/scrape-targets.ts';
import type { Snapshot } from '../../coordinator/core/snapshot.ts';
import { status } from '../../coordinator/core/status.ts';
import { createMetrics } from '../../coordinator/io/metrics.ts';
import { createRefusals } from '../../coordinator/refusals.ts';
import { createRolloutMeter } from '../../coordinator/rollout-meter.ts';
import { type AssignedInstance, type CoordinatorFrame, closeCode } from '../../shared/protocol.ts';
import type { GroupName, NodeId } from '../../shared/words.ts';
import { readExposition, valuesOf } from '../watch/exposition.ts';
import { config, hello, id, ip, member, node, plan, report, running, service, snapshot } from './world.ts';

const two = [member(1, '120'), member(2, '110')];

/** Agents that run what the plan gives them; `holder` is MASTER. */
function world(swarm: Snapshot, holder: number | undefined) {
  const numbers = swarm.nodes.map((_, index) => index + 1);
  const connected = new Map(numbers.map((n) => [id(n), { connected: true, report: report(n) }]));
  const { assignments } = plan(swarm, connected);
  const agents = new Map<NodeId, AgentRecord>(
    numbers.map((n) => {
      const state = n === holder ? ('MASTER' as const) : ('BACKUP' as const);
      const instances = (assignments.get(id(n)) ?? []).map((each) => running(each, { state }));
      return [id(n), reported(greeted(undefined, hello(n), 0), report(n, instances), 0)];
    }),
  );
  return { swarm, agents };
}
const statusOf = ({ swarm, agents }: ReturnType<typeof world>) =>
  status({
    ...{ self: id(1), version: '1', role: 'active', active: id(1), epoch: 7, snapshot: swarm },
    ...{ snapshotAgeMs: 1500, snapshotError: undefined, agents, plan: plan(swarm, agents), nowMs: 5000 },
  });

describe('hand-overs', () => {
  const change = (atMs: number, cause: HandOverCause = 'silence', group = 'web'): Switch => ({
    ...{ group, atMs, from: null, to: { node: id(1), hostname: 'host1' }, reason: 'for people', cause },
  });
  const counted = (count: ReturnType<typeof beginCount>) =>
    [...count.byGroup].flatMap(([group, causes]) =>
      [...causes].map(([cause, times]) => `${group} ${cause} ${times}`),
    );

  it('count once each, by cause, and never what happened before', () => {
    let count = beginCount(1000);
    const past = change(500, 'drained');
    count = countHandOvers(count, [past, change(2000), change(3000)], 10_000);
    assert.deepEqual(counted(count), ['web silence 2']);
    count = countHandOvers(count, [past, change(2000), change(3000), change(9000, 'crashed')], 20_000);
    assert.deepEqual(counted(count), ['web silence 2', 'web crashed 1']);
  });

  it('wait for what the former holder has to say, also when its clock is ahead', () => {
    let count = beginCount(0);
    count = countHandOvers(count, [change(60_000, 'silence')], 1000);
    assert.deepEqual(counted(count), []);
    count = countHandOvers(count, [change(60_000, 'drained')], 3000);
    assert.deepEqual(counted(count), ['web drained 1']);
  });

  it('stay counted when history forgets them', () => {
    let count = countHandOvers(beginCount(0), [change(1000)], 10_000);
    count = countHandOvers(count, [], 20_000);
    assert.deepEqual(counted(count), ['web silence 1']);
    assert.equal(count.seen.size, 0);
  });

  it('have one of the known causes, whatever the nodes say', () => {
    const step = (move: string, atMs: number, more: object) => {
      const [from = '', to = ''] = move.split('>');
      return { seq: atMs, atMs, group: 'web' as GroupName, from, to, priority: 100, ...more };
    };
    const first = step('BACKUP>MASTER', 100, { cause: 'silence' });
    const rise = (more: object = {}) => step('BACKUP>MASTER', 5000, { cause: 'silence', ...more });
    const fall = (more: object) => step('MASTER>BACKUP', 5001, { cause: 'higher-priority', ...more });
    const { agents, swarm } = world(snapshot(two), 1);
    const causeOf = (one: object[], other: object[]) =>
      historyDocument(new Map([[id(1), one] as never, [id(2), other] as never]), swarm, agents).switches.at(
        -1,
      )?.cause;
    assert.equal(causeOf([first], []), 'first');
    assert.equal(causeOf([first], [rise()]), 'silence');
    assert.equal(causeOf([first], [rise({ cause: 'preempted' })]), 'higher-priority');
    assert.equal(causeOf([first, fall({ order: 'drained: new disk' })], [rise()]), 'drained');
    assert.equal(causeOf([first, fall({ order: 'the agent stops' })], [rise()]), 'agent-stopped');
    assert.equal(causeOf([first, fall({})], [rise({ order: 'leads by switchover' })]), 'ordered');
    assert.equal(causeOf([first, fall({ cause: 'interface-down' })], [rise()]), 'interface-down');
    assert.equal(causeOf([first, fall({ cause: 'resigned' })], [rise()]), 'unknown');
    assert.equal(causeOf([first, rise()], []), 'restarted');
    assert.equal(new Set(handOverCauses).size, handOverCauses.length);
  });
});

describe('the metrics of a coordinator', () => {
  const render = async (seen: ReturnType<typeof world>, work = createMetrics('1', () => new Map())) =>
    readExposition(await work.render(statusOf(seen), beginCount(0), new Map()));

  it('say of each group who holds, who could, and whether it is the preferred one', async () => {
    const text = await render(world(snapshot(two), 2));
    assert.deepEqual(valuesOf(text, 'swarm_vip_holders', { group: 'web' }), [1]);
    assert.deepEqual(valuesOf(text, 'swarm_vip_eligible', { group: 'web' }), [2]);
    assert.deepEqual(valuesOf(text, 'swarm_vip_holder_preferred', { group: 'web' }), [0]);
    assert.deepEqual(valuesOf(text, 'swarm_vip_member_holds', { node: 'host2' }), [1]);
    assert.deepEqual(valuesOf(text, 'swarm_vip_member_holds', { node: 'host1' }), [0]);
    assert.deepEqual(valuesOf(text, 'swarm_vip_snapshot_age_seconds'), [1.5]);
    assert.deepEqual(
      valuesOf(await render(world(snapshot(two), 1)), 'swarm_vip_holder_preferred', { group: 'web' }),
      [1],
    );
  });

  it('prefer nobody where a holder stays, and never a drained member', async () => {
    const stays = 'groups:\n  web:\n    addresses: [10.0.0.100]\n    preempt: false\n';
    const sticky = world(snapshot(two, [service()], [config(stays)]), 2);
    assert.equal(statusOf(sticky).groups[0]?.preferred, null);
    assert.deepEqual(valuesOf(await render(sticky), 'swarm_vip_holder_preferred'), [1]);
    const drained = world(snapshot([member(1, '120', { 'swarm-vip.drain': 'x' }), two[1] ?? node(2)]), 2);
    assert.equal(statusOf(drained).groups[0]?.preferred?.hostname, 'host2');
    assert.deepEqual(valuesOf(await render(drained), 'swarm_vip_member_drained', { node: 'host1' }), [1]);
  });

  it('know an agent that is gone, and end the series of a group that is', async () => {
    const work = createMetrics('1', () => new Map());
    const seen = world(snapshot(two), 1);
    const record = seen.agents.get(id(2));
    assert.ok(record);
    seen.agents.set(id(2), { ...record, connected: false });
    assert.deepEqual(valuesOf(await render(seen, work), 'swarm_vip_agent_connected', { node: 'host2' }), [0]);
    const left = await render(world(snapshot([node(1)], [service({ KEEPALIVED_GROUP: '' })]), 1), work);
    assert.deepEqual(
      left.series.filter(({ labels }) => labels['group'] === 'web'),
      [],
    );
  });

  it('begin every cause and every kind of refusal at 0, so that the first one is an increase', async () => {
    const refusals = createRefusals(pino({ level: 'silent' }), () => 0);
    const work = createMetrics('1', refusals.counts);
    const text = await render(world(snapshot(two), 1), work);
    assert.equal(
      valuesOf(text, 'swarm_vip_hand_overs_total', { group: 'web' }).length,
      handOverCauses.length,
    );
    refusals.add('10.0.0.9', { code: closeCode.wrongAddress, reason: 'elsewhere' }, 'wrong_address');
    refusals.add('10.0.0.9', { code: 0, reason: 'no key' }, 'handshake');
    const after = await render(world(snapshot(two), 1), work);
    const refused = (kind: string) => valuesOf(after, 'swarm_vip_frames_refused_total', { kind });
    assert.deepEqual([refused('wrong_address'), refused('handshake'), refused('malformed')], [[1], [1], [0]]);
  });
});

describe('/sd', () => {
  it('lists every agent, heard or not, and every coordinator, by the addresses that Swarm knows', () => {
    const nodes = [
      ...two,
      member(3, '90', {}),
      node(4, {}, { role: 'worker', addresses: ['fd00::4'] }),
      node(5, {}, { addresses: [] }),
    ];
    const seen = world(snapshot(nodes), 1);
    for (const n of [3, 5]) seen.agents.delete(id(n));
    const targets = scrapeTargets(statusOf(seen), seen.swarm, 9167);
    assert.deepEqual(
      targets.map(({ targets: [target], labels: { job, node: name } }) => `${job} ${name} ${target}`),
      [
        `swarm-vip-agent host1 ${ip(1)}:9165`,
        `swarm-vip-coordinator undefined ${ip(1)}:9167`,
        `swarm-vip-agent host2 ${ip(2)}:9165`,
        `swarm-vip-agent host3 ${ip(3)}:9165`,
        'swarm-vip-agent host4 [fd00::4]:9165',
      ],
    );
    assert.equal(targets[0]?.labels['__meta_swarm_vip_node_id'], id(1));
  });
});

describe('the duration of a change', () => {
  it('runs from the label in Swarm until every agent runs it, and steps are counted by kind', async () => {
    const took: number[] = [];
    const meter = createRolloutMeter((seconds) => took.push(seconds));
    let swarm = snapshot(two);
    let nowMs = 10_000;
    const sent: { node: NodeId; instances: AssignedInstance[] }[] = [];
    const coordinator = createCoordinator({
      ...{ self: id(1), version: '1', now: () => nowMs, log: pino({ level: 'silent' }), meter },
      swarm: {
        snapshot: () => Promise.resolve(swarm),
        setLabel: () => Promise.resolve(7),
        tasks: () => assert.fail('nobody asks for tasks'),
      },
      send: (to, frame: CoordinatorFrame) =>
        frame.type !== 'assignment' || sent.push({ node: to, instances: frame.instances }) > 0,
      connected: () => [id(1), id(2)],
      disconnect: () => assert.fail('nobody is to go'),
    });
    const turns = async () => {
      for (let count = 0; count < 4; count += 1) await turn();
    };
    /** Every agent runs what it was told last. */
    const obey = async () => {
      for (const n of [1, 2]) {
        const told = sent.findLast((each) => each.node === id(n))?.instances ?? [];
        const state = n === 1 ? 'MASTER' : 'BACKUP';
        coordinator.report(
          id(n),
          report(
            n,
            told.map((each) => running(each, { state })),
          ),
        );
        await turns();
      }
    };
    await coordinator.look();
    for (const n of [1, 2]) {
      coordinator.hello(hello(n));
      coordinator.report(id(n), report(n));
    }
    nowMs += 10_000;
    await turns();
    await coordinator.look();
    for (let round = 0; round < 4; round += 1) await obey();
    assert.deepEqual(took, []);
    const before =
      meter
        .steps()
        .get('web' as GroupName)
        ?.get('assign') ?? 0;
    assert.ok(before >= 2, `${before}`);

    // The label is older than the look that finds it.
    swarm = snapshot([member(1, '120'), { ...member(2, '50'), updatedMs: nowMs - 400 }]);
    await coordinator.look();
    await turns();
    assert.deepEqual(took, []);
    nowMs += 100;
    for (let round = 0; round < 4; round += 1) await obey();
    assert.deepEqual(took, [0.5]);
    assert.ok((meter.steps().get('web')?.get('assign') ?? 0) > before);

    // A label of somebody else changes no assignment: nothing is observed, and the next one is not measured from it.
    swarm = snapshot([member(1, '120'), member(2, '50', { theirs: 'yes' })]);
    await coordinator.look();
    await turns();
    nowMs += 60_000;
    swarm = snapshot([member(1, '120'), node(2)]);
    await coordinator.look();
    await turns();
    for (let round = 0; round < 4; round += 1) await obey();
    assert.deepEqual(took, [0.5, 0]);
    assert.equal(meter.steps().get('web')?.get('withdraw'), 1);
  });
});
