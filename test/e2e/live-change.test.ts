// What an operator changes while clients are served: priorities, members, addresses, and what all members must agree on.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  label,
  labelThree,
  observe,
  plannedBound,
  ready,
  type Stage,
  settled,
  statusOf,
} from '../demo/steps.ts';
import { type Bound, judged } from '../lab/judge.ts';
import { createLab } from '../lab/lab.ts';
import { until } from '../lab/run.ts';
import { keepsBound } from './verdict.ts';

const lab = createLab({ name: `live-${process.pid % 10_000}`, nodes: 3 });
const stop = new AbortController();
const stage: Stage = { lab, group: 'main', say: () => undefined, signal: stop.signal };
const three = ['node1', 'node2', 'node3'];
/** A change of what all members must agree on. */
const agreedBound: Bound = { outageMs: 5, lostProbes: 5, twoHoldersMs: 0 };
let serial = 0;

/** A new version of groups.yaml with these lines for the group, in force on every node. */
async function define(...lines: string[]): Promise<void> {
  const text = ['groups:', '  main:', ...lines.map((line) => `    ${line}`), ''].join('\n');
  serial += 1;
  const name = `groups-${serial}`;
  await lab.docker(await lab.manager(), ['config', 'create', '--label', 'swarm-vip.groups=yes', name, '-'], {
    input: text,
  });
  await until(
    `${name} in force`,
    async () => {
      const status = await statusOf(lab);
      return (status.config?.name === name && status.agents.every(({ inSync }) => inSync)) || undefined;
    },
    { timeoutMs: 60_000, everyMs: 200 },
  );
  await settled(stage, 'node1');
  await ready(stage, three);
}

describe('a change while clients are served', { timeout: 15 * 60_000 }, () => {
  const base = () => `addresses: [${lab.vip}]`;
  before(async () => {
    await lab.up();
    await lab.deploy();
    await labelThree(lab, 'main');
    await settled(stage, 'node1');
    await ready(stage, three);
    await define(base());
  });
  after(async () => {
    stop.abort();
    await lab.down();
  });

  interface Change {
    says: string;
    bound: Bound;
    undo?: () => Promise<void>;
    act: () => Promise<void>;
  }
  const changes: Change[] = [
    {
      says: 'a priority changes',
      bound: plannedBound,
      undo: () => label(lab, 'node2', { KEEPALIVED_PRIORITY: '100' }),
      act: async () => {
        await label(lab, 'node2', { KEEPALIVED_PRIORITY: '95' });
        await priorityIs('node2', 95);
      },
    },
    {
      says: 'a member leaves and comes back',
      bound: plannedBound,
      act: async () => {
        await lab.docker(await lab.manager(), ['node', 'update', '--label-rm', 'keepalived_group', 'node3']);
        await until('node3 to leave', async () => (await members()) === 2 || undefined, {
          timeoutMs: 30_000,
          everyMs: 100,
        });
        await label(lab, 'node3', { keepalived_group: 'main' });
        await ready(stage, three);
      },
    },
    {
      says: 'an address is added',
      bound: plannedBound,
      undo: () => define(base()),
      act: () => define(`addresses: [${lab.vip}, ${lab.vip.replace(/\d+$/, '101')}]`),
    },
    {
      says: 'the interval changes',
      bound: agreedBound,
      undo: () => define(base()),
      act: () => define(base(), 'interval: 200ms'),
    },
    {
      says: 'the virtual router id changes',
      bound: agreedBound,
      undo: () => define(base()),
      act: () => define(base(), 'router_id: 77'),
    },
    {
      says: 'a password is set, and with it version 2 and whole seconds',
      bound: agreedBound,
      undo: () => define(base()),
      act: () => define(base(), 'auth: { password: first }'),
    },
    {
      says: 'the password changes',
      bound: agreedBound,
      undo: () => define(base(), 'auth: { password: first }'),
      act: () => define(base(), 'auth: { password: second }'),
    },
    {
      says: 'unicast becomes multicast',
      bound: agreedBound,
      undo: () => define(base()),
      act: () => define(base(), 'transport: multicast'),
    },
  ];

  for (const { says, bound, undo, act } of changes) {
    it(`is not noticed when ${says}`, async (t) => {
      const verdict = await judged(async () => {
        await undo?.();
        await settled(stage, 'node1');
        await ready(stage, three);
        return observe(lab, act);
      }, bound);
      keepsBound(t, verdict);
      assert.deepEqual([verdict.holderBefore, verdict.holderAfter], ['node1', 'node1']);
    });
  }

  it('keeps what is served when a new groups.yaml is broken, and says where', async (t) => {
    await define(base());
    const verdict = await judged(
      () =>
        observe(lab, async () => {
          await lab.docker(
            await lab.manager(),
            ['config', 'create', '--label', 'swarm-vip.groups=yes', `broken-${Date.now()}`, '-'],
            { input: 'groups:\n  main:\n    addresses: [not-an-address\n' },
          );
          await until(
            'the problem',
            async () =>
              (await statusOf(lab)).problems.some(({ where }) => where.includes('broken-')) || undefined,
            { timeoutMs: 20_000, everyMs: 200 },
          );
        }),
      plannedBound,
    );
    t.diagnostic(JSON.stringify(verdict));
    assert.equal(verdict.lostProbes, 0);
    assert.equal((await statusOf(lab)).groups[0]?.name, 'main');
  });
});

async function members(): Promise<number> {
  return (await statusOf(lab)).groups.find(({ name }) => name === 'main')?.members.length ?? 0;
}

async function priorityIs(node: string, priority: number): Promise<void> {
  await until(
    `priority ${priority} on ${node}`,
    async () => {
      const { groups, agents } = await statusOf(lab);
      const member = groups[0]?.members.find(({ hostname }) => hostname === node);
      return (member?.priority === priority && agents.every(({ inSync }) => inSync)) || undefined;
    },
    { timeoutMs: 30_000, everyMs: 100 },
  );
}
