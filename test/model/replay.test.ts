// The model's VRRP against the real one. A part of the traces; `npm run fuzz -- replay` plays fifty.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { replayMany, type Verdict } from './replay.ts';
import { difference } from './trace.ts';

describe("the model's VRRP", () => {
  it('shows the states of real keepalived, on random traces of pauses, priorities, reloads, links and deaths', async (test) => {
    const verdicts: Verdict[] = [];
    const seeds = Array.from({ length: 8 }, (_, at) => 101 + at);
    await replayMany(seeds, 4, (verdict) => verdicts.push(verdict));
    const judged = verdicts.filter(({ disturbed }) => !disturbed);
    const again = verdicts.filter(({ playings }) => playings > 1).map(({ seed }) => seed);
    test.diagnostic(
      `${judged.length} of ${verdicts.length} traces undisturbed by the machine; repeated: ${again.join(', ') || 'none'}`,
    );
    for (const { seed, difference } of judged)
      assert.equal(difference, undefined, `trace ${seed}: ${difference}`);
    assert.ok(judged.length >= 4, 'the machine was too busy to tell');
  });

  it('is compared so that a state held too long or missed is seen', () => {
    const timeline = [
      { atMs: 2_000, state: 'BACKUP' },
      { atMs: 3_000, state: 'MASTER' },
    ] as const;
    const late = [timeline[0], { atMs: 3_700, state: 'MASTER' }] as const;
    assert.equal(difference(timeline, timeline, 5_000, 200), undefined);
    assert.match(difference(timeline, late, 5_000, 200) ?? '', /MASTER in the first, BACKUP/);
    assert.match(difference(timeline, [timeline[0]], 5_000, 200) ?? '', /MASTER in the first, BACKUP/);
  });
});
