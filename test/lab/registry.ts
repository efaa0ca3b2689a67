// Debian's registry over the one store in the cache: on loopback while images are pushed, and inside every lab's
// network, read-only, for the pulls. Swarm then resolves tags to digests and pulls by them, as in real life.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { registryStore } from './cache.ts';
import { startInCgroup } from './cgroups.ts';
import { type LabNames, registryHost } from './names.ts';
import { inNamespace } from './network.ts';
import { attempt, until } from './run.ts';

const PREFERRED_PUSH_PORT = 5987;

export function hasImage(name: string, tag: string): boolean {
  return existsSync(
    `${registryStore()}/docker/registry/v2/repositories/${name}/_manifests/tags/${tag}/current/link`,
  );
}

export async function startLanRegistry(lab: LabNames, signal?: AbortSignal): Promise<void> {
  const config = writeConfig(lab, 'pull', registryHost(lab), true);
  const command = inNamespace(lab, 'lan', ['docker-registry', 'serve', config]);
  await startInCgroup(lab, 'lan', command, `${lab.dir}/registry-pull.log`);
  await until(
    'the registry in the lab',
    async () => {
      const probe = `exec 3<>/dev/tcp/${registryHost(lab).replace(':', '/')}`;
      const result = await attempt(inNamespace(lab, 'lan', ['bash', '-c', probe]));
      return result.code === 0 || undefined;
    },
    { timeoutMs: 10_000, signal },
  );
}

/** Returns the host and port to push to. It ends with the cgroup of the builder. */
export async function startPushRegistry(lab: LabNames, signal?: AbortSignal): Promise<string> {
  // A constant port lets the engine remember which layers the registry has already.
  const port = (await portIsFree(PREFERRED_PUSH_PORT)) ? PREFERRED_PUSH_PORT : await freePort();
  const host = `127.0.0.1:${port}`;
  const config = writeConfig(lab, 'push', host, false);
  await startInCgroup(lab, 'builder', ['docker-registry', 'serve', config], `${lab.dir}/registry-push.log`);
  await until('the registry for the push', async () => (await httpOk(`http://${host}/v2/`)) || undefined, {
    timeoutMs: 10_000,
    signal,
  });
  return host;
}

function writeConfig(lab: LabNames, purpose: string, address: string, readonly: boolean): string {
  mkdirSync(registryStore(), { recursive: true });
  const file = `${lab.dir}/registry-${purpose}.json`;
  // JSON is YAML.
  const config = {
    version: '0.1',
    log: { level: 'warn' },
    storage: {
      filesystem: { rootdirectory: registryStore() },
      maintenance: { uploadpurging: { enabled: false }, readonly: { enabled: readonly } },
    },
    http: { addr: address },
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

function httpOk(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    get(url, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on('error', () => resolve(false));
  });
}

function portIsFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('no port from the kernel'));
        else resolve(address.port);
      });
    });
  });
}
