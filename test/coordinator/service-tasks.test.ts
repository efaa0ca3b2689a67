// From Swarm's task list to the words that agents hear, and what must never be taken for "no task".
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import pino from 'pino';
import * as v from 'valibot';
import { checkConfig } from '../../coordinator/core/config-check.ts';
import { type ServiceTask, taskWords, wantedServices } from '../../coordinator/core/service-tasks.ts';
import type { Snapshot, SwarmNode } from '../../coordinator/core/snapshot.ts';
import { createTaskReader, type Stand } from '../../coordinator/task-reader.ts';
import type { CoordinatorFrame } from '../../shared/protocol.ts';
import { Tasks } from '../../shared/protocol.ts';
import { config, connected, id, member, plan, report, snapshot } from './world.ts';

const web = { id: 's1', name: 'shop_web', replicas: 1 };
const groups = (checks: string) => `groups:\n  web:\n    addresses: [10.0.0.100]\n    checks: ${checks}\n`;
const swarm = (nodes: SwarmNode[], more: Partial<Snapshot> = {}): Snapshot => ({
  ...snapshot(nodes, [], [config(groups('[{service: shop_web}]'))]),
  allServices: [web, { id: 's2', name: 'db', replicas: undefined }],
  ...more,
});
const nodes = [member(1), member(2), member(3)];
const task = (node: number, state = 'running', service = 's1'): ServiceTask => ({
  service,
  state,
  node: id(node),
});
const words = (tasks: ServiceTask[], more: Partial<Snapshot> = {}, node = 1, names = ['shop_web']) =>
  taskWords(swarm(nodes, more), new Map([['s1', tasks]]), id(node), names);
const told = (...args: Parameters<typeof words>) =>
  words(...args).map(({ running, detail }) => [running, detail]);

