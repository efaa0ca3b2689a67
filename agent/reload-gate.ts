// Runs the reload gate (core/gate.ts): takes dumps until every backup has heard its holder just now.
import { setTimeout as sleep } from 'node:timers/promises';
import type { AssignedInstance } from '../shared/protocol.ts';
import { beginGate, type GateSample, stepGate } from './core/gate.ts';
import { continued } from './core/view.ts';
import type { Dump } from './io/dump.ts';

export interface ReloadGate {
  /** Calls `onOpen` once, unless closed before. */
  watch(): Promise<void>;
  close(): void;
}

const samplePeriodMs = 200;
/** Without any dump nothing is known; by then a late reload is the lesser evil. */
const blindLimitMs = 10_000;

export function createReloadGate(deps: {
  readonly dump: () => Promise<Dump | undefined>;
  readonly running: () => readonly AssignedInstance[];
  readonly wanted: () => readonly AssignedInstance[];
  readonly isPaused: (group: string) => boolean;
  readonly now: () => number;
  readonly onOpen: () => void;
}): ReloadGate {
  let round = 0;

  const samples = (routers: Dump): GateSample[] => {
    const running = deps.running();
    const kept = new Set(deps.wanted().map((instance) => continued(instance, running)));
    return running
      .filter((instance) => kept.has(instance))
      .flatMap((instance) => {
        const router = routers.find((candidate) => candidate.name === instance.group);
        if (!router) return [];
        const { group: name, intervalMs } = instance;
        const { advert_rcvd: advertsReceived = 0, pri_zero_rcvd: resignations = 0 } = router.stats;
        const { state } = router;
        return [{ name, state, paused: deps.isPaused(name), advertsReceived, resignations, intervalMs }];
      });
  };

  return {
    async watch() {
      round += 1;
      const mine = round;
      let gate = beginGate(deps.now());
      while (mine === round) {
        const routers = await deps.dump();
        if (mine !== round) return;
        const step = stepGate(gate, samples(routers ?? []), deps.now());
        gate = step.gate;
        if (routers ? step.open : deps.now() - gate.beganMs > blindLimitMs) return deps.onOpen();
        await sleep(samplePeriodMs);
      }
    },
    close() {
      round += 1;
    },
  };
}
