// Eyes outside the agent: probe packets to the address, and the kernels' addresses.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench, Host } from './bench.ts';

export interface ProbeResult {
  readonly sent: number;
  readonly lost: number;
  readonly longestGapMs: number;
  /** The same for an untouched address, at the same time: what the machine itself does to packets. */
  readonly controlGapMs: number;
}

export const vip = '10.99.0.100';
export const probePeriodMs = 5;

/** Pings from the LAN until stopped. The gap is the longest time between two answers. */
export async function probe(bench: Bench, address = vip): Promise<{ stop(): Promise<ProbeResult> }> {
  const measured = ping(bench, address);
  // The second host's own address: no test touches its link.
  const control = ping(bench, '10.99.0.2');
  await sleep(200);
  return {
    async stop() {
      const [{ sent, lost, longestGapMs }, { longestGapMs: controlGapMs }] = await Promise.all([
        measured.stop(),
        control.stop(),
      ]);
      return { sent, lost, longestGapMs, controlGapMs };
    },
  };
}

/** An outage against its bound, as everywhere in this project: the worst gap of the control probe counts as noise. */
export function judge(t: TestContext, result: ProbeResult, boundMs: number): void {
  const { longestGapMs, controlGapMs } = result;
  const words = `outage ${Math.round(longestGapMs)} ms, bound ${boundMs} ms, control ${Math.round(controlGapMs)} ms`;
  t.diagnostic(words);
  // Two probe periods: the last answer before and the first after.
  assert.ok(longestGapMs <= boundMs + controlGapMs + 2 * probePeriodMs + machineMs, words);
}
/** Two cores, several laboratories: a process may wait for its turn without a packet being late. */
const machineMs = 40;

function ping(bench: Bench, address: string) {
  const child = bench.spawnInLan('ping', '-n', '-D', '-i', String(probePeriodMs / 1000), '-W', '1', address);
  let text = '';
  child.stdout?.on('data', (data) => {
    text += data;
  });
  const closed = new Promise((resolve) => child.on('close', resolve));
  return {
    async stop() {
      child.kill('SIGINT');
      await closed;
      const answers = [...text.matchAll(/^\[(\d+\.\d+)\] \d+ bytes from .*icmp_seq=(\d+)/gm)];
      const times = answers.map(([, seconds]) => Number(seconds) * 1000);
      const gaps = times.slice(1).map((time, index) => time - (times[index] ?? time));
      // The last question may still be under way.
      const last = Number(answers.at(-1)?.[2] ?? 0);
      const sent = Math.max(last, Number(/(\d+) packets transmitted/.exec(text)?.[1] ?? 0) - 1);
      return { sent, lost: sent - Math.min(sent, answers.length), longestGapMs: Math.max(0, ...gaps) };
    },
  };
}

/** Samples the kernels' addresses all the time: how long two hosts held the address at once, in one stretch. */
export function watchHolders(hosts: readonly Host[], address = `${vip}/32`): { stop(): Promise<number> } {
  let running = true;
  let longestMs = 0;
  const loop = (async () => {
    let since: number | null = null;
    while (running) {
      const holders = hosts.filter((host) => host.held().includes(address)).length;
      const now = performance.now();
      since = holders > 1 ? (since ?? now) : null;
      if (since !== null) longestMs = Math.max(longestMs, now - since);
      await sleep(5);
    }
  })();
  return {
    async stop() {
      running = false;
      await loop;
      return longestMs;
    },
  };
}

/** Every address that came or went on the host since the call, from the kernel; on demand leases and renewals, too. */
export function watchAddresses(bench: Bench, host: Host, leases = false): { stop(): Promise<string[]> } {
  const child = bench.spawnIn(host, 'ip', '-o', 'monitor', 'address');
  let text = '';
  child.stdout?.on('data', (data) => {
    text += data;
  });
  const closed = new Promise((resolve) => child.on('close', resolve));
  return {
    async stop() {
      await sleep(50);
      child.kill('SIGTERM');
      await closed;
      // keepalived adds without a lease.
      return text
        .split('\n')
        .filter(
          (line) => line !== '' && (leases || line.startsWith('Deleted') || !line.includes(' dynamic ')),
        );
    },
  };
}
