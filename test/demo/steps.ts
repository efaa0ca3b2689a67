// The main job in steps, each with VRRP's own bound. The demo shows them, the end-to-end test asserts them.
import { setTimeout as delay } from 'node:timers/promises';
import type { Status } from '../../coordinator/core/status.ts';
import { masterDownMs } from '../../shared/timers.ts';
import { type Bound, type Evidence, judged, type RepeatedVerdict } from '../lab/judge.ts';
import type { Lab } from '../lab/lab.ts';
import { type RunResult, until } from '../lab/run.ts';

/** One move of the address. */
export interface Step {
  name: string;
  title: string;
  /** Brings the Swarm into the state from which the step begins; run again when a noisy run is repeated. */
  prepare(stage: Stage): Promise<void>;
  act(stage: Stage): Promise<void>;
  /** Who is to hold the address afterwards. */
  holder: string;
  boundMs: number;
}

export interface Stage {
  lab: Lab;
  group: string;
  say(line: string): void;
  signal: AbortSignal;
}

export interface StepResult extends RepeatedVerdict {
  name: string;
  title: string;
}

/** Priorities by the README's labels: shifted up so that the highest is 250 (rule R5), differences kept. */
const wanted = { node1: 110, node2: 100, node3: 90 } as const;
const newcomer = { node: 'node4', priority: 120 } as const;

/** Default timers without a password: version 3, 100 ms. The bound is the slowest successor's. */
export const boundMs = Math.ceil(masterDownMs(3, 100, 250 - (newcomer.priority - wanted.node3)));

/** Steady for this long after a move counts as moved. */
const steadyMs = 1_500;
const patienceMs = 60_000;

export async function label(lab: Lab, node: string, labels: Record<string, string>): Promise<void> {
  const add = Object.entries(labels).flatMap(([key, value]) => ['--label-add', `${key}=${value}`]);
  await lab.docker(await lab.manager(), ['node', 'update', ...add, node]);
}

/** What waiting needs: the lab, and a signal that ends it. */
export type Wait = Pick<Stage, 'lab' | 'signal'>;

/** Waits until `node` alone holds the address and nothing changed for a while. */
export async function settled({ lab, signal }: Wait, node: string, timeoutMs = patienceMs): Promise<void> {
  const sampler = await lab.holders(lab.vip);
  try {
    let since: number | undefined;
    await until(
      `${node} to hold ${lab.vip}`,
      () => {
        const now = sampler.now();
        since = now.length === 1 && now[0] === node ? (since ?? Date.now()) : undefined;
        return (since !== undefined && Date.now() - since >= steadyMs) || undefined;
      },
      { timeoutMs, everyMs: 20, signal },
    );
  } finally {
    await sampler.stop();
  }
}

/** Every powered node's agent is connected, runs what it should, and is ready to take over, by the coordinator's word. */
export async function ready(
  { lab, signal }: Wait,
  nodes: readonly string[],
  timeoutMs = patienceMs,
): Promise<void> {
  await until(
    `${nodes.join(', ')} to be eligible`,
    async () => {
      const status = await statusOf(lab).catch(() => undefined);
      const eligible =
        status?.groups.flatMap(({ members }) => members.filter((member) => member.eligible)) ?? [];
      return nodes.every((node) => eligible.some(({ hostname }) => hostname === node)) || undefined;
    },
    { timeoutMs, everyMs: 200, signal },
  );
}

/** `swarm-vip status -o json` on a manager, as an operator runs it. */
export async function statusOf(lab: Lab, node?: string): Promise<Status> {
  const { stdout } = await cli(lab, ['status', '-o', 'json'], node);
  return JSON.parse(stdout) as Status;
}

/** `swarm-vip` in a coordinator's container: on the node that is named, else on the first manager that runs one. */
export async function cli(lab: Lab, args: string[], node?: string): Promise<RunResult> {
  const filter = 'label=com.docker.swarm.service.name=swarm-vip_coordinator';
  const status = await lab.status();
  const managers = status.filter(({ manager, engine }) => manager && engine).map(({ name }) => name);
  for (const via of node === undefined ? managers : [node]) {
    const { stdout } = await lab.docker(via, ['ps', '-q', '-f', filter]);
    const [container] = stdout.trim().split('\n');
    if (container) return lab.exec(via, ['docker', 'exec', container, 'swarm-vip', ...args]);
  }
  throw new Error(`no coordinator runs on ${node ?? managers.join(', ')}`);
}

export const steps: readonly Step[] = [
  {
    name: 'power-off',
    title: 'the holder, node1, loses power',
    prepare: (stage) => powered(stage, three, 'node1'),
    act: ({ lab }) => lab.chaos('power-off', 'node1'),
    holder: 'node2',
    boundMs,
  },
  {
    name: 'return',
    title: 'node1 boots and takes the address back',
    prepare: async (stage) => {
      await unpowered(stage, 'node1', 'node2');
    },
    act: ({ lab }) => lab.chaos('boot', 'node1'),
    holder: 'node1',
    boundMs,
  },
  {
    name: 'node-added',
    title: `${newcomer.node} joins the Swarm and is labelled with the highest priority`,
    prepare: async (stage) => {
      const { lab } = stage;
      if (lab.nodes().some(({ name }) => name === newcomer.node)) await unlabel(lab, newcomer.node);
      else await lab.addNode('worker');
      await powered(stage, three, 'node1');
    },
    act: ({ lab, group }) => join(lab, newcomer.node, group, newcomer.priority),
    holder: newcomer.node,
    boundMs,
  },
  {
    name: 'node-removed',
    title: `${newcomer.node} loses its label while it holds the address`,
    prepare: async (stage) => {
      await join(stage.lab, newcomer.node, stage.group, newcomer.priority);
      await settled(stage, newcomer.node);
      await ready(stage, ['node1', 'node2', 'node3', newcomer.node]);
    },
    act: ({ lab }) => unlabel(lab, newcomer.node),
    holder: 'node1',
    boundMs,
  },
  {
    name: 'coordinator-killed',
    title: 'every coordinator is killed and the holder loses power at once',
    prepare: (stage) => powered(stage, three, 'node1'),
    act: async ({ lab }) => {
      await Promise.all(['node1', 'node2', 'node3'].map((node) => lab.chaos('kill-coordinator', node)));
      await lab.chaos('power-off', 'node1');
    },
    holder: 'node2',
    boundMs,
  },
];

