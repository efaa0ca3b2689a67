// What befalls the agent's state volume, on every node at once. Meanwhile an operator changes something, and the Node
// processes die: VRRP goes on, new assignments arrive, and status says what is wrong.
import { prioritise } from '../demo/live-steps.ts';
import { calm, labelThree, type Stage, statusOf, three } from '../demo/stage.ts';
import type { ChaosVerb } from '../lab/chaos.ts';
import { until } from '../lab/run.ts';
import { agentsBack, allRun, fine, onAll } from './acts.ts';
import { type Row, unnoticed } from './row.ts';

/** By the next thing that they have to save. */
async function complained(stage: Stage, nodes: readonly string[]): Promise<void> {
  await until(
    `${nodes.join(', ')} to report that they cannot save their state`,
    async () => {
      const problems = (await statusOf(stage.lab).catch(() => undefined))?.problems ?? [];
      const said = problems.filter(({ code }) => code === 'state-not-saved').map((found) => found.where);
      return nodes.every((node) => said.some((where) => where.includes(node))) || undefined;
    },
    { timeoutMs: 20_000, everyMs: 500, signal: stage.signal },
  );
}

const withoutState = (name: string, title: string, verb: ChaosVerb): Row => ({
  name,
  title,
  prepare: async (stage) => {
    await labelThree(stage.lab, stage.group);
    await calm(stage);
  },
  act: async (stage) => {
    await onAll(stage, verb);
    await prioritise(stage, 'node2', 60);
    await complained(stage, ['node2']);
    await onAll(stage, 'kill-node-process');
    await until('every Node process to be back', () => allRun(stage), { timeoutMs: 20_000, everyMs: 50 });
    await agentsBack(stage);
    // Each new life is told again what it is to do, and keeps it.
    await complained(stage, three);
    await prioritise(stage, 'node3', 40);
  },
  mend: async (stage) => {
    await onAll(stage, 'restore-volume');
    // By itself, before anything else is to be saved.
    await fine(stage);
    await labelThree(stage.lab, stage.group);
    await calm(stage);
  },
  holder: 'node1',
  bound: unnoticed,
});

export const volumeRows: readonly Row[] = [
  withoutState('disk-full', 'the disk of the agents’ state is full on every node', 'fill-volume'),
  withoutState('disk-read-only', 'the state volume becomes read-only on every node', 'protect-volume'),
  withoutState('disk-gone', 'the state volume is gone on every node', 'remove-volume'),
];
