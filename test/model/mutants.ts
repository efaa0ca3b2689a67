// Takes each guard away in a throwaway copy of the tree and expects the search to find a violation there.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Found } from './fuzz.ts';
import type { Guard } from './guards.ts';
import { play } from './scenario.ts';

const root = new URL('../..', import.meta.url).pathname;

/** @throws when the text to take away is not there, or there twice: then the guard has moved. */
function takeAway(tree: string, { name, file, text, instead }: Guard): void {
  const path = join(tree, file);
  const source = readFileSync(path, 'utf8');
  const parts = source.split(text);
  if (parts.length !== 2) {
    throw new Error(`guard ${name}: expected once in ${file}, found ${parts.length - 1} times: ${text}`);
  }
  writeFileSync(path, parts.join(instead));
}

function copyTree(): string {
  const tree = mkdtempSync(join(tmpdir(), 'swarm-vip-mutant-'));
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  for (const file of files.split('\n').filter((each) => /\.(ts|json|njk)$/.test(each))) {
    mkdirSync(join(tree, dirname(file)), { recursive: true });
    cpSync(join(root, file), join(tree, file));
  }
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
  return tree;
}

export interface FoundWithout {
  readonly runs: number;
  readonly steps: number;
  /** Violations that had nothing to do with the guard. */
  readonly others: number;
  readonly story?: string;
}

export interface Searching {
  readonly seed: number;
  readonly runs: number;
  /** Begins with what was found before. */
  readonly known: boolean;
  readonly limitS: number;
}

/** What the search finds without the guard, its story included. What breaks the promise with the guard as well is none of it. */
export async function searchWithout(guard: Guard, searching: Searching): Promise<FoundWithout> {
  const tree = copyTree();
  const untilMs = performance.now() + searching.limitS * 1000;
  const sum = { runs: 0, steps: 0, others: 0 };
  try {
    takeAway(tree, guard);
    for (let { seed } = searching; ; seed += 1_000) {
      const limitS = Math.max(1, (untilMs - performance.now()) / 1000);
      const { counterexample, story, runs, steps } = searchIn(tree, guard, {
        seed,
        runs: searching.runs - sum.runs,
        known: searching.known && sum.others === 0,
        limitS,
      });
      sum.runs += runs;
      sum.steps += steps;
      if (!counterexample) return sum;
      const { violations } = await play(counterexample.scenario);
      if (violations.length === 0) return { ...sum, ...(story === undefined ? {} : { story }) };
      sum.others += 1;
      if (sum.runs >= searching.runs || performance.now() > untilMs) return sum;
    }
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

function searchIn(
  tree: string,
  guard: Guard,
  { seed, runs, known, limitS }: Searching,
): Found & { story?: string } {
  const options = ['--seed', String(seed), '--runs', String(runs), '--limit', String(limitS), '--json'];
  if (known) options.push('--known');
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--import', 'tsx', 'test/model/main.ts', 'search', ...options],
    { cwd: tree, encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  const line = stdout.trim().split('\n').at(-1) ?? '';
  if (!line.startsWith('{'))
    throw new Error(`guard ${guard.name}: the search ended with ${status}: ${stderr}`);
  return JSON.parse(line) as Found & { story?: string };
}
