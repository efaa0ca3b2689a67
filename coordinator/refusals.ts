// Who was refused, counted by kind for the metrics and told to the log: a flood makes a line now and then, not a flood.
import type { Log } from '../shared/io/log.ts';
import { type Refusal, type RefusalKind, refusalKinds } from './core/refusal.ts';

const silenceMs = 10_000;
const mostKnown = 1_000;

export interface Refusals {
  add(address: string, refusal: Refusal, kind: RefusalKind): void;
  counts(): ReadonlyMap<RefusalKind, number>;
}

export function createRefusals(log: Log, now: () => number): Refusals {
  const counts = new Map<RefusalKind, number>(refusalKinds.map((kind) => [kind, 0]));
  let said = new Map<string, { atMs: number; unsaid: number }>();
  return {
    add(address, refusal, kind) {
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
      const key = `${address} ${kind}`;
      const before = said.get(key);
      if (before && now() - before.atMs < silenceMs) {
        before.unsaid += 1;
        return;
      }
      if (said.size >= mostKnown) said = new Map();
      said.set(key, { atMs: now(), unsaid: 0 });
      const more = before?.unsaid ? { unsaid: before.unsaid } : {};
      log.warn({ event: 'agent-refused', address, kind, ...refusal, ...more }, 'connection refused');
    },
    counts: () => counts,
  };
}
