// Makes one Swarm out of the lab's engines and runs stacks on it, by the same commands that a user types.
import { randomBytes } from 'node:crypto';
import * as v from 'valibot';
import { docker } from './docker.ts';
import { getJson } from './engine.ts';
import { hostAddress, type LabNames, type NodeNames, nodeSocket, VIP_HOST } from './names.ts';
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
  /** Compose files; the later ones overrule. */
  readonly files: readonly string[];
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
  const files = options.files.flatMap((file) => ['--compose-file', file]);
  await docker(lab, via, ['stack', 'deploy', ...files, options.stackName], {
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
  try {
    await until(
      `the stack ${options.stackName}`,
      async () => (await stackState(lab, via, options.stackName)).every(isSettled) || undefined,
      { timeoutMs: options.timeoutMs, everyMs: 150, signal },
    );
  } catch (error) {
    if (signal?.aborted) throw error;
    const format = '{{.Name}} on {{.Node}}: {{.DesiredState}}, {{.CurrentState}} {{.Error}}';
    const tasks = await docker(lab, via, [
      'stack',
      'ps',
      '--no-trunc',
      '--format',
      format,
      options.stackName,
    ]);
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${tasks.stdout.trim()}`);
  }
}

// Of the engine's API, the part that says whether a service is what it was asked to be.
const ServicesSchema = v.array(
  v.object({
    ID: v.string(),
    Spec: v.object({ Name: v.string(), TaskTemplate: v.object({ ContainerSpec: v.unknown() }) }),
    ServiceStatus: v.object({ RunningTasks: v.number(), DesiredTasks: v.number() }),
    UpdateStatus: v.optional(v.object({ State: v.optional(v.string()), Message: v.optional(v.string()) })),
  }),
);
const TasksSchema = v.array(
  v.object({
    ServiceID: v.string(),
    DesiredState: v.string(),
    Status: v.object({ State: v.string() }),
    Spec: v.object({ ContainerSpec: v.unknown() }),
  }),
);

export interface ServiceState {
  readonly name: string;
  readonly running: number;
  readonly desired: number;
  /** Running tasks made from an older specification: the update has not reached them. */
  readonly outdated: number;
  readonly update: string | undefined;
}

async function stackState(lab: LabNames, via: string, stackName: string): Promise<ServiceState[]> {
  const socket = nodeSocket(lab, via);
  const query = (filters: Record<string, string[]>) =>
    `filters=${encodeURIComponent(JSON.stringify(filters))}`;
  const label = query({ label: [`com.docker.stack.namespace=${stackName}`] });
  const services = v.parse(ServicesSchema, await getJson(socket, `/v1.41/services?status=true&${label}`));
  if (services.length === 0)
    return [{ name: stackName, running: 0, desired: 1, outdated: 0, update: undefined }];
  const wanted = query({ service: services.map(({ ID }) => ID), 'desired-state': ['running'] });
  const tasks = v.parse(TasksSchema, await getJson(socket, `/v1.41/tasks?${wanted}`));
  return services.map(({ ID, Spec, ServiceStatus, UpdateStatus }) => {
    const current = JSON.stringify(Spec.TaskTemplate.ContainerSpec);
    const outdated = tasks.filter(
      (task) => task.ServiceID === ID && JSON.stringify(task.Spec.ContainerSpec) !== current,
    );
    return {
      name: Spec.Name,
      running: ServiceStatus.RunningTasks,
      desired: ServiceStatus.DesiredTasks,
      outdated: outdated.length,
      update: UpdateStatus?.State,
    };
  });
}

/** Throws when Swarm has given up: waiting longer would not help. */
export function isSettled({ name, running, desired, outdated, update }: ServiceState): boolean {
  if (update === 'paused' || update?.startsWith('rollback'))
    throw new Error(`the update of ${name} failed: ${update}`);
  // A global service that fits no node has 0 of 0 tasks and is complete.
  return running === desired && outdated === 0 && update !== 'updating';
}
