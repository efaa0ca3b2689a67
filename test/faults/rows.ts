// The table of faults: what happens to the Swarm, and for how long clients may find no holder or two. Bounds are
// formulas of the timers, never figures of a machine.
import { setTimeout as delay } from 'node:timers/promises';
import { boot, calm, cli, ready, type Stage, settled, three } from '../demo/stage.ts';
import { boundMs, type Step } from '../demo/steps.ts';
import type { ChaosVerb } from '../lab/chaos.ts';
import type { Bound } from '../lab/judge.ts';
import { until } from '../lab/run.ts';

export interface Row extends Step {
  /** The same seconds of trouble, shortened for `npm test`; a soak takes the time that the title says. */
  act(stage: Stage, timing?: Timing): Promise<void>;
  /** Too long for `npm test`. */
  soakOnly?: boolean;
  /** Takes away what `act` has left behind; runs even when it fails. */
  mend?(stage: Stage): Promise<void>;
}

export interface Timing {
  /** How long a lasting fault lasts. */
  readonly minuteMs: number;
}

/** VRRP's bound for the death of the holder. */
const V = boundMs;
/** The whole of the agent's node runs again after that: Docker's restart of a container, our own of keepalived. */
const restartMs = 2_000;
const unnoticed: Bound = { outageMs: 2, lostProbes: 2, twoHoldersMs: 0 };
const failover: Bound = { outageMs: V, twoHoldersMs: 0 };

const onAll = async ({ lab }: Stage, verb: ChaosVerb): Promise<void> => {
  for (const node of three) await lab.chaos(verb, node);
};
const restored = async (stage: Stage): Promise<void> => {
  for (const verb of ['heal', 'link-up', 'thaw', 'restore-vrrp', 'lose-none', 'start-engine'] as const) {
    for (const node of three) await stage.lab.chaos(verb, node).catch(() => undefined);
  }
  await boot(stage);
};
const agentsBack = (stage: Stage) => ready(stage, three);

