// An operator's word that a node is off lets a step go on that waits for it; nothing else does, and only while it counts.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { confirmedDownLabel } from '../../coordinator/core/confirmed-down.ts';
import type { Agents } from '../../coordinator/core/plan.ts';
import type { AssignedInstance, Report } from '../../shared/protocol.ts';
import { connected, id, ip, member, plan, report, running, service, snapshot } from './world.ts';

const label = { [confirmedDownLabel]: '2026-01-01T00:00:00.000Z' };
const nodes = (third: Record<string, string>) => [member(1, '110'), member(2, '100'), member(3, '90', third)];
const silent = connected({ 1: report(1), 2: report(2), 3: report(3) });
const calm = plan(snapshot(nodes({})), silent);
const assigned = (n: number): AssignedInstance => {
  const [instance] = calm.assignments.get(id(n)) ?? [];
  assert.ok(instance);
  return instance;
};
/** All three run the group, node 1 holds; node 3 is out of contact. */
const lost = (third: { connected: boolean; report: Report | undefined }): Agents =>
  new Map([
    ...connected({
      1: report(1, [running(assigned(1), { state: 'MASTER' })]),
      2: report(2, [running(assigned(2))]),
    }),
    [id(3), third],
  ]);
const gone = lost({ connected: false, report: report(3, [running(assigned(3))]) });
const newVrid = [service({ KEEPALIVED_ROUTER_ID: '77' })];
const step = (labels: Record<string, string>, agents = gone) =>
  plan(snapshot(nodes(labels), newVrid), agents);
const vrids = (labels: Record<string, string>, agents = gone) =>
  [1, 2].map((n) => step(labels, agents).assignments.get(id(n))?.[0]?.transition);

describe('a node out of contact', () => {
  it('is waited for before what all must agree on changes, and the wait names it', () => {
    assert.deepEqual(vrids({}), ['keep', 'keep']);
    assert.deepEqual(step({}).groups[0]?.waiting[0]?.for, [id(3)]);
  });

  it('is waited for no more once an operator vouches for it', () => {
    assert.deepEqual(vrids(label), ['keep', 'hold']);
    assert.ok(!step(label).groups[0]?.waiting.some((each) => each.for.includes(id(3))));
    const peers = plan(snapshot(nodes(label)), gone)
      .assignments.get(id(1))?.[0]
      ?.peers.map(({ address }) => address);
    assert.deepEqual(peers, [ip(2)]);
    const problem = plan(snapshot(nodes(label)), gone).problems.find(
      ({ code }) => code === 'agent-unreachable',
    );
    assert.equal(problem?.severity, 'warning');
  });

  it('counts again as soon as it is heard, whatever the label still says', () => {
    const back = lost({ connected: true, report: report(3, [running(assigned(3))]) });
    const peers = plan(snapshot(nodes(label)), back)
      .assignments.get(id(1))?.[0]
      ?.peers.map(({ address }) => address);
    assert.deepEqual(peers, [ip(2), ip(3)]);
  });

  it('is never forgotten because of another node’s label', () => {
    const other = [member(1, '110', label), member(2, '100'), member(3, '90')];
    const peers = plan(snapshot(other), gone)
      .assignments.get(id(2))?.[0]
      ?.peers.map(({ address }) => address);
    assert.deepEqual(peers, [ip(1), ip(3)]);
  });
});
