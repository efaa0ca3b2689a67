// Stacks as the former operator's users have them, by its very file with another image, on a real Swarm: up to three of
// them share one service of agents that nobody deployed; and the way there from what the operator left behind.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { agentLabel } from '../../coordinator/core/agent-service.ts';
import { plannedBound } from '../demo/planned-steps.ts';
import { label } from '../demo/stage.ts';
import { observe } from '../demo/steps.ts';
import { PROJECT_ROOT } from '../lab/images.ts';
import { judge } from '../lab/judge.ts';
import { createLab } from '../lab/lab.ts';
import { registryHost } from '../lab/names.ts';
import { until } from '../lab/run.ts';
import { createLeftover, longPassword, operatorStage, serviceOf } from './operator-stage.ts';
import { keepsBound } from './verdict.ts';

/** How soon the agent of the holder's node keeps the addresses that the old keepalived takes off. */
const keptWithinMs = 150;

describe('the operator’s stack on a real Swarm', { timeout: 15 * 60_000 }, () => {
  const lab = createLab({ name: `stack-${process.pid % 10_000}`, nodes: 3 });
  const stage = operatorStage(lab);
  const { docker, held, seen, status } = stage;
  before(() => lab.up());
  after(async () => {
    await lab.down();
    assert.deepEqual(lab.remains(), []);
  });
  const healthy = (stack: string, count: number) =>
    seen(`${stack} to be served`, stack, ({ groups }) =>
      groups.some(
        ({ name, verdict, members }) =>
          name === stack && verdict === 'OK' && members.filter(({ eligible }) => eligible).length === count,
      ),
    );
  /** What `act` costs the address of production. Once: what is done here is not done twice in the same way. */
  const cost = async (act: () => Promise<void>) => judge(await observe(lab, act), plannedBound);
  const secrets = () =>
    docker('secret', 'ls', '--format', '{{.Name}}', '--filter', 'label=swarm-vip.managed');

  /** Waits until the agents of these nodes know another key of the coordinators. */
  const nextManagersKey = (former: string | undefined, ...nodes: string[]) =>
    until(
      'agents that know the next key',
      async () => {
        // A container may end while it is looked at.
        const known = await Promise.all(nodes.map(stage.publicKeysOn)).catch(() => []);
        const texts = known.flat();
        return (texts.length === nodes.length && texts.every((text) => text !== former)) || undefined;
      },
      { timeoutMs: 90_000, everyMs: 200 },
    );
  /** No agent has refused a coordinator since then. */
  const believed = async (since: Date) => {
    for (const node of ['node1', 'node2']) {
      const logs = await stage.agentLogs(node, since);
      assert.match(logs, /coordinator answers/);
      assert.doesNotMatch(logs, /does not prove/, 'an agent had no coordinator for a while');
    }
  };
  const absent = () => `${registryHost(lab.names)}/absent:1`;
  const images = (...change: string[]) =>
    docker('service', 'update', '--detach', ...change, serviceOf('production'));

  it('comes up with agents on the labelled nodes alone', async () => {
    await stage.deploy('production');
    await label(lab, 'node1', { keepalived_group: 'production', KEEPALIVED_PRIORITY: '110' });
    await label(lab, 'node2', { keepalived_group: 'production', KEEPALIVED_PRIORITY: '100' });
    await held('production', ['node1']);
    await healthy('production', 2);
    const document = await status('production');
    assert.deepEqual(document.problems, []);
    assert.deepEqual([document.groups[0]?.vrid, document.groups[0]?.version], [51, 3]);
    assert.deepEqual(document.agentService, { name: 'swarm-vip-agent', managed: true });
    assert.deepEqual(await Promise.all(['node1', 'node2', 'node3'].map(stage.agentsOn)), [1, 1, 0]);
    assert.ok(await stage.publicKey(), 'they know whom to believe');
  });

  it('shares the agents with two more stacks, which never touch each other', async (t) => {
    const verdict = await cost(async () => {
      await label(lab, 'node3', { keepalived_group: 'staging', 'swarm-vip.groups': 'development' });
      await Promise.all([stage.deploy('staging', longPassword), stage.deploy('development')]);
      await Promise.all([held('staging', ['node3']), held('development', ['node3'])]);
      await seen('all three', 'staging', ({ groups }) => groups.length === 3);
    });
    // Each coordinator reads Swarm by itself.
    await seen(
      'all three by the first one, and what is wrong with one',
      'production',
      ({ groups, problems }) =>
        groups.length === 3 &&
        problems.some(({ code, group }) => code === 'password-cut' && group === 'staging'),
    );
    const { groups } = await status('production');
    assert.equal(groups.find(({ name }) => name === 'staging')?.version, 2);
    assert.deepEqual(groups.map(({ name }) => name).sort(), ['development', 'production', 'staging']);
    const role = (word: string) => docker('service', 'ls', '-q', '-f', `label=swarm-vip.role=${word}`);
    assert.deepEqual(
      [(await role('coordinator')).split('\n').length, (await role('agent')).split('\n').length],
      [3, 1],
    );
    assert.equal(new Set(groups.map(({ vrid }) => vrid)).size, 3, 'virtual router ids of their own');
    assert.equal(groups.find(({ name }) => name === 'production')?.vrid, 51);
    keepsBound(t, verdict);
  });

  it('has one active coordinator, also when all of them run on one host', async (t) => {
    const stacks = ['production', 'staging', 'development'];
    const here = ['--detach', '--constraint-add', 'node.hostname==node2'];
    const verdict = await cost(async () => {
      await Promise.all(stacks.map((stack) => docker('service', 'update', ...here, serviceOf(stack))));
      await until(
        'all coordinators to run on node2',
        async () => {
          const { stdout } = await lab.docker('node2', ['ps', '-q', '-f', 'name=keepalived-operator']);
          return stdout.trim().split('\n').length === 3 || undefined;
        },
        { timeoutMs: 60_000, everyMs: 200 },
      );
      // Whichever is asked, the one with the ports answers.
      for (const stack of stacks) {
        await seen(
          'all to be served, and node2 to be active',
          stack,
          ({ coordinator, verdict: word }) =>
            word !== 'NO HOLDER' && coordinator.active?.hostname === 'node2',
        );
      }
      await healthy('production', 2);
    });
    // The one of the oldest service, which may be the last to come: then the ports and the role move once more.
    await until(
      'all to be answered by one coordinator',
      async () => {
        const answers = await Promise.all(stacks.map(status)).catch(() => []);
        const epochs = new Set(answers.map(({ coordinator: { epoch } }) => epoch));
        return (epochs.size === 1 && !epochs.has(null)) || undefined;
      },
      { timeoutMs: 30_000, everyMs: 200 },
    );
    const drained = await stage.cli('development', 'drain', '--dry-run', '-o', 'json', 'node1');
    assert.equal(drained.code, 0, drained.stderr);
    keepsBound(t, verdict);
  });

  it('goes on when it is scaled to zero: another stack’s coordinator knows its group', async (t) => {
    const verdict = await cost(async () => {
      await docker('service', 'scale', '--detach', `${serviceOf('production')}=0`);
      await seen(
        'another to be active',
        'staging',
        ({ coordinator, groups }) =>
          coordinator.role === 'active' &&
          groups.some(({ name, verdict: word }) => name === 'production' && word === 'OK'),
      );
      await docker('service', 'scale', '--detach', `${serviceOf('production')}=1`);
      await healthy('production', 2);
    });
    keepsBound(t, verdict);
  });

  it('takes its group along when it goes, and nothing of the others', async (t) => {
    const verdict = await cost(async () => {
      await Promise.all([stage.remove('staging'), stage.remove('development')]);
      await Promise.all([held('staging', []), held('development', [])]);
      await until('node3 to run no agent', async () => (await stage.agentsOn('node3')) === 0 || undefined, {
        timeoutMs: 30_000,
        everyMs: 200,
      });
    });
    await held('production', ['node1']);
    keepsBound(t, verdict);
  });

  it('has agents that obey nobody who has their key and a manager’s address, but not the managers’ key', async (t) => {
    const { coordinator } = await status('production');
    // The operator's stack has one coordinator: on other managers the port is free, as for who has taken their address.
    const free = lab.nodes().find(({ name }) => name !== coordinator.active?.hostname);
    assert.ok(free);
    const ids = (await docker('node', 'inspect', '-f', '{{.ID}}', 'node1', 'node2')).split('\n');
    const key = await stage.agentsKey('node1');
    const script = [
      '--import',
      `${PROJECT_ROOT}/node_modules/tsx/dist/loader.mjs`,
      `${PROJECT_ROOT}/test/e2e/liar.ts`,
    ];
    const verdict = await cost(async () => {
      const lying = lab.exec(free.name, ['node', ...script, free.address, key, ...ids], {
        timeoutMs: 60_000,
      });
      await seen('the liar to be named', 'production', ({ problems }) =>
        problems.some(
          ({ code, where }) => code === 'coordinator-unproven' && where.endsWith(` ${free.address}:9166`),
        ),
      );
      const { stdout, stderr } = await lying;
      assert.deepEqual(
        stdout && JSON.parse(stdout),
        Object.fromEntries(ids.map((id) => [id, 'refused'])),
        stderr,
      );
    });
    await held('production', ['node1']);
    keepsBound(t, verdict);
  });

  it('gets another managers’ key when their join token is rotated, though nobody is left who knew the former one', async (t) => {
    const scale = (count: 0 | 1) =>
      docker('service', 'scale', '--detach', `${serviceOf('production')}=${count}`);
    const patience = { timeoutMs: 60_000, everyMs: 100 };
    const former = await stage.publicKey();
    const began = new Date();
    const verdict = await cost(async () => {
      await scale(0);
      const gone = async () => (await stage.coordinators('production')) === 0 || undefined;
      await until('no coordinator', gone, patience);
      await docker('swarm', 'join-token', '--rotate', '--quiet', 'manager');
      await scale(1);
      // The other one follows: meanwhile each is believed by its own.
      await nextManagersKey(former, 'node1');
      await seen('both agents', 'production', ({ agents }) =>
        ['node1', 'node2'].every((name) =>
          agents.some(({ hostname, inSync }) => hostname === name && inSync),
        ),
      );
      await held('production', ['node1']);
    });
    await believed(began);
    keepsBound(t, verdict);
  });

  it('gets new keys when both join tokens are rotated, the second during the update for the first', async (t) => {
    const before = await secrets();
    const began = new Date();
    const verdict = await cost(async () => {
      const former = await stage.publicKey();
      await docker('swarm', 'join-token', '--rotate', '--quiet', 'worker');
      const mounted =
        '{{with .UpdateStatus}}{{.State}}{{end}} {{(index .Spec.TaskTemplate.ContainerSpec.Secrets 0).SecretName}}';
      const begun = async () => {
        const [state, secret] = (await docker('service', 'inspect', 'swarm-vip-agent', '-f', mounted)).split(
          ' ',
        );
        return (state === 'updating' && secret !== before) || undefined;
      };
      await until('the update for the first', begun, { timeoutMs: 60_000, everyMs: 50 });
      await docker('swarm', 'join-token', '--rotate', '--quiet', 'manager');
      await until(
        'a new key alone',
        async () => {
          const now = await secrets();
          return (now !== before && !now.includes('\n')) || undefined;
        },
        { timeoutMs: 90_000, everyMs: 200 },
      );
      await nextManagersKey(former, 'node1', 'node2');
      await healthy('production', 2);
      await held('production', ['node1']);
    });
    await believed(began);
    keepsBound(t, verdict);
  });

  it('does not insist on an image that does not come up', async () => {
    await images('--env-add', `AGENT_IMAGE=${absent()}`);
    await seen('the roll back', 'production', ({ problems }) =>
      problems.some(({ code, message }) => code === 'agents-untended' && message.includes('rolled back')),
    );
    await healthy('production', 2);
    await held('production', ['node1']);
  });

  it('creates the agents again when somebody removes them, and shows in Swarm’s words why a node has none', async () => {
    const id = () => docker('service', 'ls', '-q', '-f', 'name=swarm-vip-agent');
    const before = await id();
    const seenBefore = Date.now();
    await docker('service', 'rm', 'swarm-vip-agent');
    await until('another service', async () => !['', before].includes(await id()) || undefined, {
      timeoutMs: 30_000,
      everyMs: 100,
    });
    await seen('the task’s error', 'production', ({ problems }) =>
      problems.some(
        ({ code, message }) =>
          code === 'agent-unreachable' && /rejected.*No such image.*absent/.test(message),
      ),
    );
    await images('--env-rm', 'AGENT_IMAGE');
    await seen('agents that began again', 'production', ({ groups }) =>
      groups.every(
        ({ holders }) => holders.length === 1 && holders.every(({ sinceMs }) => sinceMs > seenBefore),
      ),
    );
    await healthy('production', 2);
    await seen('all well', 'production', ({ problems }) =>
      problems.every(({ code }) => !code.startsWith('agent')),
    );
    await held('production', ['node1']);
  });

  it('leaves nothing behind when the last stack goes', async () => {
    await stage.remove('production');
    await held('production', []);
    await until(
      'agents, keys and labels to be gone',
      async () => {
        const nodes = await docker(
          'node',
          'inspect',
          'node1',
          'node2',
          'node3',
          '-f',
          '{{json .Spec.Labels}}',
        );
        const left = [
          await docker('service', 'ls', '-q'),
          await docker('config', 'ls', '-q'),
          await secrets(),
        ].join('');
        const run = await Promise.all(['node1', 'node2', 'node3'].map(stage.agentsOn));
        return (left === '' && !nodes.includes(agentLabel) && run.every((count) => count === 0)) || undefined;
      },
      { timeoutMs: 30_000, everyMs: 200 },
    );
  });

  it('replaces what the former operator left behind, node by node, and the address stays', async (t) => {
    for (const [node, priority] of [
      ['node1', '110'],
      ['node2', '100'],
    ] as const)
      await label(lab, node, { keepalived_group: 'production', KEEPALIVED_PRIORITY: priority });
    // Neither preempts: whoever comes first holds.
    await createLeftover(stage, 'production', 'node1', 110);
    await held('production', ['node1']);
    await createLeftover(stage, 'production', 'node2', 100);
    await stage.deploy('production', longPassword);
    await seen(
      'both leftovers, and who holds',
      'production',
      ({ problems, groups: [group] }) =>
        problems.filter(({ code }) => code === 'operator-leftover').length === 2 &&
        group?.holders.length === 1 &&
        group.members.every(({ observed, state }) => observed && ['MASTER', 'BACKUP'].includes(state)),
    );
    assert.deepEqual(
      (await status('production')).groups[0]?.holders.map(({ hostname }) => hostname),
      ['node1'],
    );
    assert.deepEqual(await stage.holders('production'), ['node1'], 'agents only look on');
    const planned = await stage.cli('production', 'migrate', '--dry-run', '-o', 'json');
    const steps: { hostname: string }[] = JSON.parse(planned.stdout).steps;
    assert.deepEqual(
      steps.map(({ hostname }) => hostname),
      ['node2', 'node1'],
      'the holder last',
    );
    assert.equal((await docker('service', 'ls', '-q', '-f', 'name=keepalived-node-')).split('\n').length, 2);
    let tookMs: number[] = [];
    const evidence = await observe(lab, async () => {
      const migrated = await stage.cli('production', 'migrate', '--yes', '-o', 'json');
      assert.equal(migrated.code, 0, migrated.stderr);
      assert.doesNotMatch(migrated.stderr, /are away/);
      tookMs = JSON.parse(migrated.stdout).done.map((done: { tookMs: number }) => done.tookMs);
      await held('production', ['node1']);
    });
    t.diagnostic(`took ${tookMs.join(' and ')} ms`);
    assert.equal(await docker('service', 'ls', '-q', '-f', 'name=keepalived-node-'), '');
    const again = await stage.cli('production', 'migrate');
    assert.deepEqual([again.code, again.stdout.trim()], [0, 'nothing is left of the former operator']);
    // The news of the kernel, and a command that waits for it; anything else would cost VRRP's bound (4 s) at least.
    keepsBound(t, judge(evidence, { outageMs: keptWithinMs, twoHoldersMs: 0 }));
  });
});
