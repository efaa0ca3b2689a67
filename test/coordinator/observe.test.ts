// Nodes that look on: compared with the plan, counted as holders, never ordered, and no reason to join by silence.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AgentRecord, greeted, reported } from '../../coordinator/core/agents.ts';
import { status } from '../../coordinator/core/status.ts';
import { statusTable } from '../../coordinator/io/status-table.ts';
import { type ObservedInstance, type Report, reportPeriodMs } from '../../shared/protocol.ts';
import { hello, id, ip, member, plan, report, running, snapshot } from './world.ts';

type Seen = Partial<ObservedInstance> & { priority?: number };
const addresses = ['10.0.0.100/32'];

/** A node that looks on; a holder sends what the plan says unless `change` says otherwise. */
function observed(n: number, state: 'MASTER' | 'BACKUP' | 'INIT', change: Seen = {}): Report {
  const { priority = 120 - 10 * n, ...more } = change;
  const advert = {
    ...{ interface: 'eth0', source: ip(n), vrid: 51, version: 3, priority, intervalMs: 100 },
    addresses: ['10.0.0.100'],
    sentHere: true,
  };
  const seen = {
    ...{ group: 'web', vrid: 51, interface: 'eth0', addresses, state, stateSinceMs: 0 },
    held: state === 'MASTER' ? addresses : [],
    keepalived: state !== 'INIT',
    advert: state === 'MASTER' ? advert : null,
    ...more,
  } as ObservedInstance;
  const own = `${ip(n)}/24`;
  const up = state === 'MASTER' ? [own, '10.0.0.100/24'] : [own];
  return report(n, [], { interfaces: [{ name: 'eth0', up: true, addresses: up }], observed: [seen] });
}

const looks = { 'swarm-vip.observe': 'yes' };
const three = (...observing: number[]) =>
  snapshot([1, 2, 3].map((n) => member(n, String(120 - 10 * n), observing.includes(n) ? looks : {})));

/** Said at 0, and each second until then. */
function heard(reports: Record<number, Report>, againMs = 0): Map<AgentRecord['hello']['node'], AgentRecord> {
  return new Map(
    Object.entries(reports).map(([n, each]) => {
      let record = reported(greeted(undefined, hello(Number(n)), 0), each, 0);
      for (let ms = reportPeriodMs; ms <= againMs; ms += reportPeriodMs) record = reported(record, each, ms);
      return [id(Number(n)), record];
    }),
  );
}
const differences = (result: ReturnType<typeof plan>) =>
  result.problems.filter(({ code }) => code === 'observed-differs').map(({ message }) => message);
const statusOf = (swarm: ReturnType<typeof three>, agents: ReturnType<typeof heard>, nowMs = 0) =>
  status({
    ...{ self: id(1), version: '1', role: 'active', active: id(1), epoch: 1, snapshot: swarm },
    ...{ snapshotAgeMs: 0, snapshotError: undefined, agents, plan: plan(swarm, agents, nowMs), nowMs },
  });

