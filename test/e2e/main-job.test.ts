// The whole on a real Swarm: real engines, real keepalived, the very compose.yaml that operators deploy. Holders and
// outages are measured outside our own code (test/lab); every bound has a negative control.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { calm, cli, label, ready, settled, statusOf, three } from '../demo/stage.ts';
import { boundMs, failoverBound, observe, runStep, steps } from '../demo/steps.ts';
import { PROJECT_ROOT } from '../lab/images.ts';
import { judge } from '../lab/judge.ts';
import { until } from '../lab/run.ts';
import { stageOf } from './on-stage.ts';
import { keepsBound } from './verdict.ts';

describe('swarm-vip on a real Swarm', { timeout: 15 * 60_000 }, () => {
  const stage = stageOf('e2e');
  const { lab } = stage;

  it('brings the address up on the preferred node', async () => {
    const status = await statusOf(lab);
    assert.equal(status.verdict, 'OK', JSON.stringify(status.problems));
    assert.equal((await cli(lab, ['status'])).code, 0);
  });

  it('refuses a connection without the key, or with a wrong one, in the handshake; and a stranger who has it', async () => {
    const knock = async (...args: string[]) => {
      const script = [
        '--import',
        `${PROJECT_ROOT}/node_modules/tsx/dist/loader.mjs`,
        `${PROJECT_ROOT}/test/e2e/knock.ts`,
      ];
      const { stdout, stderr } = await lab.exec('client', [
        'node',
        ...script,
        lab.nodes()[0]?.address ?? '',
        ...args,
      ]);
      return stdout.trim() || stderr;
    };
    assert.equal(await knock('none'), 'handshake');
    assert.equal(await knock('plain'), 'handshake');
    assert.equal(await knock('0123456789abcdef0123456789abcdef'), 'handshake');
    const via = await lab.manager();
    const { stdout: key } = await lab.exec(via, [
      'sh',
      '-c',
      'docker exec $(docker ps -q -f label=com.docker.swarm.service.name=swarm-vip_coordinator) cat /run/secrets/swarm-vip-key',
    ]);
    assert.ok(key.trim().length >= 32);
    assert.equal(await knock(key.trim(), 'stranger'), '4002');
    // The client is no node: even a node's own name does not let it in.
    const { stdout: id } = await lab.docker(via, ['node', 'inspect', '-f', '{{.ID}}', 'node2']);
    assert.equal(await knock(key.trim(), id.trim()), '4003');
  });

  it('serves metrics with the names of the well-known exporter, and its own', async () => {
    const script = 'fetch(process.argv[1]).then((r) => r.text()).then((text) => process.stdout.write(text))';
    const fetch = async (address: string) =>
      (await lab.exec('client', ['node', '-e', script, address])).stdout;
    const agent = await fetch(`http://${lab.nodes()[0]?.address}:9165/metrics`);
    assert.match(agent, /^keepalived_up 1$/m);
    assert.match(agent, new RegExp(`^keepalived_vrrp_state\\{[^}]*ip_address="${lab.vip}[^}]*\\} 2$`, 'm'));
    assert.match(agent, /^keepalived_become_master_total\{/m);
    const coordinator = await fetch(`http://${lab.nodes()[0]?.address}:9167/metrics`);
    assert.match(coordinator, /^swarm_vip_holders\{group="main"\} 1$/m);
    assert.match(coordinator, /^swarm_vip_agents\{connected="true"\} 3$/m);
    assert.match(await fetch(`http://${lab.nodes()[0]?.address}:9165/healthz`), /\{/);
  });

  for (const step of steps) {
    it(`keeps its bound when ${step.title}`, async (t) => {
      const result = await runStep(step, stage);
      keepsBound(t, result);
    });
  }

  it('misses that bound when nobody can take over (negative control of the outage)', async (t) => {
    await calm(stage);
    const evidence = await observe(lab, async () => {
      await Promise.all(['node2', 'node3'].map((node) => lab.chaos('freeze', node)));
      await lab.chaos('power-off', 'node1');
      await delay(boundMs * 3);
      await Promise.all(['node2', 'node3'].map((node) => lab.chaos('thaw', node)));
      await settled(stage, 'node2');
    });
    const verdict = judge(evidence, failoverBound);
    t.diagnostic(JSON.stringify(verdict));
    assert.ok(!verdict.ok && verdict.outageMs > boundMs + verdict.controlGapMs);
  });

  it('shows two holders when VRRP is cut between them (negative control of "never two")', async (t) => {
    await calm(stage);
    const evidence = await observe(lab, async () => {
      await lab.chaos('drop-vrrp', 'node1');
      await delay(boundMs * 3);
      await lab.chaos('restore-vrrp', 'node1');
      await settled(stage, 'node1');
    });
    const verdict = judge(evidence, failoverBound);
    t.diagnostic(JSON.stringify(verdict));
    assert.ok(!verdict.ok && verdict.twoHoldersMs > boundMs);
  });

  it('loses no probe while every coordinator is killed, changes nothing afterwards, and knows all agents again', async (t) => {
    await calm(stage);
    const vrids = async () => (await statusOf(lab)).groups;
    const before = JSON.stringify(await vrids());
    const evidence = await observe(lab, async () => {
      await Promise.all(three.map((node) => lab.chaos('kill-coordinator', node)));
      await delay(3_000);
      await ready(stage, three);
    });
    const verdict = judge(evidence, { outageMs: 0, twoHoldersMs: 0 });
    t.diagnostic(JSON.stringify(verdict));
    assert.equal(verdict.lostProbes, 0);
    assert.deepEqual([verdict.holderBefore, verdict.holderAfter], ['node1', 'node1']);
    assert.equal(
      JSON.stringify(await vrids()).replaceAll(/"sinceMs":\d+/g, ''),
      before.replaceAll(/"sinceMs":\d+/g, ''),
    );
  });

  it('loses no probe while every engine is stopped, and fails over within the bound all the same', async (t) => {
    await calm(stage);
    await Promise.all(three.map((node) => lab.chaos('stop-engine', node)));
    try {
      const still = judge(await observe(lab, () => delay(15_000)), { outageMs: 0, twoHoldersMs: 0 });
      t.diagnostic(JSON.stringify(still));
      assert.equal(still.lostProbes, 0);
      const evidence = await observe(lab, async () => {
        await lab.chaos('power-off', 'node1');
        await settled(stage, 'node2');
      });
      const verdict = judge(evidence, failoverBound);
      keepsBound(t, verdict);
    } finally {
      await Promise.all(['node2', 'node3'].map((node) => lab.chaos('start-engine', node)));
    }
    await calm(stage);
  });

  it('names bad labels and env, bends what it can, and no other group notices', async (t) => {
    await calm(stage);
    const via = await lab.manager();
    const define = (name: string, env: Record<string, string>) =>
      lab.docker(via, [
        ...['service', 'create', '--detach', '--no-resolve-image', '--replicas', '0', '--name', name],
        ...['--label', 'swarm-vip.role=coordinator'],
        ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
        'unused',
      ]);
    const subnet = lab.vip.replace(/\.\d+$/, '');
    await label(lab, 'node2', { KEEPALIVED_PRIORITY: 'abc' });
    await label(lab, 'node3', { KEEPALIVED_PRIORITY: '300', KEEPALIVED_INTERFACE: 'eth7' });
    const expected = [
      'priority-invalid',
      'priority-clamped',
      'interface-missing',
      'address-invalid',
      'group-without-member',
      'password-cut',
    ];
    // node3 at 254 takes the address: that is what its label says. Back to 90 before the probes begin.
    await until(
      'the bent labels to be named',
      async () => codes(await statusOf(lab)).includes('interface-missing') || undefined,
      {
        timeoutMs: 20_000,
        everyMs: 200,
      },
    );
    assert.ok(codes(await statusOf(lab)).includes('priority-clamped'));
    await label(lab, 'node3', { KEEPALIVED_PRIORITY: '90' });
    await settled(stage, 'node1');
    const evidence = await observe(lab, async () => {
      await define('ghost', {
        KEEPALIVED_GROUP: 'ghost',
        KEEPALIVED_VIRTUAL_IPS: `${subnet}.101,${subnet}.999`,
        KEEPALIVED_PASSWORD: 'much-too-long',
      });
      await label(lab, 'node3', { keepalived_group: 'nobody-defines-this' });
      await until(
        'all problems',
        async () => {
          const found = codes(await statusOf(lab));
          return (
            (expected
              .filter((code) => code !== 'priority-clamped' && code !== 'interface-missing')
              .every((code) => found.includes(code)) &&
              found.includes('group-unknown')) ||
            undefined
          );
        },
        { timeoutMs: 20_000, everyMs: 200 },
      );
    });
    const verdict = judge(evidence, { outageMs: 0, twoHoldersMs: 0 });
    t.diagnostic(JSON.stringify(verdict));
    assert.equal(verdict.lostProbes, 0);
    assert.equal((await cli(lab, ['status'])).code, 6);
    await lab.docker(via, ['service', 'rm', 'ghost']);
  });
});

const codes = (status: { problems: { code: string }[] }): string[] => status.problems.map(({ code }) => code);
