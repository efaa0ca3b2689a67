// Who held the address when: from lines of `ip monitor` to intervals, and the verdict made of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMonitorLine } from './holders.ts';
import { type HolderReport, holdingOf, type NodeEvent } from './holding.ts';
import { type Bound, judge, judged } from './judge.ts';
import { belongsTo, labNames } from './names.ts';
import type { ProbeReport } from './probe.ts';
import { isSettled } from './swarm.ts';

const VIP = '192.168.147.100';
const at = (atMs: number, node: string, kind: NodeEvent['kind'], present: boolean, key = ''): NodeEvent => ({
  atMs,
  node,
  kind,
  present,
  key,
});

test('adds up the time with two holders and with none', () => {
  const report = holdingOf(
    ['a', 'b'],
    [
      at(0, 'a', 'address', true),
      at(40, 'b', 'address', true),
      at(50, 'a', 'address', false),
      at(90, 'b', 'address', false),
    ],
    10,
    100,
  );
  assert.deepEqual(report.byNode, { a: [{ fromMs: 10, toMs: 50 }], b: [{ fromMs: 40, toMs: 90 }] });
  assert.equal(report.twoHoldersMs, 10);
  assert.equal(report.noHolderMs, 10);
  assert.deepEqual([report.atStart, report.now], [['a'], []]);
});

test('an address behind a dead cable or a cut counts for nobody', () => {
  const holder = at(0, 'a', 'address', true);
  assert.equal(holdingOf(['a'], [holder, at(30, 'a', 'link', false)], 0, 100).noHolderMs, 70);
  assert.equal(
    holdingOf(['a'], [holder, at(30, 'a', 'cut', true), at(40, 'a', 'cut', false)], 0, 100).noHolderMs,
    10,
  );
});

test('an address with two prefix lengths is held until both are gone', () => {
  const events = [at(0, 'a', 'address', true, 'eth0/24'), at(0, 'a', 'address', true, 'eth0/32')];
  assert.deepEqual(holdingOf(['a'], [...events, at(5, 'a', 'address', false, 'eth0/24')], 0, 10).now, ['a']);
});

test('reads the lines of ip monitor', () => {
  const stamp = '[2026-11-21T08:00:00.123456]';
  const line = (text: string) => parseMonitorLine(`${stamp} ${text}`, 'a', VIP);
  const atMs = Date.parse('2026-11-21T08:00:00.123Z');
  const added = line(
    `2: eth0    inet ${VIP}/32 scope global eth0\\       valid_lft forever preferred_lft forever`,
  );
  assert.deepEqual(added, { atMs, node: 'a', kind: 'address', present: true, key: 'eth0/32' });
  assert.equal(line(`Deleted 2: eth0    inet ${VIP}/32 scope global eth0`)?.present, false);
  assert.equal(line(`1: lo    inet ${VIP}/32 scope global lo`), undefined);
  assert.equal(line('2: eth0    inet 192.168.147.1/32 scope global eth0'), undefined);
  assert.equal(line('2: eth0@if6: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500')?.present, true);
  assert.equal(line('2: eth0@if6: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500')?.present, false);
  assert.equal(line('7: vetha@if6: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500'), undefined);
});

const holders: HolderReport = { ...holdingOf(['a'], [at(0, 'a', 'address', true)], 0, 10), twoHoldersMs: 3 };
const probe = (longestGapMs: number, controlGapMs: number, more: Partial<ProbeReport> = {}): ProbeReport => ({
  address: VIP,
  intervalMs: 1,
  fromMs: 0,
  toMs: 10,
  sent: 10,
  received: 8,
  lost: 2,
  longestGapMs,
  longestGap: { fromMs: 0, toMs: longestGapMs },
  gaps: [],
  answeredBy: [],
  controlGapMs,
  controlLost: 0,
  captureDropped: 0,
  ...more,
});

