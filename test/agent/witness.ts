// Eyes outside the agent: probe packets to the address, and the kernels' addresses.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench, Host } from './bench.ts';

export interface ProbeResult {
  readonly sent: number;
  readonly lost: number;
  readonly longestGapMs: number;
}

export const vip = '10.99.0.100';
export const probePeriodMs = 5;

/** Pings from the LAN until stopped. The gap is the longest time between two answers. */
export async function probe(bench: Bench, address = vip): Promise<{ stop(): Promise<ProbeResult> }> {
  const child = bench.spawnInLan('ping', '-n', '-D', '-i', String(probePeriodMs / 1000), '-W', '1', address);
  let text = '';
  child.stdout?.on('data', (data) => {
    text += data;
  });
  const closed = new Promise((resolve) => child.on('close', resolve));
  await sleep(200);
  return {
    async stop() {
      child.kill('SIGINT');
      await closed;
      const answers = [...text.matchAll(/^\[(\d+\.\d+)\].*icmp_seq=(\d+)/gm)];
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

/** Every change of an address on the host's eth0 since the call, from the kernel. */
export function watchAddresses(bench: Bench, host: Host): { stop(): Promise<string[]> } {
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
      return text.split('\n').filter((line) => line !== '');
    },
  };
}
