// A Swarm with the two stacks, and steps played on it forth and back; a run on too noisy a machine is repeated.
import { createLab, type Lab } from '../lab/lab.ts';
import { arrange, type Direction, type MembershipVerdict, measure } from './measure.ts';
import { deploy, type MembershipStage, newcomer, stacks } from './stage.ts';
import { type MembershipStep, membershipSteps } from './steps.ts';
import { watchStatus } from './watch.ts';

const maxRepeats = 2;

/** To be taken away by `stage.status.stop` and `lab.down`. */
export async function setUp(lab: Lab, signal: AbortSignal): Promise<MembershipStage> {
  await lab.up(signal);
  const stage: MembershipStage = { lab, signal, status: watchStatus(lab, signal) };
  for (const stack of stacks) await deploy(stage, stack);
  return stage;
}

export const createMembershipLab = (name: string, nodes: number, say?: (line: string) => void): Lab =>
  createLab({ name, nodes, ...(say ? { say } : {}) });

export interface MembershipRun {
  readonly direction: Direction;
  readonly verdict: MembershipVerdict;
  /** Runs thrown away before this one. */
  readonly voids: number;
}

/** Forth and back once; only a void run is repeated, from where it began. */
export async function playStep(
  stage: MembershipStage,
  nodes: number,
  step: MembershipStep,
): Promise<MembershipRun[]> {
  const newest = newcomer(nodes);
  await step.prepare?.(stage);
  await arrange(stage, step.from, newest);
  const runs: MembershipRun[] = [];
  for (const direction of ['forth', 'back'] as const) {
    const other = direction === 'forth' ? 'back' : 'forth';
    let verdict = await measure(stage, step, direction, newest);
    let voids = 0;
    for (; verdict.void && voids < maxRepeats; voids++) {
      await measure(stage, step, other, newest);
      verdict = await measure(stage, step, direction, newest);
    }
    runs.push({ direction, verdict, voids });
  }
  return runs;
}

export const stepNamed = (nodes: number, name: string): MembershipStep => {
  const found = membershipSteps(nodes).find((step) => step.name === name);
  if (!found) throw new Error(`no step is named ${name}`);
  return found;
};
