// keepalived's JSON dump: asked for by a signal, written to a file, not atomically.
import { readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import type { VrrpState } from '../../shared/protocol.ts';
import { run } from './run.ts';

const number = v.number();
const Router = v.object({
  data: v.object({
    iname: v.string(),
    ifp_ifname: v.optional(v.string(), ''),
    vrid: number,
    state: number,
    base_priority: number,
    effective_priority: number,
    last_transition: v.optional(number),
    garp_delay: v.optional(number, 0),
  }),
  stats: v.record(v.string(), v.unknown()),
});
/** A bare list up to 2.2.7; an object with `vrrp` from json_version 2 on. */
const DumpFile = v.union([v.array(Router), v.object({ vrrp: v.array(Router) })]);

export interface RouterDump {
  readonly name: string;
  readonly interface: string;
  readonly vrid: number;
  readonly state: VrrpState;
  readonly effectivePriority: number;
  readonly lastTransitionMs: number | null;
  readonly garpDelay: number;
  readonly stats: Readonly<Record<string, number>>;
}

export type Dump = readonly RouterDump[];

const states: readonly VrrpState[] = ['INIT', 'BACKUP', 'MASTER', 'FAULT'];

/** The signal that makes this build dump, or null when it was built without JSON. */
export async function jsonSignal(): Promise<number | null> {
  const { code, stdout } = await run('keepalived', ['--signum=JSON'], 5_000);
  const signal = Number(stdout.trim());
  return code === 0 && Number.isInteger(signal) && signal > 0 ? signal : null;
}

/** One dump at a time; those who ask meanwhile share it. Undefined: no process, or no readable file within a second. */
export function createDumper(
  file: string,
  signal: number | null,
  send: (signal: number) => boolean,
): () => Promise<Dump | undefined> {
  let running: Promise<Dump | undefined> | undefined;
  const dump = async () => {
    if (signal === null) return undefined;
    rmSync(file, { force: true });
    if (!send(signal)) return undefined;
    for (let attempt = 0; attempt < 50; attempt += 1) {
      await sleep(attempt < 10 ? 5 : 25);
      const parsed = readDump(file);
      if (parsed) return parsed;
    }
    return undefined;
  };
  return () => {
    running ??= dump().finally(() => {
      running = undefined;
    });
    return running;
  };
}

function readDump(file: string): Dump | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    // Not there yet, or half written: read again.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const parsed = v.safeParse(DumpFile, raw);
  if (!parsed.success) return undefined;
  const routers = Array.isArray(parsed.output) ? parsed.output : parsed.output.vrrp;
  return routers.map(({ data, stats }) => ({
    name: data.iname,
    interface: data.ifp_ifname,
    vrid: data.vrid,
    state: states[data.state] ?? 'INIT',
    effectivePriority: data.effective_priority,
    lastTransitionMs: data.last_transition ? Math.round(data.last_transition * 1000) : null,
    garpDelay: data.garp_delay,
    stats: Object.fromEntries(
      Object.entries(stats).filter((pair): pair is [string, number] => typeof pair[1] === 'number'),
    ),
  }));
}
