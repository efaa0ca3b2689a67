// What a soak computes, without a Swarm: the blows that a seed gives, the worst of several rounds, patches of a program.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { evidenceOf, type Played, worstOf } from './evidence.ts';
import { blowsOf } from './random-row.ts';
import { replaced } from './variant.ts';

describe('random faults', () => {
  it('are the same for the same seed, and others for another', () => {
    assert.deepEqual(blowsOf(7, 20), blowsOf(7, 20));
    assert.notDeepEqual(blowsOf(7, 20), blowsOf(8, 20));
  });

  it('of any seed come one after the other, and never take out the last node that is well', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const blows = blowsOf(seed, 20);
        assert.equal(blows.length, 20);
        for (const [index, blow] of blows.entries()) {
          const before = blows.slice(0, index);
          assert.ok(before.every(({ atMs, forMs }) => atMs + forMs < blow.atMs));
          if (!blow.fault.takesOut) continue;
          // Whoever was hit within the last 20 s may still be on its way back.
          const ill = before.filter(({ fault, atMs }) => fault.takesOut && atMs > blow.atMs - 20_000);
          assert.ok(new Set([...ill, blow].map(({ node }) => node)).size < 3);
        }
      }),
    );
  });
});

describe('a summary', () => {
  const one = (
    round: number,
    name: string,
    lostProbes: number,
    twoHoldersMs: number,
    ok: boolean,
  ): Played => {
    const result = { name, title: name, ok, lostProbes, twoHoldersMs, outageMs: lostProbes, boundMs: 315 };
    const rest = { probeIntervalMs: 1, noHolderMs: 0, holderBefore: 'a', holderAfter: 'b', controlGapMs: 1 };
    return { round, name, title: name, ok, tookS: 9, result: { ...result, ...rest, void: false, voids: 0 } };
  };
  const played = [
    one(1, 'a', 210, 0, true),
    one(1, 'b', 0, 0, true),
    one(2, 'a', 250, 3, false),
    { round: 2, name: 'b', title: 'b', ok: false, tookS: 9, failure: 'no engine' },
  ];

  it('names the worst of every row over the rounds, and the span of what was lost', () => {
    const [a, b] = worstOf(played);
    assert.deepEqual(
      [a?.lostProbes, a?.outageMs, a?.twoHoldersMs, a?.kept, a?.rounds],
      [[210, 250], 250, 3, 1, 2],
    );
    assert.deepEqual([b?.lostProbes, b?.kept, b?.rounds], [[0, 0], 1, 2]);
  });

  it('says how many rows missed, and a row that could not be played is one of them', () => {
    assert.match(evidenceOf(played).text, /210–250 .*1\/2 {2}MISSED a[\s\S]*2 of 2 rows missed$/);
    assert.match(evidenceOf(played.slice(0, 2)).text, /all 2 rows kept$/);
  });
});

describe('a patch of a program', () => {
  it('replaces one place, to the letter', () => {
    assert.equal(replaced('b', '$&')('abc'), 'a$&c');
  });

  it('is refused when the place is not there, or more than once', () => {
    assert.throws(() => replaced('x', 'y')('abc'), /expected one place with "x", found 0/);
    assert.throws(() => replaced('b', 'y')('abcb'), /found 2/);
  });
});
