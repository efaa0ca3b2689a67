// Status and history → what the status page shows.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { greeted, reported } from '../../coordinator/core/agents.ts';
import { historyDocument } from '../../coordinator/core/history.ts';
import { stretchesOf } from '../../coordinator/core/holdings.ts';
import { overview } from '../../coordinator/core/overview.ts';
import { status } from '../../coordinator/core/status.ts';
import type { StateTransition, VrrpState } from '../../shared/protocol.ts';
import type { GroupName } from '../../shared/words.ts';
import { hello, id, member, plan, report, running, snapshot } from './world.ts';

/** [seconds, node, "FROM>TO", cause] */
type Entry = readonly [number, number, string, StateTransition['cause']?];
const transitions = (entries: readonly Entry[]) =>
  entries.map(([seconds, n, move, cause = 'silence'], index) => {
    const [from, to] = move.split('>') as [VrrpState, VrrpState];
    const group = 'web' as GroupName;
    const rest = { seq: index, atMs: seconds * 1000, group, from, to, priority: 100, cause };
    return { ...rest, node: id(n), hostname: `host${n}` };
  });
const strip = (holders: number[], ...entries: Entry[]) =>
  stretchesOf(transitions(entries), holders.map(id)).map(
    ({ fromMs, toMs, holders }) =>
      `${fromMs / 1000}-${toMs === null ? 'now' : toMs / 1000} ${holders.join('+') || 'nobody'}`,
  );

describe('the strip of a group', () => {
  it('follows the holders in order, and calls the difference of two clocks neither a gap nor an overlap', () => {
    assert.deepEqual(
      strip(
        [1],
        [0, 1, 'BACKUP>MASTER'],
        [10, 2, 'BACKUP>MASTER'],
        [11, 1, 'MASTER>BACKUP'],
        [20, 2, 'MASTER>BACKUP'],
        [21, 1, 'BACKUP>MASTER'],
      ),
      ['0-11 host1', '11-21 host2', '21-now host1'],
    );
  });

  it('shows that nobody held, until now as well', () => {
    assert.deepEqual(
      strip(
        [],
        [0, 1, 'BACKUP>MASTER'],
        [10, 1, 'MASTER>FAULT'],
        [20, 2, 'BACKUP>MASTER'],
        [30, 2, 'MASTER>FAULT'],
      ),
      ['0-10 host1', '10-20 nobody', '20-30 host2', '30-now nobody'],
    );
  });

  it('shows two that held at once', () => {
    assert.deepEqual(
      strip([2], [0, 1, 'BACKUP>MASTER'], [10, 2, 'BACKUP>MASTER'], [15, 1, 'MASTER>BACKUP']),
      ['0-10 host1', '10-15 host1+host2', '15-now host2'],
    );
  });

  it('ends what a node held that fell silent with the rise of the next, also when it comes back', () => {
    assert.deepEqual(strip([2], [0, 1, 'BACKUP>MASTER'], [10, 2, 'BACKUP>MASTER']), [
      '0-10 host1',
      '10-now host2',
    ]);
    assert.deepEqual(
      strip([2], [0, 1, 'BACKUP>MASTER'], [10, 2, 'BACKUP>MASTER'], [40, 1, 'INIT>BACKUP', 'started']),
      ['0-10 host1', '10-now host2'],
    );
    assert.deepEqual(
      strip([2], [0, 1, 'BACKUP>MASTER'], [10, 2, 'BACKUP>MASTER'], [40, 1, 'MASTER>BACKUP', 'unseen']),
      ['0-10 host1', '10-now host2'],
    );
  });

  it('goes on with a holder beside whom another one stood for a moment, until it falls silent', () => {
    const beside: Entry[] = [
      [0, 1, 'BACKUP>MASTER'],
      [10, 2, 'BACKUP>MASTER'],
      [11, 2, 'MASTER>BACKUP', 'higher-priority'],
    ];
    assert.deepEqual(strip([2], ...beside, [30, 2, 'BACKUP>MASTER']), ['0-30 host1', '30-now host2']);
    assert.deepEqual(strip([1], ...beside), ['0-now host1']);
    const long: Entry[] = [
      [0, 1, 'BACKUP>MASTER'],
      [10, 2, 'BACKUP>MASTER'],
      [15, 2, 'MASTER>BACKUP', 'higher-priority'],
    ];
    assert.deepEqual(strip([1], ...long), ['0-10 host1', '10-15 host1+host2', '15-now host1']);
    assert.deepEqual(strip([2], ...long, [30, 2, 'BACKUP>MASTER']), [
      '0-10 host1',
      '10-15 host1+host2',
      '15-30 host1',
      '30-now host2',
    ]);
  });

  it('says nothing of a holder whose rise nobody remembers', () => {
    assert.deepEqual(strip([3], [0, 1, 'BACKUP>MASTER'], [10, 1, 'MASTER>BACKUP']), ['0-10 host1']);
  });

  it('has no gaps, whatever the nodes remember', () => {
    const states = fc.constantFrom<VrrpState>('INIT', 'BACKUP', 'MASTER', 'FAULT', 'STOP');
    const causes = fc.constantFrom<StateTransition['cause']>('silence', 'unseen', 'started');
    const entry = fc.tuple(fc.nat(100), fc.integer({ min: 1, max: 4 }), states, states, causes);
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 40 }), fc.subarray([1, 2, 3, 4]), (drawn, holders) => {
        const entries = drawn
          .sort(([a], [b]) => a - b)
          .map(([seconds, n, from, to, cause]): Entry => [seconds, n, `${from}>${to}`, cause]);
        const stretches = stretchesOf(transitions(entries), holders.map(id));
        for (const [index, { fromMs, toMs, holders: held }] of stretches.entries()) {
          const next = stretches[index + 1];
          if (next) assert.equal(toMs, next.fromMs);
          assert.ok(toMs === null || toMs > fromMs);
          if (next) assert.notDeepEqual(held, next.holders);
        }
      }),
    );
  });
});

