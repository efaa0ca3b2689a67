// Moves that an operator plans, as steps. They cost clients nothing.
import type { Bound } from '../lab/judge.ts';
import type { Lab } from '../lab/lab.ts';
import { until } from '../lab/run.ts';
import { boot, calm, cli, patienceMs, ready, type Stage, settled, three } from './stage.ts';
import type { Step } from './steps.ts';

/** A planned move loses nothing: at most the two probes that a moment of bad luck can cost, whatever VRRP's bound. */
export const plannedBound: Bound = { outageMs: 2, lostProbes: 2, twoHoldersMs: 0 };

/** Moves that an operator plans. */
export const plannedSteps: readonly Step[] = [
  {
    name: 'drain',
    title: 'node1 is drained: swarm-vip drain node1',
    prepare: undone,
    act: (stage) => operator(stage, 'drain', 'node1', '--yes', '--reason', 'maintenance'),
    holder: 'node2',
    bound: plannedBound,
  },
  {
    name: 'undrain',
    title: 'node1 may hold again: swarm-vip undrain node1',
    prepare: async (stage) => {
      await operator(stage, 'drain', 'node1', '--yes');
      await settled(stage, 'node2');
    },
    act: (stage) => operator(stage, 'undrain', 'node1'),
    holder: 'node1',
    bound: plannedBound,
  },
  {
    name: 'switchover',
    title: 'node3 is chosen to lead: swarm-vip switchover main --to node3',
    prepare: undone,
    act: (stage) => operator(stage, 'switchover', stage.group, '--to', 'node3'),
    holder: 'node3',
    bound: plannedBound,
  },
  {
    name: 'switchover-cleared',
    title: 'priorities count again: swarm-vip switchover main --clear',
    prepare: async (stage) => {
      await operator(stage, 'switchover', stage.group, '--to', 'node3');
      await settled(stage, 'node3');
      await ready(stage, three);
    },
    act: (stage) => operator(stage, 'switchover', stage.group, '--clear'),
    holder: 'node1',
    bound: plannedBound,
  },
  {
    name: 'availability-drain',
    title: 'Swarm drains node1: docker node update --availability drain node1',
    prepare: undone,
    act: ({ lab }) => available(lab, 'drain', 'node1'),
    holder: 'node2',
    bound: plannedBound,
  },
  {
    name: 'rolling-update',
    title: 'the agents of all nodes are updated, one by one',
    prepare: undone,
    act: async (stage) => {
      const via = await stage.lab.manager();
      const update = ['service', 'update', '--force', '--quiet', 'swarm-vip_agent'];
      await stage.lab.docker(via, update, { timeoutMs: 240_000, signal: stage.signal });
      await ready(stage, three);
    },
    holder: 'node1',
    bound: plannedBound,
  },
];

const available = async (lab: Lab, availability: 'active' | 'drain', node: string): Promise<void> => {
  await lab.docker(await lab.manager(), ['node', 'update', '--availability', availability, node]);
};

/** Calm, and nothing is left of what was planned before: no drain of ours or of Swarm's, no chosen lead. */
export async function undone(stage: Stage): Promise<void> {
  await boot(stage);
  await operator(stage, 'undrain', '--no-wait', ...three);
  await operator(stage, 'switchover', stage.group, '--clear');
  // Last, because a coordinator that has just been started does not answer yet.
  for (const node of three) await available(stage.lab, 'active', node);
  await calm(stage);
}

/** An operator's command, which must succeed; tried again while Swarm elects a leader after a power cut. */
async function operator({ lab, signal }: Stage, ...args: string[]): Promise<void> {
  const attempt = async () => {
    const { code, stderr } = await cli(lab, args);
    if (code === 0) return true;
    // From 125 on it is docker exec's own failure: the coordinator's container has just ended.
    if (!stderr.includes('Swarm cannot be read') && code < 125) {
      throw new Error(`swarm-vip ${args.join(' ')}: exit code ${code}: ${stderr}`);
    }
    return undefined;
  };
  await until(`swarm-vip ${args.join(' ')}`, attempt, { timeoutMs: patienceMs, everyMs: 500, signal });
}