describe('nodes that look on', () => {
  it('are told what the group is, and that they run nothing of it', () => {
    const agents = heard({ 1: observed(1, 'MASTER'), 2: observed(2, 'BACKUP'), 3: observed(3, 'BACKUP') });
    const result = plan(three(1, 2, 3), agents);
    for (const n of [1, 2, 3]) {
      const [instance, ...rest] = result.assignments.get(id(n)) ?? [];
      assert.deepEqual(
        [instance?.observe, instance?.group, instance?.addresses, rest],
        [true, 'web', addresses, []],
      );
    }
    assert.deepEqual(result.problems, []);
  });

  it('show as observed, with the true holder', () => {
    const agents = heard({ 1: observed(1, 'MASTER'), 2: observed(2, 'BACKUP'), 3: observed(3, 'BACKUP') });
    const shown = statusOf(three(1, 2, 3), agents);
    assert.deepEqual([shown.verdict, shown.groups[0]?.holders[0]?.hostname], ['OK', 'host1']);
    assert.ok(shown.agents.every(({ inSync }) => inSync));
    const table = statusTable(shown);
    assert.match(
      table,
      /host1 +MASTER \(observed\) +110 .* observed: sends VRID 51, version 3, priority 110, 100 ms/,
    );
    assert.match(table, /host2 +BACKUP \(observed\)/);
  });

  it('have each difference from the plan named', () => {
    const advert = { ...observed(2, 'MASTER').observed?.[0]?.advert, vrid: 7, version: 2, intervalMs: 1000 };
    const off = {
      advert: { ...advert, priority: 200, addresses: ['10.0.0.9'] } as ObservedInstance['advert'],
    };
    const agents = heard({ 1: observed(1, 'BACKUP'), 2: observed(2, 'MASTER', off), 3: observed(3, 'INIT') });
    const words = differences(plan(three(1, 2, 3), agents)).join('\n');
    for (const expected of [
      /host2 .*holds, planned is host1 .*110/,
      /VRID is 7, planned is 51/,
      /version is 2, planned is 3/,
      /interval is 1000 ms, planned is 100 ms/,
      /priority is 200, planned is 100/,
      /advertises 10\.0\.0\.9/,
    ])
      assert.match(words, expected);
  });

  it('that hold both are told to people, and to nobody else', () => {
    const reports = { 1: observed(1, 'MASTER'), 2: observed(2, 'MASTER'), 3: observed(3, 'BACKUP') };
    const agents = heard(reports, 59_000);
    const swarm = three(1, 2, 3);
    const late = plan(swarm, agents, 60_000);
    const problem = late.problems.find(({ code }) => code === 'two-holders');
    assert.match(problem?.message ?? '', /^host1 and host2 hold at once/);
    assert.match(problem?.instead ?? '', /left alone/);
    assert.deepEqual(
      [...late.assignments.values()]
        .flat()
        .filter((each) => each.standAside || each.contested || !each.observe),
      [],
    );
    assert.equal(statusOf(swarm, agents, 60_000).groups[0]?.verdict, 'TWO HOLDERS');
  });

  it('go on while they hold: of two, ours steps down', () => {
    const calm = plan(three(), heard({ 1: report(1), 2: report(2), 3: report(3) }));
    const [assigned] = calm.assignments.get(id(1)) ?? [];
    assert.ok(assigned);
    const reports = {
      1: report(1, [running(assigned, { state: 'MASTER', effectivePriority: 254 })]),
      2: observed(2, 'MASTER'),
      3: report(3),
    };
    const agents = heard(reports, 59_000);
    const late = plan(three(2), agents, 60_000);
    assert.equal(late.assignments.get(id(1))?.[0]?.standAside, 'now');
    assert.equal(late.assignments.get(id(2))?.[0]?.standAside, undefined);
    assert.match(
      late.problems.find(({ code }) => code === 'two-holders')?.instead ?? '',
      /host1 .* step down/,
    );
  });

  it('let nobody join by silence while their keepalived may take over, and then they do', () => {
    const confirmed = (second: Report) => {
      const swarm = snapshot([member(1, '110'), member(2, '100', looks)]);
      const result = plan(swarm, heard({ 1: report(1), 2: second }));
      return {
        confirmed: result.assignments.get(id(1))?.[0]?.peersConfirmed,
        peers: result.assignments.get(id(1))?.[0]?.peers.map(({ node }) => node),
        why: result.groups[0]?.waiting.map(({ why }) => why).join(' ') ?? '',
      };
    };
    for (const second of [observed(2, 'BACKUP'), observed(2, 'MASTER'), report(2)]) {
      const { confirmed: yes, why } = confirmed(second);
      assert.equal(yes, false);
      assert.match(why, /keepalived run by hand/);
    }
    assert.deepEqual(confirmed(observed(2, 'INIT')), { confirmed: true, peers: [], why: '' });
  });

  it('may be written otherwise: what cannot be read looks on, too', () => {
    const swarm = snapshot([member(1, '110', { 'swarm-vip.observe': 'maybe' })]);
    const result = plan(swarm, heard({ 1: report(1) }));
    assert.equal(result.assignments.get(id(1))?.[0]?.observe, true);
    assert.match(
      result.problems.find(({ code }) => code === 'observe-invalid')?.where ?? '',
      /swarm-vip\.observe/,
    );
    const not = plan(snapshot([member(1, '110', { 'swarm-vip.observe': 'no' })]), heard({ 1: report(1) }));
    assert.equal(not.assignments.get(id(1))?.[0]?.observe, undefined);
  });
});
