import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { confirmedDownLabel } from '../../coordinator/core/confirmed-down.ts';
import { quietLimitMs } from '../../coordinator/core/peers.ts';
import type { Agents } from '../../coordinator/core/plan.ts';
import type { AssignedInstance, Report } from '../../shared/protocol.ts';
import { masterDownMs } from '../../shared/timers.ts';
import { connected, id, ip, member, node, plan, report, running, service, snapshot } from './world.ts';

const nodes = [member(1, '120'), member(2, '110'), member(3, '100')];

function assignedTo(n: number, agents: Agents, swarm = nodes): AssignedInstance {
  const [instance] = plan(snapshot(swarm), agents).assignments.get(id(n)) ?? [];
  return instance ?? assert.fail(`node ${n} got nothing`);
}

/** Nodes 1 and 2 run the group and list each other; node 3 has just connected. */
function joining(listedBy: number[]): Agents {
  const pair = connected({ 1: report(1), 2: report(2) });
  const runs = (n: number) => {
    const alone = assignedTo(n, pair, nodes.slice(0, 2));
    const peers = listedBy.includes(n)
      ? [...alone.peers, { node: id(3), address: ip(3) as never }]
      : alone.peers;
    return report(n, [running({ ...alone, peers })]);
  };
  return connected({ 1: runs(1), 2: runs(2), 3: report(3) });
}

describe('a joiner (R1)', () => {
  it('is not told that silence proves absence while a member in reach does not list it', () => {
    assert.equal(assignedTo(3, joining([])).peersConfirmed, false);
    assert.equal(assignedTo(3, joining([1])).peersConfirmed, false);
    assert.equal(assignedTo(3, joining([1, 2])).peersConfirmed, true);
  });

  it('is listed by the present members at once', () => {
    assert.ok(assignedTo(1, joining([])).peers.some((peer) => peer.node === id(3)));
  });

  it('shows for whom it waits, and why', () => {
    const [group] = plan(snapshot(nodes), joining([1])).groups;
    assert.deepEqual(group?.waiting, [{ node: id(3), for: [id(2)], why: 'they do not list it as peer yet' }]);
  });

  it('is told that an advert proves nothing while a member, in reach or not, is known not to list it', () => {
    const slow = plan(snapshot(nodes), joining([1]));
    assert.equal(slow.assignments.get(id(3))?.[0]?.silenceOnly, true);
    assert.deepEqual(slow.groups[0]?.waiting, [
      { node: id(3), for: [id(2)], why: 'they do not list it as peer yet' },
    ]);
    const cutOff = (report: Report | undefined) =>
      new Map(joining([1])).set(id(2), { connected: false, report });
    const unaware = plan(snapshot(nodes), cutOff(joining([1]).get(id(2))?.report));
    const [instance] = unaware.assignments.get(id(3)) ?? [];
    assert.deepEqual([instance?.silenceOnly, instance?.peersConfirmed], [true, true]);
    assert.deepEqual(unaware.groups[0]?.waiting, [
      { node: id(3), for: [id(2)], why: 'they are out of reach and may not list it as peer' },
    ]);
    const unheard = new Map(joining([1, 2]));
    unheard.delete(id(2));
    const remembered = plan(snapshot(nodes), unheard);
    assert.equal(remembered.assignments.get(id(3))?.[0]?.silenceOnly, true);
    assert.deepEqual(remembered.groups[0]?.waiting[0]?.for, [id(2)]);
    const aware = plan(snapshot(nodes), cutOff(joining([1, 2]).get(id(2))?.report));
    assert.equal(aware.assignments.get(id(3))?.[0]?.silenceOnly, undefined);
  });

  it('is told the same beside members that run other values, and how long the slowest of them may take', () => {
    const agents = new Map(joining([1, 2, 3]));
    const changed = (env: Record<string, string>) =>
      plan(snapshot(nodes, [service(env)]), agents).assignments.get(id(3))?.[0];
    const { silenceOnly, outlastMs } = changed({ KEEPALIVED_ROUTER_ID: '77' }) ?? {};
    assert.deepEqual([silenceOnly, outlastMs], [true, undefined]);
    assert.equal(changed({ KEEPALIVED_PASSWORD: 'word' })?.silenceOnly, true);
    assert.equal(changed({})?.silenceOnly, undefined);
    // Out of reach and slow, with the old values; whoever runs those as well would hear it.
    const slow = running(assignedTo(2, joining([1, 2, 3])), { intervalMs: 1000 });
    agents.set(id(2), { connected: false, report: report(2, [slow]) });
    assert.equal(changed({ KEEPALIVED_ROUTER_ID: '77' })?.outlastMs, Math.ceil(masterDownMs(3, 1000, 1)));
    const kept = running(assignedTo(3, agents), { state: 'FAULT' });
    agents.set(id(3), { connected: true, report: report(3, [kept]) });
    const waits = changed({ KEEPALIVED_ROUTER_ID: '77' });
    assert.deepEqual([waits?.transition, waits?.silenceOnly], ['keep', undefined]);
  });

  it('is told to ask twice while a member by label was never heard, unless an operator says that it is off', () => {
    const heard = connected({ 1: report(1), 2: report(2) });
    const { silenceOnly, outlastMs } = assignedTo(1, heard);
    assert.deepEqual([silenceOnly, outlastMs], [undefined, Math.ceil(masterDownMs(3, 100, 1))]);
    const off = member(3, '100', { [confirmedDownLabel]: '2026-01-01T00:00:00Z' });
    assert.equal(assignedTo(1, heard, [...nodes.slice(0, 2), off]).outlastMs, undefined);
    assert.equal(assignedTo(1, heard, nodes.slice(0, 2)).outlastMs, undefined);
  });

  it('waits for members that are about to start, but not for one whose keepalived refuses the assignment', () => {
    const fresh = { 1: report(1), 2: report(2) };
    assert.equal(assignedTo(1, connected(fresh), nodes.slice(0, 2)).peersConfirmed, false);
    const refusing = report(2, [], { rejected: { epoch: 1, counter: 1, reason: 'no' } });
    assert.equal(assignedTo(1, connected({ ...fresh, 2: refusing }), nodes.slice(0, 2)).peersConfirmed, true);
  });
});

