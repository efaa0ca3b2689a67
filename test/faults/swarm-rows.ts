// What befalls Swarm: its engines, its managers, what it told the nodes.
import { setTimeout as delay } from 'node:timers/promises';
import { define } from '../demo/live-steps.ts';
import { calm, unlabel } from '../demo/stage.ts';
import { until } from '../lab/run.ts';
import { agentsBack, connected, done, onAll, redefined, replaced, restored } from './acts.ts';
import { failover, type Row, replacement, soak, survived, unnoticed } from './row.ts';

export const swarmRows: readonly Row[] = [
  {
    name: 'old-assignment',
    title: 'a node returns with an old assignment, after the group has lost it and changed its router id',
    prepare: async (stage) => {
      await redefined(stage);
      await stage.lab.chaos('power-off', 'node3');
      await unlabel(stage.lab, 'node3');
      await done(stage, 'confirm-down', 'node3', '--yes');
      await define(stage, () => ({ router_id: 77 }), ['node1', 'node2']);
    },
    act: async (stage) => {
      await stage.lab.chaos('boot', 'node3');
      await until('node3 to be heard', () => connected(stage, 'node3'), { timeoutMs: 60_000, everyMs: 200 });
      await delay(3_000);
    },
    mend: redefined,
    holder: 'node1',
    bound: unnoticed,
  },
  {
    name: 'engine-stopped',
    title: 'every engine stands still for a minute',
    prepare: calm,
    act: async (stage, { minuteMs } = soak) => {
      await onAll(stage, 'stop-engine');
      await delay(minuteMs);
      await onAll(stage, 'start-engine');
      await agentsBack(stage);
    },
    mend: restored,
    holder: 'node1',
    bound: unnoticed,
  },
  survived(
    'engine-restarted',
    'the holder’s engine is restarted in good order',
    'restart-engine',
    failover,
    replaced,
  ),
  survived(
    'engine-killed',
    'the holder’s engine is killed and started again',
    'kill-engine',
    replacement,
    replaced,
  ),
  {
    name: 'no-coordinator',
    title: 'no coordinator lives for a minute',
    prepare: calm,
    act: async (stage, { minuteMs } = soak) => {
      const end = performance.now() + minuteMs;
      while (performance.now() < end) {
        await onAll(stage, 'kill-coordinator').catch(() => undefined);
        await delay(1_000);
      }
      await agentsBack(stage);
    },
    holder: 'node1',
    bound: unnoticed,
  },
];
