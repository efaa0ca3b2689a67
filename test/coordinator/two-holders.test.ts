// Two that claim to hold: the lower one is told to step down after a second, and the likely cause is named.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { greeted, reported, sunk } from '../../coordinator/core/agents.ts';
import { quietLimitMs } from '../../coordinator/core/peers.ts';
import type { AgentView } from '../../coordinator/core/plan.ts';
import { challengeMs, conflictMs, modestMs, rememberMs } from '../../coordinator/core/two-holders.ts';
import { type AssignedInstance, type RunningInstance, reportPeriodMs } from '../../shared/protocol.ts';
import { connected, hello, id, ip, member, plan, report, running, snapshot } from './world.ts';

const nodes = [member(1, '110'), member(2, '100'), member(3, '90')];
const calm = plan(snapshot(nodes), connected({ 1: report(1), 2: report(2), 3: report(3) }));
const assigned = (n: number): AssignedInstance => {
  const [instance] = calm.assignments.get(id(n)) ?? [];
  assert.ok(instance);
  return instance;
};
/** Holders by number, each with the time of its first claim. */
const world = (
  holders: Record<number, number>,
  change: Record<number, Partial<RunningInstance>> = {},
  last: Record<number, number> = {},
) =>
  new Map(
    [1, 2, 3].map((n): [ReturnType<typeof id>, AgentView] => {
      const firstMs = holders[n];
      const state = firstMs === undefined ? 'BACKUP' : 'MASTER';
      const claims = new Map(firstMs === undefined ? [] : [['web', { firstMs, lastMs: last[n] ?? 60_000 }]]);
      const instance = running(assigned(n), { state, ...change[n] });
      return [id(n), { connected: true, report: report(n, [instance]), claims }];
    }),
  );
const at = (agents: ReturnType<typeof world>, nowMs: number) => plan(snapshot(nodes), agents, nowMs);
const asides = (result: ReturnType<typeof at>) =>
  [1, 2, 3].map((n) => result.assignments.get(id(n))?.[0]?.standAside ?? '-').join(' ');
const problem = (result: ReturnType<typeof at>) => result.problems.find(({ code }) => code === 'two-holders');

const contested = (result: ReturnType<typeof at>) =>
  [1, 2, 3].map((n) => (result.assignments.get(id(n))?.[0]?.contested ? 'yes' : '-')).join(' ');

