// What befalls the processes of a node, and the address behind their back.
import { setTimeout as delay } from 'node:timers/promises';
import { calm, settled } from '../demo/stage.ts';
import { until } from '../lab/run.ts';
import { agentsBack, allRun, onAll, replaced, restored } from './acts.ts';
import {
  back,
  crash,
  failover,
  leased,
  lost,
  type Row,
  replacement,
  soak,
  survived,
  unnoticed,
} from './row.ts';

export const processRows: readonly Row[] = [
  {
    name: 'node-killed',
    title: 'the agent’s Node process is killed on every node at once, ten times',
    prepare: calm,
    act: async (stage, { kills } = soak) => {
      for (let round = 0; round < kills; round++) {
        await onAll(stage, 'kill-node-process');
        await until('every Node process to be back', () => allRun(stage), { timeoutMs: 20_000, everyMs: 50 });
      }
      await agentsBack(stage);
    },
    holder: 'node1',
    bound: unnoticed,
  },
  {
    name: 'node-stopped',
    title: 'the agent’s Node process stands still on every node at once, for a minute',
    prepare: calm,
    act: async (stage, { minuteMs } = soak) => {
      const end = performance.now() + minuteMs;
      // PID 1 replaces a process whose heart does not beat; the next one is stopped as well.
      while (performance.now() < end) {
        await onAll(stage, 'stop-node-process').catch(() => undefined);
        await delay(500);
      }
      await onAll(stage, 'continue-node-process').catch(() => undefined);
      await agentsBack(stage);
    },
    holder: 'node1',
    bound: unnoticed,
  },
  {
    name: 'node-killed-then-power',
    title: 'the Node process of a backup is killed, and at once the holder loses power',
    prepare: calm,
    act: async ({ lab }) => {
      await lab.chaos('kill-node-process', 'node2');
      await lab.chaos('power-off', 'node1');
    },
    mend: restored,
    holder: 'node2',
    bound: failover,
  },
  survived(
    'keepalived-parent',
    'the holder’s keepalived is killed: its parent',
    'kill-keepalived-parent',
    crash,
  ),
  survived(
    'keepalived-child',
    'the holder’s keepalived is killed: its child',
    'kill-keepalived-child',
    crash,
  ),
  survived('keepalived-both', 'the holder’s keepalived is killed: both processes', 'kill-keepalived', crash),
  survived(
    'container-killed',
    'the holder’s agent container is killed in one blow, the engine starts another',
    'kill-agent',
    replacement,
    replaced,
  ),
  lost(
    'container-and-engine',
    'the holder’s agent container is killed in one blow, and the engine is dead, too',
    ['stop-engine', 'kill-agent'],
    leased,
  ),
  lost('frozen', 'every process of the holder stands still, its kernel lives on', ['freeze'], leased),
  back('thawed', 'the former holder’s processes go on where they stood still', ['freeze', 'thaw'], {
    outageMs: 1_000,
    twoHoldersMs: 1_000,
  }),
  survived('address-removed', 'somebody removes the address from the holder by hand', 'remove-address', {
    outageMs: 1_000,
    twoHoldersMs: 0,
  }),
  {
    name: 'address-added',
    title: 'somebody adds the address to a backup by hand',
    prepare: calm,
    act: async (stage) => {
      await stage.lab.chaos('add-address', 'node2');
      await settled(stage, 'node1');
    },
    holder: 'node1',
    bound: { outageMs: 1_000, twoHoldersMs: 1_000 },
  },
];
