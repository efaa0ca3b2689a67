// The table of faults: what happens to the Swarm, and for how long clients may find no holder or two. Bounds are
// formulas of the timers, never figures of a machine.
import { setTimeout as delay } from 'node:timers/promises';
import { define } from '../demo/live-steps.ts';
import { calm, cli, type Stage, settled, unlabel } from '../demo/stage.ts';
import { boundMs, type Step } from '../demo/steps.ts';
import type { ChaosVerb } from '../lab/chaos.ts';
import type { Bound } from '../lab/judge.ts';
import { until } from '../lab/run.ts';
import { agentsBack, allRun, connected, done, onAll, redefined, replaced, restored } from './acts.ts';

export interface Row extends Step {
  /** The same seconds of trouble, shortened for `npm test`; a soak takes the time that the title says. */
  act(stage: Stage, timing?: Timing): Promise<void>;
  /** Takes away what `act` has left behind; runs even when it fails. */
  mend?(stage: Stage): Promise<void>;
}

export interface Timing {
  /** How long a lasting fault lasts. */
  readonly minuteMs: number;
  /** How often something is killed. */
  readonly kills: number;
}

/** VRRP's bound for the death of the holder. */
const V = boundMs;
/** A lease (`LEASE`, 4 s), and a second in which the kernel looks at it. */
const L = V + 4_000 + 1_000;
/** Docker's own time to start a container again. */
const restartMs = 2_000;
const unnoticed: Bound = { outageMs: 2, lostProbes: 2, twoHoldersMs: 0 };
const failover: Bound = { outageMs: V, twoHoldersMs: 0 };
const crash: Bound = { outageMs: V + 1_000, twoHoldersMs: 1_000 };
const replacement: Bound = { outageMs: V, twoHoldersMs: restartMs + 2_000 };
const leased: Bound = { outageMs: V, twoHoldersMs: L };

/** Befalls the holder, and stays: another node takes over. */
const lost = (name: string, title: string, verbs: readonly ChaosVerb[], bound: Bound): Row => ({
  name,
  title,
  prepare: calm,
  act: async (stage) => {
    for (const verb of verbs) await stage.lab.chaos(verb, 'node1');
    await settled(stage, 'node2');
  },
  mend: restored,
  holder: 'node2',
  bound,
});

/** What befell the holder ends: it takes the address back. */
const back = (
  name: string,
  title: string,
  [from, to]: readonly [ChaosVerb, ChaosVerb],
  bound: Bound,
): Row => ({
  name,
  title,
  prepare: async (stage) => {
    await calm(stage);
    await stage.lab.chaos(from, 'node1');
    await settled(stage, 'node2');
  },
  act: async (stage) => {
    await stage.lab.chaos(to, 'node1');
    await settled(stage, 'node1');
    await agentsBack(stage);
  },
  mend: restored,
  holder: 'node1',
  bound,
});

/** Befalls the holder, and mends itself: in the end it holds again. */
const survived = (name: string, title: string, verb: ChaosVerb, bound: Bound, over?: Over): Row => ({
  name,
  title,
  prepare: calm,
  act: async (stage) => {
    const isOver = await over?.(stage, 'node1');
    await stage.lab.chaos(verb, 'node1');
    await isOver?.();
    await settled(stage, 'node1');
    await agentsBack(stage);
  },
  mend: restored,
  holder: 'node1',
  bound,
});
type Over = (stage: Stage, node: string) => Promise<() => Promise<void>>;

export const rows: readonly Row[] = [
  lost('link-down', 'the holder’s cable is pulled', ['link-down'], failover),
  back('link-up', 'the cable of the former holder is plugged in again', ['link-down', 'link-up'], unnoticed),
  lost('isolated', 'the holder is cut off from everybody, its link stays up', ['isolate'], failover),
  back(
    'healed',
    'the former holder, which never noticed that it was cut off, is back on the network',
    ['isolate', 'heal'],
    { outageMs: 1_000, twoHoldersMs: 1_000 },
  ),
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
  survived('address-removed', 'somebody removes the address from the holder by hand', 'remove-address', {
    outageMs: 1_000,
    twoHoldersMs: 0,
  }),
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

export const soak: Timing = { minuteMs: 60_000, kills: 10 };
export const quick: Timing = { minuteMs: 12_000, kills: 4 };
