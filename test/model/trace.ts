// Random traces for a handful of keepaliveds on one LAN, and what the model makes of them. The same configuration goes
// to the model and to the real one (real-lan.ts).
import { type ConfigView, configView } from '../../agent/core/view.ts';
import type { AssignedInstance } from '../../shared/protocol.ts';
import { Keepalived, renderView } from './keepalived.ts';
import { randomFrom, VirtualTime } from './virtual-time.ts';
import type { Track } from './vrrp.ts';

export type Deed =
  | { readonly kind: 'pause' | 'resume' | 'kill' | 'stop' | 'start' | 'link-down' | 'link-up' }
  | { readonly kind: 'live'; readonly value: number }
  | { readonly kind: 'reload'; readonly change: Partial<AssignedInstance> };

export interface TraceEvent {
  readonly atMs: number;
  readonly node: number;
  readonly deed: Deed;
}

export interface Trace {
  readonly seed: number;
  readonly count: number;
  readonly priorities: readonly number[];
  readonly events: readonly TraceEvent[];
  readonly endMs: number;
}

export type Shown = 'GONE' | 'BACKUP' | 'MASTER' | 'FAULT';
/** When a node showed what, in order. */
export type Timeline = readonly { readonly atMs: number; readonly state: Shown }[];

const settleMs = 2_500;
/** Starting all of it takes a loaded machine a while. */
export const comparedFromMs = 2_000;
export const places = (dir: string) => ({
  hostname: 'trace',
  nodeId: 'trace',
  notifyFifo: `${dir}/notify`,
  pauseDir: `${dir}/pause`,
  liveDir: `${dir}/live`,
});

export function randomTrace(seed: number): Trace {
  const random = randomFrom(seed);
  const pick = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)] as T;
  const count = 2 + (seed % 2);
  const deed = (node: number): Deed => {
    const kind = pick([
      'pause',
      'resume',
      'resume',
      'live',
      'live',
      'kill',
      'stop',
      'start',
      'start',
      'link-down',
      'link-up',
      'link-up',
      'reload',
      'reload',
    ] as const);
    if (kind === 'live') return { kind, value: pick([0, -253, -30, 5, 40]) };
    if (kind !== 'reload') return { kind };
    const change: Partial<AssignedInstance>[] = [
      {},
      { priority: pick([210, 225, 245]) },
      { intervalMs: pick([100, 200, 300]) },
      { version: 2, intervalMs: 1000, password: 'first' as never },
      { version: 3, intervalMs: 200, password: undefined as never },
      { vrid: pick([51, 52]) as never },
      { peers: pick([[], othersOf(count, node)]) },
    ];
    return { kind, change: pick(change) };
  };
  const events: TraceEvent[] = [];
  for (let atMs = settleMs; events.length < 9; atMs += 150 + Math.floor(random() * 1500)) {
    const node = Math.floor(random() * count);
    events.push({ atMs, node, deed: deed(node) });
  }
  const endMs = (events.at(-1)?.atMs ?? settleMs) + 4_500;
  return { seed, count, priorities: [250, 240, 220].slice(0, count), events, endMs };
}

/** What node n of a trace runs at first. */
export const firstInstance = ({ count, priorities }: Trace, node: number): AssignedInstance => ({
  ...({
    group: 'web',
    vrid: 51,
    version: 3,
    intervalMs: 200,
    interface: 'eth0',
  } as const as AssignedInstance),
  source: addressOf(node),
  peers: othersOf(count, node),
  priority: priorities[node] ?? 100,
  addresses: ['10.99.0.100/32'],
  peersConfirmed: true,
});

const othersOf = (count: number, node: number): AssignedInstance['peers'] =>
  Array.from({ length: count }, (_, at) => at)
    .filter((at) => at !== node)
    .map((at) => ({ node: '' as never, address: addressOf(at) as never }));

export const addressOf = (node: number): string => `10.99.0.${node + 1}`;

export function viewOf(instance: AssignedInstance, dir: string): ConfigView {
  return configView([instance], places(dir));
}

