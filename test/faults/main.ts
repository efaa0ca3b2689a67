// `npm run soak`: the whole table of faults on a real Swarm, round after round.
import { Command, InvalidArgumentError, Option } from 'commander';
import { header, row as line } from '../demo/result-table.ts';
import { type Stage, setUp } from '../demo/stage.ts';
import { exitCodeOf, Interrupted, interruptible } from '../lab/interrupt.ts';
import { createLab } from '../lab/lab.ts';
import { play } from './play.ts';
import { quick, rows, soak } from './rows.ts';

interface Options {
  rounds: number;
  quick?: boolean;
  only?: string[];
}

const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

async function run({ rounds, quick: short, only }: Options): Promise<boolean> {
  const name = `soak-${process.pid % 10_000}`;
  const lab = createLab({ name, nodes: 3, say: (text) => process.stderr.write(`  ${text}\n`) });
  const chosen = rows.filter((row) => only?.includes(row.name) ?? true);
  let kept = true;
  try {
    await interruptible(async (signal) => {
      const stage: Stage = { lab, group: 'main', say: () => undefined, signal };
      await setUp(stage);
      print(header);
      for (let round = 1; round <= rounds; round++) {
        for (const row of chosen) {
          signal.throwIfAborted();
          const result = await play(row, stage, short ? quick : soak);
          kept &&= result.ok;
          print(line(result));
        }
      }
    });
  } finally {
    await lab.down();
  }
  return kept;
}

const program = new Command('soak')
  .description(
    'The table of faults on a real three-node Swarm in network namespaces; exit 1 when a row misses',
  )
  .option('--rounds <n>', 'how often', wholeNumber, 2)
  .option('--quick', 'lasting faults last seconds instead of a minute')
  .addOption(new Option('--only <names...>', 'only these rows').choices(rows.map((row) => row.name)))
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
