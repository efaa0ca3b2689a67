// Plays a trace on real keepalived: a LAN of its own, a network namespace for each node, states from the notify FIFO.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseFifoLine } from '../../agent/core/fifo.ts';
import { ensureFifo, openReadWrite, readLines } from '../../agent/io/fifo.ts';
import { writeWhole } from '../../agent/io/state-store.ts';
import { createRenderer } from '../../agent/io/template.ts';
import type { AssignedInstance } from '../../shared/protocol.ts';
import {
  addressOf,
  changed,
  comparedFromMs,
  type Deed,
  firstInstance,
  type Shown,
  type Timeline,
  type Trace,
  viewOf,
} from './trace.ts';

const render = createRenderer(new URL('../../agent/keepalived.conf.njk', import.meta.url));

export interface Played {
  readonly timelines: readonly Timeline[];
  /** When each event was done. */
  readonly atMs: readonly number[];
  /** The longest that this process was kept from running. */
  readonly lagMs: number;
}

export async function playForReal(trace: Trace, prefix: string): Promise<Played> {
  const directory = mkdtempSync(join(tmpdir(), 'swarm-vip-trace-'));
  const lan = `${prefix}l`;
  const names = [lan, ...Array.from({ length: trace.count }, (_, node) => `${prefix}n${node}`)];
  const nodes: RealNode[] = [];
  try {
    for (const name of names) ip('netns', 'add', name);
    batch(lan, ['link add br0 type bridge', 'link set br0 up', 'link set lo up']);
    for (let node = 0; node < trace.count; node += 1) {
      const name = names[node + 1] ?? '';
      batch(lan, [
        `link add v${node} type veth peer name eth0 netns ${name}`,
        `link set v${node} master br0 up`,
      ]);
      batch(name, ['link set lo up', `addr add ${addressOf(node)}/24 dev eth0`, 'link set eth0 up']);
      nodes.push(new RealNode(trace, node, { lan, name, directory: join(directory, String(node)) }));
    }
    return await perform(trace, nodes);
  } finally {
    for (const node of nodes) node.close();
    await Promise.all(nodes.map((node) => node.ended));
    for (const name of names) ip('netns', 'del', name);
    rmSync(directory, { recursive: true, force: true });
  }
}

async function perform(trace: Trace, nodes: readonly RealNode[]): Promise<Played> {
  const beganMs = performance.now();
  const now = () => performance.now() - beganMs;
  let lagMs = 0;
  let beforeMs = now();
  const lag = setInterval(() => {
    if (now() > comparedFromMs) lagMs = Math.max(lagMs, now() - beforeMs - 10);
    beforeMs = now();
  }, 10);
  for (const node of nodes) node.begin(now);
  const atMs: number[] = [];
  for (const { atMs: due, node, deed } of trace.events) {
    await sleep(Math.max(0, due - now()));
    atMs.push(now());
    nodes[node]?.do(deed);
  }
  await sleep(Math.max(0, trace.endMs - now()));
  clearInterval(lag);
  return { timelines: nodes.map(({ timeline }) => timeline), atMs, lagMs };
}

const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
const batch = (name: string, lines: readonly string[]) =>
  execFileSync('ip', ['-n', name, '-batch', '-'], {
    input: `${lines.join('\n')}\n`,
    stdio: ['pipe', 'ignore', 'pipe'],
  });

class RealNode {
  readonly timeline: { atMs: number; state: Shown }[] = [];
  ended: Promise<unknown> = Promise.resolve();
  readonly #node: number;
  readonly #place: { readonly lan: string; readonly name: string; readonly directory: string };
  #instance: AssignedInstance;
  #process: ChildProcess | undefined;
  #now: () => number = () => 0;
  #reader: { destroy(): unknown } | undefined;

  constructor(trace: Trace, node: number, place: { lan: string; name: string; directory: string }) {
    this.#node = node;
    this.#place = place;
    this.#instance = firstInstance(trace, node);
    for (const dir of ['', 'pause', 'live']) mkdirSync(join(place.directory, dir), { recursive: true });
    this.#write('pause/web', '0\n');
    this.#write('live/web', '0\n');
  }

  #write(file: string, text: string): void {
    writeWhole(join(this.#place.directory, file), text);
  }

  begin(now: () => number): void {
    this.#now = now;
    const fifo = join(this.#place.directory, 'notify');
    ensureFifo(fifo);
    const reader = readLines(
      openReadWrite(fifo),
      (line) => {
        const event = parseFifoLine(line);
        if (event.kind !== 'state' || event.state === 'INIT') return;
        this.#show(event.state === 'STOP' ? 'GONE' : event.state);
      },
      () => undefined,
    );
    this.#reader = reader;
    this.#start();
  }

  #show(state: Shown): void {
    if (this.timeline.at(-1)?.state !== state) this.timeline.push({ atMs: this.#now(), state });
  }

  #install(): void {
    this.#write('keepalived.conf', render(viewOf(this.#instance, this.#place.directory)));
  }

  #start(): void {
    if (this.#process) return;
    this.#install();
    const { directory, name } = this.#place;
    const files = ['-f', 'keepalived.conf', '-p', 'pid', '-r', 'vrrp.pid'].map((word) =>
      word.startsWith('-') ? word : join(directory, word),
    );
    const command = [`--net=/run/netns/${name}`, '--', 'keepalived', '-n', '-l', '-D', '-G', '-P', ...files];
    for (const file of ['pid', 'vrrp.pid']) rmSync(join(directory, file), { force: true });
    const child = spawn('nsenter', command, { stdio: 'ignore' });
    this.#process = child;
    this.ended = new Promise((resolve) =>
      child.on('close', () => {
        if (this.#process === child) this.#process = undefined;
        resolve(undefined);
      }),
    );
  }

  do(deed: Deed): void {
    switch (deed.kind) {
      case 'start':
        this.#start();
        break;
      case 'stop':
        this.#process?.kill('SIGTERM');
        break;
      case 'kill':
        if (this.#process) this.#show('GONE');
        this.#kill();
        break;
      case 'pause':
      case 'resume':
        this.#write('pause/web', deed.kind === 'pause' ? '1\n' : '0\n');
        break;
      case 'live':
        this.#write('live/web', `${deed.value}\n`);
        break;
      case 'link-up':
      case 'link-down': {
        const up = deed.kind === 'link-up';
        batch(this.#place.lan, [`link set v${this.#node} ${up ? 'up' : 'down'}`]);
        // A question that was lost with the link would hold adverts up (agent/neighbours.ts).
        if (up) batch(this.#place.name, ['neigh flush dev eth0']);
        break;
      }
      case 'reload':
        this.#instance = changed(this.#instance, deed.change);
        this.#install();
        this.#process?.kill('SIGHUP');
        break;
    }
  }

  /** The parent would respawn the child. */
  #kill(): void {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    for (const each of [pid, ...children.map(Number)]) process.kill(each, 'SIGKILL');
    this.#process = undefined;
  }

  close(): void {
    this.#kill();
    this.#reader?.destroy();
  }
}
