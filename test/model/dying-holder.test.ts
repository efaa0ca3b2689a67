// A holder dies at each moment of a change of what all members must agree on, while the others are held back for it: how
// long nobody holds then (ARCHITECTURE.md, "Known limits").
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Act, doings } from './acts.ts';
import { begin, settledMs } from './scenario.ts';
import { World } from './world.ts';

const everyMs = 20;
/** By then the holder has changed, or the others take part again. */
const lastMs = 160;
/** The highest member of the first group. */
const holder = 3;

type Change = Pick<Act, 'kind' | 'a' | 'b'>;

/** @returns the longest time that nobody held the group, ms */
async function dieAfter(change: Change, atMs: number): Promise<number> {
  const world = new World(atMs, 4);
  const { time, judge } = world;
  const restore = time.install();
  let leftMs: number | undefined;
  let longestMs = 0;
  const look = () => {
    judge.look();
    const held = world.machines.some((machine) =>
      machine.routers().some(({ state, config }) => config.name === 'web' && state === 'MASTER'),
    );
    if (held) leftMs = undefined;
    else leftMs ??= time.nowMs;
    longestMs = Math.max(longestMs, time.nowMs - (leftMs ?? time.nowMs));
  };
  try {
    begin(world);
    await time.runUntil(settledMs, judge.look.bind(judge));
    assert.equal(world.machines[holder - 1]?.routers()[0]?.state, 'MASTER');
    doings[change.kind](world, change.a, change.b);
    await time.runUntil(settledMs + atMs, look);
    doings.powerOff(world, holder - 1);
    await time.runUntil(settledMs + atMs + 30_000, look);
    assert.deepEqual(judge.violations, [], world.story.join('\n'));
    assert.equal(leftMs, undefined, 'nobody holds in the end');
    return longestMs;
  } finally {
    restore();
  }
}

describe('a holder that loses power while the others are held back for a change', () => {
  const changes: [string, Change, number][] = [
    ['of the router id, at 0.1 s', { kind: 'routerId', a: 0, b: 1 }, 5_000],
    ['to a password, thus to whole seconds', { kind: 'password', a: 0, b: 1 }, 11_000],
  ];
  for (const [title, change, mostMs] of changes) {
    it(`is followed within ${mostMs / 1000} s, whenever it dies: a change ${title}`, async (test) => {
      const foundMs: number[] = [];
      for (let atMs = 0; atMs <= lastMs; atMs += everyMs) foundMs.push(await dieAfter(change, atMs));
      test.diagnostic(foundMs.map((ms) => (ms / 1000).toFixed(1)).join(' '));
      assert.ok(Math.max(...foundMs) <= mostMs, `${foundMs.map(Math.round)}`);
      // A master-down interval alone would mean that nobody had to be released.
      assert.ok(Math.max(...foundMs) > 1_500, `${foundMs.map(Math.round)}`);
    });
  }
});
