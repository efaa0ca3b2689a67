// The stage of an end-to-end suite: it stands before the first test and is gone after the last.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { type Stage, setUp } from '../demo/stage.ts';
import { createLab, type Lab } from '../lab/lab.ts';

/** To be called inside `describe`. `env` is what the stack is deployed with, beside the lab's own. What still waits when the suite ends is ended by the stage's signal. */
export function stageOf(suite: string, env: (lab: Lab) => Record<string, string> = () => ({})): Stage {
  const lab = createLab({ name: `${suite}-${process.pid % 10_000}`, nodes: 3 });
  const stop = new AbortController();
  const stage: Stage = { lab, group: 'main', say: () => undefined, signal: stop.signal };
  before(() => setUp(stage, env(lab)));
  after(async () => {
    stop.abort();
    await lab.down();
    assert.deepEqual(lab.remains(), []);
  });
  return stage;
}
