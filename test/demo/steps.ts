// The main job in steps, each with VRRP's own bound. The demo shows them, the end-to-end test asserts them.
import { setTimeout as delay } from 'node:timers/promises';
import { highestPriority, leastStep } from '../../coordinator/core/priority.ts';
import { masterDownMs } from '../../shared/timers.ts';
import { type Bound, type Evidence, judged, type RepeatedVerdict, type Verdict } from '../lab/judge.ts';
import type { Lab } from '../lab/lab.ts';
import { calm, join, ready, type Stage, settled, three, tookOver, unlabel } from './stage.ts';

/** One thing that happens to the Swarm: a fault, a planned move, or a change that the address does not feel. */
export interface Step {
  name: string;
  title: string;
  /** Brings the Swarm into the state from which the step begins; run again when a noisy run is repeated. */
  prepare(stage: Stage): Promise<void>;
  act(stage: Stage): Promise<void>;
  /** Of a step that leaves the address where it is: from where `act` ended to where it began. As good a measurement. */
  back?(stage: Stage): Promise<void>;
  /**
   * Where an address that answers is not all that clients ask for: starts to watch, and then tells the longest time in
   * milliseconds for which they went without. Judged like an outage.
   */
  watch?(stage: Stage): Promise<() => Promise<number>>;
  /** Who is to hold the address afterwards. */
  holder: string;
  bound: Bound;
}

export interface StepResult extends RepeatedVerdict {
  name: string;
  title: string;
}

const newcomer = { node: 'node4', priority: 120 } as const;

/** Default timers without a password: version 3, 100 ms. The bound is the slowest successor's, the third in rank. */
export const boundMs = Math.ceil(masterDownMs(3, 100, highestPriority - 2 * leastStep));
export const failoverBound: Bound = { outageMs: boundMs, twoHoldersMs: 0 };

export const steps: readonly Step[] = [
  {
    name: 'power-off',
    title: 'the holder, node1, loses power',
    prepare: calm,
    act: async (stage) => {
      await stage.lab.chaos('power-off', 'node1');
      await tookOver(stage, 'node2');
    },
    holder: 'node2',
    bound: failoverBound,
  },
  {
    name: 'return',
    title: 'node1 boots and takes the address back',
    prepare: (stage) => unpowered(stage, 'node1', 'node2'),
    act: ({ lab }) => lab.chaos('boot', 'node1'),
    holder: 'node1',
    bound: failoverBound,
  },
  {
    name: 'node-added',
    title: `${newcomer.node} joins the Swarm and is labelled with the highest priority`,
    prepare: async (stage) => {
      const { lab } = stage;
      if (lab.nodes().some(({ name }) => name === newcomer.node)) await unlabel(lab, newcomer.node);
      else await lab.addNode('worker');
      await calm(stage);
    },
    act: ({ lab, group }) => join(lab, newcomer.node, group, newcomer.priority),
    holder: newcomer.node,
    bound: failoverBound,
  },
  {
    name: 'node-removed',
    title: `${newcomer.node} loses its label while it holds the address`,
    prepare: async (stage) => {
      await join(stage.lab, newcomer.node, stage.group, newcomer.priority);
      await settled(stage, newcomer.node);
      await ready(stage, [...three, newcomer.node]);
    },
    act: ({ lab }) => unlabel(lab, newcomer.node),
    holder: 'node1',
    bound: failoverBound,
  },
  {
    name: 'coordinator-killed',
    title: 'every coordinator is killed and the holder loses power at once',
    prepare: calm,
    act: async ({ lab }) => {
      await Promise.all(three.map((node) => lab.chaos('kill-coordinator', node)));
      await lab.chaos('power-off', 'node1');
    },
    holder: 'node2',
    bound: failoverBound,
  },
];

async function unpowered(stage: Stage, node: string, holder: string): Promise<void> {
  const { lab } = stage;
  const status = await lab.status();
  if (status.find(({ name }) => name === node)?.powered) await lab.chaos('power-off', node);
  await settled(stage, holder);
}

/** Runs a step under the eyes of a probe and of the kernels; repeats it when the machine was too noisy to judge. */
export async function runStep(step: Step, stage: Stage): Promise<StepResult> {
  const verdict = await judged(async () => {
    await step.prepare(stage);
    return observeStep(step, stage, step.act);
  }, step.bound);
  return { ...verdict, ok: kept(step, verdict), name: step.name, title: step.title };
}

/** The step and, where there is one, its way back as a step of its own. */
export function bothWays(step: Step): Step[] {
  const { back, ...forth } = step;
  if (!back) return [step];
  const reverse: Step = {
    ...forth,
    name: `${step.name}-back`,
    title: `${step.title}: the way back`,
    prepare: async (stage) => {
      await step.prepare(stage);
      await step.act(stage);
      await settled(stage, step.holder);
    },
    act: back,
  };
  return [step, reverse];
}

/** One run of `act`, which is the step's own or its way back. */
export async function observeStep(step: Step, stage: Stage, act: Step['act']): Promise<Evidence> {
  let unservedMs = 0;
  const { probe, holders } = await observe(stage.lab, async () => {
    const watched = await step.watch?.(stage);
    try {
      await act(stage);
      await settled(stage, step.holder);
    } finally {
      unservedMs = (await watched?.()) ?? 0;
    }
  });
  return { probe: { ...probe, longestGapMs: Math.max(probe.longestGapMs, unservedMs) }, holders };
}

/** The step kept its bound, and the address is where it belongs. */
export const kept = (step: Step, verdict: Verdict): boolean =>
  verdict.ok && verdict.holderAfter === step.holder;

/** Probes the address of the lab and samples who holds it while `act` runs, half a second before and after included. */
export async function observe(lab: Lab, act: () => Promise<void>): Promise<Evidence> {
  const seen = (await observeAll(lab, [lab.vip], act)).get(lab.vip);
  if (!seen) throw new Error(`${lab.vip} was not observed`);
  return seen;
}

/** The same for several addresses at once. */
export async function observeAll(
  lab: Lab,
  addresses: readonly string[],
  act: () => Promise<void>,
): Promise<Map<string, Evidence>> {
  const watches = await Promise.all(
    addresses.map(async (address) => ({
      address,
      holders: await lab.holders(address),
      probe: await lab.probe(address),
    })),
  );
  const end = async () =>
    new Map(
      await Promise.all(
        watches.map(async ({ address, holders, probe }) => {
          const evidence = { probe: await probe.stop(), holders: await holders.stop() };
          return [address, evidence] as const;
        }),
      ),
    );
  try {
    await delay(500);
    await act();
    await delay(500);
  } catch (error) {
    await end();
    throw error;
  }
  return end();
}
