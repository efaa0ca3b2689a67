// What the active coordinator says, as it changes: a process in the lab's client asks each manager's HTTP interface until
// one is active, and then that one every 10 ms. A coordinator that is replaced meanwhile is found again by itself.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import * as v from 'valibot';
import type { Lab } from '../lab/lab.ts';

const watcher = `
const managers = process.argv.slice(1);
let last = '';
for (let at = 0; ; ) {
  let line = 'null';
  try {
    const answer = await fetch('http://' + managers[at] + ':9167/api/v1/status', { signal: AbortSignal.timeout(1000) });
    const { coordinator, groups, agents } = await answer.json();
    if (coordinator.role !== 'active') throw new Error('a standby');
    line = JSON.stringify({
      epoch: coordinator.epoch,
      groups: groups.map(({ name, members, holders }) => ({
        name,
        members: members.map(({ hostname, eligible }) => ({ hostname, eligible })),
        holders: holders.map(({ hostname }) => hostname),
      })),
      agents: agents.map(({ hostname, connected, inSync }) => ({ hostname, connected, inSync })),
    });
  } catch {
    at = (at + 1) % managers.length;
  }
  if (line !== last) console.log(line);
  last = line;
  await new Promise((resolve) => setTimeout(resolve, 10));
}`;

const Word = v.nullable(
  v.object({
    epoch: v.nullable(v.number()),
    groups: v.array(
      v.object({
        name: v.string(),
        members: v.array(v.object({ hostname: v.string(), eligible: v.boolean() })),
        holders: v.array(v.string()),
      }),
    ),
    agents: v.array(v.object({ hostname: v.string(), connected: v.boolean(), inSync: v.boolean() })),
  }),
);
/** Null: no coordinator is active. */
export type Word = v.InferOutput<typeof Word>;

export interface StatusWatch {
  /** When it was first so, from now on; ms of performance.now(). */
  seen(what: string, is: (word: Word) => boolean, timeoutMs?: number): Promise<number>;
  stop(): void;
}

export function watchStatus(lab: Lab, signal: AbortSignal): StatusWatch {
  const managers = lab.nodes().flatMap(({ manager, address }) => (manager ? [address] : []));
  const command = ['node', '--input-type=module', '-e', watcher, '--', ...managers];
  const [file = '', ...args] = lab.execCommand('client', command);
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let word: Word | undefined;
  const looks = new Set<() => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    word = v.parse(Word, JSON.parse(line));
    for (const look of looks) look();
  });
  const stop = () => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  return {
    seen: (what, is, timeoutMs = 120_000) =>
      new Promise((resolve, reject) => {
        const end = () => {
          clearTimeout(timer);
          looks.delete(look);
          signal.removeEventListener('abort', interrupted);
        };
        const timer = setTimeout(() => {
          end();
          reject(new Error(`waited ${timeoutMs} ms for ${what}; last: ${JSON.stringify(word)}`));
        }, timeoutMs);
        const look = () => {
          if (word === undefined || !is(word)) return;
          end();
          resolve(performance.now());
        };
        const interrupted = () => {
          end();
          reject(signal.reason);
        };
        signal.addEventListener('abort', interrupted, { once: true });
        looks.add(look);
        look();
      }),
    stop() {
      signal.removeEventListener('abort', stop);
      stop();
    },
  };
}
