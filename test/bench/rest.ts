// `npm run bench -- rest`: what an agent costs while nothing happens. Three agents, each leading one of three groups, each
// with an HTTP check for every group, each connected to three managers; no Docker socket.
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import type { Check } from '../../shared/checks.ts';
import type { AssignedInstance } from '../../shared/protocol.ts';
import { GroupName, Vrid } from '../../shared/words.ts';
import { type Bench, createBench, type Host, instanceFor, key, until } from '../agent/bench.ts';
import { coreShare, type Usage, usageOf } from './processes.ts';

const root = new URL('../..', import.meta.url).pathname;
const members = 3;
/** What the checks ask. In the LAN, so that its own work is nobody's figure. */
const backend = `require('http').createServer((q, r) => r.end('alive')).listen(8080, () => console.log('listening'))`;
/** Beside the one that gives orders. */
const standbyPorts = [9167, 9168];
/** Until start, joining and the first look for foreign holders are over. */
const settleMs = 15_000;

const check = {
  kind: 'http',
  name: 'web',
  url: 'http://10.99.0.254:8080/',
  method: 'GET',
  headers: {},
  status: [[200, 299]] as [number, number][],
  // As groups.yaml has it by default.
  timing: { intervalMs: 2000, jitterMs: 200 },
  timeoutMs: 1000,
  rise: 2,
  fall: 3,
} satisfies Check;

export interface RestFigure {
  readonly host: string;
  readonly name: string;
  readonly rssMb: number;
  readonly ownPercent: number;
  readonly childrenPercent: number;
}

/** @param seconds how long to measure; what it takes to get there comes on top */
export async function measureRest(seconds: number, signal: AbortSignal): Promise<RestFigure[]> {
  const bench = await createBench(members);
  const standbys: ChildProcess[] = [];
  try {
    await bench.peer.start();
    for (const port of standbyPorts) standbys.push(standby(bench, port));
    await Promise.all(standbys.map(listening));
    await listening(bench.spawnInLan(process.execPath, '-e', backend));
    await begin(bench);
    await sleep(settleMs, undefined, { signal });
    const processes = bench.hosts.flatMap(processesOf);
    const before = processes.map(({ pid }) => usageOf(pid));
    const beganMs = performance.now();
    await sleep(seconds * 1000, undefined, { signal });
    const elapsedMs = performance.now() - beganMs;
    return processes.map(({ host, name, pid }, index) => {
      const after = usageOf(pid);
      const used = (of: (usage: Usage) => number) => of(after) - of(before[index] ?? after);
      return {
        host,
        name,
        rssMb: after.rssKb / 1024,
        ownPercent: coreShare(
          used(({ ownMs }) => ownMs),
          elapsedMs,
        ),
        childrenPercent: coreShare(
          used(({ childrenMs }) => childrenMs),
          elapsedMs,
        ),
      };
    });
  } finally {
    for (const child of standbys) child.kill('SIGKILL');
    await bench.close();
  }
}

async function begin(bench: Bench): Promise<void> {
  const coordinators = ['10.99.0.254', ...standbyPorts.map((port) => `10.99.0.254:${port}`)].join(',');
  for (const host of bench.hosts) host.start({ COORDINATORS: coordinators, LOG_LEVEL: 'info' });
  await until('all agents report', () => bench.hosts.every((host) => host.report()));
  for (const host of bench.hosts)
    host.assign(
      1,
      bench.hosts.map((_, group) => instanceOf(bench, host, group)),
    );
  await until('each leads its group, and all checks pass', () =>
    bench.hosts.every((host, index) =>
      host
        .report()
        ?.instances.every(
          ({ state, pause, checks }, group) =>
            pause === null &&
            state === (group === index ? 'MASTER' : 'BACKUP') &&
            checks?.every(({ up }) => up),
        ),
    ),
  );
}

/** Group number `group` is led by the host of that number. */
function instanceOf(bench: Bench, host: Host, group: number): AssignedInstance {
  const order = [...bench.hosts.slice(group), ...bench.hosts.slice(0, group)];
  return instanceFor(host, order, {
    group: v.parse(GroupName, `group-${group + 1}`),
    vrid: v.parse(Vrid, 51 + group),
    addresses: [`10.99.0.${100 + group}/32`],
    checks: [check],
  });
}

/** A manager that gets every report and assigns nothing. */
function standby(bench: Bench, port: number): ChildProcess {
  const peer = `${root}test/agent/peer.ts`;
  const manager = String(port).padEnd(25, 's');
  // Its input stays open: at the end of it a peer ends.
  return spawn(
    'nsenter',
    [`--net=/run/netns/${bench.lan}`, '--', process.execPath, '--import', 'tsx', peer].concat([
      '10.99.0.254',
      String(port),
      key,
      '10.99.0.254',
      manager,
    ]),
    { stdio: ['pipe', 'pipe', 'inherit'], cwd: root },
  );
}

const listening = (child: ChildProcess) =>
  new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('close', () => reject(new Error('a server of the bench ended at its start')));
  });

function processesOf(host: Host): { host: string; name: string; pid: number }[] {
  const { init, agent, keepalived, lease } = host.pids();
  const [parent, vrrp] = keepalived;
  const named = {
    node: agent,
    'keepalived, parent': parent,
    'keepalived, vrrp': vrrp,
    'lease.pl': lease,
    init,
  };
  return Object.entries(named).map(([name, pid]) => {
    if (!pid) throw new Error(`${host.name} has no process "${name}"`);
    return { host: host.address, name, pid };
  });
}

/** Two columns of CPU: the process itself, and the short-lived children that it has waited for. */
export function restTable(figures: readonly RestFigure[]): string[] {
  const cells = (host: string, name: string, rss: string, own: string, children: string) =>
    `${host.padEnd(12)}${name.padEnd(20)}${rss.padStart(8)}${own.padStart(12)}${children.padStart(12)}`;
  return [
    cells('host', 'process', 'RSS MB', '% of a core', 'children'),
    ...figures.map(({ host, name, rssMb, ownPercent, childrenPercent }) =>
      cells(host, name, rssMb.toFixed(1), ownPercent.toFixed(3), childrenPercent.toFixed(3)),
    ),
  ];
}
