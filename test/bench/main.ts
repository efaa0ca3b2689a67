// `npm run bench`: figures on a real Swarm. They describe this machine at this moment; nothing asserts them.
import { Command, InvalidArgumentError } from 'commander';
import {
  labelThree,
  plannedBound,
  plannedSteps,
  ready,
  runStep,
  type Stage,
  type StepResult,
  settled,
} from '../demo/steps.ts';
import { exitCodeOf, Interrupted, interruptible } from '../lab/interrupt.ts';
import { createLab, type Lab } from '../lab/lab.ts';
import { labelLatencies } from './label-latency.ts';

const count = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('Expected a whole number above 0.');
  return value;
};
const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Runs `work` on a fresh three-node lab with node1 holding. */
async function onStage(work: (stage: Stage) => Promise<void>): Promise<void> {
  const lab: Lab = createLab({ name: 'bench', nodes: 3, say: (line) => process.stderr.write(`  ${line}\n`) });
  try {
    await interruptible(async (signal) => {
      const stage: Stage = { lab, group: 'main', say: () => undefined, signal };
      await lab.up(signal);
      await lab.deploy({}, signal);
      await labelThree(lab, stage.group);
      await settled(stage, 'node1');
      await ready(stage, ['node1', 'node2', 'node3']);
      await work(stage);
    });
  } finally {
    await lab.down();
  }
}

const program = new Command('bench')
  .description('Figures on a real Swarm in network namespaces')
  .showHelpAfterError();
program
  .command('planned')
  .description('probes of 1 ms that each planned move costs')
  .option('--runs <n>', 'runs of each move', count, 20)
  .option('--only <names...>', 'moves by name')
  .action(({ runs, only }: { runs: number; only?: string[] }) =>
    onStage(async (stage) => {
      print(
        'move                 runs  lost: median  worst   outage ms: median  worst   two holders ms: worst   void',
      );
      for (const step of plannedSteps.filter(({ name }) => !only || only.includes(name))) {
        const results: StepResult[] = [];
        let voids = 0;
        for (let run = 0; run < runs; run++) {
          stage.signal.throwIfAborted();
          const result = await runStep(step, stage, plannedBound);
          // A void run says nothing about us; what misses its bound is shown whole.
          voids += result.voids + (result.void ? 1 : 0);
          if (result.void) continue;
          results.push(result);
          if (!result.ok) process.stderr.write(`  missed: ${JSON.stringify(result)}\n`);
        }
        const sorted = (pick: (result: (typeof results)[number]) => number) =>
          results.map(pick).sort((a, b) => a - b);
        const lost = sorted(({ lostProbes }) => lostProbes);
        const outage = sorted(({ outageMs }) => outageMs);
        const two = sorted(({ twoHoldersMs }) => twoHoldersMs);
        const cells = [
          step.name.padEnd(20),
          String(results.length).padStart(5),
          String(quantile(lost, 0.5)).padStart(13),
          String(lost.at(-1)).padStart(7),
          quantile(outage, 0.5).toFixed(1).padStart(20),
          (outage.at(-1) ?? 0).toFixed(1).padStart(7),
          (two.at(-1) ?? 0).toFixed(1).padStart(24),
          String(voids).padStart(7),
        ];
        print(cells.join(''));
      }
    }),
  );
program
  .command('labels')
  .description('time from a label change until every agent runs it')
  .option('--changes <n>', 'how many', count, 100)
  .action(({ changes }: { changes: number }) =>
    onStage(async (stage) => {
      const took = (await labelLatencies(stage, changes)).sort((a, b) => a - b);
      print(`${changes} label changes, applied on all nodes after`);
      for (const [name, q] of [
        ['median', 0.5],
        ['99th percentile', 0.99],
        ['longest', 1],
      ] as const) {
        print(`  ${name.padEnd(16)} ${quantile(took, q).toFixed(0).padStart(6)} ms`);
      }
    }),
  );

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof Interrupted ? exitCodeOf(error.signal) : 1;
});
