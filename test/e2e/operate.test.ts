// What an operator does besides moving addresses, on a real Swarm: pause, maintenance windows, events, labels of services.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type LiveEvent, transitionEvent } from '../../coordinator/core/events.ts';
import type { HistoryDocument } from '../../coordinator/core/history.ts';
import type { Status } from '../../coordinator/core/status.ts';
import { toldLabel } from '../../coordinator/core/told.ts';
import { plannedBound } from '../demo/planned-steps.ts';
import {
  cli,
  insist,
  label,
  lastFrom,
  lastSwitches,
  ready,
  settled,
  statusOf,
  three,
} from '../demo/stage.ts';
import { observe } from '../demo/steps.ts';
import { heldMs } from '../lab/holding.ts';
import { BASE_IMAGE, PROJECT_ROOT } from '../lab/images.ts';
import { BLINK_MS, judge, judged, type Verdict } from '../lab/judge.ts';
import { hostAddress } from '../lab/names.ts';
import { until } from '../lab/run.ts';
import { stageOf } from './on-stage.ts';
import { createTold } from './told.ts';
import { everybodyIsTold, noSecretIsSaid } from './told-story.ts';
import { keepsBound } from './verdict.ts';

const gatewayHost = 1;
const shopHost = 110;
const clientHost = 200;

