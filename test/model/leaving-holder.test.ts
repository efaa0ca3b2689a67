// Labels take the holder out of its group, or into another one, and give the others new ranks by the same stroke: who takes
// the address over, how soon, and whether it is ever held by two or by nobody. A backup reloaded meanwhile waits anew.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { masterDownMs } from '../../shared/timers.ts';
import { type ActKind, doings, intervals } from './acts.ts';
import { type Holding, watchAddress } from './holding.ts';
import { begin, settledMs } from './scenario.ts';
import { World } from './world.ts';

const address = '10.0.0.100/32';
/** The highest member of the first group. */
const holder = 3;
const next = 2;
const steps = ['forth', 'back'] as const;
const intervalMs = 1000;
const lastsMs = 20_000;
const seeds = Array.from({ length: 10 }, (_, seed) => seed);

interface Seen extends Holding {
  /** From the order to hand over until another one holds; null: there was none, for the former holder came back. */
  readonly movedMs: number | null;
}

async function play(seed: number, act: ActKind): Promise<Record<(typeof steps)[number], Seen>> {
  const world = new World(seed, 5);
  const { time, judge } = world;
  const restore = time.install();
  const watched = watchAddress(world, address);
  let yieldsMs: number | null = null;
  let movedMs: number | null = null;
  const look = () => {
    judge.look();
    watched.look();
    const yields = world.machines
      .flatMap((machine) => machine.routers())
      .some(({ config, state, effective }) => config.name === 'web' && state === 'MASTER' && effective === 1);
    if (yields) yieldsMs ??= time.nowMs;
    if (yieldsMs !== null && watched.seen().inTurn.length > 1) movedMs ??= time.nowMs - yieldsMs;
  };
  const seen = async (direction: (typeof steps)[number]): Promise<Seen> => {
    watched.restart();
    [yieldsMs, movedMs] = [null, null];
    doings[direction === 'forth' || act === 'move' ? act : 'join'](world, holder - 1, 0);
    await time.runUntil(time.nowMs + lastsMs, look);
    return { ...watched.seen(), movedMs };
  };
  try {
    begin(world);
    await time.runUntil(settledMs, look);
    // Slow enough for reloads to come in the middle.
    doings.interval(world, 0, intervals.indexOf(intervalMs));
    // At any moment between two adverts.
    await time.runUntil(time.nowMs + lastsMs + 100 * seed, look);
    const forth = await seen('forth');
    const back = await seen('back');
    assert.deepEqual(judge.violations, [], world.story.join('\n'));
    return { forth, back };
  } finally {
    restore();
  }
}

describe('a holder that labels take out of its group', () => {
  for (const act of ['leave', 'move'] as const) {
    it(`hands over to the next in rank, and to nobody else: ${act}`, async () => {
      for (const seed of seeds) {
        const { forth, back } = await play(seed, act);
        const story = `seed ${seed}: ${JSON.stringify({ forth, back })}`;
        assert.equal(forth.inTurn.join(), `${holder},${next}`, story);
        assert.equal(back.inTurn.join(), `${next},${holder}`, story);
        assert.ok(Math.max(forth.twoMs, back.twoMs) <= 5, story);
        assert.equal(forth.noneMs + back.noneMs, 0, story);
        assert.ok((forth.movedMs ?? Number.POSITIVE_INFINITY) <= masterDownMs(3, intervalMs, 1), story);
      }
    });
  }
});
