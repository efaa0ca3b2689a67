// What the search has found once holds for good.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { foundScenarios } from './found.ts';
import { play } from './scenario.ts';

describe('what the search has found', () => {
  for (const { title, scenario } of foundScenarios) {
    it(title, async () => {
      const { violations, story } = await play(scenario);
      assert.deepEqual(violations, [], story.join('\n'));
    });
  }
});
