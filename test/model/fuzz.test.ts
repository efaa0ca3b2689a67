// The promise in a model of the world (ARCHITECTURE.md, "The model"). The same scenarios at each run; `npm run fuzz` tries
// others. MODEL_SEED and MODEL_RUNS choose.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeFound, search } from './fuzz.ts';

const seed = Number(process.env['MODEL_SEED'] ?? 1);
const runs = Number(process.env['MODEL_RUNS'] ?? 40);

describe('in a world that delays, cuts, kills and changes its mind', () => {
  it('there is one holder, and every rule behind it holds, for 100,000 steps', async (test) => {
    const found = await search({ seed, runs, mostActs: 60, limitMs: 600_000 });
    test.diagnostic(
      `seed ${seed}: ${found.steps} steps, ${found.acts} acts in ${found.runs} scenarios, ${Math.round(found.virtualMs / 1000)} s of model time`,
    );
    if (found.counterexample) assert.fail(`seed ${seed}: ${await describeFound(found.counterexample)}`);
    assert.ok(found.steps >= 100_000, `only ${found.steps} steps`);
  });
});
