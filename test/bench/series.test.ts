// How runs of a step follow one another, and what the table makes of them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Verdict } from '../lab/judge.ts';
import { series } from './series.ts';
import { header, row } from './table.ts';

const verdict = (change: Partial<Verdict> = {}): Verdict => ({
  ok: true,
  lostProbes: 0,
  probeIntervalMs: 1,
  outageMs: 1,
  boundMs: 2,
  twoHoldersMs: 0,
  noHolderMs: 0,
  holderBefore: 'node1',
  holderAfter: 'node1',
  controlGapMs: 1,
  void: false,
  ...change,
});

/** Records every run as "direction" or "direction, prepared". */
async function recorded(runs: number, hasWayBack: boolean, isVoid: (run: number) => boolean) {
  const said: string[] = [];
  const result = await series(runs, hasWayBack, async (direction, prepare) => {
    said.push(prepare ? `${direction}, prepared` : direction);
    return verdict({ void: isVoid(said.length) });
  });
  return { said, ...result };
}

describe('a series of runs', () => {
  it('goes forth and back by turns, prepared once', async () => {
    const { said, verdicts } = await recorded(4, true, () => false);
    assert.deepEqual(said, ['forth, prepared', 'back', 'forth', 'back']);
    assert.equal(verdicts.length, 4);
  });

  it('prepares every run of a step without a way back', async () => {
    const { said } = await recorded(3, false, () => false);
    assert.deepEqual(said, Array(3).fill('forth, prepared'));
  });

  it('replaces a void run, and turns round after it all the same: the change has been made', async () => {
    const { said, verdicts, voids } = await recorded(2, true, (run) => run === 2);
    assert.deepEqual(said, ['forth, prepared', 'back', 'forth']);
    assert.deepEqual([verdicts.length, voids], [2, 1]);
  });

  it('ends on a machine that is always too noisy', async () => {
    const { verdicts, voids } = await recorded(3, false, () => true);
    assert.deepEqual([verdicts.length, voids], [0, 7]);
  });
});

describe('a row of the table', () => {
  it('shows median and worst under the header’s columns', () => {
    const verdicts = [
      verdict({ lostProbes: 9, outageMs: 12.3, twoHoldersMs: 4.5, controlGapMs: 6.7 }),
      verdict(),
      verdict({ lostProbes: 2, outageMs: 3 }),
    ];
    const text = row('drain', { verdicts, voids: 8 }, 1);
    assert.deepEqual(text.trim().split(/ +/), 'drain 3 1 2 9 3.0 12.3 4.5 6.7 8'.split(' '));
    assert.equal(text.length, header.length);
  });

  it('shows no figure where nothing was measured', () => {
    const text = row('drain', { verdicts: [], voids: 61 }, 0);
    assert.deepEqual(text.trim().split(/ +/), 'drain 0 0 – – – – – – 61'.split(' '));
  });
});