test('an outage may exceed the bound by what the control missed, and no more', () => {
  assert.equal(judge({ probe: probe(310, 5), holders }, { outageMs: 306 }).ok, true);
  assert.equal(judge({ probe: probe(312, 5), holders }, { outageMs: 306 }).ok, false);
});

test('lost probes and two holders are judged when a bound is given', () => {
  const run = { probe: probe(2, 2), holders };
  assert.equal(judge(run, { outageMs: 5 }).ok, true);
  assert.equal(judge(run, { outageMs: 5, lostProbes: 0 }).ok, true, '2 lost are within a noise of 2');
  assert.equal(judge({ probe: probe(2, 1), holders }, { outageMs: 5, lostProbes: 0 }).ok, false);
  assert.equal(judge(run, { outageMs: 5, twoHoldersMs: 1 }).ok, true, '3 ms are within 1 and a noise of 2');
  assert.equal(judge(run, { outageMs: 5, twoHoldersMs: 0.5 }).ok, false);
});

test('an address that never answered keeps no bound', () => {
  assert.equal(judge({ probe: probe(10, 2, { received: 0 }), holders }, { outageMs: 306 }).ok, false);
});

test('noise excuses no more than its limit, and a noisy run that keeps the bound keeps it', () => {
  assert.deepEqual(verdictOf(326, 400), { ok: true, void: false });
  assert.deepEqual(verdictOf(327, 400), { ok: false, void: true });
  assert.deepEqual(verdictOf(327, 20), { ok: false, void: false });
});

test('a pair of holders for a turn of a process says nothing, a longer one or a lost probe does', () => {
  const pair = (twoHoldersMs: number, bound: Bound = { outageMs: 5, twoHoldersMs: 0 }) => {
    const verdict = judge({ probe: probe(2, 1), holders: { ...holders, twoHoldersMs } }, bound);
    return { ok: verdict.ok, void: verdict.void };
  };
  assert.deepEqual(pair(1), { ok: true, void: false });
  assert.deepEqual(pair(20), { ok: false, void: true });
  assert.deepEqual(pair(21), { ok: false, void: false });
  assert.deepEqual(pair(20, { outageMs: 5, lostProbes: 0, twoHoldersMs: 0 }), { ok: false, void: false });
});

function verdictOf(gapMs: number, controlGapMs: number) {
  const verdict = judge({ probe: probe(gapMs, controlGapMs), holders }, { outageMs: 306 });
  return { ok: verdict.ok, void: verdict.void };
}

test('a noisy run that missed is repeated twice at most and counted', async () => {
  const runs = [21, 40, 25, 1].map((noise) => ({ probe: probe(noise > 20 ? 30 : 2, noise), holders }));
  let next = 0;
  const verdict = await judged(async () => runs[next++] ?? assert.fail('repeated too often'), {
    outageMs: 5,
  });
  assert.deepEqual([verdict.ok, verdict.void, verdict.voids, next], [false, true, 2, 3]);
  next = 2;
  const second = await judged(async () => runs[next++] ?? assert.fail('repeated too often'), { outageMs: 5 });
  assert.deepEqual([second.ok, second.voids], [true, 1]);
});

test('a lab never takes the remains of another one for its own', () => {
  const lab = labNames('a');
  assert.deepEqual(
    ['svl.a', 'svl.a.node1', 'svl.ab.node1', 'svl.a-b', 'kxa'].filter((entry) => belongsTo(lab, entry)),
    ['svl.a', 'svl.a.node1'],
  );
  assert.throws(() => labNames('a.b'), /found "a\.b"/);
});

test('a stack is settled when every task is of the new kind, and given up on when Swarm rolls back', () => {
  const service = { name: 's', running: 3, desired: 3, outdated: 0, update: undefined };
  assert.equal(isSettled(service), true);
  assert.equal(isSettled({ ...service, outdated: 1 }), false);
  assert.equal(isSettled({ ...service, update: 'updating' }), false);
  assert.throws(() => isSettled({ ...service, update: 'rollback_started' }), /update of s failed/);
});
