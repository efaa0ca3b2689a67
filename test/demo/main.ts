// `npm run demo`: the main job on a real three-node Swarm, with measured outages beside VRRP's bound.
import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import type { HolderSampler } from '../lab/holders.ts';
import { exitCodeOf, Interrupted, interruptible } from '../lab/interrupt.ts';
import { judge } from '../lab/judge.ts';
import { createLab, type Lab } from '../lab/lab.ts';
import { type LiveTable, startLiveTable } from './live-table.ts';
import { plannedSteps } from './planned-steps.ts';
import { header, row } from './result-table.ts';
import { calm, labelThree, type Stage, settled } from './stage.ts';
import { boundMs, failoverBound, observe, runStep, type StepResult, steps } from './steps.ts';

interface Options {
  json?: string;
  keep?: boolean;
  down?: boolean;
  name: string;
}

const group = 'main';

async function demo(
  lab: Lab,
  view: LiveTable,
  watch: () => Promise<void>,
  signal: AbortSignal,
): Promise<StepResult[]> {
  const say = (line: string) => view.say(line);
  say('A Docker Swarm of three machines, each a network namespace with an engine of its own:');
  await lab.up(signal);
  await watch();
  say('\ndocker stack deploy --compose-file compose.yaml swarm-vip');
  await lab.deploy({}, signal);
  say(
    'docker node update --label-add keepalived_group=main --label-add KEEPALIVED_PRIORITY=… node1 node2 node3',
  );
  const stage: Stage = { lab, group, say, signal };
  const results: StepResult[] = [];
  const record = (result: StepResult) => {
    results.push(result);
    say(row(result));
  };

  const began = Date.now();
  await labelThree(lab, group);
  await calm(stage);
  say(
    `\n${lab.vip} is up on node1, the preferred node, ${((Date.now() - began) / 1000).toFixed(1)} s after the first label.`,
  );
  say(`Every step below is probed each millisecond. VRRP’s bound: ${boundMs} ms.\n`);
  say(header);
  const still = judge(await observe(lab, () => settled(stage, 'node1')), failoverBound);
  record({ ...still, voids: 0, name: 'comes-up', title: 'node1 holds the address, nothing happens' });
  for (const step of steps) {
    signal.throwIfAborted();
    record(await runStep(step, stage));
  }
  say('\nMoves that an operator plans cost nothing; the bound here is two probes.\n');
  say(header);
  for (const step of plannedSteps) {
    signal.throwIfAborted();
    record(await runStep(step, stage));
  }
  return results;
}

async function run(options: Options): Promise<boolean> {
  let sampler: HolderSampler | undefined;
  const lab = createLab({ name: options.name, nodes: 3, say: (line) => view.say(`  ${line}`) });
  const view = startLiveTable(lab, () => sampler);
  if (options.down) {
    await lab.down();
    view.stop();
    return true;
  }
  // A failed step is what one wants to look at; an interrupt takes everything away.
  let keep = options.keep === true;
  try {
    return await interruptible(async (signal) => {
      signal.addEventListener('abort', () => {
        keep = false;
      });
      const watch = async () => {
        sampler = await lab.holders(lab.vip);
      };
      const results = await demo(lab, view, watch, signal);
      const ok = results.every((result) => result.ok);
      const fields = results.map(({ title: _, ok: __, ...step }) => step);
      if (options.json) writeFileSync(options.json, `${JSON.stringify({ ok, steps: fields }, null, 2)}\n`);
      view.say(ok ? '\nEvery step kept its bound.' : '\nA step missed its bound.');
      return ok;
    });
  } finally {
    await sampler?.stop();
    view.stop();
    if (keep) {
      process.stderr.write(lookAround(lab));
    } else {
      await lab.down();
    }
  }
}

const lookAround = (lab: Lab): string => `
The lab is still up. Look around:
  npm run lab -- status --name ${lab.names.name}
  npm run lab -- docker --name ${lab.names.name} node2 node ls
  npm run lab -- holders --name ${lab.names.name} ${lab.vip}
  npm run lab -- chaos --name ${lab.names.name} power-off node2
Remove it:
  npm run demo -- --down
`;

const program = new Command('demo')
  .description('Shows the main job on a real three-node Swarm in network namespaces of this machine')
  .option('--json <file>', 'write the report there')
  .option('--keep', 'leave the lab up and say how to look around')
  .option('--down', 'remove what --keep left')
  .option('--name <name>', 'name of the lab', 'demo')
  .showHelpAfterError();
program.parse();

run(program.opts<Options>())
  .then((ok) => {
    process.exitCode = ok ? 0 : 1;
  })
  .catch((error: unknown) => {
    process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof Interrupted ? exitCodeOf(error.signal) : 1;
  });
