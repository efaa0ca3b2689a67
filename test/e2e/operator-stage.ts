// The stage of the former operator's users: their stack file with our image, and what the operator itself made.
import { setTimeout as delay } from 'node:timers/promises';
import { publicKeyVariable } from '../../coordinator/core/agent-service.ts';
import type { Status } from '../../coordinator/core/status.ts';
import { cli, statusOf } from '../demo/stage.ts';
import { PROJECT_ROOT } from '../lab/images.ts';
import type { Lab } from '../lab/lab.ts';
import { hostAddress } from '../lab/names.ts';
import { type RunResult, until } from '../lab/run.ts';

export const serviceOf = (stack: string): string => `${stack}_keepalived-operator`;
/** More than VRRP can carry, as many have it. */
export const longPassword = 'a-password-of-26-characters';

export interface OperatorStage {
  lab: Lab;
  /** By stack, which is also the name of its group. */
  address(stack: string): string;
  deploy(stack: string, password?: string): Promise<void>;
  remove(stack: string): Promise<void>;
  docker(...args: string[]): Promise<string>;
  /** By the coordinator of the stack. */
  status(stack: string): Promise<Status>;
  cli(stack: string, ...args: string[]): Promise<RunResult>;
  /** Waits until the coordinator of a stack says so. */
  seen(what: string, stack: string, is: (status: Status) => boolean, timeoutMs?: number): Promise<void>;
  /** Which nodes have the address of a stack, by their kernels' own word. */
  holders(stack: string): Promise<string[]>;
  held(stack: string, by: readonly string[], timeoutMs?: number): Promise<void>;
  /** Containers of agents. */
  agentsOn(node: string): Promise<number>;
  /** Containers of coordinators, on all nodes. */
  coordinators(stack: string): Promise<number>;
  /** What Swarm tells agents of the coordinators' own key; the agents that run on a node may know another one yet. */
  publicKey(): Promise<string | undefined>;
  publicKeysOn(node: string): Promise<(string | undefined)[]>;
  /** Also of those that have ended. */
  agentLogs(node: string, since: Date): Promise<string>;
  /** The key that all agents have. */
  agentsKey(node: string): Promise<string>;
}

const hosts: Readonly<Record<string, number>> = { production: 100, staging: 101, development: 102 };

export function operatorStage(lab: Lab): OperatorStage {
  const address = (stack: string) => hostAddress(lab.names, hosts[stack] ?? 0);
  const docker = async (...args: string[]) =>
    (await lab.docker(await lab.manager(), args, { timeoutMs: 120_000 })).stdout.trim();
  const holders = async (stack: string) => {
    const found = await Promise.all(
      lab.nodes().map(async ({ name }) => {
        const { stdout } = await lab.exec(name, ['ip', '-brief', 'address', 'show']);
        return stdout.includes(` ${address(stack)}/`) ? [name] : [];
      }),
    );
    return found.flat();
  };
  const containers = async (node: string, service: string, ...which: string[]) => {
    const filter = `label=com.docker.swarm.service.name=${service}`;
    const { stdout } = await lab.docker(node, ['ps', '-q', ...which, '-f', filter]);
    return stdout.split('\n').filter((line) => line !== '');
  };
  const status = (stack: string) => statusOf(lab, undefined, serviceOf(stack));
  return {
    lab,
    address,
    docker,
    status,
    holders,
    deploy: (stack, password = '') =>
      lab.deploy({
        stack: `${PROJECT_ROOT}/test/e2e/operator-stack.yaml`,
        stackName: stack,
        env: {
          KEEPALIVED_GROUP: stack,
          // With the blank that people write.
          KEEPALIVED_VIRTUAL_IPS: `${address(stack)}, ${address(stack)}`,
          KEEPALIVED_PASSWORD: password,
        },
      }),
    remove: async (stack) => void (await docker('stack', 'rm', stack)),
    cli: (stack, ...args) => cli(lab, args, undefined, serviceOf(stack)),
    seen: async (what, stack, is, timeoutMs = 60_000) => {
      let last: Status | undefined;
      try {
        await until(
          what,
          async () => {
            last = await status(stack).catch(() => undefined);
            return (last && is(last)) || undefined;
          },
          { timeoutMs, everyMs: 200 },
        );
      } catch (error) {
        throw new Error(`${String(error)}: ${JSON.stringify(last)}`);
      }
    },
    held: async (stack, by, timeoutMs = 60_000) => {
      // Twice in a row, so that a moment on the way does not count.
      let steady = 0;
      await until(
        `${by.join(', ') || 'nobody'} to hold the address of ${stack}`,
        async () => {
          steady = (await holders(stack)).join() === by.join() ? steady + 1 : 0;
          await delay(100);
          return steady >= 3 || undefined;
        },
        { timeoutMs, everyMs: 100 },
      );
    },
    agentsOn: async (node) => (await containers(node, 'swarm-vip-agent')).length,
    coordinators: async (stack) =>
      (await Promise.all(lab.nodes().map(({ name }) => containers(name, serviceOf(stack))))).flat().length,
    publicKey: async () =>
      publicKeyIn(
        await docker(
          'service',
          'inspect',
          'swarm-vip-agent',
          '-f',
          '{{json .Spec.TaskTemplate.ContainerSpec.Env}}',
        ),
      ),
    publicKeysOn: async (node) =>
      Promise.all(
        (await containers(node, 'swarm-vip-agent')).map(async (id) =>
          publicKeyIn((await lab.docker(node, ['inspect', '-f', '{{json .Config.Env}}', id])).stdout),
        ),
      ),
    agentLogs: async (node, since) => {
      const ids = await containers(node, 'swarm-vip-agent', '--all');
      const logs = ids.map((id) => lab.docker(node, ['logs', '--since', since.toISOString(), id]));
      return (await Promise.all(logs)).map(({ stdout }) => stdout).join('');
    },
    agentsKey: async (node) => {
      const [id = ''] = await containers(node, 'swarm-vip-agent');
      return (await lab.docker(node, ['exec', id, 'cat', '/run/secrets/swarm-vip-key'])).stdout.trim();
    },
  };
}