/** A planned move loses nothing: at most the two probes that a moment of bad luck can cost, whatever VRRP's bound. */
export const plannedMs = 2;
export const plannedBound: Bound = { outageMs: plannedMs, lostProbes: 2, twoHoldersMs: 0 };

/** Moves that an operator plans. */
export const plannedSteps: readonly Step[] = [
  {
    name: 'drain',
    title: 'node1 is drained: swarm-vip drain node1',
    prepare: async (stage) => {
      await boot(stage, three);
      await operator(stage, 'undrain', 'node1');
      await powered(stage, three, 'node1');
    },
    act: (stage) => operator(stage, 'drain', 'node1', '--yes', '--reason', 'maintenance'),
    holder: 'node2',
    boundMs: plannedMs,
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
    boundMs: plannedMs,
  },
  {
    name: 'switchover',
    title: 'node3 is chosen to lead: swarm-vip switchover main --to node3',
    prepare: async (stage) => {
      await operator(stage, 'switchover', stage.group, '--clear');
      await powered(stage, three, 'node1');
    },
    act: (stage) => operator(stage, 'switchover', stage.group, '--to', 'node3'),
    holder: 'node3',
    boundMs: plannedMs,
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
    boundMs: plannedMs,
  },
  {
    name: 'rolling-update',
    title: 'the agents of all nodes are updated, one by one',
    prepare: (stage) => powered(stage, three, 'node1'),
    act: async (stage) => {
      const via = await stage.lab.manager();
      const update = ['service', 'update', '--force', '--quiet', 'swarm-vip_agent'];
      await stage.lab.docker(via, update, { timeoutMs: 240_000, signal: stage.signal });
      await ready(stage, three);
    },
    holder: 'node1',
    boundMs: plannedMs,
  },
];

const three = ['node1', 'node2', 'node3'];

/** An operator's command, which must succeed; tried again while Swarm elects a leader after a power cut. */
async function operator({ lab, signal }: Stage, ...args: string[]): Promise<void> {
  const attempt = async () => {
    const { code, stderr } = await cli(lab, args);
    if (code === 0) return true;
    if (!stderr.includes('Swarm cannot be read')) {
      throw new Error(`swarm-vip ${args.join(' ')}: exit code ${code}: ${stderr}`);
    }
    return undefined;
  };
  await until(`swarm-vip ${args.join(' ')}`, attempt, { timeoutMs: patienceMs, everyMs: 500, signal });
}

/** Labels the first three nodes as the README does. */
export async function labelThree(lab: Lab, group: string): Promise<void> {
  for (const [node, priority] of Object.entries(wanted)) await join(lab, node, group, priority);
}

const join = (lab: Lab, node: string, group: string, priority: number): Promise<void> =>
  label(lab, node, { keepalived_group: group, KEEPALIVED_PRIORITY: String(priority) });

async function unlabel(lab: Lab, node: string): Promise<void> {
  const { stdout } = await lab.docker(await lab.manager(), [
    'node',
    'inspect',
    '-f',
    '{{json .Spec.Labels}}',
    node,
  ]);
  const present = Object.keys(JSON.parse(stdout) as object).filter((key) => /^keepalived/i.test(key));
  if (present.length === 0) return;
  const remove = present.flatMap((key) => ['--label-rm', key]);
  await lab.docker(await lab.manager(), ['node', 'update', ...remove, node]);
}

async function boot({ lab, say }: Stage, nodes: readonly string[]): Promise<void> {
  for (const { name, powered } of await lab.status()) {
    if (!nodes.includes(name) || powered) continue;
    say(`booting ${name}`);
    await lab.chaos('boot', name);
  }
}

async function powered(stage: Stage, nodes: readonly string[], holder: string): Promise<void> {
  await boot(stage, nodes);
  await settled(stage, holder);
  await ready(stage, nodes);
}

async function unpowered(stage: Stage, node: string, holder: string): Promise<void> {
  const { lab } = stage;
  const status = await lab.status();
  if (status.find(({ name }) => name === node)?.powered) await lab.chaos('power-off', node);
  await settled(stage, holder);
}

/** Runs a step under the eyes of a probe and of the kernels; repeats it when the machine was too noisy to judge. */
export async function runStep(
  step: Step,
  stage: Stage,
  bound: Bound = { outageMs: step.boundMs, twoHoldersMs: 0 },
): Promise<StepResult> {
  const verdict = await judged(async () => {
    await step.prepare(stage);
    return observe(stage.lab, async () => {
      await step.act(stage);
      await settled(stage, step.holder);
    });
  }, bound);
  return {
    ...verdict,
    ok: verdict.ok && verdict.holderAfter === step.holder,
    name: step.name,
    title: step.title,
  };
}

/** Probes the address and samples holders while `act` runs, half a second before and after included. */
export async function observe(lab: Lab, act: () => Promise<void>): Promise<Evidence> {
  const holders = await lab.holders(lab.vip);
  const probe = await lab.probe(lab.vip);
  const end = async () => ({ probe: await probe.stop(), holders: await holders.stop() });
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