describe('the overview', () => {
  const swarm = snapshot([member(1, '120'), member(2, '110')]);
  const bare = new Map([1, 2].map((n) => [id(n), { connected: true, report: report(n) }]));
  const { assignments } = plan(swarm, bare);
  const agentsAt = (ms: number, connected = true) =>
    new Map(
      [1, 2].map((n) => {
        const instances = (assignments.get(id(n)) ?? []).map((each) =>
          running(each, { state: n === 1 ? 'MASTER' : 'BACKUP' }),
        );
        const record = reported(greeted(undefined, hello(n), 0), report(n, instances), ms);
        return [id(n), { ...record, connected: n === 1 ? connected : true }];
      }),
    );
  const overviewAt = (nowMs: number, agents = agentsAt(nowMs)) =>
    overview(
      status({
        ...{ self: id(1), version: '1', role: 'active', active: id(1), epoch: 7, snapshot: swarm },
        ...{
          snapshotAgeMs: nowMs % 1000,
          snapshotError: undefined,
          agents,
          plan: plan(swarm, agents),
          nowMs,
        },
      }),
      historyDocument(new Map(), swarm, agents),
      nowMs,
    );

  it('does not change while nothing happens but time', () => {
    assert.deepEqual(overviewAt(5_000), overviewAt(9_999));
  });

  it('names holder, next in line, and how many could hold', () => {
    const [web] = overviewAt(5_000).groups;
    assert.deepEqual(
      [web?.holders.map(({ hostname }) => hostname), web?.runnerUp, web?.eligible, web?.members.length],
      [['host1'], 'host2', 2, 2],
    );
  });

  it('marks what was last known of an agent out of contact', () => {
    const { groups, agents } = overviewAt(9_000, agentsAt(5_000, false));
    assert.equal(groups[0]?.holders[0]?.heard, false);
    assert.deepEqual(
      agents.map(({ seenMs }) => seenMs),
      [5_000, null],
    );
  });

  it('knows the last day only, but the last switch however old', () => {
    const dayMs = 86_400_000;
    const nowMs = 3 * dayMs;
    const agents = agentsAt(nowMs);
    const past = new Map([
      [
        id(1),
        transitions([
          [1_000, 1, 'BACKUP>MASTER'],
          [2_000, 1, 'MASTER>BACKUP'],
        ]),
      ],
    ]);
    const document = overview(
      status({
        ...{ self: id(1), version: '1', role: 'active', active: id(1), epoch: 7, snapshot: swarm },
        ...{ snapshotAgeMs: 0, snapshotError: undefined, agents, plan: plan(swarm, agents), nowMs },
      }),
      historyDocument(past, swarm, agents),
      nowMs,
    );
    assert.deepEqual(document.groups[0]?.switches, []);
    assert.deepEqual(document.groups[0]?.past, []);
    assert.equal(document.groups[0]?.lastSwitch?.to.hostname, 'host1');
  });

  it('lists a drained node once, with all its groups, and what it holds all the same', () => {
    const agents = agentsAt(5_000);
    const drained = snapshot([
      member(1, '120', { 'swarm-vip.drain': 'new disk;until=2030-01-01T00:00:00Z' }),
      member(2, '110'),
    ]);
    const document = overview(
      status({
        ...{ self: id(1), version: '1', role: 'active', active: id(1), epoch: 7, snapshot: drained },
        ...{ snapshotAgeMs: 0, snapshotError: undefined, agents, plan: plan(drained, agents), nowMs: 5_000 },
      }),
      historyDocument(new Map(), drained, agents),
      5_000,
    );
    assert.deepEqual(document.drains, [
      {
        ...{ node: id(1), hostname: 'host1', groups: ['web'], reason: 'new disk' },
        ...{ until: '2030-01-01T00:00:00.000Z', window: false, holds: ['web'] },
      },
    ]);
  });
});
