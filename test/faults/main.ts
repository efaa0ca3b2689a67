// `npm run soak`: the whole table of faults on a real Swarm, round after round, and its negative controls.
import { writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { header, row as line } from '../demo/result-table.ts';
import { type Stage, setUp } from '../demo/stage.ts';
import type { StepResult } from '../demo/steps.ts';
import { exitCodeOf, Interrupted, interruptible } from '../lab/interrupt.ts';
import { createLab } from '../lab/lab.ts';
import { controls, playControl } from './controls.ts';
import { evidenceOf, type Played } from './evidence.ts';
import { play } from './play.ts';
import { randomRow, randomRowName } from './random-row.ts';
import { quick, soak } from './row.ts';
import { rows } from './rows.ts';

interface Options {
  rounds: number;
  seed: number;
  quick?: boolean;
  only?: string[];
  controls?: boolean;
  json?: string;
}

const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

async function run(options: Options): Promise<boolean> {
  const name = `soak-${process.pid % 10_000}`;
  const lab = createLab({ name, nodes: 3, say: (text) => process.stderr.write(`  ${text}\n`) });
  const timing = options.quick ? quick : soak;
  const played: Played[] = [];
  const wanted = ({ name }: { name: string }) => options.only?.includes(name) ?? true;
  try {
    await interruptible(async (signal) => {
      const stage: Stage = { lab, group: 'main', say: () => undefined, signal };
      /** A row that cannot even be played is a result as well, and the next one begins anew. */
      const record = async (round: number, name: string, title: string, act: () => Promise<StepResult>) => {
        signal.throwIfAborted();
        let one: Played;
        const began = performance.now();
        const took = () => ({ tookS: Math.round((performance.now() - began) / 1000) });
        try {
          const result = await act();
          one = { round, name, title, ok: result.ok, result, ...took() };
          print(line(result));
        } catch (error) {
          if (signal.aborted) throw error;
          one = { round, name, title, ok: false, failure: String(error), ...took() };
          print(`  FAILED ${title}: ${one.failure}`);
        }
        played.push(one);
        if (options.json) writeFileSync(options.json, `${JSON.stringify(evidenceOf(played), null, 2)}\n`);
      };
      await setUp(stage);
      for (let round = 1; round <= (options.controls ? 1 : options.rounds); round++) {
        if (options.controls) {
          print(`negative controls: what each takes away, and the row that must turn red\n${header}`);
          for (const control of controls.filter(wanted))
            await record(round, control.name, control.title, () => playControl(control, stage));
          continue;
        }
        const seed = options.seed + round - 1;
        print(`round ${round} of ${options.rounds}; seed of the random faults: ${seed}\n${header}`);
        for (const row of [...rows, randomRow(seed, timing.randomFaults, print)].filter(wanted))
          await record(round, row.name, row.title, () => play(row, stage, timing));
      }
    });
  } finally {
    await lab.down();
    print(evidenceOf(played).text);
  }
  return played.length > 0 && played.every(({ ok }) => ok);
}

const names = [...rows, ...controls].map(({ name }) => name);
const program = new Command('soak')
  .description(
    'The table of faults on a real three-node Swarm in network namespaces; exit 1 when a row misses',
  )
  .option('--rounds <n>', 'how often', wholeNumber, 2)
  .option('--quick', 'lasting faults last seconds instead of a minute')
  .option('--controls', 'the negative controls instead: each takes one thing away and must turn its row red')
  .option(
    '--seed <n>',
    'of the random faults; the next round takes the next',
    wholeNumber,
    Date.now() % 100_000,
  )
  .option('--json <file>', 'writes every verdict and the worst of each row')
  .addOption(new Option('--only <names...>', 'only these rows').choices([...names, randomRowName]))
  .showHelpAfterError();
program.parse();

run(program.opts<Options>())
  .then((kept) => {
    process.exitCode = kept ? 0 : 1;
  })
  .catch((error: unknown) => {
    process.stderr.write(`soak: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof Interrupted ? exitCodeOf(error.signal) : 1;
  });

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('Expected a whole number above 0.');
  return value;
}
