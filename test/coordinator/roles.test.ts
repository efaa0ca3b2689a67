import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AgentRecord, greeted, holdersOf, reported } from '../../coordinator/core/agents.ts';
import { activeCoordinator } from '../../coordinator/core/roles.ts';
import { status } from '../../coordinator/core/status.ts';
import type { RunningInstance } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';
import { hello, id, member, node, plan, report, running, service, snapshot } from './world.ts';

const on = (n: number) => ({ id: `task${n}`, node: id(n) });

describe('activeCoordinator', () => {
  const nodes = [
    node(1, {}, { leader: false }),
    node(2, {}, { leader: true }),
    node(3, {}, { leader: false }),
  ];

  it('is the one on the leader of Swarm', () => {
    assert.equal(
      activeCoordinator(snapshot(nodes, [service({}, { tasks: [on(1), on(2), on(3)] })]))?.node,
      id(2),
    );
  });

  it('is the one with the lowest node id when none runs on the leader', () => {
    assert.equal(activeCoordinator(snapshot(nodes, [service({}, { tasks: [on(3), on(1)] })]))?.node, id(1));
  });

  it('is nobody when none runs', () => {
    assert.equal(activeCoordinator(snapshot(nodes, [service({}, { tasks: [] })])), undefined);
  });
});

const two = [member(1, '120'), member(2, '110')];

/** Feeds reports in order of time: [ms, node, state]. */
function history(...events: [number, number, RunningInstance['state']][]): Map<NodeId, AgentRecord> {
  const records = new Map<NodeId, AgentRecord>();
  const agents = new Map([1, 2].map((n) => [id(n), { connected: true, report: report(n) }]));
  const { assignments } = plan(snapshot(two), agents);
  for (const [ms, n, state] of events) {
    const instances = (assignments.get(id(n)) ?? []).map((instance) => running(instance, { state }));
    const before = records.get(id(n)) ?? greeted(undefined, hello(n), ms);
    records.set(id(n), reported(before, report(n, instances), ms));
  }
  return records;
}

describe('holdersOf', () => {
  it('is empty when nobody claims the group', () => {
    assert.deepEqual(holdersOf(history([0, 1, 'BACKUP']), 'web'), []);
  });

  it('does not count a node that fell silent as MASTER before its successor spoke', () => {
    assert.deepEqual(
      holdersOf(
        history([0, 1, 'MASTER'], [1000, 1, 'MASTER'], [1400, 2, 'MASTER'], [2400, 2, 'MASTER']),
        'web',
      ),
      [id(2)],
    );
  });

  it('counts both when both go on claiming', () => {
    assert.deepEqual(holdersOf(history([0, 1, 'MASTER'], [100, 2, 'MASTER'], [1000, 1, 'MASTER']), 'web'), [
      id(2),
      id(1),
    ]);
  });

  it('takes a report that was on its way during a hand-over for no second holder', () => {
    assert.deepEqual(
      holdersOf(
        history([0, 1, 'MASTER'], [1000, 2, 'MASTER'], [1010, 1, 'MASTER'], [1020, 1, 'BACKUP']),
        'web',
      ),
      [id(2)],
    );
  });
});

describe('status', () => {
  const show = (records: Map<NodeId, AgentRecord>, more = {}) =>
    status({
      self: id(1),
      version: '1',
      role: 'active',
      active: id(1),
      epoch: 7,
      snapshot: snapshot(two),
      snapshotAgeMs: 10,
      snapshotError: undefined,
      agents: records,
      plan: plan(snapshot(two), records),
      nowMs: 5000,
      ...more,
    });

  it('is OK with one holder and every member eligible', () => {
    const document = show(history([0, 1, 'MASTER'], [0, 2, 'BACKUP']));
    assert.equal(document.verdict, 'OK');
    assert.deepEqual(
      document.groups[0]?.holders.map(({ hostname }) => hostname),
      ['host1'],
    );
    assert.deepEqual(
      document.groups[0]?.members.map(({ hostname }) => hostname),
      ['host1', 'host2'],
    );
    // Version 3 at 100 ms, successor at 226: 3 × 100 + 30/256 × 100.
    assert.equal(document.groups[0]?.failoverBoundMs, 312);
  });

  it('names no holder and two holders before anything else', () => {
    assert.equal(show(history([0, 1, 'BACKUP'], [0, 2, 'BACKUP'])).verdict, 'NO HOLDER');
    assert.equal(
      show(history([0, 1, 'MASTER'], [0, 2, 'MASTER'], [900, 1, 'MASTER'])).verdict,
      'TWO HOLDERS',
    );
  });

  it('is DEGRADED when a member is in fault or out of reach', () => {
    assert.equal(show(history([0, 1, 'MASTER'], [0, 2, 'FAULT'])).verdict, 'DEGRADED');
    const gone = history([0, 1, 'MASTER'], [0, 2, 'BACKUP']);
    const record = gone.get(id(2));
    assert.ok(record);
    const document = show(gone.set(id(2), { ...record, connected: false }));
    assert.equal(document.verdict, 'DEGRADED');
    assert.equal(document.groups[0]?.members.find(({ node }) => node === id(2))?.state, 'UNKNOWN');
  });

  it('shows the age of a snapshot that cannot be renewed', () => {
    const document = show(history([0, 1, 'MASTER'], [0, 2, 'BACKUP']), {
      snapshotAgeMs: 90_000,
      snapshotError: 'timeout',
    });
    assert.equal(document.verdict, 'DEGRADED');
    assert.deepEqual(
      document.problems.map(({ code }) => code),
      ['snapshot-stale'],
    );
  });
});
