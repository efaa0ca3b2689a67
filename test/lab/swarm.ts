// Makes one Swarm out of the lab's engines and runs stacks on it, by the same commands that a user types.
import { randomBytes } from 'node:crypto';
import { docker } from './docker.ts';
import { hostAddress, type LabNames, type NodeNames, VIP_HOST } from './names.ts';
import { until } from './run.ts';

export async function initSwarm(lab: LabNames, first: NodeNames, signal?: AbortSignal): Promise<void> {
  await docker(
    lab,
    first.name,
    ['swarm', 'init', '--advertise-addr', first.address, '--listen-addr', `${first.address}:2377`],
    {
      ...(signal ? { signal } : {}),
    },
  );
}

export async function joinSwarm(
  lab: LabNames,
  via: NodeNames,
  node: NodeNames,
  role: 'manager' | 'worker',
  signal?: AbortSignal,
): Promise<void> {
  const options = signal ? { signal } : {};
  const token = await docker(lab, via.name, ['swarm', 'join-token', '--quiet', role], options);
  await docker(
    lab,
    node.name,
    [
      ...['swarm', 'join', '--token', token.stdout.trim(), '--advertise-addr', node.address],
      ...['--listen-addr', `${node.address}:2377`, `${via.address}:2377`],
    ],
    options,
  );
}

export async function waitForNodes(
  lab: LabNames,
  via: string,
  count: number,
  signal?: AbortSignal,
): Promise<void> {
  await until(
    `${count} Ready nodes`,
    async () => {
      const list = await docker(
        lab,
        via,
        ['node', 'ls', '--format', '{{.Status}}'],
        signal ? { signal } : {},
      );
      return list.stdout.split('\n').filter((line) => line === 'Ready').length >= count || undefined;
    },
    { timeoutMs: 30_000, everyMs: 100, signal },
  );
}

export interface DeployOptions {
  /** A compose file; the project's compose.yaml unless told otherwise. */
  readonly file: string;
  readonly stackName: string;
  readonly env: Readonly<Record<string, string>>;
  /** Wait until every service has all of its tasks running. */
  readonly wait: boolean;
  readonly timeoutMs: number;
}

export const SECRET = 'swarm-vip-key';

/** The pre-shared key as a Swarm secret; an existing one is left alone. */
export async function ensureSecret(lab: LabNames, via: string): Promise<void> {
  const present = await docker(lab, via, ['secret', 'ls', '--quiet', '--filter', `name=${SECRET}`]);
  if (present.stdout.trim() !== '') return;
  await docker(lab, via, ['secret', 'create', SECRET, '-'], {
    input: `${randomBytes(32).toString('hex')}\n`,
  });
}

/** The values of compose.yaml that depend on the lab, as a user would fill them in. */
export async function labEnvironment(
  lab: LabNames,
  via: string,
  images: { readonly agent: string; readonly coordinator: string },
): Promise<Record<string, string>> {
  // The very command that compose.yaml and the README name.
  const managers = await docker(lab, via, [
    'info',
    '--format',
    '{{range .Swarm.RemoteManagers}}{{.Addr}} {{end}}',
  ]);
  return {
    SWARM_VIP_AGENT_IMAGE: images.agent,
    SWARM_VIP_COORDINATOR_IMAGE: images.coordinator,
    COORDINATORS: managers.stdout.trim(),
    KEEPALIVED_GROUP: 'main',
    KEEPALIVED_VIRTUAL_IPS: hostAddress(lab, VIP_HOST),
  };
}

export async function deployStack(
  lab: LabNames,
  via: string,
  options: DeployOptions,
  signal?: AbortSignal,
): Promise<void> {
  await docker(lab, via, ['stack', 'deploy', '--compose-file', options.file, options.stackName], {
    env: options.env,
    timeoutMs: options.timeoutMs,
    ...(signal ? { signal } : {}),
  });
  if (options.wait) await waitForStack(lab, via, options, signal);
}

async function waitForStack(
  lab: LabNames,
  via: string,
  options: DeployOptions,
  signal?: AbortSignal,
): Promise<void> {
  let last = '';
  const converged = async () => {
    const format = '{{.Name}} {{.Replicas}}';
    const list = await docker(lab, via, ['stack', 'services', '--format', format, options.stackName]);
    last = list.stdout.trim();
    const lines = last.split('\n').filter((line) => line !== '');
    return (lines.length > 0 && lines.every(isComplete)) || undefined;
  };
  try {
    await until(`the stack ${options.stackName}`, converged, {
      timeoutMs: options.timeoutMs,
      everyMs: 150,
      signal,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    const tasks = await docker(lab, via, [
      'stack',
      'ps',
      '--no-trunc',
      '--format',
      '{{.Name}} on {{.Node}}: {{.CurrentState}} {{.Error}}',
      options.stackName,
    ]);
    throw new Error(
      `${error instanceof Error ? error.message : String(error)}\n${last}\n${tasks.stdout.trim()}`,
    );
  }
}

/** "name 3/3": all wanted tasks run. A global service that fits no node is 0/0 and counts as complete. */
export function isComplete(line: string): boolean {
  const counts = line.match(/ (\d+)\/(\d+)/);
  return counts !== null && counts[1] === counts[2];
}
