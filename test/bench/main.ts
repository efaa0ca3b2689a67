// `npm run bench`: figures on a real Swarm. They describe this machine at this moment; nothing asserts them.
import { Command, InvalidArgumentError, Option } from 'commander';
import { liveSteps } from '../demo/live-steps.ts';
import { plannedSteps } from '../demo/planned-steps.ts';
import { type Stage, setUp } from '../demo/stage.ts';
import { kept, observeStep, type Step } from '../demo/steps.ts';
import { exitCodeOf, Interrupted, interruptible } from '../lab/interrupt.ts';
import { judge, type Verdict } from '../lab/judge.ts';
import { createLab, type Lab } from '../lab/lab.ts';
import { membershipSteps } from '../membership/steps.ts';
import { labelLatencies } from './label-latency.ts';
import { loadHeader, loadRow, measureLoad } from './load.ts';
import { measureMembership, membershipHeader } from './membership.ts';
import { pageFigures } from './page.ts';
import { measureRest, restTable } from './rest.ts';
import { measureAgentScrape, measureCoordinatorScrape, scrapeTable } from './scrape.ts';
import { type Direction, type Series, series } from './series.ts';
import { header, quantile, row } from './table.ts';

const count = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('Expected a whole number above 0.');
  return value;
};
const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Runs `work` on a fresh three-node lab with node1 holding. */
async function onStage(work: (stage: Stage) => Promise<void>): Promise<void> {
  const name = `bench-${process.pid % 10_000}`;
  const lab: Lab = createLab({ name, nodes: 3, say: (line) => process.stderr.write(`  ${line}\n`) });
  try {
    await interruptible(async (signal) => {
      const stage: Stage = { lab, group: 'main', say: () => undefined, signal };
      await setUp(stage);
      await work(stage);
    });
  } finally {
    await lab.down();
  }
}

/** Measures one step `runs` times and prints its row; a run that missed its bound is shown whole. */
async function measure(step: Step, stage: Stage, runs: number): Promise<void> {
  let missed = 0;
  const runOnce = async (direction: Direction, prepare: boolean): Promise<Verdict> => {
    stage.signal.throwIfAborted();
    if (prepare) await step.prepare(stage);
    const act = direction === 'back' && step.back ? step.back : step.act;
    const verdict = judge(await observeStep(step, stage, act), step.bound);
    if (!verdict.void && !kept(step, verdict)) {
      missed += 1;
      process.stderr.write(`  missed: ${step.name}, ${direction}: ${JSON.stringify(verdict)}\n`);
    }
    return verdict;
  };
  let soFar: Series = { verdicts: [], voids: 0 };
  try {
    await series(runs, step.back !== undefined, runOnce, (known) => {
      soFar = known;
      process.stderr.write(`  ${step.name}: ${known.verdicts.length} of ${runs}, ${known.voids} void\n`);
    });
  } finally {
    print(row(step.name, soFar, missed));
  }
}

const program = new Command('bench')
  .description('Figures on a real Swarm in network namespaces')
  .showHelpAfterError();
for (const { name, description, steps } of [
  { name: 'planned', description: 'what each planned move costs, in probes of 1 ms', steps: plannedSteps },
  { name: 'changes', description: 'what each live change costs, forth and back', steps: liveSteps },
]) {
  const names = steps.map((step) => step.name);
  program
    .command(name)
    .description(description)
    .option('--runs <n>', 'runs of each', count, 20)
    .addOption(new Option('--only <names...>', 'only these').choices(names))
    .action(({ runs, only = names }: { runs: number; only?: string[] }) =>
      onStage(async (stage) => {
        print(header);
        for (const step of steps.filter((step) => only.includes(step.name))) await measure(step, stage, runs);
      }),
    );
}
program
  .command('membership')
  .description(
    'what it costs when nodes come into groups, leave and change them, and groups change their names',
  )
  .option('--nodes <n>', 'machines of the Swarm, three or five', count, 3)
  .option('--runs <n>', 'of each, forth and back', count, 5)
  .addOption(
    new Option('--only <names...>', 'only these').choices(membershipSteps(3).map(({ name }) => name)),
  )
  .action((options: { nodes: number; runs: number; only?: string[] }) =>
    interruptible(async (signal) => {
      print(membershipHeader);
      await measureMembership(options, signal, print);
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
        print(`  ${name.padEnd(16)} ${quantile(took, q)?.toFixed(0).padStart(6)} ms`);
      }
    }),
  );
program
  .command('rest')
  .description('memory and CPU of an agent at rest: three groups, three checks, three managers')
  .option('--seconds <n>', 'how long', count, 300)
  .action(({ seconds }: { seconds: number }) =>
    interruptible(async (signal) => {
      for (const line of restTable(await measureRest(seconds, signal))) print(line);
    }),
  );
program
  .command('scrape')
  .description('what a scrape costs, of an agent and of a coordinator')
  .option('--groups <n...>', 'with so many groups', (text: string, so: number[] = []) => [...so, count(text)])
  .option('--scrapes <n>', 'how many', count, 200)
  .action(({ groups = [3, 50], scrapes }: { groups?: number[]; scrapes: number }) =>
    interruptible(async (signal) => {
      const figures = [];
      for (const each of groups) figures.push(await measureAgentScrape(each, scrapes, signal));
      for (const each of groups) figures.push(await measureCoordinatorScrape(each, scrapes));
      for (const line of scrapeTable(figures)) print(line);
    }),
  );
program
  .command('load')
  .description('false take-overs under full load, for each interval between adverts')
  .option('--intervals <ms...>', 'in milliseconds', (text: string, so: number[] = []) => [...so, count(text)])
  .option('--minutes <n>', 'for each', count, 10)
  .option('--loops <n>', 'busy loops for each core', count, 2)
  .action(
    ({
      intervals = [50, 100, 200],
      minutes,
      loops,
    }: {
      intervals?: number[];
      minutes: number;
      loops: number;
    }) =>
      interruptible(async (signal) => {
        print(loadHeader);
        for (const interval of intervals) print(loadRow(await measureLoad(interval, loops, minutes, signal)));
      }),
  );
program
  .command('page')
  .description('what the status page of a large Swarm costs; needs no lab')
  .option('--nodes <n>', 'nodes, each a member of every group', count, 300)
  .option('--groups <n>', 'groups', count, 20)
  .option('--updates <n>', 'how many nodes fall silent, one after another', count, 10)
  .action(async (options: { nodes: number; groups: number; updates: number }) => {
    const figures = await pageFigures(options);
    print(`${options.nodes} nodes in each of ${options.groups} groups`);
    for (const [name, value] of Object.entries(figures)) {
      const list = [value].flat().sort((a, b) => a - b);
      const [median, worst] = [quantile(list, 0.5), quantile(list, 1)].map((each) => each?.toFixed(0) ?? '-');
      print(`  ${name.padEnd(14)} ${list.length === 1 ? median : `median ${median}, worst ${worst}`}`);
    }
  });

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof Interrupted ? exitCodeOf(error.signal) : 1;
});
