// npm run fuzz: searches the model with other seeds, and shows that it finds what the guards prevent.
import { Command } from 'commander';
import { describeFound, search } from './fuzz.ts';
import { guards } from './guards.ts';
import { searchWithout } from './mutants.ts';
import { replayMany, type Verdict } from './replay.ts';

const say = (text: string) => process.stdout.write(`${text}\n`);
const program = new Command('npm run fuzz --').description(
  'search the model of the world for a broken promise',
);

interface SearchOptions {
  seed?: string;
  runs: string;
  acts: string;
  limit: string;
  known?: boolean;
  json?: boolean;
}

program
  .command('search', { isDefault: true })
  .option('--seed <n>', 'the same seed finds the same')
  .option('--runs <n>', 'scenarios', '400')
  .option('--acts <n>', 'at most, in one scenario', '60')
  .option('--limit <s>', 'seconds, shrinking included', '600')
  .option('--known', 'begin with what was found before')
  .option('--json', 'one line for programs')
  .action(async (options: SearchOptions) => {
    const seed = Number(options.seed ?? Math.floor(Math.random() * 2 ** 31));
    const [runs, mostActs] = [Number(options.runs), Number(options.acts)];
    const { known = false } = options;
    const found = await search({ seed, runs, mostActs, known, limitMs: Number(options.limit) * 1000 });
    const story = found.counterexample && (await describeFound(found.counterexample));
    if (options.json) say(JSON.stringify({ ...found, story }));
    else {
      const { runs: played, steps, acts, virtualMs } = found;
      say(
        `seed ${seed}: ${played} scenarios, ${acts} acts, ${steps} steps, ${Math.round(virtualMs / 1000)} s`,
      );
      if (story) say(story);
    }
    process.exitCode = found.counterexample ? 1 : 0;
  });

program
  .command('mutants')
  .description('take each guard away in a throwaway copy: the search must find a violation')
  .argument('[names...]')
  .option('--seed <n>', 'of the search', '1')
  .option('--runs <n>', 'scenarios at most', '600')
  .option('--limit <s>', 'seconds for each, shrinking included', '240')
  .option('--no-known', 'do not begin with what was found before')
  .action(async (names: string[], options: { seed: string; runs: string; limit: string; known: boolean }) => {
    const chosen = guards.filter(({ name }) => names.length === 0 || names.includes(name));
    const { known } = options;
    const limits = {
      seed: Number(options.seed),
      runs: Number(options.runs),
      known,
      limitS: Number(options.limit),
    };
    for (const guard of chosen) {
      const { runs, steps, others, story } = await searchWithout(guard, limits);
      const besides = others > 0 ? `; ${others} found that exist with it as well` : '';
      say(
        `\n${guard.name}, ${guard.what}: ${story ? 'found' : 'NOT FOUND'} (${runs} scenarios, ${steps} steps${besides})`,
      );
      if (story) say(`  ${story}`);
      else process.exitCode = 1;
    }
  });

program
  .command('replay')
  .description("hold the model's VRRP against real keepalived in network namespaces")
  .option('--first <n>', 'seed of the first trace', '1')
  .option('--traces <n>', 'how many', '50')
  .option('--width <n>', 'side by side', '6')
  .action(async (options: { first: string; traces: string; width: string }) => {
    const seeds = Array.from({ length: Number(options.traces) }, (_, at) => Number(options.first) + at);
    const verdicts: Verdict[] = [];
    await replayMany(seeds, Number(options.width), (verdict) => {
      verdicts.push(verdict);
      if (verdict.difference !== undefined) say(`trace ${verdict.seed}: ${verdict.difference}`);
    });
    const alike = verdicts.filter(({ difference }) => difference === undefined);
    const raced = alike.filter((verdict) => verdict.raced).length;
    say(
      `${alike.length} of ${verdicts.length} traces alike, ${raced} of them by a race; longest lag ${Math.round(Math.max(...verdicts.map(({ lagMs }) => lagMs)))} ms`,
    );
    process.exitCode = alike.length === verdicts.length ? 0 : 1;
  });

await program.parseAsync();
