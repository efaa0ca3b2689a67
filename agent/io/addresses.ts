// The kernel's addresses: one reader for reports, held addresses and sweeping; changes arrive from `ip monitor`.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import type { Log } from '../../shared/io/log.ts';
import { canonicalAddress, InterfaceName } from '../../shared/words.ts';
import type { PlacedAddress } from '../core/anchor.ts';
import {
  defaultRouteInterface,
  gatewaysByInterface,
  isRenewal,
  type KernelInterface,
  removedAddress,
} from '../core/kernel.ts';
import { createLineSplitter } from './lines.ts';
import { run, spawnTied } from './run.ts';

const Links = v.array(
  v.object({
    ifname: v.optional(v.string(), ''),
    flags: v.optional(v.array(v.string()), []),
    address: v.optional(v.string()),
    addr_info: v.optional(
      v.array(
        v.object({
          local: v.optional(v.string(), ''),
          prefixlen: v.optional(v.number(), 0),
          scope: v.optional(v.string(), ''),
        }),
      ),
      [],
    ),
  }),
);

/** Undefined when `ip` failed: an empty list would mean "no interface at all". */
export async function readKernel(): Promise<KernelInterface[] | undefined> {
  const { code, stdout } = await run('ip', ['-j', 'addr'], 5_000);
  if (code !== 0) return undefined;
  let raw: unknown;
  try {
    raw = JSON.parse(stdout);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const parsed = v.safeParse(Links, raw);
  if (!parsed.success) return undefined;
  const { byDefault, gateways } = await readRoutes();
  return parsed.output
    .filter((link) => v.is(InterfaceName, link.ifname))
    .map((link) => ({
      name: link.ifname,
      up: link.flags.includes('UP') && link.flags.includes('LOWER_UP'),
      loopback: link.flags.includes('LOOPBACK'),
      defaultRoute: link.ifname === byDefault,
      ...(link.address === undefined ? {} : { mac: link.address }),
      gateways: gateways.get(link.ifname) ?? [],
      addresses: link.addr_info.flatMap((entry) => {
        const address = canonicalAddress(entry.local);
        return address === undefined
          ? []
          : [{ address, prefix: entry.prefixlen, linkLocal: entry.scope === 'link' }];
      }),
    }));
}

/** Files, not `ip route`: this is read whenever an address changes. A kernel without IPv6 lacks the second one. */
async function readRoutes(): Promise<{ byDefault: string | undefined; gateways: Map<string, string[]> }> {
  const tables = await Promise.allSettled(
    ['/proc/net/route', '/proc/net/ipv6_route'].map((path) => readFile(path, 'utf8')),
  );
  const [route4 = '', route6 = ''] = tables.map((read) => (read.status === 'fulfilled' ? read.value : ''));
  return {
    byDefault: defaultRouteInterface(route4, route6),
    gateways: gatewaysByInterface(route4, route6),
  };
}

/** The stricter of this and the interface's own counts: 1 drops what arrives where its answer would not leave. */
export function readRpFilter(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/conf/all/rp_filter', 'utf8'));
  } catch {
    // A kernel without IPv4 filters nothing.
    return 0;
  }
}

/** Removes exactly these, in one process; one that is gone already harms nobody. */
export async function removeAddresses(addresses: readonly PlacedAddress[]): Promise<void> {
  if (addresses.length === 0) return;
  const input = addresses.map((placed) => `addr del ${placed.address} dev ${placed.interface}\n`).join('');
  await run('ip', ['-force', '-batch', '-'], 10_000, { input });
}

export async function removeInterfaces(names: readonly string[]): Promise<void> {
  await run('ip', ['-force', '-batch', '-'], 10_000, {
    input: names.map((name) => `link del ${name}\n`).join(''),
  });
}

