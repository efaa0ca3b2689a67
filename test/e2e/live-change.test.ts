// What an operator changes while clients are served: priorities, addresses, and what all members must agree on.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { define, liveSteps } from '../demo/live-steps.ts';
import { plannedBound } from '../demo/planned-steps.ts';
import { calm, statusOf } from '../demo/stage.ts';
import { bothWays, observe, runStep } from '../demo/steps.ts';
import { judged } from '../lab/judge.ts';
import { until } from '../lab/run.ts';
import { stageOf } from './on-stage.ts';
import { keepsBound } from './verdict.ts';

describe('a change while clients are served', { timeout: 15 * 60_000 }, () => {
  const stage = stageOf('live');
  const { lab } = stage;

  // Where the way back is another kind of change; `npm run bench -- changes` plays all of them.
  const reversed = ['address', 'password'];
  // Members come and go in membership.test.ts.
  const here = liveSteps.filter(({ name }) => name !== 'member');
  for (const step of here.flatMap((each) => (reversed.includes(each.name) ? bothWays(each) : [each]))) {
    it(`is not noticed when ${step.title}`, async (t) => {
      const result = await runStep(step, stage);
      keepsBound(t, result);
      assert.deepEqual([result.holderBefore, result.holderAfter], ['node1', 'node1']);
    });
  }

  it('keeps what is served when a new groups.yaml is broken, and says where', async (t) => {
    await define(stage);
    await calm(stage);
    const verdict = await judged(
      () =>
        observe(lab, async () => {
          await lab.docker(
            await lab.manager(),
            ['config', 'create', '--label', 'swarm-vip.groups=yes', `broken-${Date.now()}`, '-'],
            { input: 'groups:\n  main:\n    addresses: [not-an-address\n' },
          );
          await until(
            'the problem',
            async () =>
              (await statusOf(lab)).problems.some(({ where }) => where.includes('broken-')) || undefined,
            { timeoutMs: 20_000, everyMs: 200 },
          );
        }),
      plannedBound,
    );
    t.diagnostic(JSON.stringify(verdict));
    assert.equal(verdict.lostProbes, 0);
    assert.equal((await statusOf(lab)).groups[0]?.name, 'main');
  });
});