describe('the word on a service', () => {
  it('is that it runs where a task of it does, and where it does otherwise', () => {
    const tasks = [task(1), task(2, 'shutdown'), task(1, 'failed')];
    assert.deepEqual(told(tasks), [[true, 'a task of shop_web runs here']]);
    assert.deepEqual(told(tasks, {}, 2), [[false, 'no task of shop_web runs here, but on host1']]);
    assert.deepEqual(told([task(1, 'starting')]), [[false, 'no task of shop_web runs here, nor elsewhere']]);
    const many = [2, 3].map((n) => task(n));
    assert.deepEqual(told(many), [[false, 'no task of shop_web runs here, but on host2 and host3']]);
  });

  it('is none for a node that Swarm does not reach: what it plans elsewhere says nothing of that node', () => {
    for (const state of ['down', 'disconnected', 'unknown'] as const) {
      const cutOff = { nodes: [member(1, undefined), member(2)].map((each) => ({ ...each, state })) };
      assert.deepEqual(words([task(2)], cutOff), []);
    }
    assert.deepEqual(words([task(2)], {}, 9), [], 'nor for one that it does not know');
  });

  it('is none when nothing was read, or nothing at all was found', () => {
    assert.deepEqual(words([]), [], 'a service that should have a task');
    assert.deepEqual(words([], { allServices: [] }), [], 'no services at all');
    assert.deepEqual(taskWords(swarm(nodes), new Map(), id(1), ['shop_web']), [], 'not read yet');
    assert.deepEqual(words([], { allServices: [{ ...web, replicas: undefined }] }), [], 'a global one');
    const meant = { allServices: [{ ...web, replicas: 0 }] };
    assert.deepEqual(
      told([], meant),
      [[false, 'no task of shop_web runs here, nor elsewhere']],
      'scaled to none',
    );
  });

  it('is that it does not run where Swarm has no such service', () => {
    assert.deepEqual(told([], {}, 1, ['wbe']), [[false, 'Swarm has no service wbe']]);
  });

  it('always fits into a frame, however hosts are called', () => {
    const names = fc.array(fc.string({ maxLength: 255 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(names, (hostnames) => {
        const all = hostnames.map((hostname, n) => ({ ...member(n + 2), hostname }));
        const tasks = all.map((_, n) => task(n + 2));
        const frame = { type: 'tasks', epoch: 1, words: words(tasks, { nodes: [member(1), ...all] }) };
        assert.equal(v.is(Tasks, frame), true);
      }),
    );
  });
});

describe('a service check in groups.yaml', () => {
  const problems = (checks: string, more: Partial<Snapshot> = {}) =>
    plan(
      swarm(nodes, { configs: [config(groups(checks))], ...more }),
      connected({ 1: report(1), 2: report(2), 3: report(3) }),
    ).problems;

  it('reaches the assignment, and there is no word in it that a task could change', () => {
    const agents = connected({ 1: report(1) });
    const first = plan(swarm(nodes), agents).assignments.get(id(1)) ?? [];
    assert.deepEqual(
      first[0]?.checks?.map(({ kind, name }) => [kind, name]),
      [['service', 'service']],
    );
    assert.deepEqual(wantedServices(first), ['shop_web']);
    const scaled = { allServices: [{ ...web, replicas: 0 }] };
    assert.deepEqual(plan(swarm(nodes, scaled), agents).assignments.get(id(1)), first);
  });

  it('names a service that does not exist, and the one that was probably meant', () => {
    for (const [name, hint] of [
      ['web', '; did you mean shop_web?'],
      ['shop_wbe', '; did you mean shop_web?'],
      ['mail', ''],
    ] as const) {
      const [problem] = problems(`[{service: ${name}}]`).filter(({ code }) => code === 'service-unknown');
      assert.equal(problem?.message, `check service: Swarm has no service ${name}${hint}`);
      assert.match(problem?.where ?? '', /config groups-1, line 4/);
    }
    assert.deepEqual(
      problems('[{service: shop_web}]').map(({ code }) => code),
      [],
    );
    assert.deepEqual(
      problems('[{service: web}]', { allServices: [] }).map(({ code }) => code),
      [],
      'nothing was read',
    );
    assert.deepEqual(checkConfig(groups('[{service: web}]')).problems, [], 'a file alone cannot tell');
  });

  it('refuses what is no name, and two of one name', () => {
    for (const bad of ['"a b"', '"a/b"', '{name: web}', '""', 'true']) {
      assert.ok(problems(`[{service: ${bad}}]`).length > 0, bad);
    }
    const [twice] = problems('[{service: shop_web}, {service: db}]');
    assert.equal(twice?.message, 'expected each name once in a group');
    assert.deepEqual(problems('[{service: shop_web}, {service: db, name: db}]'), []);
  });
});

describe('the reader of tasks', () => {
  function scene() {
    const sent: [string, CoordinatorFrame][] = [];
    const asked: (readonly string[])[] = [];
    const world = { nowMs: 0, tasks: [task(1)] as ServiceTask[] | Error };
    const assignments = plan(swarm(nodes), connected({ 1: report(1), 2: report(2) })).assignments;
    const stand: Stand = { snapshot: swarm(nodes), snapshotError: undefined, epoch: 7, assignments };
    const reader = createTaskReader({
      swarm: {
        tasks: (services) => {
          asked.push(services);
          return world.tasks instanceof Error ? Promise.reject(world.tasks) : Promise.resolve(world.tasks);
        },
      },
      send: (node, frame) => sent.push([node, frame]) > 0,
      log: pino({ level: 'silent' }),
      now: () => world.nowMs,
    });
    return { reader, world, stand, sent, asked };
  }

  it('tells each agent about its own node, with every good read', async () => {
    const { reader, stand, sent, asked } = scene();
    for (const reads of [1, 2]) {
      await reader.look(() => stand);
      assert.equal(sent.length, 2 * reads);
    }
    assert.deepEqual(asked, [['s1'], ['s1']]);
    const said = sent
      .slice(0, 2)
      .map(([node, frame]) => [node, frame.type === 'tasks' && frame.words[0]?.running]);
    assert.deepEqual(said, [
      [id(1), true],
      [id(2), false],
    ]);
    assert.ok(sent.every(([, frame]) => v.is(Tasks, frame) && frame.epoch === 7));
  });

  it('says nothing after a bad read, whatever it knew, and tells how old that is', async () => {
    const { reader, world, stand, sent } = scene();
    await reader.look(() => stand);
    sent.length = 0;
    world.tasks = new Error('no leader');
    for (world.nowMs of [1_000, 64_000]) await reader.look(() => stand);
    await reader.look(() => ({ ...stand, snapshotError: 'no leader' }));
    assert.deepEqual(sent, []);
    assert.deepEqual(reader.staleness(), { ageMs: 63_000, error: 'no leader' });
    world.tasks = [task(2)];
    await reader.look(() => stand);
    assert.equal(sent.length, 2);
    assert.equal(reader.staleness(), undefined);
  });

  it('reads and says nothing while it stands by, or nobody asks', async () => {
    const { reader, stand, sent, asked } = scene();
    await reader.look(() => undefined);
    await reader.look(() => ({ ...stand, assignments: new Map([[id(1), []]]) }));
    assert.deepEqual([sent, asked], [[], []]);
  });

  it('says nothing when it stands by at the end of a read', async () => {
    const { reader, stand, sent } = scene();
    let looks = 0;
    await reader.look(() => (looks++ === 0 ? stand : undefined));
    assert.deepEqual([looks, sent], [2, []]);
  });
});