/** @param env as JSON */
const publicKeyIn = (env: string): string | undefined =>
  (JSON.parse(env) as string[])
    .find((pair) => pair.startsWith(`${publicKeyVariable}=`))
    ?.slice(publicKeyVariable.length + 1);

/**
 * What the former operator makes for a node: a service named and configured like this, without any label, that runs
 * keepalived with a configuration made from its environment.
 */
export async function createLeftover(
  { lab, docker, address }: OperatorStage,
  stack: string,
  node: string,
  priority: number,
): Promise<void> {
  const [image = ''] = await lab.images();
  const own = lab.nodes().find(({ name }) => name === node);
  const peers = lab.nodes().filter(({ name }) => name !== node);
  const env: Record<string, string> = {
    KEEPALIVED_INTERFACE: 'eth0',
    KEEPALIVED_PASSWORD: longPassword,
    KEEPALIVED_PRIORITY: String(priority),
    KEEPALIVED_ROUTER_ID: '51',
    KEEPALIVED_IP: own?.address ?? '',
    KEEPALIVED_UNICAST_PEERS: `#PYTHON2BASH:[${peers.map((peer) => `'${peer.address}'`).join(',')}]`,
    KEEPALIVED_VIRTUAL_IPS: `#PYTHON2BASH:['${address(stack)}']`,
    KEEPALIVED_STATE: 'BACKUP',
  };
  const config = `vrrp_instance VI_1 {
    interface eth0
    state BACKUP
    virtual_router_id 51
    priority ${priority}
    nopreempt
    unicast_peer {
      ${peers.map((peer) => peer.address).join('\n      ')}
    }
    virtual_ipaddress {
      ${address(stack)}
    }
    authentication {
      auth_type PASS
      auth_pass ${longPassword.slice(0, 8)}
    }
  }`;
  await docker(
    ...['service', 'create', '--detach', '--name', `keepalived-node-${node}-1`],
    ...['--constraint', `node.hostname==${node}`, '--network', 'host'],
    ...['NET_ADMIN', 'NET_BROADCAST', 'NET_RAW'].flatMap((name) => ['--cap-add', name]),
    ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    ...['--env', `CONFIG=${config}`, '--entrypoint', 'sh', '--no-healthcheck', image],
    ...['-c', 'echo "$CONFIG" >/etc/keepalived/keepalived.conf && exec keepalived -n -l'],
  );
}
