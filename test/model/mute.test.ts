// A holder whose adverts are lost on the way, while it hears those of all others: who holds then, and for how long two do.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { doings } from './acts.ts';
import { type Holding, watchAddress } from './holding.ts';
import { begin, settledMs } from './scenario.ts';
import { World } from './world.ts';

/** Of the first group: its highest member, which holds. */
const mute = 3;
const lastsMs = 120_000;

async function watch(seed: number): Promise<Holding> {
  const world = new World(seed, 4);
  const { time, judge } = world;
  const restore = time.install();
  try {
    begin(world);
    await time.runUntil(settledMs, judge.look.bind(judge));
    const watched = watchAddress(world, '10.0.0.100/32');
    doings.mute(world, mute - 1);
    await time.runUntil(settledMs + lastsMs, () => {
      judge.look();
      watched.look();
    });
    assert.deepEqual(judge.violations, [], world.story.join('\n'));
    return watched.seen();
  } finally {
    restore();
  }
}

describe('a holder whose adverts are lost while it hears those of others', () => {
  it('comes back once, and then leaves those alone that hear each other', async (test) => {
    for (const seed of [1, 2, 3]) {
      const seen = await watch(seed);
      test.diagnostic(JSON.stringify(seen));
      // The other one first, then the mute one, and it again.
      assert.equal(seen.conflicts, 3);
      assert.ok(seen.twoMs <= 4_500, `two hold for ${seen.twoMs} ms`);
      assert.ok(seen.noneMs <= 500, `nobody holds for ${seen.noneMs} ms`);
      assert.equal(seen.now.length, 1);
      assert.ok(!seen.now.includes(mute));
    }
  });
});
