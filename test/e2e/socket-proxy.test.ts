// The coordinator with the least rights, as compose.socket-proxy.yaml and compose.coordinator-key.yaml give it: no root,
// no capabilities, and of the engine only what a proxy lets pass. It does its work all the same, and no more than that.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { cli, join, settled, statusOf } from '../demo/stage.ts';
import { type ImageSpec, PROJECT_ROOT } from '../lab/images.ts';
import { createLab } from '../lab/lab.ts';
import { until } from '../lab/run.ts';

const proxyImage: ImageSpec = {
  name: 'swarm-vip-socket-proxy',
  dockerfile: 'images/socket-proxy.Dockerfile',
  inputs: ['images/socket-proxy.cfg'],
};

describe('a coordinator behind a socket proxy', { timeout: 5 * 60_000 }, () => {
  const lab = createLab({ name: `proxy-${process.pid % 10_000}`, nodes: 1 });
  const stop = new AbortController();
  const wait = { lab, signal: stop.signal };

  /** Makes a pair; the private half becomes a secret of Swarm. */
  const newKey = async (secret: string) => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const input = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await lab.docker('node1', ['secret', 'create', secret, '-'], { input });
    return publicKey;
  };
  before(async () => {
    await lab.up(stop.signal);
    const [image = ''] = await lab.images([proxyImage], stop.signal);
    const publicKey = await newKey('swarm-vip-coordinator-key');
    const files = ['compose.yaml', 'compose.socket-proxy.yaml', 'compose.coordinator-key.yaml'];
    await lab.deploy(
      {
        stack: files.map((file) => `${PROJECT_ROOT}/${file}`),
        env: {
          SWARM_VIP_PROXY_IMAGE: image,
          COORDINATOR_USER: '65534:65534',
          COORDINATOR_PUBLIC_KEY: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
        },
      },
      stop.signal,
    );
    await join(lab, 'node1', 'main', 110);
    await settled(wait, 'node1');
  });
  after(async () => {
    stop.abort();
    await lab.down();
    assert.deepEqual(lab.remains(), []);
  });

  const container = async (service = 'coordinator') => {
    const filter = `label=com.docker.swarm.service.name=swarm-vip_${service}`;
    return (await lab.docker('node1', ['ps', '-q', '-f', filter])).stdout.trim();
  };
  const inside = async (...command: string[]) =>
    lab.exec('node1', ['docker', 'exec', await container(), ...command]);
  /** The status of the engine's answer, as the coordinator gets it. */
  const asks = async (method: string, path: string) => {
    const script =
      "const [socketPath, method, path] = process.argv.slice(1); require('http').request({ socketPath, method, path }, " +
      '(r) => { console.log(r.statusCode); process.exit(); }).end()';
    const { stdout, stderr } = await inside(
      'node',
      '-e',
      script,
      '/var/run/docker.sock/docker.sock',
      method,
      path,
    );
    return stdout.trim() || stderr;
  };

  it('runs without root and without capabilities', async () => {
    assert.equal((await inside('id', '-u')).stdout.trim(), '65534');
    assert.match((await inside('cat', '/proc/1/status')).stdout, /^CapEff:\s+0+$/m);
  });

  it('brings the address up', async () => {
    const status = await statusOf(lab, 'node1');
    assert.equal(status.groups[0]?.holders[0]?.hostname, 'node1', JSON.stringify(status));
  });

  it('sees events at once, and writes the labels of a drain', async () => {
    assert.equal((await cli(lab, ['drain', 'node1', '--force', '--no-wait'])).code, 0);
    const { stdout } = await lab.docker('node1', ['node', 'inspect', '-f', '{{json .Spec.Labels}}', 'node1']);
    assert.match(stdout, /swarm-vip\.drain/);
    await lab.docker('node1', ['node', 'update', '--label-rm', 'swarm-vip.drain', 'node1']);
    await until(
      'the drain to be over',
      async () => (await statusOf(lab, 'node1')).groups[0]?.members[0]?.drain === null || undefined,
      { timeoutMs: 3_000, everyMs: 50, signal: stop.signal },
    );
  });

  it('reaches nothing else of the engine', async () => {
    const id = (await lab.docker('node1', ['node', 'inspect', '-f', '{{.ID}}', 'node1'])).stdout.trim();
    const own = await container();
    for (const [method, path] of [
      ['GET', '/containers/json'],
      ['POST', '/containers/create'],
      ['POST', `/containers/${own}/exec`],
      ['GET', '/secrets'],
      ['GET', '/swarm'],
      ['GET', `/secrets/${id}`],
      ['GET', `/tasks/${id}/logs`],
      ['GET', `/services/${id}/logs?stdout=1`],
      ['POST', '/services/create'],
      ['POST', '/configs/create'],
      ['DELETE', `/configs/${id}`],
      ['POST', `/services/${id}/update?version=1`],
      ['DELETE', `/nodes/${id}`],
      ['POST', '/swarm/leave'],
      ['GET', '/v1.41/containers/json'],
      ['GET', '/nodes/../containers/json'],
      ['GET', '/nodes/%2e%2e/containers/json'],
      ['GET', '//containers/json'],
    ] as const) {
      assert.equal(await asks(method, path), '403', `${method} ${path}`);
    }
    // The control: what it needs passes.
    assert.equal(await asks('GET', '/nodes'), '200');
    assert.equal(await asks('GET', `/nodes/${id}`), '200');
  });

  it('is believed by no agent without the key that the agents know, and the address stays', async () => {
    const change = ['--secret-rm', 'swarm-vip-coordinator-key'];
    await newKey('another-key');
    change.push('--secret-add', 'source=another-key,target=swarm-vip-coordinator-key');
    await lab.docker('node1', ['service', 'update', '--detach', ...change, 'swarm-vip_coordinator']);
    await until(
      'the agent to refuse it',
      async () => {
        const { stdout } = await lab.docker('node1', ['logs', '--tail', '50', await container('agent')]);
        return stdout.includes('does not prove that it is a coordinator') || undefined;
      },
      { timeoutMs: 30_000, everyMs: 200, signal: stop.signal },
    );
    await settled(wait, 'node1');
  });

  it('creates the agents, when the proxy is told to let that pass, and no more than that', async () => {
    const docker = (...args: string[]) => lab.docker('node1', args, { timeoutMs: 60_000 });
    await docker('service', 'rm', 'swarm-vip_agent');
    await docker('service', 'update', '--detach', '--env-add', 'CREATES_AGENTS=yes', 'swarm-vip_engine');
    const keyless = ['--env-rm', 'SWARM_VIP_KEY_FILE', '--secret-rm', 'swarm-vip-key'];
    await docker('service', 'update', '--detach', ...keyless, 'swarm-vip_coordinator');
    await until(
      'an agent that nobody deployed',
      async () => {
        const status = await statusOf(lab, 'node1').catch(() => undefined);
        const member = status?.groups[0]?.members[0];
        return (status?.agentService?.managed && member?.state === 'MASTER') || undefined;
      },
      { timeoutMs: 60_000, everyMs: 200, signal: stop.signal },
    );
    await settled(wait, 'node1');
    assert.equal(await asks('GET', '/swarm'), '200');
    // It has kept its own key, or no agent would be told to ask for its proof.
    const env = await docker(
      'service',
      'inspect',
      '-f',
      '{{.Spec.TaskTemplate.ContainerSpec.Env}}',
      'swarm-vip-agent',
    );
    assert.match(env.stdout, /COORDINATOR_PUBLIC_KEY=/);
    for (const path of ['/containers/create', '/swarm/leave', '/services/x/update'])
      assert.equal(await asks('POST', path), '403', path);
  });
});
