// The coordinator's loop: who is told what, and when it plans. Swarm and connections are values here.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import pino from 'pino';
import { createCoordinator } from '../../coordinator/coordinator.ts';
import { plansAlike } from '../../coordinator/core/agents.ts';
import { createRolloutMeter } from '../../coordinator/rollout-meter.ts';
import type { CoordinatorFrame, RunningInstance, StateTransition } from '../../shared/protocol.ts';
import type { GroupName } from '../../shared/words.ts';
import { hello, id, member, plan, report, running, service, snapshot, unattended } from './world.ts';

const swarm = snapshot([member(1), member(2)]);

describe('an agent that connects again', () => {
  it('is told again, though nothing has changed on its node and in Swarm', async () => {
    const sent: CoordinatorFrame[] = [];
    let nowMs = 0;
    const coordinator = createCoordinator({
      ...{ self: id(1), version: '1', now: () => nowMs, log: pino({ level: 'silent' }) },
      swarm: {
        snapshot: () => Promise.resolve(swarm),
        tasks: () => assert.fail('nobody asks for tasks'),
        setLabel: () => Promise.resolve(7),
      },
      send: (_, frame) => sent.push(frame) > 0,
      connected: () => [id(1)],
      disconnect: () => assert.fail('nobody is to go'),
      meter: createRolloutMeter(() => undefined),
    });
    const assignments = () => sent.filter(({ type }) => type === 'assignment').length;
    await coordinator.look();
    nowMs = 10_000;
    for (const connections of [1, 2]) {
      coordinator.hello(hello(1));
      coordinator.report(id(1), report(1));
      await turn();
      await turn();
      assert.equal(assignments(), connections);
      coordinator.report(id(1), report(1));
      await turn();
      await turn();
      assert.equal(assignments(), connections, 'once for each connection');
      coordinator.gone(id(1));
      await turn();
      await turn();
    }
  });
});

describe('a coordinator that becomes active', () => {
  it('assigns what it has read after its claim, never what it knew before', async () => {
    const sent: CoordinatorFrame[] = [];
    const before = snapshot([member(1), member(2)], [service({ KEEPALIVED_VIRTUAL_IPS: '10.0.0.100' })]);
    const after = snapshot([member(1), member(2)], [service({ KEEPALIVED_VIRTUAL_IPS: '10.0.0.200' })]);
    let claimed = false;
    let nowMs = 0;
    const coordinator = createCoordinator({
      ...{ self: id(1), version: '1', now: () => nowMs, log: pino({ level: 'silent' }) },
      swarm: {
        snapshot: () => Promise.resolve(claimed ? after : before),
        tasks: () => Promise.resolve([]),
        async setLabel() {
          claimed = true;
          return 7;
        },
      },
      send: (_, frame) => sent.push(frame) > 0,
      connected: () => [id(1)],
      disconnect: () => assert.fail('nobody is to go'),
      meter: createRolloutMeter(() => undefined),
    });
    await coordinator.look();
    nowMs = 10_000;
    coordinator.hello(hello(1));
    coordinator.report(id(1), report(1));
    await turn();
    await turn();
    const [assignment] = sent.filter((frame) => frame.type === 'assignment');
    assert.deepEqual(assignment?.instances[0]?.addresses, ['10.0.0.200/32']);
  });
});

describe('looks at Swarm', () => {
  it('come one after the other, so that a slow one never brings back what is gone', async () => {
    let reading = 0;
    let reads = 0;
    const coordinator = createCoordinator({
      ...{ self: id(2), version: '1', now: () => 0, log: pino({ level: 'silent' }) },
      swarm: {
        async snapshot() {
          reading += 1;
          assert.equal(reading, 1);
          reads += 1;
          await turn();
          reading -= 1;
          return swarm;
        },
        tasks: () => Promise.resolve([]),
        setLabel: () => Promise.resolve(7),
      },
      send: () => true,
      connected: () => [],
      disconnect: () => assert.fail('nobody is to go'),
      meter: createRolloutMeter(() => undefined),
    });
    assert.deepEqual(await Promise.all([coordinator.look(), coordinator.look(), coordinator.look()]), [
      true,
      true,
      true,
    ]);
    assert.equal(reads, 3);
  });
});

describe('the log', () => {
  it('of the active coordinator has one line for each change of state, with reason and priorities', async () => {
    const lines: Record<string, unknown>[] = [];
    const log = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line)) });
    for (const self of [1, 2]) {
      const coordinator = createCoordinator({
        ...{ self: id(self), version: '1', now: () => 10_000, log },
        swarm: {
          snapshot: () => Promise.resolve(swarm),
          tasks: () => Promise.resolve([]),
          setLabel: () => Promise.resolve(7),
        },
        ...unattended(),
      });
      await coordinator.look();
      coordinator.hello(hello(1));
      coordinator.report(id(1), report(1));
      await turn();
      await turn();
      const change: StateTransition = {
        seq: 1,
        atMs: 1_000,
        group: 'web' as GroupName,
        from: 'MASTER',
        to: 'BACKUP',
        priority: 219,
        cause: 'higher-priority',
        peer: { address: '10.0.0.12', priority: 249 },
        detail: 'check up fails (-30)',
      };
      coordinator.remember(id(1), [{ ...change, seq: 0 }]);
      coordinator.remember(id(1), [{ ...change, seq: 0 }, change]);
      coordinator.remember(id(1), [change]);
    }
    const told = lines.filter(({ event }) => event === 'transition');
    assert.equal(told.length, 1, 'what is remembered, what is known and what a standby hears is not said');
    const [{ time: _t, level: _l, hostname: _h, pid: _p, ...line } = {}] = told;
    assert.deepEqual(line, {
      ...{ event: 'transition', group: 'web', node: 'host1', id: id(1), from: 'MASTER', to: 'BACKUP' },
      reason: '10.0.0.12 has the higher priority (249 against 219); check up fails (-30)',
      ...{ cause: 'higher-priority', priority: 219, basePriority: 226, peer: '10.0.0.12', peerPriority: 249 },
      ...{ at: '1970-01-01T00:00:01.000Z', msg: 'VRRP state' },
    });
  });
});

describe('a report', () => {
  const [assigned] =
    plan(swarm, new Map([[id(1), { connected: true, report: report(1) }]])).assignments.get(id(1)) ?? [];
  const ran = (lastRunMs: number, more: Partial<RunningInstance> = {}) => {
    assert.ok(assigned);
    const check = { name: 'up', up: true, sinceMs: 0, lastRunMs, durationMs: 5, output: '' };
    return report(1, [running(assigned, { checks: [check], ...more })]);
  };

  it('that differs by the age of a check alone is no reason to plan', () => {
    assert.ok(plansAlike(ran(1), ran(2)));
    assert.ok(!plansAlike(ran(1), ran(1, { state: 'MASTER' })));
    assert.ok(!plansAlike(undefined, ran(1)));
  });
});