describe('two holders', () => {
  it('are left alone for as long as a hand-over may take, and looked at again in time', () => {
    const early = at(world({ 1: 0, 2: 5_000 }), 5_000 + conflictMs - 1);
    assert.deepEqual(
      [asides(early), early.againMs, problem(early)],
      ['- - -', 5_000 + conflictMs, undefined],
    );
  });

  it('end by the lower one’s stepping down, whoever came first', () => {
    for (const holders of [
      { 1: 0, 2: 5_000 },
      { 1: 5_000, 2: 0 },
    ]) {
      const late = at(world(holders), 5_000 + conflictMs);
      assert.equal(asides(late), '- now -');
      assert.equal(contested(late), 'yes - -');
      assert.equal(late.againMs, undefined);
      assert.match(problem(late)?.remedy ?? '', /protocol 112/);
    }
  });

  it('are none while the last word of one of them is from before there were two', () => {
    const cut = at(world({ 1: 0, 2: 5_000 }, {}, { 1: 5_199 }), 13_000);
    assert.deepEqual([asides(cut), problem(cut), cut.againMs], ['- - -', undefined, 13_100]);
    const back = at(world({ 1: 0, 2: 5_000 }, {}, { 1: 5_200 }), 13_000);
    assert.equal(asides(back), '- now -');
  });

  it('are none after two that died one after the other, each before its successor held', () => {
    const late = at(world({ 1: 0, 2: 5_000, 3: 11_000 }, {}, { 1: 4_700, 2: 10_700, 3: 11_020 }), 11_020);
    assert.deepEqual([asides(late), problem(late), late.againMs], ['- - -', undefined, 11_120]);
    const later = at(world({ 1: 0, 2: 5_000, 3: 11_000 }, {}, { 1: 4_700, 2: 10_700, 3: 12_500 }), 13_000);
    assert.equal(asides(later), '- - -');
  });

  it('do not wait for a third one that comes later', () => {
    assert.equal(asides(at(world({ 1: 0, 2: 5_000, 3: 6_990 }), 7_000)), '- now -');
  });

  it('end by the highest one’s stepping down when yet another takes over right after the first: it is not heard', () => {
    const upheldMs = 5_000 + conflictMs;
    const challenged = (firstMs: number) => {
      const agents = world({ 1: 0, 3: firstMs });
      const view = agents.get(id(1));
      assert.ok(view);
      agents.set(id(1), { ...view, claims: new Map([['web', { firstMs: 0, lastMs: 60_000, upheldMs }]]) });
      return at(agents, firstMs + conflictMs);
    };
    const soon = challenged(upheldMs + 400);
    assert.deepEqual([asides(soon), contested(soon)], ['now - -', '- - yes']);
    assert.equal(asides(challenged(upheldMs + challengeMs)), '- - now', 'much later is another story');
    assert.equal(asides(challenged(upheldMs - 400)), '- - now', 'the same conflict');
  });

  it('are not one that is heard again after a while, and one that has died since', () => {
    const holds = report(1, [running(assigned(1), { state: 'MASTER' })]);
    let first = greeted(undefined, hello(1), 0);
    for (let ms = 0; ms <= 58_000; ms += reportPeriodMs) first = reported(first, holds, ms);
    assert.deepEqual(first.claims.get('web'), { firstMs: 0, lastMs: 58_000 });
    const onTheWay = reported(first, holds, 60_000 + quietLimitMs);
    assert.equal(onTheWay.claims.get('web')?.firstMs, 60_000 + quietLimitMs, 'after a silence');
    const back = greeted(first, hello(1), 60_000);
    assert.equal(back.claims.get('web')?.firstMs, 0, 'until it has said so again');
    const again = reported(back, holds, 60_100);
    assert.deepEqual(again.claims.get('web'), { firstMs: 60_100, lastMs: 60_100 });
    const died = world({ 2: 30_000 }, {}, { 2: 59_000 });
    for (const [record, nowMs] of [
      [back, 60_050],
      [again, 60_100 + conflictMs],
    ] as const) {
      assert.equal(asides(at(new Map(died).set(id(1), record), nowMs)), '- - -');
    }
  });

  it('end by the stepping down of whoever was not heard before; come back once more, it leaves alone whom it hears', () => {
    const since = (sinceMs: number, again: boolean, holders: Record<number, number>) => {
      const agents = world(holders, {}, { 1: 70_000, 3: 70_000 });
      const view = agents.get(id(1));
      assert.ok(view);
      const unheard = new Map([['web', { claimMs: 0, sinceMs, again }]]);
      return agents.set(id(1), { ...view, unheard });
    };
    const modesty = (result: ReturnType<typeof at>) =>
      [1, 2, 3].map((n) => result.assignments.get(id(n))?.[0]?.preemptDelayMs ?? '-').join(' ');
    const both = { 1: 60_000, 3: 50_000 };
    const nowMs = 60_000 + conflictMs;
    const known = at(since(55_000, false, both), nowMs);
    assert.deepEqual(
      [asides(known), known.conflicts[0]?.unheard, modesty(known)],
      ['now - -', id(1), '- - -'],
    );
    assert.equal(asides(at(since(nowMs - rememberMs, false, both), nowMs)), '- - now', 'forgotten');
    const come = (sinceMs: number) => modesty(at(since(sinceMs, true, { 3: 50_000 }), nowMs));
    assert.deepEqual([come(55_000), come(nowMs - modestMs)], [`${modestMs} - -`, '- - -']);
  });

  it('are remembered by the claim that ended, so that one stepping down counts once', () => {
    const claims = (firstMs: number) => new Map([['web', { firstMs, lastMs: firstMs }]]);
    const record = { connected: true, hello: hello(1), report: undefined, seenMs: 0, claims: claims(100) };
    const once = sunk(record, 'web', 1_000, rememberMs);
    assert.deepEqual(once.unheard?.get('web'), { claimMs: 100, sinceMs: 1_000, again: false });
    assert.equal(sunk(once, 'web', 2_000, rememberMs), once);
    const back = sunk({ ...once, claims: claims(3_000) }, 'web', 4_000, rememberMs);
    assert.equal(back.unheard?.get('web')?.again, true);
    const later = sunk({ ...once, claims: claims(3_000) }, 'web', 1_000 + rememberMs, rememberMs);
    assert.equal(later.unheard?.get('web')?.again, false);
    assert.equal(greeted(back, hello(1), 5_000).unheard, back.unheard);
  });

  it('are three at times', () => {
    assert.equal(asides(at(world({ 1: 0, 2: 0, 3: 0 }), 60_000)), '- now now');
  });

  it('are told by effective priority, not by the configured one', () => {
    const lowered = { 1: { effectivePriority: 1 } };
    assert.equal(asides(at(world({ 1: 0, 2: 0 }, lowered), 60_000)), 'now - -');
  });

  it('are none when one of them is out of contact or has stepped down', () => {
    const gone = world({ 1: 0, 2: 0 });
    const two = gone.get(id(2));
    assert.ok(two);
    gone.set(id(2), { ...two, connected: false });
    assert.equal(problem(at(gone, 60_000)), undefined);
    assert.equal(asides(at(world({ 1: 0 }), 60_000)), '- - -');
  });

  it('that do not list each other, or do not agree, are told so', () => {
    const blind = world({ 1: 0, 2: 0 }, { 1: { peers: [{ node: id(3), address: ip(3) }] } });
    assert.match(problem(at(blind, 60_000))?.message ?? '', /host1 does not list host2 as peer/);
    const other = world({ 1: 0, 2: 0 }, { 2: { vrid: 7 as RunningInstance['vrid'] } });
    assert.match(problem(at(other, 60_000))?.message ?? '', /run different values/);
  });
});
