// What an operator changes while clients are served, as steps: the address stays where it is, and clients notice nothing.
import { stringify } from 'yaml';
import type { Bound } from '../lab/judge.ts';
import { until } from '../lab/run.ts';
import { plannedBound } from './planned-steps.ts';
import {
  calm,
  label,
  labelThree,
  patienceMs,
  priorities,
  ready,
  type Stage,
  statusOf,
  three,
} from './stage.ts';
import type { Step } from './steps.ts';

/** A change of what all members must agree on. */
export const agreedBound: Bound = { outageMs: 5, lostProbes: 5, twoHoldersMs: 0 };

/** What groups.yaml says about the group besides its address. */
type Keys = (vip: string) => Record<string, unknown>;
const plain: Keys = () => ({});

/** A new version of groups.yaml, in force on every node. */
export async function define(stage: Stage, keys: Keys = plain, members = three): Promise<void> {
  const { lab, group, signal } = stage;
  const input = stringify({ groups: { [group]: { addresses: [lab.vip], ...keys(lab.vip) } } });
  const name = `groups-${Date.now()}`;
  const create = ['config', 'create', '--label', 'swarm-vip.groups=yes', name, '-'];
  await lab.docker(await lab.manager(), create, { input });
  await until(
    `${name} to be in force`,
    async () => {
      const { config, agents } = await statusOf(lab);
      const current = agents.filter(({ hostname }) => members.includes(hostname));
      return (config?.name === name && current.every(({ inSync }) => inSync)) || undefined;
    },
    { timeoutMs: patienceMs, everyMs: 200, signal },
  );
  await ready(stage, members);
}

/** The README's labels and a plain groups.yaml with `keys`, in force, with node1 holding. */
async function defined(stage: Stage, keys: Keys): Promise<void> {
  await labelThree(stage.lab, stage.group);
  await define(stage, keys);
  await calm(stage);
}

const redefinition = (name: string, title: string, bound: Bound, to: Keys, from: Keys = plain): Step => ({
  name,
  title,
  prepare: (stage) => defined(stage, from),
  act: (stage) => define(stage, to),
  back: (stage) => define(stage, from),
  holder: 'node1',
  bound,
});

const password = (text: string): Keys => {
  return () => ({ auth: { password: text } });
};

/** Changes that clients must not notice. */
export const liveSteps: readonly Step[] = [
  {
    name: 'priority',
    title: 'the priority of node2 falls below that of node3',
    prepare: (stage) => defined(stage, plain),
    act: (stage) => prioritise(stage, 'node2', 60),
    back: (stage) => prioritise(stage, 'node2', priorities.node2),
    holder: 'node1',
    bound: plannedBound,
  },
  {
    name: 'member',
    title: 'node3 leaves the group',
    prepare: (stage) => defined(stage, plain),
    act: async ({ lab, group, signal }) => {
      await lab.docker(await lab.manager(), ['node', 'update', '--label-rm', 'keepalived_group', 'node3']);
      await until(
        'node3 to be no member',
        async () => {
          const { groups, agents } = await statusOf(lab);
          const members = groups.find(({ name }) => name === group)?.members ?? [];
          const left = members.length === three.length - 1 && agents.every(({ inSync }) => inSync);
          return left || undefined;
        },
        { timeoutMs: patienceMs, everyMs: 100, signal },
      );
    },
    back: async (stage) => {
      await label(stage.lab, 'node3', { keepalived_group: stage.group });
      await ready(stage, three);
    },
    holder: 'node1',
    bound: plannedBound,
  },
  redefinition('address', 'an address is added', plannedBound, (vip) => ({
    addresses: [vip, vip.replace(/\d+$/, '101')],
  })),
  redefinition('interval', 'the interval is doubled', agreedBound, () => ({ interval: '200ms' })),
  redefinition('router-id', 'the virtual router id changes', agreedBound, () => ({ router_id: 77 })),
  redefinition(
    'password-set',
    'a password is set, and with it version 2 and whole seconds',
    agreedBound,
    password('first'),
  ),
  redefinition('password', 'the password changes', agreedBound, password('second'), password('first')),
  redefinition('transport', 'unicast becomes multicast', agreedBound, () => ({ transport: 'multicast' })),
];

/** The label of a member says another priority, and every agent runs it. */
export async function prioritise(
  { lab, group, signal }: Stage,
  node: string,
  priority: number,
): Promise<void> {
  await label(lab, node, { KEEPALIVED_PRIORITY: String(priority) });
  await until(
    `priority ${priority} on ${node}`,
    async () => {
      // A coordinator that has just been started does not answer yet.
      const status = await statusOf(lab).catch(() => undefined);
      const members = status?.groups.find(({ name }) => name === group)?.members ?? [];
      const changed = members.some((member) => member.hostname === node && member.priority === priority);
      return (changed && status?.agents.every(({ inSync }) => inSync)) || undefined;
    },
    { timeoutMs: patienceMs, everyMs: 100, signal },
  );
}
