import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type AgentRecord, greeted, reported } from '../../coordinator/core/agents.ts';
import { drainText, readDrain } from '../../coordinator/core/drain.ts';
import { drainIsDone, findNode, planDrain } from '../../coordinator/core/drain-plan.ts';
import { parseDurationMs } from '../../coordinator/core/duration.ts';
import { type Status, status } from '../../coordinator/core/status.ts';
import type { RunningInstance } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';
import { connected, hello, id, member, node, plan, report, running, snapshot } from './world.ts';

const drained = (text: string) => node(1, { 'swarm-vip.drain': text });
const read = (text: string, nowMs = 0) => readDrain(snapshot([drained(text)]), drained(text), nowMs);

describe('the label swarm-vip.drain', () => {
  it('holds a reason, an end and force', () => {
    assert.deepEqual(read('disk swap; until=2026-01-31T12:00:00Z; force').drain, {
      reason: 'disk swap',
      untilMs: Date.UTC(2026, 0, 31, 12),
      force: true,
    });
    assert.deepEqual(read('').drain, { reason: '', untilMs: undefined, force: false });
  });

  it('counts no more after its end', () => {
    assert.equal(read('x;until=2026-01-31T12:00:00Z', Date.UTC(2026, 0, 31, 12)).drain, undefined);
  });

  it('drains the node even when an option is wrong, and says so', () => {
    const { drain, problem } = read('x;until=tomorrow');
    assert.equal(drain?.reason, 'x');
    assert.deepEqual([problem?.code, problem?.value], ['drain-option-invalid', 'until=tomorrow']);
  });

  it('reads back what the CLI writes, whatever the reason', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.boolean(),
        fc.option(fc.integer({ min: 1, max: 4e12 })),
        (reason, force, until) => {
          const untilMs = until ?? undefined;
          const text = drainText({ reason, force, untilMs });
          const { drain, problem } = read(text);
          assert.equal(problem, undefined);
          assert.deepEqual([drain?.force, drain?.untilMs], [force, untilMs]);
          assert.ok(!/\p{Cc}/u.test(text));
        },
      ),
    );
  });
});

/** Node 1 holds, the others are as given: 'ok', 'paused' or 'gone'. */
function swarm(
  others: Record<number, 'ok' | 'paused' | 'gone'>,
  labels: Record<number, string> = {},
): Status {
  const nodes = [1, 2, 3].map((n) => {
    const one = member(n, String(130 - n * 10));
    return labels[n] === undefined
      ? one
      : { ...one, labels: { ...one.labels, 'swarm-vip.drain': labels[n] } };
  });
  const swarmNow = snapshot(nodes);
  const { assignments } = plan(swarmNow, connected({ 1: report(1), 2: report(2), 3: report(3) }));
  const records = new Map<NodeId, AgentRecord>();
  for (const n of [1, 2, 3]) {
    const state: RunningInstance['state'] = n === 1 ? 'MASTER' : others[n] === 'paused' ? 'FAULT' : 'BACKUP';
    const instances = (assignments.get(id(n)) ?? []).map((instance) => running(instance, { state }));
    const record = reported(greeted(undefined, hello(n), 0), report(n, instances), 0);
    records.set(id(n), { ...record, connected: others[n] !== 'gone' });
  }
  return status({
    self: id(1),
    version: '1',
    role: 'active',
    active: id(1),
    epoch: 1,
    snapshot: swarmNow,
    snapshotAgeMs: 0,
    snapshotError: undefined,
    agents: records,
    plan: plan(swarmNow, records),
    nowMs: 0,
  });
}
const nodes = snapshot([member(1), member(2), member(3)]);

