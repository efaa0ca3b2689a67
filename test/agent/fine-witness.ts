// Eyes for planned moves, where a single packet counts: a probe each millisecond, and the kernels' own time stamps of
// every address that comes and goes.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_CONTROL_GAP_MS } from '../lab/judge.ts';
import type { Bench, Host } from './bench.ts';

export interface FineResult {
  readonly lost: number;
  /** The same for an untouched address at the same time: what the machine itself loses. */
  readonly controlLost: number;
  readonly longestGapMs: number;
  readonly controlGapMs: number;
  /** Longest time in which two hosts had the address at once. */
  readonly overlapMs: number;
  /** Who got and lost the address, in order: "+2 -1". */
  readonly moves: string;
}

/** A planned move: no loss, and no second holder, beyond what an untouched address has at the same time (test/lab/judge.ts). */
export function judgeLossless(t: TestContext, result: FineResult, unnoticedLoss = 2): void {
  t.diagnostic(JSON.stringify(result));
  const { lost, controlLost, longestGapMs, controlGapMs, overlapMs } = result;
  const noise = controlLost + Math.min(controlGapMs, MAX_CONTROL_GAP_MS);
  const unnoticed = lost <= unnoticedLoss + noise || longestGapMs <= controlGapMs;
  assert.ok(unnoticed, `lost ${lost}, control ${controlLost}`);
  assert.ok(overlapMs < 20, `two holders for ${overlapMs} ms`);
}

/** Probes from the LAN until stopped. */
export async function watchFinely(
  bench: Bench,
  address = '10.99.0.100',
  control = '10.99.0.2',
): Promise<{ stop(): Promise<FineResult> }> {
  const timelines = bench.hosts.map((host) => watchTimeline(bench, host, address));
  const target = fping(bench, address, ['chrt', '-f', '10']);
  const untouched = fping(bench, control, ['nice', '-n', '-15']);
  await sleep(250);
  const before = bench.hosts.flatMap((host, index) => (holds(host, address) ? [index + 1] : []));
  return {
    async stop() {
      await sleep(50);
      const [a, b] = await Promise.all([target.stop(), untouched.stop()]);
      const events = (await Promise.all(timelines.map((line) => line.stop())))
        .flatMap((list, index) => list.map((event) => ({ ...event, host: index + 1 })))
        .sort((x, y) => x.ms - y.ms);
      const holders = new Set(before);
      let overlapMs = 0;
      let sinceMs: number | null = null;
      const moves: string[] = [];
      for (const { ms, host, added } of events) {
        // A renewed lease is news to the kernel alone.
        if (holders.has(host) === added) continue;
        moves.push(`${added ? '+' : '-'}${host}`);
        if (added) holders.add(host);
        else holders.delete(host);
        if (sinceMs !== null) overlapMs = Math.max(overlapMs, ms - sinceMs);
        sinceMs = holders.size > 1 ? (sinceMs ?? ms) : null;
      }
      if (sinceMs !== null) overlapMs = Number.POSITIVE_INFINITY;
      return {
        lost: a.lost,
        controlLost: b.lost,
        longestGapMs: a.gapMs,
        controlGapMs: b.gapMs,
        overlapMs: Math.round(overlapMs * 100) / 100,
        moves: moves.join(' '),
      };
    },
  };
}

const holds = (host: Host, address: string) => host.held().some((held) => held.startsWith(`${address}/`));

function collect(child: ChildProcess) {
  let text = '';
  child.stdout?.on('data', (data) => {
    text += data;
  });
  const closed = new Promise((resolve) => child.on('close', resolve));
  return async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await closed;
    return text;
  };
}

/** fping, because ping slows down to 10 ms while nobody answers. */
function fping(bench: Bench, address: string, priority: readonly string[]) {
  const six = address.includes(':') ? '-6' : '-4';
  const command = [...priority, 'fping', six, '-l', '-D', '-p', '1', '-i', '0', '-t', '400', address];
  const end = collect(bench.spawnInLan(...command));
  return {
    async stop() {
      const text = await end('SIGINT');
      const answers = [...text.matchAll(/^\[(\d+\.\d+)\].*: \[(\d+)\], \d+ bytes/gm)];
      const numbers = answers.map(([, , number]) => Number(number));
      const times = answers.map(([, seconds]) => Number(seconds) * 1000);
      const gaps = times.slice(1).map((time, index) => time - (times[index] ?? time));
      // Begin and end are those of answers: the first probe may wait for ARP, the last one is under way.
      const sent = Math.max(...numbers) - Math.min(...numbers) + 1;
      return { lost: sent - numbers.length, gapMs: Math.max(0, ...gaps) };
    },
  };
}

function watchTimeline(bench: Bench, host: Host, address: string) {
  const end = collect(bench.spawnIn(host, 'ip', '-ts', '-o', 'monitor', 'address'));
  return {
    async stop() {
      const text = await end('SIGTERM');
      return text.split('\n').flatMap((line) => {
        const [, stamp] = /^\[([^\]]+)\]/.exec(line) ?? [];
        if (stamp === undefined || !line.includes(` ${address}/`) || / lo +inet/.test(line)) return [];
        const [whole = '', micros = '0'] = stamp.split('.');
        return [{ ms: Date.parse(`${whole}Z`) + Number(micros) / 1000, added: !line.includes('Deleted') }];
      });
    },
  };
}
