// `npm run bench -- load`: is the default interval long enough? For each interval a group of three real agents under busy
// loops that take every core, probed all the time: nothing fails, so every change of state is a false one.
import { type ChildProcess, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, bringUp, createBench, eventsOf } from '../agent/bench.ts';
import { type ProbeResult, probe, vip, watchAddresses } from '../agent/witness.ts';

const members = 3;
/** Between the first load and the first look: starting the loops is a load of its own. */
const settleMs = 3_000;

export interface LoadFigure extends ProbeResult {
  readonly intervalMs: number;
  readonly loops: number;
  /** Changes of VRRP state that agents saw. */
  readonly transitions: number;
  /** Times that a kernel got or lost the address. */
  readonly moves: number;
}

/** One interval. @param loopsPerCore busy loops for each core */
export async function measureLoad(
  intervalMs: number,
  loopsPerCore: number,
  minutes: number,
  signal: AbortSignal,
): Promise<LoadFigure> {
  const bench = await createBench(members);
  const loops: ChildProcess[] = [];
  try {
    await bench.peer.start();
    for (const host of bench.hosts) host.start({ LOG_LEVEL: 'info' });
    await bringUp(bench.hosts, 1, { intervalMs });
    const count = loopsPerCore * availableParallelism();
    for (let loop = 0; loop < count; loop += 1) loops.push(busyLoop(minutes));
    await sleep(settleMs, undefined, { signal });
    const seen = transitionsOf(bench);
    const addresses = bench.hosts.map((host) => watchAddresses(bench, host));
    const pings = await probe(bench);
    await sleep(minutes * 60_000, undefined, { signal });
    const probed = await pings.stop();
    const moves = (await Promise.all(addresses.map((watch) => watch.stop())))
      .flat()
      .filter((line) => line.includes(` ${vip}/32 `)).length;
    const dead = loops.filter((loop) => loop.exitCode !== null || loop.signalCode !== null).length;
    if (dead > 0)
      throw new Error(`${dead} of ${count} busy loops ended too early: the load was not what it says`);
    return { ...probed, intervalMs, loops: count, transitions: transitionsOf(bench) - seen, moves };
  } finally {
    for (const loop of loops) loop.kill('SIGKILL');
    await bench.close();
  }
}

const transitionsOf = (bench: Bench) =>
  bench.hosts.reduce((sum, host) => sum + eventsOf(host, 'transition').length, 0);

/** Ends with us, even after kill -9, and by itself if all else fails. */
function busyLoop(minutes: number): ChildProcess {
  const limit = String(Math.ceil(minutes * 60 + 60));
  // One process, which the kernel ends at its limit of CPU time: it uses no more than that, however long it lives.
  const command = [
    '--pdeathsig',
    'KILL',
    '--',
    'prlimit',
    `--cpu=${limit}`,
    'sh',
    '-c',
    'while :; do :; done',
  ];
  return spawn('setpriv', command, { stdio: 'ignore' });
}

const columns = [
  'interval ms',
  'loops',
  'state changes',
  'address moves',
  'probes',
  'lost',
  'gap ms',
  'control ms',
];
export const loadHeader = columns.map((name) => name.padStart(15)).join('');

export function loadRow(figure: LoadFigure): string {
  const { intervalMs, loops, transitions, moves, sent, lost, longestGapMs, controlGapMs } = figure;
  const gaps = [longestGapMs, controlGapMs].map((ms) => Math.round(ms));
  return [intervalMs, loops, transitions, moves, sent, lost, ...gaps]
    .map((value) => String(value).padStart(15))
    .join('');
}
