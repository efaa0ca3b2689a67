// How memberships change, each there and back again, by the commands of the former operator's users. A planned change:
// clients lose two probes of 1 ms at most, and never do two nodes hold. Played by a test on three nodes and by
// `npm run bench -- membership` on three and five.
import { until } from '../lab/run.ts';
import {
  deploy,
  docker,
  labelNode,
  type MembershipStage,
  newcomer,
  type Places,
  ranked,
  relabel,
  scaled,
  serviceOf,
} from './stage.ts';

type Act = (stage: MembershipStage) => Promise<void>;

export interface MembershipStep {
  readonly name: string;
  readonly title: string;
  readonly from: Places;
  readonly to: Places;
  /** Once, before anybody watches. */
  readonly prepare?: Act;
  readonly act: Act;
  readonly back: Act;
  /** Nobody is there to confirm what `act` has done. */
  readonly unconfirmed?: true;
}

/** The operator's own order, and one node after the other, the holder in the middle. */
const relabelled = async (
  stage: MembershipStage,
  nodes: readonly string[],
  group: string,
  newest: string,
) => {
  const [holder, ...others] = ranked(nodes, newest);
  for (const node of [...others.slice(0, 1), holder ?? '', ...others.slice(1)]) {
    await labelNode(stage, node, group, newest);
  }
};
const defined = (stage: MembershipStage, group: string) =>
  docker(
    stage,
    ...['service', 'update', '--detach', '--env-add', `KEEPALIVED_GROUP=${group}`],
    serviceOf('production'),
  );

/** @param count nodes of the Swarm: three or five */
export function membershipSteps(count: number): MembershipStep[] {
  const newest = newcomer(count);
  const all = Array.from({ length: count }, (_, k) => `node${k + 1}`);
  const odd = count > 3 ? { production: ['node4'], staging: ['node5'] } : { production: [], staging: [] };
  const production = ['node1', 'node2', ...odd.production];
  const staging = ['node3', ...odd.staging];
  const base: Places = { production, staging };
  const backup = production.at(-1) ?? '';
  const without = (node: string) => production.filter((each) => each !== node);
  const labels = (name: string, title: string, to: Places, from: Places = base): MembershipStep => ({
    ...{ name, title, from, to },
    act: (stage) => relabel(stage, to, newest, from),
    back: (stage) => relabel(stage, from, newest, to),
  });
  const renamed: Places = { site: production, staging };
  const grown: Places = { production: [newest, ...production], staging };
  return [
    labels('backup', `${backup}, a backup, leaves its group`, { production: without(backup), staging }),
    labels('holder', 'node1, the holder, leaves its group', { production: without('node1'), staging }),
    labels('backup-moves', `${backup} moves to another group`, {
      production: without(backup),
      staging: [...staging, backup],
    }),
    labels('holder-moves', 'node1, the holder, moves to another group and takes over there', {
      production: without('node1'),
      staging: [...staging, 'node1'],
    }),
    labels(
      'scale',
      `a group of one grows to ${count} at once, and shrinks again, its holder leaving`,
      { production: all },
      { production: all.slice(-1) },
    ),
    {
      name: 'rename',
      title: 'a group gets another name: defined first; back: its nodes first',
      ...{ from: base, to: renamed },
      act: async (stage) => {
        await defined(stage, 'site');
        await relabelled(stage, production, 'site', newest);
      },
      back: async (stage) => {
        await relabelled(stage, production, 'production', newest);
        await defined(stage, 'production');
      },
    },
    {
      name: 'restack',
      title: 'a group gets another name by another stack, and the old one goes',
      ...{ from: base, to: renamed },
      act: (stage) => restack(stage, 'production', 'site', production, newest),
      back: (stage) => restack(stage, 'site', 'production', production, newest),
    },
    {
      name: 'machine',
      title: `${newest} joins the Swarm and ranks first; back: drained, out of the Swarm, removed`,
      ...{ from: base, to: grown },
      // Whoever watches the kernels must know it.
      prepare: async (stage) => {
        if (stage.lab.nodes().some(({ name }) => name === newest)) return;
        await stage.lab.addNode('worker', stage.signal);
        await left(stage, newest);
      },
      act: async (stage) => {
        await joined(stage, newest);
        await labelNode(stage, newest, 'production', newest);
      },
      back: (stage) => left(stage, newest),
    },
    {
      name: 'coordinators',
      title: 'three coordinators instead of one',
      ...{ from: base, to: base },
      act: (stage) => scaled(stage, { production: 3 }),
      back: (stage) => scaled(stage, { production: 1 }),
    },
    {
      name: 'no-coordinator',
      title: 'all coordinators are scaled to zero; back: to one each',
      ...{ from: base, to: base },
      act: (stage) => scaled(stage, { production: 0, staging: 0 }),
      back: (stage) => scaled(stage, { production: 1, staging: 1 }),
      unconfirmed: true,
    },
  ];
}

async function restack(
  stage: MembershipStage,
  from: string,
  to: string,
  nodes: readonly string[],
  newest: string,
): Promise<void> {
  await deploy(stage, to);
  await docker(stage, 'stack', 'rm', from);
  await relabelled(stage, nodes, to, newest);
}

async function joined(stage: MembershipStage, node: string): Promise<void> {
  const { lab } = stage;
  const token = (await docker(stage, 'swarm', 'join-token', '--quiet', 'worker')).stdout.trim();
  const manager = lab.nodes().find(({ name }) => name === 'node1')?.address;
  await lab.docker(node, ['swarm', 'join', '--token', token, `${manager}:2377`], { timeoutMs: 60_000 });
}

async function left(stage: MembershipStage, node: string): Promise<void> {
  const { lab, signal } = stage;
  await docker(stage, 'node', 'update', '--availability', 'drain', node);
  await until(
    `${node} to run nothing`,
    async () => (await lab.docker(node, ['ps', '-q'])).stdout.trim() === '' || undefined,
    { timeoutMs: 60_000, everyMs: 200, signal },
  );
  await lab.docker(node, ['swarm', 'leave'], { timeoutMs: 60_000 });
  // Swarm removes only a node that it knows to be down.
  await docker(stage, 'node', 'rm', '--force', node);
}
