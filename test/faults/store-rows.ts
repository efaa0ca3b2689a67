// Rows of the table of faults about what Swarm knows and who may speak: its leader, its quorum, the agents' key.
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Status } from '../../coordinator/core/status.ts';
import { calm, type Stage, statusOf, three } from '../demo/stage.ts';
import { until } from '../lab/run.ts';
import { agentsBack, restored } from './acts.ts';
import { moveLeader } from './leader.ts';
import { type Row, soak, unnoticed } from './row.ts';

/** All that a plan decides. */
const decided = ({ groups }: Status) =>
  JSON.stringify(
    groups.map(({ name, vrid, holders, members }) => [
      ...[name, vrid, holders.map(({ hostname }) => hostname)],
      members.map(({ hostname, effectivePriority }) => [hostname, effectivePriority]),
    ]),
  );

function unchanged(before: string, after: Status, what: string): void {
  if (decided(after) !== before) throw new Error(`${what} has changed ${before} to ${decided(after)}`);
}

const mended = async (stage: Stage): Promise<void> => {
  for (const node of three) await stage.lab.chaos('restore-raft', node);
  await restored(stage);
};

/** Every coordinator that answers says so. */
const everywhere = ({ lab, signal }: Stage, what: string, condition: (status: Status) => boolean) =>
  until(
    what,
    async () => {
      const statuses = await Promise.all(three.map((node) => statusOf(lab, node)));
      return statuses.every(condition) ? statuses : undefined;
    },
    { timeoutMs: 90_000, everyMs: 500, signal },
  );

export const storeRows: readonly Row[] = [
  {
    name: 'leader-struck',
    title: 'Swarm’s leader is cut off from the managers or stands still, ten times; the active role moves',
    prepare: calm,
    act: async (stage, { kills } = soak) => {
      const before = decided(await statusOf(stage.lab));
      for (let round = 0; round < kills; round++) {
        const next = await moveLeader(
          stage,
          round % 2 === 0 ? ['cut-raft', 'restore-raft'] : ['stop-engine', 'start-engine'],
        );
        unchanged(before, await statusOf(stage.lab, next), `round ${round}`);
        await agentsBack(stage);
      }
    },
    mend: mended,
    holder: 'node1',
    bound: unnoticed,
  },
  {
    name: 'quorum-lost',
    title: 'no manager hears another for a minute: the quorum is lost, and comes back',
    prepare: calm,
    act: async (stage, { minuteMs } = soak) => {
      const before = decided(await statusOf(stage.lab));
      for (const node of three) await stage.lab.chaos('cut-raft', node);
      const blind = await everywhere(
        stage,
        'the loss to be noticed',
        ({ snapshot }) => snapshot.error !== null,
      );
      for (const status of blind) unchanged(before, status, 'the loss of the quorum');
      await delay(minuteMs);
      const [stale] = await everywhere(
        stage,
        'the age to show',
        ({ snapshot }) => snapshot.ageMs >= minuteMs,
      );
      if (stale) unchanged(before, stale, 'the loss of the quorum');
      for (const node of three) await stage.lab.chaos('restore-raft', node);
      const back = await everywhere(
        stage,
        'the quorum to be back',
        ({ snapshot }) => snapshot.error === null,
      );
      for (const status of back) unchanged(before, status, 'the return of the quorum');
      await agentsBack(stage);
    },
    mend: mended,
    holder: 'node1',
    bound: unnoticed,
  },
  {
    name: 'key-rotated',
    title: 'the agents’ key is replaced by the three commands of the README',
    prepare: calm,
    act: rotateKey,
    mend: restored,
    holder: 'node1',
    bound: unnoticed,
  },
];

/** As the README has it. Throws when an agent connects to one coordinator more often than it is started itself. */
async function rotateKey(stage: Stage): Promise<void> {
  const { lab } = stage;
  const via = await lab.manager();
  const swarm = (...args: string[]) => lab.docker(via, args, { timeoutMs: 240_000 });
  const inspect = async () => {
    const format = '{{json .Spec.TaskTemplate.ContainerSpec.Secrets}}';
    const { stdout } = await swarm('service', 'inspect', '-f', format, 'swarm-vip_agent');
    return (JSON.parse(stdout) as { SecretName: string }[]).map(({ SecretName }) => SecretName);
  };
  const [former = ''] = await inspect();
  const next = `swarm-vip-key-${Date.now()}`;
  await lab.docker(via, ['secret', 'create', next, '-'], { input: randomBytes(32).toString('hex') });
  const update = (service: string, ...args: string[]) =>
    swarm('service', 'update', '--quiet', ...args, `swarm-vip_${service}`);
  const add = (target: string) => ['--secret-add', `source=${next},target=${target}`];
  await update('coordinator', ...add('swarm-vip-key-next'));
  await agentsBack(stage);
  const since = new Date().toISOString();
  await update('agent', '--secret-rm', former, ...add('swarm-vip-key'));
  await agentsBack(stage);
  const { stdout } = await swarm('service', 'logs', '--since', since, '--no-trunc', 'swarm-vip_coordinator');
  const connections = new Map<string, number>();
  for (const [, task = '', node = ''] of stdout.matchAll(
    /^(\S+)\s.*"event":"agent-connected".*?"node":"([^"]+)"/gm,
  )) {
    const pair = `${task} ${node}`;
    connections.set(pair, (connections.get(pair) ?? 0) + 1);
  }
  if (connections.size !== three.length ** 2 || [...connections.values()].some((count) => count > 1))
    throw new Error(`expected each agent once at each coordinator: ${JSON.stringify([...connections])}`);
  await update('coordinator', '--secret-rm', former, '--secret-rm', next, ...add('swarm-vip-key'));
  await agentsBack(stage);
  await swarm('secret', 'rm', former);
}