/** Puts addresses up that the kernel removes by itself, and that no packet of ours takes for its source. */
export async function addLeased(addresses: readonly PlacedAddress[], seconds: number): Promise<void> {
  if (addresses.length === 0) return;
  const input = leasedLines(addresses, seconds);
  const { code, stderr } = await run('ip', ['-force', '-batch', '-'], 10_000, { input });
  if (code !== 0) throw new Error(`ip addr replace: ${stderr.trim() || `exit code ${code}`}`);
}

function leasedLines(addresses: readonly PlacedAddress[], seconds: number): string {
  const lease = `valid_lft ${seconds} preferred_lft 0`;
  return addresses
    .map(({ address, interface: link }) => `addr replace ${address} dev ${link} ${lease}\n`)
    .join('');
}

/** An `ip` that has started already and waits for what to do, once. */
export interface WaitingIp {
  /** As the function of this name, without the time that a process takes to start. */
  addLeased(addresses: readonly PlacedAddress[], seconds: number): Promise<void>;
  /** It is not needed. */
  drop(): void;
}

export function startWaitingIp(): WaitingIp {
  const child = spawnTied('ip', ['-force', '-batch', '-'], null);
  child.stdout?.resume();
  child.stderr?.resume();
  const ended = new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(null));
    child.on('close', resolve);
  });
  return {
    async addLeased(addresses, seconds) {
      child.stdin?.end(leasedLines(addresses, seconds));
      if ((await ended) !== 0) await addLeased(addresses, seconds);
    },
    drop: () => void child.kill('SIGKILL'),
  };
}

export interface KernelWatch {
  /** The last reading; empty before the first. */
  current(): readonly KernelInterface[];
  /** Reads now and returns the result. */
  refresh(): Promise<readonly KernelInterface[]>;
  stop(): void;
}

/**
 * Events only say "look again"; a slow re-read covers lost ones.
 * @param onGone an address is said to have been removed; the reading that shows it comes 10 to 100 ms later
 */
export function watchKernel(
  log: Log,
  onChange: () => void,
  onGone: (gone: { interface: string; address: string }) => void,
): KernelWatch {
  let current: readonly KernelInterface[] = [];
  let text = '';
  let stopped = false;
  let dirty = false;
  let lookedMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<readonly KernelInterface[]> | undefined;

  const read = async () => {
    const next = await readKernel();
    if (next === undefined) {
      log.warn({ event: 'kernel-unreadable' }, 'ip -j addr failed; the last reading stands');
      return current;
    }
    const nextText = JSON.stringify(next);
    current = next;
    if (nextText !== text) {
      text = nextText;
      onChange();
    }
    return current;
  };
  const refresh = () => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
  const look = async () => {
    if (dirty) return;
    dirty = true;
    // An address change comes as a handful of lines: one reading for all of them. A host that starts a hundred
    // containers sends thousands: at most ten readings a second.
    await sleep(Math.max(10, lookedMs + 100 - performance.now()));
    lookedMs = performance.now();
    // A reading that began before the event may have missed it.
    await reading;
    dirty = false;
    if (!stopped) await refresh();
  };

  let child = spawnTied('ip', ['-o', 'monitor', 'link', 'address']);
  const heard = createLineSplitter((line) => {
    const gone = removedAddress(line);
    if (gone) onGone(gone);
    if (!isRenewal(line, current)) void look();
  });
  const listen = () => {
    child.stdout?.on('data', heard);
    child.stderr?.on('data', (data) =>
      log.debug({ event: 'ip-monitor', text: String(data) }, 'ip monitor says'),
    );
    child.on('error', (error) =>
      log.error({ event: 'ip-monitor-failed', error: error.message }, 'ip monitor failed'),
    );
    child.on('close', () => {
      if (stopped) return;
      setTimeout(() => {
        if (stopped) return;
        child = spawnTied('ip', ['-o', 'monitor', 'link', 'address']);
        listen();
        void look();
      }, 1000).unref();
    });
  };
  listen();
  const timer = setInterval(() => void look(), 15_000);

  return {
    current: () => current,
    refresh,
    stop() {
      stopped = true;
      clearInterval(timer);
      child.kill('SIGKILL');
    },
  };
}
