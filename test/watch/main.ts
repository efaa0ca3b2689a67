// `npm run alerts`: each alert by its fault, through Debian's Prometheus and Alertmanager, on a real Swarm.
import { Command, Option } from 'commander';
import { type Stage, setUp } from '../demo/stage.ts';
import { exitCodeOf, Interrupted, interruptible } from '../lab/interrupt.ts';
import { createLab } from '../lab/lab.ts';
import { startMonitor } from './monitor.ts';
import { playAlert } from './play.ts';
import { backendPort, defineWatched, rows } from './rows.ts';

const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

async function run(only: readonly string[] | undefined): Promise<boolean> {
  const name = `alerts-${process.pid % 10_000}`;
  const say = (text: string) => process.stderr.write(`  ${text}\n`);
  const lab = createLab({ name, nodes: 3, managers: 1, say });
  let kept = true;
  try {
    await interruptible(async (signal) => {
      const stage: Stage = { lab, group: 'main', say, signal };
      await setUp(stage);
      const monitor = await startMonitor(lab, 'http-sd');
      try {
        await monitor.openPort(backendPort);
        await defineWatched(stage);
        for (const row of rows.filter((each) => only?.includes(each.name) ?? true)) {
          print(`${row.title}:`);
          try {
            for (const { alert, firedMs, resolvedMs, summary } of await playAlert(row, stage, monitor))
              print(
                `  ${alert.padEnd(24)} after ${seconds(firedMs)}, ended ${seconds(resolvedMs)} after the cure: ${summary}`,
              );
          } catch (error) {
            signal.throwIfAborted();
            kept = false;
            print(`  FAILED: ${error instanceof Error ? error.message : String(error)}`);
          }
        }
      } finally {
        await monitor.stop();
      }
    });
  } finally {
    await lab.down();
  }
  return kept;
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

const program = new Command('alerts')
  .description(
    'Fires each alert by its fault on a real Swarm in network namespaces; exit 1 when one stays silent',
  )
  .addOption(new Option('--only <names...>', 'only these faults').choices(rows.map((row) => row.name)))
  .showHelpAfterError();
program.parse();

run(program.opts<{ only?: string[] }>().only)
  .then((kept) => {
    process.exitCode = kept ? 0 : 1;
  })
  .catch((error: unknown) => {
    process.stderr.write(`alerts: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof Interrupted ? exitCodeOf(error.signal) : 1;
  });
