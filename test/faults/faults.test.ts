// The table of faults, as far as a few minutes allow; `npm run soak` plays all of it, with full minutes, and
// `npm run soak -- --controls` its negative controls. Those of the judge are in e2e/main-job.test.ts.
import { describe, it } from 'node:test';
import { stageOf } from '../e2e/on-stage.ts';
import { keepsBound } from '../e2e/verdict.ts';
import { play } from './play.ts';
import { quick } from './row.ts';
import { rows } from './rows.ts';
import { storeRows } from './store-rows.ts';

/** Left to the soak: other suites play the like already, it takes long, is not yet proven green, or has no bound. */
const soakOnly = [
  ...storeRows.map(({ name }) => name),
  ...['power-off', 'return', 'link-down', 'keepalived-parent', 'keepalived-child'],
  ...['engine-stopped', 'engine-restarted', 'no-coordinator', 'loss'],
  ...['old-assignment-alone', 'check-fails', 'disk-full', 'disk-read-only', 'disk-gone', 'wall-clock'],
];

describe('faults on a real Swarm', { timeout: 20 * 60_000 }, () => {
  const stage = stageOf('fault');
  for (const row of rows.filter(({ name }) => !soakOnly.includes(name))) {
    it(`keeps the bound when ${row.title}`, async (t) => {
      keepsBound(t, await play(row, stage, quick));
    });
  }
});
