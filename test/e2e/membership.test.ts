// Nodes come into groups, leave them, change them, and groups change their names, by the commands of the former operator's
// users: clients and kernels notice nothing.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { plannedBound } from '../demo/planned-steps.ts';
import { observeAll } from '../demo/steps.ts';
import { judge } from '../lab/judge.ts';
import { arrange } from '../membership/measure.ts';
import { createMembershipLab, playStep, setUp, stepNamed } from '../membership/play.ts';
import { addressOf, type MembershipStage, newcomer } from '../membership/stage.ts';
import { keepsBound } from './verdict.ts';

const nodes = 3;

describe('membership on a real Swarm', { timeout: 10 * 60_000 }, () => {
  const lab = createMembershipLab(`member-${process.pid % 10_000}`, nodes);
  const stop = new AbortController();
  let stage: MembershipStage;
  before(async () => {
    stage = await setUp(lab, stop.signal);
  });
  after(async () => {
    stage?.status.stop();
    stop.abort();
    await lab.down();
    assert.deepEqual(lab.remains(), []);
  });

  // Two addresses that move at once wake so much on two cores that some tenth run loses ten probes: that is for the bench.
  for (const name of ['holder', 'scale', 'rename', 'no-coordinator']) {
    const step = stepNamed(nodes, name);
    it(`${step.title}: forth and back, two probes at most`, async (t) => {
      for (const { direction, verdict, voids } of await playStep(stage, nodes, step)) {
        t.diagnostic(direction);
        keepsBound(t, { ...verdict, voids });
      }
    });
  }

  it('is seen red when the holder loses power instead of leaving: the negative control', async (t) => {
    await arrange(stage, stepNamed(nodes, 'holder').from, newcomer(nodes));
    const address = addressOf(lab, 'production');
    const evidence = await observeAll(lab, [address], async () => {
      await lab.chaos('power-off', 'node1');
      await stage.status.seen('node2 to hold', (word) =>
        Boolean(
          word?.groups.some(({ name, holders }) => name === 'production' && holders.join() === 'node2'),
        ),
      );
    });
    const seen = evidence.get(address);
    assert.ok(seen);
    const verdict = judge(seen, plannedBound);
    t.diagnostic(JSON.stringify(verdict));
    assert.ok(!verdict.ok && verdict.outageMs > plannedBound.outageMs + verdict.controlGapMs);
  });
});
