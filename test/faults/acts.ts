// What the rows of the table of faults are made of.

import { problemText } from '../../shared/problem.ts';
import { define } from '../demo/live-steps.ts';
import { boot, calm, cli, labelThree, ready, type Stage, statusOf, three } from '../demo/stage.ts';
import type { ChaosVerb } from '../lab/chaos.ts';
import { until } from '../lab/run.ts';

export const onAll = async ({ lab }: Stage, verb: ChaosVerb): Promise<void> => {
  for (const node of three) await lab.chaos(verb, node);
};
export const restored = async (stage: Stage): Promise<void> => {
  for (const verb of ['heal', 'link-up', 'thaw', 'restore-vrrp', 'lose-none', 'start-engine'] as const) {
    for (const node of three) await stage.lab.chaos(verb, node).catch(() => undefined);
  }
  await boot(stage);
};
export const agentsBack = (stage: Stage) => ready(stage, three);

/** As the stage began: three members, every node up, no router id asked for. */
export async function redefined(stage: Stage): Promise<void> {
  await boot(stage);
  await labelThree(stage.lab, stage.group);
  await define(stage);
  await calm(stage);
}

/** Swarm answers again, also after the death of its leader. */
export const led = ({ lab, signal }: Stage) =>
  until(
    'Swarm to have a leader',
    async () =>
      lab.docker(await lab.manager(), ['node', 'ls']).then(
        () => true,
        () => undefined,
      ),
    { timeoutMs: 60_000, everyMs: 500, signal },
  );

/** Tried again until Swarm and the node's state allow it. */
export const done = (stage: Stage, ...args: string[]) =>
  until(`swarm-vip ${args.join(' ')}`, async () => (await cli(stage.lab, args)).code === 0 || undefined, {
    timeoutMs: 60_000,
    everyMs: 1_000,
    signal: stage.signal,
  });

/** By the stage itself: its group stands in the environment and, for some rows, in a groups.yaml as well. */
const ownDoing = 'group-defined-twice';

/** Nothing is wrong any more, by the coordinator's word. */
export async function fine({ lab, signal }: Stage): Promise<void> {
  let last = '';
  const look = async () => {
    const status = await statusOf(lab).catch(() => undefined);
    const verdicts = status?.groups.map(({ verdict }) => verdict) ?? ['no status'];
    const problems = status?.problems.filter(({ code }) => code !== ownDoing) ?? [];
    if (verdicts.every((verdict) => verdict === 'OK') && problems.length === 0) return true;
    last = [...verdicts, ...problems.map(problemText)].join('; ');
    return undefined;
  };
  await until('nothing to be wrong', look, { timeoutMs: 60_000, everyMs: 500, signal }).catch((error) => {
    throw new Error(`${String(error)}; at the end: ${last}`);
  });
}

export async function connected({ lab }: Stage, node: string): Promise<true | undefined> {
  const status = await statusOf(lab).catch(() => undefined);
  return status?.agents.some((agent) => agent.hostname === node && agent.connected) || undefined;
}

/** Every node runs a Node process of the agent, and none of them stands still. */
export async function allRun({ lab }: Stage): Promise<true | undefined> {
  const states = await Promise.all(
    three.map((node) => lab.exec(node, ['sh', '-c', "pgrep -fc '^[n]ode .*/agent.js'"])),
  );
  return states.every(({ stdout }) => Number(stdout) > 0) || undefined;
}

/** Resolves with a wait for another agent container than the one that the node runs now. */
export async function replaced({ lab, signal }: Stage, node: string): Promise<() => Promise<void>> {
  const container = async () => {
    const filter = 'label=com.docker.swarm.service.name=swarm-vip_agent';
    const { stdout } = await lab.exec(node, ['docker', 'ps', '-q', '-f', filter]);
    return stdout.trim();
  };
  const before = await container();
  return async () => {
    const another = async () => {
      const now = await container();
      return (now !== '' && now !== before) || undefined;
    };
    await until(`another agent on ${node}`, another, { timeoutMs: 60_000, everyMs: 200, signal });
  };
}
