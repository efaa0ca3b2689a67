// From `docker node update` to the last agent that runs the change, seen through the coordinator's own HTTP interface.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { label, type Stage } from '../demo/stage.ts';

/** Polls the status every 5 ms and prints one line of "EFFECTIVE PRIORITIES|all in sync" whenever it changes. */
const watcher = `
const [, address] = process.argv;
let last = '';
for (;;) {
  try {
    const status = await (await fetch('http://' + address + ':9167/api/v1/status')).json();
    const group = status.groups[0];
    const line = group.members.map((m) => m.hostname + '=' + m.priority + '/' + m.effectivePriority).sort().join(' ')
      + '|' + status.agents.every((agent) => agent.inSync);
    if (line !== last) console.log(line);
    last = line;
  } catch (error) {
    last = String(error);
  }
  await new Promise((resolve) => setTimeout(resolve, 5));
}`;

/** @returns milliseconds per change, in the order in which they were made */
export async function labelLatencies({ lab, signal }: Stage, changes: number): Promise<number[]> {
  const active = lab.nodes()[0]?.address ?? '';
  const [file = '', ...args] = lab.execCommand('client', [
    'node',
    '--input-type=module',
    '-e',
    watcher,
    active,
  ]);
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const waiting: { matches: (line: string) => boolean; resolve: () => void }[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    for (const wait of waiting.splice(0)) {
      if (wait.matches(line)) wait.resolve();
      else waiting.push(wait);
    }
  });
  const seen = (matches: (line: string) => boolean) =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('a label change was not applied within 30 s')), 30_000);
      waiting.push({
        matches,
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
      });
    });
  const took: number[] = [];
  try {
    for (let change = 0; change < changes; change++) {
      signal.throwIfAborted();
      // node3 stays the lowest: what is measured is the way of a change, not a move of the address.
      // Far enough below node2 that each label is another priority of keepalived's.
      const priority = 40 + (change % 20);
      const applied = seen((line) => line.includes(`node3=${priority}/`) && line.endsWith('|true'));
      const began = performance.now();
      await label(lab, 'node3', { KEEPALIVED_PRIORITY: String(priority) });
      await applied;
      took.push(performance.now() - began);
    }
  } finally {
    child.kill('SIGKILL');
  }
  return took;
}
