// The state of every instance, from the notify FIFO; set right by dumps where the FIFO is silent (a reload writes
// nothing for a MASTER, and a restarted agent has missed what was said meanwhile).
import type { Log } from '../shared/io/log.ts';
import { parseFifoLine } from './core/fifo.ts';
import type { Change } from './core/history.ts';
import type { InstanceState } from './core/report.ts';
import type { Dump } from './io/dump.ts';

export interface VrrpStates {
  readLine(line: string): void;
  /** Takes a dump, and believes it except where the FIFO has spoken since. False: there was no dump. */
  resync(dump: () => Promise<Dump | undefined>): Promise<boolean>;
  /** The reload that follows lets an instance go on under another name. */
  rename(from: string, to: string): void;
  keepOnly(names: ReadonlySet<string>): void;
  current(): ReadonlyMap<string, InstanceState>;
  counters(): { readonly unknownLines: number; readonly lowerMasters: number };
}

export function createVrrpStates(deps: {
  readonly log: Log;
  readonly wallNow: () => number;
  /** keepalived has said so, or a dump has shown it to be otherwise than known. */
  readonly onState: (change: Change, source: 'fifo' | 'dump') => void;
  /** It hears a second master, of lower priority. Can flood. */
  readonly onConflict: (name: string) => void;
  readonly onChange: () => void;
}): VrrpStates {
  const { log, wallNow, onChange } = deps;
  const states = new Map<string, InstanceState>();
  /** Counts FIFO lines per instance. */
  const lines = new Map<string, number>();
  const counters = { unknownLines: 0, lowerMasters: 0 };

  const set = (
    source: 'fifo' | 'dump',
    name: string,
    next: InstanceState['state'],
    priority: number,
    sinceMs = wallNow(),
  ) => {
    const known = states.get(name);
    if (known?.state === next && known.priority === priority) return;
    states.set(name, { state: next, sinceMs: known?.state === next ? known.sinceMs : sinceMs, priority });
    if (known?.state !== next) {
      const change = { group: name, from: known?.state ?? 'INIT', to: next, priority };
      // At once; the one line for people comes with the reason (history.ts).
      log.debug({ event: 'vrrp-state', ...change }, 'VRRP state');
      deps.onState({ ...change, atMs: sinceMs }, source);
    }
    onChange();
  };

  return {
    readLine(line) {
      const event = parseFifoLine(line);
      if (event.kind === 'unknown') {
        counters.unknownLines += 1;
        log.debug({ event: 'fifo-unknown', line: line.slice(0, 200) }, 'unknown line in the notify FIFO');
        return;
      }
      if (event.kind === 'lower-master') {
        counters.lowerMasters += 1;
        deps.onConflict(event.name);
        return;
      }
      lines.set(event.name, (lines.get(event.name) ?? 0) + 1);
      if (event.kind === 'deleted') {
        states.delete(event.name);
        onChange();
      } else if (event.kind === 'state') set('fifo', event.name, event.state, event.priority);
      else set('fifo', event.name, states.get(event.name)?.state ?? 'INIT', event.priority);
    },
    async resync(dump) {
      const before = new Map(lines);
      const routers = await dump();
      for (const router of routers ?? []) {
        if (lines.get(router.name) !== before.get(router.name)) continue;
        set(
          'dump',
          router.name,
          router.state,
          router.effectivePriority,
          router.lastTransitionMs ?? undefined,
        );
      }
      return routers !== undefined;
    },
    rename(from, to) {
      const state = states.get(from);
      if (state) states.set(to, state);
      states.delete(from);
      onChange();
    },
    keepOnly(names) {
      for (const name of [...states.keys()]) if (!names.has(name)) states.delete(name);
      for (const name of [...lines.keys()]) if (!names.has(name)) lines.delete(name);
      onChange();
    },
    current: () => states,
    counters: () => counters,
  };
}
