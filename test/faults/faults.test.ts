// The table of faults, as far as a few minutes allow; `npm run soak` plays all of it, with full minutes.
import { describe, it } from 'node:test';
import { stageOf } from '../e2e/on-stage.ts';
import { keepsBound } from '../e2e/verdict.ts';
import { play } from './play.ts';
import { quick, rows } from './rows.ts';

/** Left to the soak: other suites play the like already, or there is no bound to keep. */
const soakOnly = [
  ...['link-down', 'keepalived-parent', 'keepalived-child'],
  ...['engine-stopped', 'engine-restarted', 'no-coordinator', 'loss'],
];

describe('faults on a real Swarm', { timeout: 20 * 60_000 }, () => {
  const stage = stageOf('fault');
  for (const row of rows.filter(({ name }) => !soakOnly.includes(name))) {
    it(`keeps the bound when ${row.title}`, async (t) => {
      keepsBound(t, await play(row, stage, quick));
    });
  }
});