export function changed(instance: AssignedInstance, change: Partial<AssignedInstance>): AssignedInstance {
  const next = { ...instance, ...change };
  if (next.password !== undefined) return next;
  const { password: _, ...without } = next;
  return without;
}

/** @param atMs when each event happened */
export async function playInModel(trace: Trace, atMs: readonly number[]): Promise<Timeline[]> {
  const time = new VirtualTime();
  const nodes = Array.from({ length: trace.count }, (_, node) => new ModelNode(trace, node, time));
  for (const node of nodes) node.others = nodes;
  for (const node of nodes) node.start();
  for (const [index, { node, deed }] of trace.events.entries()) {
    time.after(atMs[index] ?? 0, () => nodes[node]?.do(deed));
  }
  await time.runUntil(trace.endMs, () => undefined);
  return nodes.map(({ timeline }) => timeline);
}

class ModelNode {
  others: readonly ModelNode[] = [];
  readonly timeline: { atMs: number; state: Shown }[] = [];
  readonly #address: string;
  readonly #time: VirtualTime;
  readonly #track: Track = { paused: false, live: 0 };
  #instance: AssignedInstance;
  #linkUp = true;
  #keepalived: Keepalived | undefined;

  constructor(trace: Trace, node: number, time: VirtualTime) {
    this.#time = time;
    this.#address = addressOf(node);
    this.#instance = firstInstance(trace, node);
  }

  start(): void {
    if (this.#keepalived) return;
    const time = this.#time;
    const keepalived = new Keepalived({
      now: () => time.nowMs,
      after: (ms, run) => time.after(ms, run),
      linkUp: () => this.#linkUp,
      send: ({ config }, advert) => {
        for (const other of this.others) {
          if (!config.peers?.includes(other.#address)) continue;
          time.after(1, () => this.#linkUp && other.#linkUp && other.#keepalived?.receive(advert));
        }
      },
      changed: () => this.#show(),
      text: () => renderView(viewOf(this.#instance, '')),
      track: () => this.#track,
      say: () => undefined,
      log: () => undefined,
      gone: () => {
        if (this.#keepalived === keepalived) this.#keepalived = undefined;
        this.#show();
      },
    });
    this.#keepalived = keepalived;
  }

  #show(): void {
    const state: Shown = this.#keepalived?.routers()[0]?.state ?? 'GONE';
    if (this.timeline.at(-1)?.state !== state) this.timeline.push({ atMs: this.#time.nowMs, state });
  }

  do(deed: Deed): void {
    const look = () => this.#keepalived?.look();
    switch (deed.kind) {
      case 'start':
        this.start();
        break;
      case 'stop':
        this.#keepalived?.terminate();
        break;
      case 'kill':
        this.#keepalived?.die();
        break;
      case 'pause':
      case 'resume':
        this.#track.paused = deed.kind === 'pause';
        look();
        break;
      case 'live':
        this.#track.live = deed.value;
        look();
        break;
      case 'link-up':
      case 'link-down':
        this.#linkUp = deed.kind === 'link-up';
        look();
        break;
      case 'reload':
        this.#instance = changed(this.#instance, deed.change);
        this.#keepalived?.reload();
        break;
    }
  }
}

/** Where two timelines differ for longer than a transition may be early or late; undefined: nowhere. */
export function difference(a: Timeline, b: Timeline, endMs: number, toleranceMs: number): string | undefined {
  for (const [one, other, words] of [
    [a, b, 'first'],
    [b, a, 'second'],
  ] as const) {
    for (const [index, { atMs, state }] of one.entries()) {
      const untilMs = (one[index + 1]?.atMs ?? endMs) - toleranceMs;
      for (let at = Math.max(comparedFromMs, atMs + toleranceMs); at < untilMs; at += 20) {
        const found = other.findLast((each) => each.atMs <= at)?.state ?? 'GONE';
        if (found !== state) return `at ${Math.round(at)} ms ${state} in the ${words}, ${found} in the other`;
      }
    }
  }
  return undefined;
}
