// The demo's view: one row per machine, redrawn in place on a terminal, silent elsewhere (there the lines tell it all).
import logUpdate from 'log-update';
import type { HolderSampler } from '../lab/holders.ts';
import type { Lab } from '../lab/lab.ts';

export interface LiveTable {
  /** A line of the story, above the table. */
  say(line: string): void;
  stop(): void;
}

const redrawMs = 250;

/** @param sampler who holds the address, by the kernels' own word; undefined while there is none */
export function startLiveTable(lab: Lab, sampler: () => HolderSampler | undefined): LiveTable {
  const plain = (line: string) => process.stderr.write(`${line}\n`);
  if (!process.stderr.isTTY) return { say: plain, stop: () => undefined };
  let rows: string[] = [];
  let drawing = false;
  const draw = async () => {
    if (drawing) return;
    drawing = true;
    try {
      const holders = new Set(sampler()?.now() ?? []);
      rows = (await lab.status()).map(({ name, address, powered, engine }) => {
        const state = powered ? (engine ? 'running' : 'engine silent') : 'no power';
        const mark = holders.has(name) ? `◀ ${lab.vip}` : '';
        return `  ${name.padEnd(8)}${address.padEnd(18)}${state.padEnd(15)}${mark}`;
      });
      logUpdate(['', ...rows, ''].join('\n'));
    } catch {
      // Between two states of the lab there is nothing to show.
      rows = [];
    } finally {
      drawing = false;
    }
  };
  const timer = setInterval(() => void draw(), redrawMs);
  return {
    say(line) {
      logUpdate.clear();
      plain(line);
      if (rows.length > 0) logUpdate(['', ...rows, ''].join('\n'));
    },
    stop() {
      clearInterval(timer);
      logUpdate.clear();
    },
  };
}