describe('an operator of a real Swarm', { timeout: 10 * 60_000 }, () => {
  const told = createTold();
  after(() => told.end());
  const stage = stageOf('oper', (lab) => ({
    stack: ['compose.yaml', 'test/e2e/planted.yaml'].map((file) => `${PROJECT_ROOT}/${file}`),
    env: {
      ADDRESS_POOLS: [gatewayHost, shopHost, clientHost]
        .map((host) => hostAddress(lab.names, host))
        .join(' '),
      ...told.plant(lab),
    },
  }));
  const { lab, signal } = stage;
  const wait = { timeoutMs: 60_000, everyMs: 200, signal };
  const docker = async (...args: string[]) => lab.docker(await lab.manager(), args, { timeoutMs: 60_000 });

  const seen = (what: string, holds: (status: Status) => boolean, node?: string) =>
    until(
      what,
      async () => {
        const status = await statusOf(lab, node).catch(() => undefined);
        return status && holds(status) ? status : undefined;
      },
      wait,
    );
  const activeOf = ({ coordinator }: Status): string => coordinator.active?.hostname ?? '';
  const applied = ({ agents }: Status) => agents.map((each) => [each.hostname, each.applied]);
  const containerOf = async (node: string, service: string) => {
    const filter = `label=com.docker.swarm.service.name=${service}`;
    return (await lab.docker(node, ['ps', '-q', '-f', filter])).stdout.trim().split('\n')[0] ?? '';
  };
  const inStep = ({ agents }: Status) => agents.every((each) => each.inSync);
  const connected = ({ agents }: Status) => agents.filter((each) => each.connected).length === three.length;

  /** A version of groups.yaml with all receivers, in force. */
  async function define(groups: object): Promise<void> {
    const name = `groups-${Date.now()}`;
    const create = ['config', 'create', '--label', 'swarm-vip.groups=yes', name, '-'];
    await lab.docker(await lab.manager(), create, { input: told.text(lab, groups) });
    await seen(`${name} to be in force`, ({ config }) => config?.name === name);
  }
  let definedMs = 0;
  before(async () => {
    told.listen(lab);
    await define({});
    // From this label on receivers are told; what was before is none of their business.
    const begun = async () =>
      (await docker('node', 'inspect', '-f', '{{json .Spec.Labels}}', ...three)).stdout.includes(toldLabel);
    await until('receivers to be known', async () => (await begun()) || undefined, wait);
    definedMs = Date.now();
  });

  it('pauses: nothing changes, whoever becomes active, while two holders are still settled', async (t) => {
    await insist(stage, 'pause', '--for', '1h', '--reason', 'raft');
    const before = await seen('the pause', ({ pause }) => pause?.reason === 'raft');
    assert.match((await cli(lab, ['status'])).stdout, /^PAUSED until .* \(raft\): no assignment changes/);
    for (const args of [
      ['drain', '--yes', 'node1'],
      ['switchover', 'main', '--to', 'node2'],
    ]) {
      const { code, stderr } = await cli(lab, args);
      assert.equal(code, 4, stderr);
      assert.match(stderr, /refused: the plan is paused until .* \(raft\): swarm-vip resume first/);
    }
    await label(lab, 'node3', { KEEPALIVED_PRIORITY: '200' });
    const active = activeOf(before);
    await seen('what waits', ({ pause }) => (pause?.waiting.length ?? 0) > 0, active);
    await lab.chaos('kill-coordinator', active);
    await seen(
      'the next life of the coordinator to be active',
      (status) => status.coordinator.role === 'active' && connected(status),
      active,
    );
    // Two masters: node2 hears nobody any more. It is told to step down, and let in again.
    const sampler = await lab.holders(lab.vip);
    try {
      await lab.chaos('drop-vrrp', 'node2');
      await until('two holders', () => sampler.now().length === 2 || undefined, { ...wait, everyMs: 5 });
      await until('one of them to step down', () => sampler.now().join() === 'node1' || undefined, wait);
    } finally {
      await lab.chaos('restore-vrrp', 'node2');
      const { byNode, noHolderMs } = await sampler.stop();
      const awayMs = heldMs(byNode['node3']) + noHolderMs;
      assert.ok(awayMs < BLINK_MS, `node3 holds by a priority that waits: ${JSON.stringify(byNode)}`);
    }
    await ready(stage, three);
    const verdict = await judged(
      () =>
        observe(lab, async () => {
          await lab.docker('node1', ['stop', await containerOf('node1', 'swarm-vip_agent')]);
          await settled(stage, 'node1');
          await ready(stage, three);
        }),
      plannedBound,
    );
    const heldByFirst = ({ groups }: Status) =>
      groups[0]?.holders.map(({ hostname }) => hostname).join() === 'node1';
    const during = await seen('all agents, and node1 to hold', (now) => connected(now) && heldByFirst(now));
    const third = during.groups[0]?.members.find(({ hostname }) => hostname === 'node3');
    assert.deepEqual([third?.priority, third?.effectivePriority], [200, 202]);
    assert.deepEqual(
      applied(during).filter(([node]) => node === 'node3'),
      applied(before).filter(([node]) => node === 'node3'),
    );
    await insist(stage, 'resume');
    await settled(stage, 'node3');
    await label(lab, 'node3', { KEEPALIVED_PRIORITY: '90' });
    await settled(stage, 'node1');
    await insist(stage, 'pause', '--for', '2s');
    await seen('the pause to end by itself', ({ pause }) => pause === null);
    await insist(stage, 'resume');
    keepsBound(t, verdict);
  });

  it('follows events from a standby over the death of the active coordinator, each once', async () => {
    const status = await seen('all to run what they should', (now) => connected(now) && inStep(now));
    const active = activeOf(status);
    const standby = three.find((node) => node !== active) ?? '';
    const container = await containerOf(standby, 'swarm-vip_coordinator');
    const follow = ['timeout', '40', 'swarm-vip', 'events', '-f', '--since', '1s', '-o', 'json'];
    const reading = lab.exec(standby, ['docker', 'exec', container, ...follow], { timeoutMs: 90_000 });
    await delay(2_000);
    const beganMs = Date.now();
    await insist(stage, 'drain', '--yes', 'node1', '--reason', 'watched');
    await lab.chaos('kill-coordinator', active);
    await seen('it to be active again', (now) => now.coordinator.role === 'active' && connected(now), active);
    await insist(stage, 'undrain', 'node1');
    await settled(stage, 'node1');
    const endedMs = Date.now();
    const { stdout, stderr } = await reading;
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as LiveEvent);
    const { transitions } = JSON.parse(
      (await cli(lab, ['history', '--all', '--limit', '1000', '-o', 'json'])).stdout,
    ) as HistoryDocument;
    const during = ({ atMs }: { atMs: number }) => atMs >= beganMs && atMs < endedMs;
    const remembered = transitions.filter(during).map((each) => transitionEvent(each).key);
    const followed = events.flatMap((each) => (each.type === 'transition' && during(each) ? [each] : []));
    assert.deepEqual(followed.map(({ key }) => key).sort(), remembered.sort(), stderr);
    const rises = followed.flatMap(({ to, hostname }) => (to === 'MASTER' ? [hostname] : []));
    assert.ok(rises.length >= 2 && rises[0] !== 'node1' && rises.at(-1) === 'node1', rises.join());
    const orders = events.flatMap((each) => (each.type === 'order' ? [each] : []));
    assert.ok(
      orders.some(({ hostname, groups }) => hostname === 'node1' && groups[0]?.order === 'drained: watched'),
      stdout,
    );
    assert.ok(new Set(orders.map(({ epoch }) => epoch)).size > 1, stdout);
    const keys = events.flatMap((each) => ('problem' in each ? [] : [each.key]));
    assert.equal(new Set(keys).size, keys.length, stdout);
    assert.match(stderr, /connection lost/);
  });

  it('gives a service that asks by labels an address of the pools, on the nodes where its tasks run', async (t) => {
    const [image = ''] = await lab.images([BASE_IMAGE]);
    const address = hostAddress(lab.names, shopHost);
    const labels = [
      `swarm-vip.shop.address=${address}`,
      `swarm-vip.taken.address=${hostAddress(lab.names, clientHost)}`,
      `swarm-vip.gate.address=${hostAddress(lab.names, gatewayHost)}`,
      `swarm-vip.foreign.address=${hostAddress(lab.names, 90)}`,
    ].flatMap((text) => ['--label', text]);
    const options = [
      '--detach',
      '--network',
      'host',
      '--stop-grace-period',
      '1s',
      '--replicas-max-per-node',
      '1',
    ];
    const create = ['service', 'create', '--name', 'shop', '--replicas', '2', ...options, ...labels, image];
    await docker(...create, 'sleep', '100000');
    const running = async () => {
      const tasks = await docker(
        'service',
        'ps',
        '-f',
        'desired-state=running',
        '--format',
        '{{.Node}}',
        'shop',
      );
      return tasks.stdout.trim().split('\n').sort();
    };
    const sampler = await lab.holders(address);
    const probe = await lab.probe(address);
    let verdict: Verdict | undefined;
    try {
      await until(
        'a node with a task to hold',
        async () => {
          const [holder, ...more] = sampler.now();
          return (
            (holder !== undefined && more.length === 0 && (await running()).includes(holder)) || undefined
          );
        },
        wait,
      );
      const status = await seen('what is refused', ({ problems }) =>
        ['address-in-use', 'address-outside-pools', 'address-unfit'].every((code) =>
          problems.some((each) => each.code === code),
        ),
      );
      assert.equal(status.groups.find(({ name }) => name === 'taken')?.holders.length, 0);
      assert.ok(!status.groups.some(({ name }) => name === 'foreign' || name === 'gate'));
      await docker('service', 'scale', '--detach', 'shop=1');
      const left = await until(
        'one task',
        async () => {
          const nodes = await running();
          return nodes.length === 1 ? nodes[0] : undefined;
        },
        wait,
      );
      await until(`${left} alone to hold`, () => sampler.now().join() === left || undefined, wait);
      const eligible = await seen('the others to be out', ({ groups }) => {
        const members = groups.find(({ name }) => name === 'shop')?.members ?? [];
        return (
          members
            .filter((each) => each.eligible)
            .map(({ hostname }) => hostname)
            .join() === left
        );
      });
      assert.ok(eligible);
      await docker('service', 'rm', 'shop');
      await until('nobody to hold', () => sampler.now().length === 0 || undefined, wait);
    } finally {
      const evidence = { probe: await probe.stop(), holders: await sampler.stop() };
      // It begins and ends without a holder, as it should.
      verdict = judge(evidence, { outageMs: Number.POSITIVE_INFINITY, twoHoldersMs: 0 });
    }
    await seen('the group to be gone', ({ groups }) => groups.every(({ name }) => name === 'main'));
    keepsBound(t, verdict);
  });

  it('frees a node for its maintenance window and gives back afterwards, and loses nothing', async (t) => {
    const openForMs = 15_000;
    const verdict = await judged(
      () =>
        observe(lab, async () => {
          const from = new Date(Date.now() - 60_000 + openForMs);
          const time = `${from.getUTCSeconds()} ${from.getUTCMinutes()} ${from.getUTCHours()} * * *`;
          await label(lab, 'node1', { 'swarm-vip.window': `${time};1m;patches` });
          await settled(stage, 'node2');
          const status = await statusOf(lab);
          assert.deepEqual(
            status.windows.map(({ hostname, open, reason, refused }) => [hostname, open, reason, refused]),
            [['node1', true, 'patches', []]],
          );
          await settled(stage, 'node1');
          const [next] = (await statusOf(lab)).windows;
          assert.equal(next?.open, false);
        }),
      plannedBound,
    );
    assert.equal(lastFrom(await lastSwitches(lab), 'node1')?.reason, 'node1 drained: window: patches');
    assert.match((await cli(lab, ['status'])).stdout, /window {2}node1 {2}next from .*UTC\): patches/);
    keepsBound(t, verdict);
  });

  it('has told everybody of all of it, over two deaths of the active coordinator and refusals', (t) =>
    everybodyIsTold({ lab, told, wait, seen, sinceMs: definedMs }, t));

  it('says no secret anywhere: logs, status, history, events, metrics, pages, configs, labels, processes', (t) =>
    noSecretIsSaid({ lab, told, seen, define }, t));
});