describe('peer lists (R3, R4)', () => {
  it('keep a member that is out of reach', () => {
    const agents = new Map(joining([1, 2]));
    agents.set(id(2), { connected: false, report: agents.get(id(2))?.report });
    assert.deepEqual(
      assignedTo(1, agents).peers.map((peer) => peer.node),
      [id(2), id(3)],
    );
  });

  it('keep a member that only its peers remember', () => {
    const agents = new Map(joining([1, 2]));
    agents.delete(id(2));
    assert.deepEqual(
      assignedTo(3, agents).peers.map((peer) => peer.address),
      [ip(1), ip(2)],
    );
  });

  it('keep a member that leaves until it reports that it stopped', () => {
    const agents = joining([1, 2]);
    const left = [member(1, '120'), node(2), member(3, '100')];
    const during = plan(snapshot(left), agents);
    assert.deepEqual(during.assignments.get(id(2)), []);
    assert.ok(during.assignments.get(id(1))?.[0]?.peers.some((peer) => peer.node === id(2)));
    const stopped = new Map(agents).set(id(2), { connected: true, report: report(2) });
    const after = plan(snapshot(left), stopped).assignments.get(id(1))?.[0]?.peers;
    assert.ok(!after?.some((peer) => peer.node === id(2)));
  });

  it('forget a node that the operator removed from Swarm', () => {
    const agents = new Map(joining([1, 2]));
    agents.delete(id(2));
    const peers = assignedTo(1, agents, [member(1, '120'), member(3, '100')]).peers;
    assert.ok(!peers.some((peer) => peer.node === id(2)));
  });
});

describe('a change of what all agree on (R2, R7)', () => {
  const changed = snapshot(nodes, [service({ KEEPALIVED_ROUTER_ID: '77' })]);
  const before = joining([1, 2, 3]);
  /** Node 1 holds, the others are held back already. */
  const seen = (seenMs: Record<number, number>): Agents =>
    new Map(
      [1, 2, 3].map((n) => {
        const pause = { reason: 'transition', detail: '', sinceMs: 0 } as const;
        const runs = n === 1 ? { state: 'MASTER' as const } : { state: 'FAULT' as const, pause };
        const instance = running(assignedTo(n, before), runs);
        return [id(n), { connected: true, report: report(n, [instance]), seenMs: seenMs[n] ?? 10_000 }];
      }),
    );
  const told = (agents: Agents, nowMs: number) => {
    const made = plan(changed, agents, nowMs);
    const transitions = [1, 2, 3].map((n) => made.assignments.get(id(n))?.[0]?.transition);
    return { transitions, againMs: made.againMs, waitsFor: made.groups[0]?.waiting[0]?.for };
  };

  it('holds the others back while all are heard, and looks again when one could be quiet for too long', () => {
    const { transitions, againMs } = told(seen({ 1: 9_500, 3: 9_200 }), 10_000);
    assert.deepEqual(transitions, ['keep', 'hold', 'hold']);
    assert.equal(againMs, 9_200 + quietLimitMs);
  });

  it('holds nobody back for one that is quiet, though it is connected, and says for whom it waits', () => {
    for (const quiet of [1, 3]) {
      const agents = seen({ [quiet]: 10_000 - quietLimitMs });
      assert.deepEqual(told(agents, 9_999).transitions, ['keep', 'hold', 'hold']);
      const { transitions, waitsFor, againMs } = told(agents, 10_000);
      assert.deepEqual(transitions, ['keep', 'keep', 'keep']);
      assert.deepEqual(waitsFor, [id(quiet)]);
      assert.equal(againMs, undefined);
    }
  });
});

describe('a holder that loses its label', () => {
  const left = [node(1), member(2, '110')];
  const runs = (n: number, state: 'MASTER' | 'BACKUP' | 'FAULT') => {
    const pair = connected({ 1: report(1), 2: report(2) });
    const alone = assignedTo(n, pair, [member(1, '120'), member(2, '110')]);
    return report(n, [running(alone, { state })]);
  };

  it('stands aside first, keeping what it runs', () => {
    const agents = connected({ 1: runs(1, 'MASTER'), 2: runs(2, 'BACKUP') });
    const [instance] = plan(snapshot(left), agents).assignments.get(id(1)) ?? [];
    assert.deepEqual([instance?.transition, instance?.standAside], ['keep', 'relieved']);
  });

  it('stops once it is relieved, and at once when nobody can relieve it', () => {
    const relieved = connected({ 1: runs(1, 'BACKUP'), 2: runs(2, 'MASTER') });
    assert.deepEqual(plan(snapshot(left), relieved).assignments.get(id(1)), []);
    const alone = connected({ 1: runs(1, 'MASTER'), 2: runs(2, 'FAULT') });
    assert.deepEqual(plan(snapshot(left), alone).assignments.get(id(1)), []);
  });
});
