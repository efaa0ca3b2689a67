// What befalls the service that the address is for: an HTTP backend on every node, checked by its node's agent. Judged by
// what clients of the service miss; the address itself goes on answering them.
import { define } from '../demo/live-steps.ts';
import { calm, type Stage, settled, three } from '../demo/stage.ts';
import { BACKEND_PORT, endBackend, startBackend, startServiceProbe } from '../lab/backend.ts';
import type { ChaosVerb } from '../lab/chaos.ts';
import { redefined } from './acts.ts';
import { type Row, V } from './row.ts';

const timing = { intervalMs: 500, jitterMs: 50, timeoutMs: 300, fall: 2 } as const;
/** The check is due, fails `fall` times in a row, the last time by its timeout; then VRRP moves the address. */
const checkedMs = timing.fall * (timing.intervalMs + timing.jitterMs) + timing.timeoutMs + V;

async function served(stage: Stage): Promise<void> {
  for (const node of three) await startBackend(stage.lab.names, node);
  await define(stage, () => ({
    checks: [
      {
        http: { url: `http://127.0.0.1:${BACKEND_PORT}/`, body: 'alive' },
        interval: `${timing.intervalMs}ms`,
        jitter: `${timing.jitterMs}ms`,
        timeout: `${timing.timeoutMs}ms`,
        rise: 2,
        fall: timing.fall,
      },
    ],
  }));
  await calm(stage);
}

const unserved = (name: string, title: string, verb: ChaosVerb): Row => ({
  name,
  title,
  prepare: served,
  watch: ({ lab }) => startServiceProbe(lab.names, lab.vip),
  act: async (stage) => {
    await stage.lab.chaos(verb, 'node1');
    await settled(stage, 'node2');
  },
  mend: async (stage) => {
    for (const node of three) endBackend(stage.lab.names, node);
    await redefined(stage);
  },
  holder: 'node2',
  bound: { outageMs: checkedMs, twoHoldersMs: 0 },
});

export const serviceRows: readonly Row[] = [
  unserved('check-fails', 'the service on the holder ends, and its check fails', 'kill-backend'),
  unserved('backend-hung', 'the service on the holder hangs: it accepts and never answers', 'stop-backend'),
];
