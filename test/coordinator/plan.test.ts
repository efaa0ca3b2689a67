import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import { Assignment } from '../../shared/protocol.ts';
import { connected, id, ip, member, node, plan, report, running, service, snapshot } from './world.ts';

const all = connected({ 1: report(1), 2: report(2), 3: report(3) });
const three = [member(1, '120'), member(2, '110'), member(3, '100')];

describe('plan', () => {
  it('turns labels into one instance per member, listing all others as peers', () => {
    const { assignments, problems } = plan(snapshot(three), all);
    assert.deepEqual(problems, []);
    const [first] = assignments.get(id(1)) ?? [];
    assert.deepEqual(first, {
      group: 'web',
      vrid: 51,
      version: 3,
      intervalMs: 100,
      interface: 'eth0',
      source: ip(1),
      peers: [
        { node: id(2), address: ip(2) },
        { node: id(3), address: ip(3) },
      ],
      priority: 250,
      addresses: ['10.0.0.100/32'],
      agreement: first?.agreement,
      peersConfirmed: false,
    });
    assert.deepEqual(
      [2, 3].map((n) => assignments.get(id(n))?.[0]?.priority),
      [226, 202],
    );
  });

  it('gives nothing to nodes without the label, and says so to their agents', () => {
    const { assignments } = plan(snapshot([member(1), node(2)]), connected({ 1: report(1), 2: report(2) }));
    assert.deepEqual(assignments.get(id(2)), []);
  });

  it('makes the same plan whatever the order of nodes and agents', () => {
    const other = plan(
      snapshot([...three].reverse()),
      connected({ 3: report(3), 1: report(1), 2: report(2) }),
    );
    for (const n of [1, 2, 3]) {
      assert.deepEqual(other.assignments.get(id(n)), plan(snapshot(three), all).assignments.get(id(n)));
    }
  });

  it('makes only assignments that the protocol accepts', () => {
    for (const env of [
      {},
      { KEEPALIVED_PASSWORD: 'a"b{c}much too long' },
      { KEEPALIVED_VIRTUAL_IPS: 'fd00::1,10.0.0.9' },
    ]) {
      for (const [, instances] of plan(snapshot(three, [service(env)]), all).assignments) {
        v.parse(Assignment, { type: 'assignment', epoch: 1, counter: 1, instances });
      }
    }
  });

  it('changes no assignment when Swarm calls a node down, drained or paused', () => {
    const before = plan(snapshot(three), all).assignments;
    for (const change of [{ state: 'down' }, { availability: 'drain' }, { availability: 'pause' }] as const) {
      const nodes = three.map((each, index) => (index === 1 ? { ...each, ...change } : each));
      assert.deepEqual(plan(snapshot(nodes), all).assignments, before);
    }
  });

  it('moves no priority because a new coordinator has not heard a node yet', () => {
    const known = plan(snapshot(three), all).assignments;
    const { assignments } = plan(snapshot(three), connected({ 2: report(2), 3: report(3) }));
    for (const n of [2, 3]) {
      assert.equal(assignments.get(id(n))?.[0]?.priority, known.get(id(n))?.[0]?.priority);
    }
  });

  it('keeps at most 16 members active, the highest', () => {
    const many = Array.from({ length: 20 }, (_, index) => member(index + 1, String(100 + index)));
    const agents = connected(Object.fromEntries(many.map((_, index) => [index + 1, report(index + 1)])));
    const { assignments } = plan(snapshot(many), agents);
    const active = [...assignments].filter(([, instances]) => instances.length > 0).map(([one]) => one);
    assert.equal(active.length, 16);
    assert.ok(!active.includes(id(4)) && active.includes(id(5)));
  });

  it('keeps the virtual router id that agents run already', () => {
    const assigned = plan(snapshot(three), all).assignments.get(id(1))?.[0];
    assert.ok(assigned);
    const learnt = connected({
      1: report(1, [running({ ...assigned, vrid: 77 as never })]),
      2: report(2),
      3: report(3),
    });
    assert.equal(plan(snapshot(three), learnt).assignments.get(id(2))?.[0]?.vrid, 77);
  });

  it('gives two groups different virtual router ids, whichever service is listed first', () => {
    const db = service(
      { KEEPALIVED_GROUP: 'db', KEEPALIVED_VIRTUAL_IPS: '10.0.0.101' },
      { id: 'service2', createdAt: '2026-01-02T00:00:00Z' },
    );
    for (const services of [
      [service(), db],
      [db, service()],
    ]) {
      const { groups } = plan(snapshot([], services), new Map());
      const byName = Object.fromEntries(groups.map(({ group, vrid }) => [group.name, vrid]));
      assert.equal(byName['web'], 51);
      assert.notEqual(byName['db'], 51);
    }
  });
});
