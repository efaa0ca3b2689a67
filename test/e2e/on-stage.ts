// The stage of an end-to-end suite: it stands before the first test and is gone after the last.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { type Stage, setUp } from '../demo/stage.ts';
import { createLab, type Lab, type LabDeploy } from '../lab/lab.ts';

/** To be called inside `describe`. `deploy` is how the stack is deployed, beside the lab's own way. What still waits when the suite ends is ended by the stage's signal. */
export function stageOf(
  suite: string,
  deploy: (lab: Lab) => Pick<LabDeploy, 'env' | 'stack'> = () => ({}),
): Stage {
  const lab = createLab({ name: `${suite}-${process.pid % 10_000}`, nodes: 3 });
  const stop = new AbortController();
  const stage: Stage = { lab, group: 'main', say: () => undefined, signal: stop.signal };
  before(() => setUp(stage, deploy(lab)));
  after(async () => {
    stop.abort();
    await lab.down();
    assert.deepEqual(lab.remains(), []);
  });
  return stage;
}