export const rows: readonly Row[] = [
  {
    name: 'link-down',
    title: 'the holder’s cable is pulled',
    prepare: calm,
    act: ({ lab }) => lab.chaos('link-down', 'node1'),
    mend: restored,
    holder: 'node2',
    bound: failover,
  },
  {
    name: 'link-up',
    title: 'the cable of the former holder is plugged in again',
    prepare: async (stage) => {
      await calm(stage);
      await stage.lab.chaos('link-down', 'node1');
      await settled(stage, 'node2');
    },
    act: async (stage) => {
      await stage.lab.chaos('link-up', 'node1');
      await settled(stage, 'node1');
    },
    mend: restored,
    holder: 'node1',
    bound: unnoticed,
  },
  {
    name: 'isolated',
    title: 'the holder is cut off from everybody, its link stays up',
    prepare: calm,
    act: ({ lab }) => lab.chaos('isolate', 'node1'),
    mend: restored,
    holder: 'node2',
    bound: { outageMs: V },
  },
  {
    name: 'healed',
    title: 'the former holder, which never noticed that it was cut off, is back on the network',
    prepare: async (stage) => {
      await calm(stage);
      await stage.lab.chaos('isolate', 'node1');
      await settled({ ...stage, lab: stage.lab }, 'node2').catch(() => undefined);
    },
    act: async (stage) => {
      await stage.lab.chaos('heal', 'node1');
      await settled(stage, 'node1');
    },
    mend: restored,
    holder: 'node1',
    bound: { outageMs: 1_000, twoHoldersMs: 1_000 },
  },
  {
    name: 'node-killed',
    title: 'the agent’s Node process is killed on every node at once, ten times',
    prepare: calm,
    act: async (stage) => {
      for (let round = 0; round < 10; round++) {
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
  ...(['kill-keepalived-parent', 'kill-keepalived-child', 'kill-keepalived'] as const).map(
    (verb): Row => ({
      name: verb,
      title: `the holder’s keepalived is killed: ${verb === 'kill-keepalived' ? 'both processes' : verb.slice(16)}`,
      prepare: calm,
      act: async (stage) => {
        await stage.lab.chaos(verb, 'node1');
        await settled(stage, 'node1');
        await agentsBack(stage);
      },
      holder: 'node1',
      bound: { outageMs: V + 1_000, twoHoldersMs: 1_000 },
    }),
  ),
  {
    name: 'container-killed',
    title: 'the holder’s agent container is killed in one blow, the engine starts another',
    prepare: calm,
    act: async (stage) => {
      await stage.lab.chaos('kill-agent', 'node1');
      await settled(stage, 'node1');
      await agentsBack(stage);
    },
    holder: 'node1',
    bound: { outageMs: V, twoHoldersMs: restartMs + 2_000 },
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
  {
    name: 'engine-restarted',
    title: 'the holder’s engine is restarted in good order',
    prepare: calm,
    act: async (stage) => {
      await stage.lab.chaos('restart-engine', 'node1');
      await delay(1_000);
      await settled(stage, 'node1');
      await agentsBack(stage);
    },
    mend: restored,
    holder: 'node1',
    bound: failover,
  },
  {
    name: 'engine-killed',
    title: 'the holder’s engine is killed and started again',
    prepare: calm,
    act: async (stage) => {
      await stage.lab.chaos('kill-engine', 'node1');
      await delay(1_000);
      await settled(stage, 'node1');
      await agentsBack(stage);
    },
    mend: restored,
    holder: 'node1',
    bound: { outageMs: V, twoHoldersMs: restartMs + 2_000 },
  },
  {
    name: 'no-coordinator',
    title: 'no coordinator lives for a minute',
    prepare: calm,
    act: async (stage, { minuteMs } = soak) => {
      const end = performance.now() + minuteMs;
      while (performance.now() < end) {
        await onAll(stage, 'kill-coordinator').catch(() => undefined);
        await delay(250);
      }
      await agentsBack(stage);
    },
    holder: 'node1',
    bound: unnoticed,
  },
  {
    name: 'address-removed',
    title: 'somebody removes the address from the holder by hand',
    prepare: calm,
    act: async (stage) => {
      await stage.lab.chaos('remove-address', 'node1');
      await settled(stage, 'node1');
    },
    holder: 'node1',
    bound: { outageMs: 1_000, twoHoldersMs: 0 },
  },
  {
    name: 'loss',
    title: 'three of ten frames between the nodes are lost for a minute',
    prepare: calm,
    act: async (stage, { minuteMs } = soak) => {
      await onAll(stage, 'lose');
      await delay(minuteMs);
      await onAll(stage, 'lose-none');
      await settled(stage, 'node1');
    },
    mend: restored,
    holder: 'node1',
    // A figure, not a promise: with three of ten lost, four adverts in a row are lost every 123 on average.
    bound: { outageMs: Number.POSITIVE_INFINITY },
  },
  {
    name: 'vrrp-dropped',
    title: 'protocol 112 is dropped around a backup, everything else passes',
    prepare: calm,
    act: async (stage) => {
      await stage.lab.chaos('drop-vrrp', 'node2');
      await delay(5_000);
      const { stdout } = await cli(stage.lab, ['status']);
      if (!/protocol 112|sends no adverts/.test(stdout))
        throw new Error(`status says nothing of it:\n${stdout}`);
      await stage.lab.chaos('restore-vrrp', 'node2');
      await settled(stage, 'node1');
      await agentsBack(stage);
    },
    mend: restored,
    holder: 'node1',
    bound: { outageMs: 2_000, twoHoldersMs: 2_000 },
  },
];

export const soak: Timing = { minuteMs: 60_000 };
export const quick: Timing = { minuteMs: 12_000 };

/** Every node runs a Node process of the agent, and none of them stands still. */
async function allRun({ lab }: Stage): Promise<true | undefined> {
  const states = await Promise.all(
    three.map((node) => lab.exec(node, ['sh', '-c', "pgrep -fc '^[n]ode .*/agent.js'"])),
  );
  return states.every(({ stdout }) => Number(stdout) > 0) || undefined;
}
