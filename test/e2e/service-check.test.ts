// Addresses that follow the tasks of a Swarm service, by Swarm's own task list: the agents have no engine's socket here.
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { define } from '../demo/live-steps.ts';
import { plannedBound } from '../demo/planned-steps.ts';
import { lastFrom, lastSwitches, ready, settled, statusOf, three } from '../demo/stage.ts';
import { observe } from '../demo/steps.ts';
import { heldMs } from '../lab/holding.ts';
import { BASE_IMAGE } from '../lab/images.ts';
import { BLINK_MS, judged } from '../lab/judge.ts';
import { until } from '../lab/run.ts';
import { stageOf } from './on-stage.ts';
import { keepsBound } from './verdict.ts';

/** A check here fails after three runs, a second apart, and a word may be a second old. */
const failsAfterMs = 3_500;

describe('an address that follows a service', { timeout: 10 * 60_000 }, () => {
  const stage = stageOf('svc');
  const { lab } = stage;
  const docker = async (...args: string[]) => lab.docker(await lab.manager(), args, { timeoutMs: 60_000 });
  const at = (node: string) => `node.hostname==${node}`;
  const move = (from: string, to: string) =>
    docker(
      ...[
        'service',
        'update',
        '--detach',
        '--constraint-rm',
        at(from),
        '--constraint-add',
        at(to),
        'shop_web',
      ],
    );
  const checkOf = async (hostname: string) => {
    const { groups } = await statusOf(lab);
    return groups[0]?.members.find((member) => member.hostname === hostname)?.checks[0];
  };
  const check = (
    hostname: string,
    what: string,
    holds: (found: Awaited<ReturnType<typeof checkOf>>) => boolean,
  ) =>
    until(
      `the check of ${hostname} ${what}`,
      async () => holds(await checkOf(hostname).catch(() => undefined)) || undefined,
      {
        timeoutMs: 60_000,
        everyMs: 200,
        signal: stage.signal,
      },
    );
  const stands = (hostname: string, up: boolean) =>
    check(hostname, up ? 'passes' : 'fails', (found) => found?.up === up);
  const containers = async () => {
    const filter = 'label=com.docker.swarm.service.name=shop_web';
    return (await lab.docker('node2', ['ps', '-q', '-f', filter])).stdout.trim();
  };
  /** One task on node2, and not this one. */
  const another = (old: string) => async () => {
    const now = await containers();
    return (now !== '' && now !== old && !now.includes('\n')) || undefined;
  };
  /** While `act` lasts, no verdict takes the address from `node`. */
  const stays = async (node: string, act: () => Promise<unknown>) => {
    await settled(stage, node);
    const sampler = await lab.holders(lab.vip);
    try {
      await act();
    } finally {
      const { byNode, noHolderMs } = await sampler.stop();
      const others = three.filter((each) => each !== node).map((each) => heldMs(byNode[each]));
      const withoutMs = Math.max(noHolderMs, ...others);
      assert.ok(withoutMs < BLINK_MS, JSON.stringify({ byNode, noHolderMs }));
    }
  };

  /** @param fall as many failures in a row make it fail */
  const checked = (fall = 3) =>
    define(stage, () => ({ checks: [{ service: 'shop_web', weight: -30, interval: '1s', fall }] }));

  before(async () => {
    await docker('swarm', 'update', '--dispatcher-heartbeat', '1s');
    const [image = ''] = await lab.images([BASE_IMAGE]);
    const options = [
      '--detach',
      '--network',
      'host',
      '--stop-grace-period',
      '1s',
      '--constraint',
      at('node1'),
    ];
    await docker('service', 'create', '--name', 'shop_web', ...options, image, 'sleep', '100000');
    await checked();
    await stands('node1', true);
    for (const node of ['node2', 'node3']) await stands(node, false);
    await settled(stage, 'node1');
  });

  it('moves with its only task, and loses nothing; history says why', async (t) => {
    let [from, to] = ['node1', 'node2'];
    let tookMs = 0;
    const verdict = await judged(
      () =>
        observe(lab, async () => {
          const began = Date.now();
          await move(from, to);
          await settled(stage, to);
          tookMs = Date.now() - began;
          [from, to] = [to, from];
        }),
      plannedBound,
    );
    t.diagnostic(`task and address moved within ${tookMs} ms, 1.5 s of watching included`);
    if (from === 'node1') await move('node1', 'node2');
    await settled(stage, 'node2');
    const { reason = '' } = lastFrom(await lastSwitches(lab), 'node1') ?? {};
    assert.match(reason, /check service fails \(-30\): no task of shop_web runs here/);
    assert.match((await checkOf('node2'))?.output ?? '', /^a task of shop_web runs here$/);
    await stands('node1', false);
    assert.match((await checkOf('node1'))?.output ?? '', /^no task of shop_web runs here, but on node2$/);
    keepsBound(t, verdict);
  });

  it('stays where it is while the service is updated, the old task gone before the new one starts', async (t) => {
    // On a busy machine a container takes its time.
    await checked(10);
    const before = await containers();
    const began = Date.now();
    await stays('node2', async () => {
      await docker('service', 'update', '--detach', '--force', 'shop_web');
      await until('a new task', another(before), {
        timeoutMs: 30_000,
        everyMs: 100,
        signal: stage.signal,
      });
      t.diagnostic(`no task for at most ${Date.now() - began} ms`);
      await delay(2_000);
    });
    await stands('node2', true);
    await checked();
  });

  it('stays where it is when Swarm calls the node down, whose engine hangs', async (t) => {
    const before = await containers();
    try {
      await stays('node2', async () => {
        await lab.chaos('stop-engine', 'node2');
        const state = ['node', 'inspect', '-f', '{{.Status.State}}', 'node2'];
        await until(
          'node2 to be down',
          async () => (await lab.docker('node1', state)).stdout.includes('down') || undefined,
          { timeoutMs: 60_000, everyMs: 200, signal: stage.signal },
        );
        await delay(failsAfterMs + 1_000);
        const found = await checkOf('node2');
        assert.match(found?.output ?? '', /^no news for \d+ s; last: a task of shop_web runs here$/);
        assert.equal(found?.up, true);
        t.diagnostic(`age of the verdict: ${Math.round((Date.now() - (found?.lastRunMs ?? 0)) / 1000)} s`);
      });
    } finally {
      await lab.chaos('start-engine', 'node2');
    }
    // Swarm has replaced the task that it did not see: now it ends the old one and starts the new one.
    await until('the new task', another(before), { timeoutMs: 60_000, everyMs: 200, signal: stage.signal });
    await check('node2', 'has news', (found) => found?.up === true && !found.output.startsWith('no news'));
    await ready(stage, three);
  });

  it('keeps the last verdict while there is no coordinator, and follows again when there is one', async () => {
    const constrain = (how: string) =>
      docker('service', 'update', '--detach', how, 'node.labels.nobody==yes', 'swarm-vip_coordinator');
    const coordinators = ['ps', '-q', '-f', 'label=com.docker.swarm.service.name=swarm-vip_coordinator'];
    try {
      await stays('node2', async () => {
        await constrain('--constraint-add');
        await until(
          'no coordinator to run',
          async () => {
            const ids = await Promise.all(three.map((node) => lab.docker(node, coordinators)));
            return ids.every(({ stdout }) => stdout.trim() === '') || undefined;
          },
          { timeoutMs: 60_000, everyMs: 200, signal: stage.signal },
        );
        await move('node2', 'node3');
        await delay(failsAfterMs + 2_000);
      });
    } finally {
      await constrain('--constraint-rm');
    }
    await settled(stage, 'node3');
  });

  it('keeps the last verdict while there is no quorum, and any manager tells how old it is', async () => {
    const others = ['node1', 'node2'];
    try {
      await stays('node3', async () => {
        await Promise.all(others.map((node) => lab.chaos('stop-engine', node)));
        const told = async () => {
          const { groups } = await statusOf(lab, 'node3');
          return (groups[0]?.members ?? []).map(({ checks: [check], hostname }) => [
            hostname,
            check?.up,
            /^no news for \d+ s; last: /.test(check?.output ?? ''),
          ]);
        };
        // A leader without a quorum answers on until it notices, which takes Raft's election timeout.
        await until(
          'no check to have news',
          async () => (await told()).every(([, , silent]) => silent) || undefined,
          { timeoutMs: 30_000, everyMs: 500, signal: stage.signal },
        );
        await delay(failsAfterMs + 1_000);
        assert.deepEqual(new Set(await told()), new Set(three.map((node) => [node, node === 'node3', true])));
      });
    } finally {
      await Promise.all(others.map((node) => lab.chaos('start-engine', node)));
    }
    await check('node3', 'has news', (found) => found?.up === true && !found.output.startsWith('no news'));
    await ready(stage, three);
  });

  it('is held by somebody when the service has no task at all', async (t) => {
    await ready(stage, three);
    const scale = (tasks: number) => docker('service', 'scale', '--detach', `shop_web=${tasks}`);
    const verdict = await judged(async () => {
      await scale(1);
      await settled(stage, 'node3');
      return observe(lab, async () => {
        await scale(0);
        await settled(stage, 'node1');
      });
    }, plannedBound);
    assert.match((await checkOf('node3'))?.output ?? '', /no task of shop_web runs here, nor elsewhere/);
    keepsBound(t, verdict);
  });

  it('is held by nobody then, where the check is a fault; a name that is none is a problem with the one meant', async () => {
    const sampler = await lab.holders(lab.vip);
    try {
      await define(stage, () => ({ checks: [{ service: 'web' }] }), []);
      await until('nobody to hold', () => sampler.now().length === 0 || undefined, {
        timeoutMs: 60_000,
        everyMs: 100,
      });
      const { problems, verdict } = await statusOf(lab);
      const problem = problems.find(({ code }) => code === 'service-unknown');
      assert.match(problem?.message ?? '', /Swarm has no service web; did you mean shop_web\?/);
      assert.equal(verdict, 'NO HOLDER');
    } finally {
      await sampler.stop();
    }
    await docker('service', 'scale', '--detach', 'shop_web=1');
    await define(stage, () => ({ checks: [{ service: 'shop_web' }] }), []);
    await settled(stage, 'node3');
  });
});
