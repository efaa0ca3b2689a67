// Plays a row of the table of faults on a stage, and cleans up behind it.
import type { Stage } from '../demo/stage.ts';
import { runStep, type Step, type StepResult } from '../demo/steps.ts';
import type { Row, Timing } from './row.ts';

export async function play(row: Row, stage: Stage, timing: Timing): Promise<StepResult> {
  const mend = async () => row.mend?.(stage);
  let repeated = false;
  const step: Step = {
    ...row,
    // Repeated after a void run, it begins with what that one has left behind.
    prepare: async () => {
      if (repeated) await mend();
      repeated = true;
      await row.prepare(stage);
    },
    act: () => row.act(stage, timing),
  };
  try {
    return await runStep(step, stage);
  } finally {
    await mend();
  }
}
