// Who has the address: asked of the kernel in every node's namespace, outside of our own code. Event-driven
// (`ip monitor` with time stamps), so an address that two nodes had for a millisecond does not slip through.
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import * as v from 'valibot';
import { inCgroup } from './cgroups.ts';
import { type HolderReport, holdingOf, type NodeEvent } from './holding.ts';
import type { LabNames, NodeNames } from './names.ts';
import { namespaceOf } from './names.ts';
import { inNamespace } from './network.ts';
import { run } from './run.ts';
import { readJournal } from './state.ts';

export interface HolderSampler {
  /** The nodes that have the address now, are connected and are switched on. */
  now(): string[];
  /** From the start until now. */
  snapshot(): HolderReport;
  stop(): Promise<HolderReport>;
}

const LinkSchema = v.array(
  v.object({
    ifname: v.optional(v.string()),
    flags: v.optional(v.array(v.string()), []),
    addr_info: v.optional(
      v.array(v.object({ local: v.optional(v.string()), prefixlen: v.optional(v.number()) })),
      [],
    ),
  }),
);

/** `ip monitor` hands over what is in its pipe within this time; a verdict about "now" waits for it. */
const SETTLE_MS = 25;

export async function startHolderSampler(
  lab: LabNames,
  nodes: readonly NodeNames[],
  address: string,
): Promise<HolderSampler> {
  const events: NodeEvent[] = [];
  const children: ChildProcess[] = [];
  await Promise.all(nodes.map((node) => watch(lab, node.name, address, events, children)));
  const fromMs = Date.now();
  const names = nodes.map((node) => node.name);
  const report = (toMs: number): HolderReport => holdingOf(names, [...events, ...cuts(lab)], fromMs, toMs);
  return {
    now: () => report(Date.now()).now,
    snapshot: () => report(Date.now()),
    stop: async () => {
      const toMs = Date.now();
      await delay(SETTLE_MS);
      const result = report(toMs);
      for (const child of children) child.kill('SIGKILL');
      return result;
    },
  };
}

/** One look, without watching. */
export async function currentHolders(
  lab: LabNames,
  nodes: readonly NodeNames[],
  address: string,
): Promise<string[]> {
  const sampler = await startHolderSampler(lab, nodes, address);
  return (await sampler.stop()).now;
}

const cuts = (lab: LabNames): NodeEvent[] =>
  readJournal(lab)
    .filter(({ verb }) => verb === 'isolate' || verb === 'heal')
    .map(({ atMs, verb, node }) => ({ atMs, node, kind: 'cut', present: verb === 'isolate' }));

async function watch(
  lab: LabNames,
  node: string,
  address: string,
  events: NodeEvent[],
  children: ChildProcess[],
): Promise<void> {
  const command = inCgroup(
    lab,
    'guests',
    inNamespace(lab, node, ['ip', '-o', '-ts', 'monitor', 'address', 'link']),
  );
  const [file = '', ...args] = command;
  const monitor = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
    env: { ...process.env, TZ: 'UTC' },
  });
  children.push(monitor);
  let rest = '';
  monitor.stdout?.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = parseMonitorLine(line, node, address);
      if (event) events.push(event);
    }
  });
  await new Promise((resolve, reject) => {
    monitor.once('spawn', resolve);
    monitor.once('error', reject);
  });
  // The monitor joins its netlink groups within milliseconds of its start; then the present state is read. What
  // changes in between is seen by both, and saying a thing twice does no harm.
  await delay(30);
  const atMs = Date.now();
  const links = await run(['ip', '-n', namespaceOf(lab, node), '-j', 'addr', 'show']);
  for (const link of v.parse(LinkSchema, JSON.parse(links.stdout))) {
    if (link.ifname === 'eth0')
      events.push({ atMs, node, kind: 'link', present: link.flags.includes('LOWER_UP') });
    if (link.ifname === undefined || link.ifname === 'lo') continue;
    for (const { local, prefixlen } of link.addr_info) {
      if (local === address) {
        events.push({ atMs, node, kind: 'address', present: true, key: `${link.ifname}/${prefixlen}` });
      }
    }
  }
}

/** One line of `ip -o -ts monitor address link`, or undefined when it says nothing about the address or eth0. */
export function parseMonitorLine(line: string, node: string, address: string): NodeEvent | undefined {
  const found = line.match(/^\[([^\]]+)\] (Deleted )?\d+: ([^\s:@]+)(?:@\S+)?:? +(.*)$/);
  if (found === null) return undefined;
  const [, stamp = '', deleted, name = '', rest = ''] = found;
  const atMs = Date.parse(`${stamp}Z`);
  const inet = rest.match(/^inet6? ([^\s/]+)\/(\d+)/);
  if (inet !== null) {
    // On lo an address answers nobody: a pin of the agent, or a real server of LVS.
    if (inet[1] !== address || name === 'lo') return undefined;
    return { atMs, node, kind: 'address', present: deleted === undefined, key: `${name}/${inet[2]}` };
  }
  const flags = rest.match(/^<([^>]*)>/);
  if (flags === null || name !== 'eth0') return undefined;
  return {
    atMs,
    node,
    kind: 'link',
    present: deleted === undefined && (flags[1] ?? '').split(',').includes('LOWER_UP'),
  };
}
