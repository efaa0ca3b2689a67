// What befalls Swarm: its engines, its managers, what it told the nodes.
import { setTimeout as delay } from 'node:timers/promises';
import { define } from '../demo/live-steps.ts';
import { calm, type Stage, three, unlabel } from '../demo/stage.ts';
import { until } from '../lab/run.ts';
import { agentsBack, connected, done, led, onAll, redefined, replaced, restored } from './acts.ts';
import { failover, type Row, replacement, soak, survived, unnoticed } from './row.ts';

/** node3 is off and knows nothing of it: the group has lost it as a member and changed its virtual router id. */
async function outdated(stage: Stage): Promise<void> {
  await redefined(stage);
  await stage.lab.chaos('power-off', 'node3');
  await led(stage);
  await unlabel(stage.lab, 'node3');
  await done(stage, 'confirm-down', 'node3', '--yes');
  await define(stage, () => ({ router_id: 77 }), ['node1', 'node2']);
}

async function keepalivedOf({ lab }: Stage, node: string): Promise<boolean> {
  return (await lab.exec(node, ['pgrep', '-x', 'keepalived'])).code === 0;
}

export const swarmRows: readonly Row[] = [
  {
    name: 'old-assignment',
    title: 'a node returns with an old assignment, after the group has lost it and changed its router id',
    prepare: outdated,
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
    name: 'old-assignment-alone',
    title: 'the same, and no coordinator lives: the node goes by what it was told last',
    prepare: outdated,
    act: async (stage) => {
      let over = false;
      const silence = (async () => {
        while (!over) {
          for (const node of three) await stage.lab.chaos('kill-coordinator', node).catch(() => undefined);
          await delay(100);
        }
      })();
      try {
        await stage.lab.chaos('boot', 'node3');
        const runs = async () => (await keepalivedOf(stage, 'node3')) || undefined;
        await until('node3 to run keepalived', runs, {
          timeoutMs: 60_000,
          everyMs: 200,
          signal: stage.signal,
        });
        // Longer than the pause of a joiner that hears nobody and is answered by nobody.
        await delay(6_000, undefined, { signal: stage.signal });
      } finally {
        over = true;
        await silence;
      }
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
