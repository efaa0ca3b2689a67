// `npm run bench -- scrape`: what a scrape costs, of an agent with that many groups and of a coordinator with three of
// them. The agent is the real one beside a real keepalived; the coordinator's answer is made of real plans and reports.
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { type AgentRecord, greeted, reported } from '../../coordinator/core/agents.ts';
import { beginCount } from '../../coordinator/core/hand-over-count.ts';
import { plan } from '../../coordinator/core/plan.ts';
import { status } from '../../coordinator/core/status.ts';
import { createMetrics } from '../../coordinator/io/metrics.ts';
import type { AssignedInstance } from '../../shared/protocol.ts';
import { GroupName, type NodeId, Vrid } from '../../shared/words.ts';
import { type Bench, createBench, type Host, instanceFor, nth, until } from '../agent/bench.ts';
import { config, id, node, report, running, service, snapshot } from '../coordinator/world.ts';
import { coreShare, usageOf } from './processes.ts';
import { quantile } from './table.ts';

export interface ScrapeFigure {
  readonly what: string;
  readonly groups: number;
  readonly series: number;
  readonly bytes: number;
  readonly medianMs: number;
  readonly worstMs: number;
  /** CPU time of the process that is scraped; what it uses at rest is taken off. */
  readonly cpuMs: number;
}

const settleMs = 5_000;
/** One after the other, by a process in the host's network: the time is that of the whole answer. */
const client = `
  const [, url, count] = process.argv;
  const times = [];
  let text = '';
  for (let n = 0; n < Number(count); n += 1) {
    const began = performance.now();
    text = await (await fetch(url)).text();
    times.push(performance.now() - began);
  }
  console.log(JSON.stringify({ times: times.slice(5), bytes: text.length, series: text.split('\\n').filter((line) => line && line[0] !== '#').length }));
`;
const Measured = v.object({ times: v.array(v.number()), bytes: v.number(), series: v.number() });

export async function measureAgentScrape(
  groups: number,
  scrapes: number,
  signal: AbortSignal,
): Promise<ScrapeFigure> {
  const bench = await createBench(2);
  try {
    await bench.peer.start();
    for (const host of bench.hosts) host.start({ LOG_LEVEL: 'info' });
    await until('both report', () => bench.hosts.every((host) => host.report()));
    for (const host of bench.hosts) host.assign(1, instances(bench, host, groups));
    const host = nth(bench, 1);
    await until('every group is held', () => host.held().length === groups, 60_000);
    // A dump has been taken, too.
    await sleep(15_000 + settleMs, undefined, { signal });
    const pid = host.pids().agent ?? 0;
    const restMs = await usedIn(pid, settleMs, signal);
    const began = performance.now();
    const before = usageOf(pid).ownMs;
    const text = host.exec(
      process.execPath,
      ...['--input-type=module', '-e', client, 'http://127.0.0.1:9165/metrics', String(scrapes)],
    );
    const used = usageOf(pid).ownMs - before;
    const rest = (restMs / settleMs) * (performance.now() - began);
    return figure('agent', groups, v.parse(Measured, JSON.parse(text)), (used - rest) / scrapes);
  } finally {
    await bench.close();
  }
}

const usedIn = async (pid: number, ms: number, signal: AbortSignal): Promise<number> => {
  const before = usageOf(pid).ownMs;
  await sleep(ms, undefined, { signal });
  return usageOf(pid).ownMs - before;
};

const instances = (bench: Bench, host: Host, groups: number): AssignedInstance[] =>
  Array.from({ length: groups }, (_, index) =>
    instanceFor(host, bench.hosts, {
      group: v.parse(GroupName, `group-${index + 1}`),
      vrid: v.parse(Vrid, 51 + index),
      addresses: [`10.99.0.${100 + index}/32`],
    }),
  );

/** Three members for each group; the document and the text are made anew, as for each scrape. */
export async function measureCoordinatorScrape(groups: number, scrapes: number): Promise<ScrapeFigure> {
  const names = Array.from({ length: groups }, (_, index) => `group-${index + 1}`);
  const file = names.map((name, index) => `  ${name}:\n    addresses: [10.0.0.${100 + index}]\n`).join('');
  const members = [1, 2, 3].map((n) => node(n, { 'swarm-vip.groups': names.join(',') }));
  const swarm = snapshot(members, [service({ KEEPALIVED_GROUP: '' })], [config(`groups:\n${file}`)]);
  const heard = new Map([1, 2, 3].map((n) => [id(n), { connected: true, report: report(n) }]));
  const { assignments } = plan(swarm, heard, 0);
  const agents = new Map<NodeId, AgentRecord>(
    [1, 2, 3].map((n) => {
      const hello = { type: 'hello', protocol: 1, node: id(n), hostname: `host${n}` } as const;
      const runs = (assignments.get(id(n)) ?? []).map((each) =>
        running(each, { state: each.priority === 250 ? 'MASTER' : 'BACKUP' }),
      );
      const record = greeted(undefined, { ...hello, agentVersion: '1', keepalivedVersion: '2.2.7' }, 0);
      return [id(n), reported(record, report(n, runs), 0)];
    }),
  );
  const current = plan(swarm, agents, 0);
  const metrics = createMetrics('1', () => new Map());
  const times: number[] = [];
  let text = '';
  const before = process.cpuUsage();
  for (let count = 0; count < scrapes; count += 1) {
    const began = performance.now();
    const document = status({
      ...{ self: id(1), version: '1', role: 'active', active: id(1), epoch: 1, snapshot: swarm },
      ...{ snapshotAgeMs: 0, snapshotError: undefined, agents, plan: current, nowMs: 0 },
    });
    if (document.groups.length !== groups) throw new Error(`the plan has ${document.groups.length} groups`);
    text = await metrics.render(document, beginCount(0), new Map());
    times.push(performance.now() - began);
  }
  const { user, system } = process.cpuUsage(before);
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
  const measured = { times: times.slice(5), bytes: text.length, series };
  return figure('coordinator', groups, measured, (user + system) / 1000 / scrapes);
}

function figure(
  what: string,
  groups: number,
  { times, bytes, series }: v.InferOutput<typeof Measured>,
  cpuMs: number,
): ScrapeFigure {
  const sorted = times.sort((a, b) => a - b);
  const [medianMs = Number.NaN, worstMs = Number.NaN] = [quantile(sorted, 0.5), sorted.at(-1)];
  return { what, groups, series, bytes, medianMs, worstMs, cpuMs };
}

/** The last column: what a Prometheus costs that asks every 5 s. */
export function scrapeTable(figures: readonly ScrapeFigure[]): string[] {
  const line = (cells: readonly string[]) =>
    cells.map((cell, at) => (at === 0 ? cell.padEnd(14) : cell.padStart(12))).join('');
  return [
    line(['scrape of', 'groups', 'series', 'kB', 'median ms', 'worst ms', 'CPU ms', '% at 5 s']),
    ...figures.map(({ what, groups, series, bytes, medianMs, worstMs, cpuMs }) =>
      line([
        what,
        ...[String(groups), String(series), (bytes / 1024).toFixed(1)],
        ...[medianMs.toFixed(1), worstMs.toFixed(1), cpuMs.toFixed(1), coreShare(cpuMs, 5_000).toFixed(3)],
      ]),
    ),
  ];
}