describe('planDrain', () => {
  it('names the eligible member with the highest priority as successor', () => {
    const { steps, unsafe } = planDrain(nodes, swarm({ 2: 'ok', 3: 'ok' }), ['host1']);
    assert.deepEqual(steps[0]?.groups, [
      { group: 'web', holds: true, successor: { node: id(2), hostname: 'host2' } },
    ]);
    assert.deepEqual(unsafe, []);
  });

  it('never names a node that is drained in the same breath', () => {
    const { steps } = planDrain(nodes, swarm({ 2: 'ok', 3: 'ok' }), ['host1', 'host2']);
    assert.equal(steps[0]?.groups[0]?.successor?.hostname, 'host3');
  });

  it('calls it unsafe when nobody else is eligible', () => {
    for (const others of [
      { 2: 'paused', 3: 'gone' },
      { 2: 'gone', 3: 'gone' },
    ] as const) {
      const { unsafe } = planDrain(nodes, swarm(others), ['host1']);
      assert.deepEqual(unsafe, ['host1 holds web, and no other member is eligible to take it over']);
    }
    assert.equal(planDrain(nodes, swarm({ 2: 'ok', 3: 'ok' }), ['host1', 'host2', 'host3']).unsafe.length, 1);
  });

  it('finds nothing unsafe in draining a backup', () => {
    assert.deepEqual(planDrain(nodes, swarm({ 2: 'ok', 3: 'gone' }), ['host3']).unsafe, []);
  });

  it('knows nodes by host name, id, or a beginning of the id that only one has', () => {
    assert.deepEqual(findNode(nodes, 'host2'), { node: id(2) });
    assert.deepEqual(findNode(nodes, 'node002'), { node: id(2) });
    assert.ok('reason' in findNode(nodes, 'node'));
    assert.ok('reason' in findNode(nodes, 'host9'));
    const twins = snapshot([member(1), { ...member(2), hostname: 'host1' }]);
    const found = findNode(twins, 'host1');
    assert.ok('reason' in found && found.reason.includes(id(1)) && found.reason.includes(id(2)));
  });
});

describe('a drained member', () => {
  const labelled = swarm({ 2: 'ok', 3: 'ok' }, { 1: 'disk swap' });

  it('is shown with its reason and is not eligible, while the group stays well', () => {
    const [group] = labelled.groups;
    const first = group?.members.find((each) => each.node === id(1));
    assert.deepEqual(first?.drain, { reason: 'disk swap', until: null, force: false });
    assert.equal(first?.eligible, false);
    assert.equal(group?.verdict, 'OK');
  });

  it('is told to stand aside once relieved, or now with force; the others are told nothing new', () => {
    const agents = connected({ 1: report(1), 2: report(2) });
    const told = (text: string) => {
      const one = member(1, '120', { 'swarm-vip.drain': text });
      return plan(snapshot([one, member(2)]), agents).assignments;
    };
    assert.equal(told('x').get(id(1))?.[0]?.standAside, 'relieved');
    assert.equal(told('x;force').get(id(1))?.[0]?.standAside, 'now');
    const before = plan(snapshot([member(1, '120'), member(2)]), agents).assignments.get(id(2));
    assert.deepEqual(told('x').get(id(2)), before);
  });

  it('is done when it holds nothing and is out of the election, not before', () => {
    assert.equal(drainIsDone(labelled, id(1)), false);
    assert.equal(drainIsDone(swarm({ 2: 'paused', 3: 'ok' }, { 2: 'x' }), id(2)), true);
    assert.equal(drainIsDone(swarm({ 2: 'ok', 3: 'ok' }, { 2: 'x' }), id(2)), false);
  });
});

describe('a chosen lead', () => {
  it('ranks above all others and changes nobody else’s priority', () => {
    const agents = connected({ 1: report(1), 2: report(2), 3: report(3) });
    const three = [member(1, '120'), member(2, '110'), member(3, '100')];
    const before = plan(snapshot(three), agents).assignments;
    const chosen = three.map((one, index) =>
      index === 2 ? { ...one, labels: { ...one.labels, 'swarm-vip.web.lead': '2026-01-01T00:00:00Z' } } : one,
    );
    const { assignments } = plan(snapshot(chosen), agents);
    assert.equal(assignments.get(id(3))?.[0]?.priority, 254);
    for (const n of [1, 2]) assert.deepEqual(assignments.get(id(n)), before.get(id(n)));
  });

  it('is the member with the newest label', () => {
    const agents = connected({ 1: report(1), 2: report(2) });
    const labelled = [
      member(1, '100', { 'swarm-vip.web.lead': '2026-01-01T00:00:00Z' }),
      member(2, '100', { 'swarm-vip.web.lead': '2026-01-02T00:00:00Z' }),
    ];
    const { assignments } = plan(snapshot(labelled), agents);
    assert.deepEqual(
      [1, 2].map((n) => assignments.get(id(n))?.[0]?.priority),
      [250, 254],
    );
  });
});

describe('parseDurationMs', () => {
  it('reads units and sums, and nothing else', () => {
    assert.deepEqual(['250ms', '10s', '1h30m', '1.5s'].map(parseDurationMs), [250, 10_000, 5_400_000, 1_500]);
    for (const bad of ['', '10', 's', '-1s', '1 s', '1y', '1e3s'])
      assert.equal(parseDurationMs(bad), undefined, bad);
  });
});
