// One thing at a time: who is concerned by a hand-over is assigned what it runs until the address has moved.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { quietLimitMs } from '../../coordinator/core/peers.ts';
import type { Agents } from '../../coordinator/core/plan.ts';
import type { AssignedInstance, Report, RunningInstance } from '../../shared/protocol.ts';
import { config, connected, id, member, node, plan, report, running, service, snapshot } from './world.ts';

const before = [member(1, '120'), member(2, '110'), member(3, '100')];
const left = [node(1), member(2, '110'), member(3, '100')];
const fresh = connected({ 1: report(1), 2: report(2), 3: report(3) });

const settled = new Map(
  [1, 2, 3].map((n) => {
    const [instance] = plan(snapshot(before), fresh).assignments.get(id(n)) ?? [];
    return [n, instance ?? assert.fail(`node ${n} got nothing`)] as const;
  }),
);
const instanceOf = (n: number): AssignedInstance => settled.get(n) ?? assert.fail();

type More = Record<number, { running?: Partial<RunningInstance>; report?: Partial<Report> }>;

/** Node 1 holds, all know each other. */
const agentsWith = (more: More = {}): Agents =>
  connected(
    Object.fromEntries(
      [1, 2, 3].map((n) => {
        const state = n === 1 ? 'MASTER' : 'BACKUP';
        const instance = running(instanceOf(n), { state, ...more[n]?.running });
        return [n, report(n, [instance], more[n]?.report)];
      }),
    ),
  );

const prioritiesIn = (assignments: ReturnType<typeof plan>['assignments']) =>
  [2, 3].map((n) => assignments.get(id(n))?.[0]?.priority);
const present = [2, 3].map((n) => instanceOf(n).priority);
const future = [1, 2].map((n) => instanceOf(n).priority);

describe('while a holder that leaves is relieved', () => {
  it('the others keep what they run, and the status says for whom they wait', () => {
    const { assignments, groups } = plan(snapshot(left), agentsWith());
    assert.deepEqual(prioritiesIn(assignments), present);
    for (const n of [2, 3]) assert.equal(assignments.get(id(n))?.[0]?.transition, 'keep');
    const why = 'it changes nothing else while the address moves';
    assert.deepEqual(
      groups[0]?.waiting,
      [2, 3].map((n) => ({ node: id(n), for: [id(1)], why })),
    );
  });

  it('they get their new ranks once it is', () => {
    const moved = agentsWith({ 1: { running: { state: 'BACKUP' } }, 2: { running: { state: 'MASTER' } } });
    const { assignments, groups } = plan(snapshot(left), moved);
    assert.deepEqual(prioritiesIn(assignments), future);
    assert.deepEqual(groups[0]?.waiting, []);
  });

  it('it begins nothing in another group, and what it runs there does not change either', () => {
    const db = service({ KEEPALIVED_GROUP: 'db', KEEPALIVED_VIRTUAL_IPS: '10.0.0.101' }, { id: 'service2' });
    const moves = [member(1, '120', { keepalived_group: 'db' }), ...left.slice(1)];
    const during = plan(snapshot(moves, [service(), db]), agentsWith());
    assert.deepEqual(
      during.assignments.get(id(1))?.map(({ group, standAside }) => [group, standAside]),
      [['web', 'relieved']],
    );
    const moved = agentsWith({ 1: { running: { state: 'BACKUP' } }, 2: { running: { state: 'MASTER' } } });
    const after = plan(snapshot(moves, [service(), db]), moved);
    assert.deepEqual(
      after.assignments.get(id(1))?.map(({ group }) => group),
      ['db'],
    );
  });

  it('another one that leaves does not take over first', () => {
    const { assignments } = plan(snapshot([node(1), node(2), member(3, '100')]), agentsWith());
    const told = [1, 2, 3].map((n) => assignments.get(id(n))?.map(({ standAside }) => standAside));
    assert.deepEqual(told, [['relieved'], ['now'], [undefined]]);
  });

  it('a new member is told to begin, and is listed afterwards', () => {
    const joins = [...left, member(4, '90')];
    const agents = new Map([...agentsWith(), ...connected({ 4: report(4) })]);
    const { assignments } = plan(snapshot(joins), agents);
    assert.equal(assignments.get(id(4))?.length, 1);
    assert.equal(assignments.get(id(4))?.[0]?.peersConfirmed, false);
    assert.ok(assignments.get(id(2))?.[0]?.peers.every((peer) => peer.node !== id(4)));
  });

  it('nobody waits for one who cannot take over, nor for a holder that does not answer', () => {
    const pause = { reason: 'check', detail: '', sinceMs: 0 } as const;
    const refused = { rejected: { epoch: 1, counter: 1, reason: 'no' } };
    const unable: Record<string, More> = {
      paused: { 2: { running: { pause, state: 'FAULT' } }, 3: { running: { pause, state: 'FAULT' } } },
      lowest: { 2: { running: { effectivePriority: 1 } }, 3: { running: { effectivePriority: 1 } } },
      refusing: { 1: { report: refused } },
    };
    for (const [why, more] of Object.entries(unable)) {
      const { assignments } = plan(snapshot(left), agentsWith(more));
      assert.deepEqual(prioritiesIn(assignments), future, why);
    }
    const quiet = new Map([...agentsWith()].map(([at, agent]) => [at, { ...agent, seenMs: 1000 }]));
    const at = (nowMs: number) => prioritiesIn(plan(snapshot(left), quiet, nowMs).assignments);
    assert.deepEqual(at(1000 + quietLimitMs - 1), present);
    assert.deepEqual(at(1000 + quietLimitMs), future);
  });

  it('nobody leaves it alone whom it waits for: where only those are left that would, they are told not to', () => {
    const delayed = snapshot(
      left,
      [],
      [config('groups: { web: { addresses: [10.0.0.100], preempt_delay: 300s } }')],
    );
    const delays = (more: More) => {
      const { assignments } = plan(delayed, agentsWith(more));
      return [2, 3].map((n) => assignments.get(id(n))?.[0]?.preemptDelayMs);
    };
    const modest = { running: { effectivePriority: 1, preemptDelayMs: 300_000 } };
    assert.deepEqual(delays({ 2: modest, 3: modest }), [0, 0]);
    assert.deepEqual(delays({ 2: modest, 3: { running: { preemptDelayMs: 300_000 } } }), [300_000, 300_000]);
  });

  it('orders that need no reload go out all the same', () => {
    const claims = new Map([['web', { firstMs: 0, lastMs: 5000 }]]);
    const agents = new Map(
      [...agentsWith({ 3: { running: { state: 'MASTER' } } })].map(([at, agent]) => [
        at,
        at === id(2) ? agent : { ...agent, claims },
      ]),
    );
    const { assignments, conflicts } = plan(snapshot(left), agents, 5000);
    assert.equal(conflicts.length, 1);
    const [lower] = conflicts[0]?.lower ?? [];
    assert.equal(lower && assignments.get(lower)?.[0]?.standAside, 'now');
    assert.deepEqual(prioritiesIn(assignments).slice(0, 1), present.slice(0, 1));
  });
});
