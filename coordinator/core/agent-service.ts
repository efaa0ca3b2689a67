// The agent service that coordinators create for a stack without one: compose.yaml's `agent`, as Docker's API wants it.
// test/coordinator/agent-service.test.ts holds it against that file.
import type { Problem } from '../../shared/problem.ts';
import { byAge, derivesKey } from './roles.ts';
import type { AgentService, CoordinatorService, Snapshot } from './snapshot.ts';
import { agentRepositoryOf, madeForLabel, managedLabel, repositoryOf, roleLabel } from './swarm-services.ts';

/** One for all stacks, so its name holds no stack. */
export const agentServiceName = 'swarm-vip-agent';
/** On nodes that are to run an agent. Swarm's constraints are all ANDed: none can say "in any of these groups". */
export const agentLabel = 'swarm-vip.agent';
/** As the stack of the README names it, so that its agents and ours on one host exclude each other by the lock there. */
const stateVolume = 'swarm-vip_state';
export const secretPrefix = 'swarm-vip-key-';

const seconds = (count: number) => count * 1_000_000_000;
const mebibytes = (count: number) => count * 1_048_576;

export interface AgentOrder {
  /** With tag, without digest. */
  image: string;
  /** What the service is made for; when that changes, the service is updated. */
  madeFor: string;
  /** Passed on from the coordinator service. */
  env: Record<string, string>;
}

const passedOn = ['LEASE', 'LOG_LEVEL', 'VRRP_PRIORITY', 'VRRP_RT_PRIORITY'] as const;

/** What agents get of the coordinators' own key. */
export const publicKeyVariable = 'COORDINATOR_PUBLIC_KEY';

/**
 * Of several stacks the oldest decides, as everywhere. Undefined when no coordinator creates agents.
 * @param publicKey of the coordinators, for agents that are to ask for its proof
 */
export function agentOrder(snapshot: Snapshot, publicKey?: string): AgentOrder | Problem | undefined {
  const { services } = snapshot;
  const decides = byAge(services).find((service) => derivesKey(service) && service.image);
  if (!decides) return undefined;
  const image = decides.env['AGENT_IMAGE']?.trim() || agentImageOf(decides.image ?? '');
  if (image === undefined) return unnamedImage(decides);
  const port = /(\d+)\s*$/.exec(decides.env['AGENT_LISTEN'] ?? '')?.[1];
  const env = {
    ...Object.fromEntries(
      passedOn.flatMap((key) => (decides.env[key]?.trim() ? [[key, decides.env[key]?.trim() ?? '']] : [])),
    ),
    ...(port === undefined ? {} : { AGENT_PORT: port }),
    // In `madeFor` with the rest: a coordinator of a version that can prove nothing finds the service made for something
    // else and takes the key out of it, before it is missed.
    ...(publicKey && asksForProof(snapshot) ? { [publicKeyVariable]: publicKey } : {}),
  };
  const madeFor = [decides.image, image, ...Object.entries(env).map((pair) => pair.join('='))].join(' ');
  return { image, madeFor, env };
}

/**
 * Whether agents are to believe only who proves to be a coordinator. Not as long as one of another version may become
 * active, which perhaps cannot: that begins when all stacks run one image, and all tasks of each. It does not end while
 * they are updated one after the other.
 */
function asksForProof(snapshot: Snapshot): boolean {
  const asks = snapshot.agentServices?.some(({ managed, env }) => managed && env[publicKeyVariable]);
  const halfway = snapshot.services.some(({ updating, tasks }) => updating && tasks.length > 1);
  return asks || (!halfway && otherImages(snapshot).length === 0);
}

function otherImages({ services }: Snapshot): CoordinatorService[] {
  const [oldest, ...others] = byAge(services).filter((each) => derivesKey(each) && each.tasks.length > 0);
  return others.filter(({ image }) => image !== oldest?.image);
}

/** Undefined when agents ask for a proof, or soon will. */
export function unproven(snapshot: Snapshot, order: AgentOrder): Problem | undefined {
  const others = otherImages(snapshot);
  if (order.env[publicKeyVariable] || others.length === 0) return undefined;
  const names = others.map(({ name }) => name).join(', ');
  return {
    code: 'coordinators-differ',
    severity: 'warning',
    where: `service ${names}, image`,
    value: others[0]?.image ?? '',
    message:
      'expected the image of the oldest stack, for other versions may be unable to prove that they are coordinators',
    instead: 'agents believe whoever has their key and a manager’s address',
    remedy: 'deploy all stacks with one image',
  };
}

/** The naming rule: "…/swarm-vip-coordinator:1@sha256:…" → "…/swarm-vip-agent:1". */
export function agentImageOf(coordinatorImage: string): string | undefined {
  const plain = coordinatorImage.replace(/@.*$/, '');
  const repository = repositoryOf(plain);
  const agent = agentRepositoryOf(repository);
  return agent === undefined ? undefined : agent + plain.slice(repository.length);
}

function unnamedImage(service: CoordinatorService): Problem {
  return {
    code: 'agent-image-unknown',
    severity: 'error',
    where: `service ${service.name}, image`,
    value: service.image ?? '',
    message: 'expected "coordinator" in the name of the image, from which follows the name of the agent’s',
    instead: 'no agents are created',
    remedy: 'set AGENT_IMAGE on the service',
  };
}

export interface AgentParts {
  /** With digest where the registry told one. */
  image: string;
  secret: { id: string; name: string };
  managers: readonly string[];
}

/** A ServiceSpec of Docker's API. */
export function agentServiceSpec({ madeFor, env }: AgentOrder, { image, secret, managers }: AgentParts) {
  const update = { Parallelism: 1, Order: 'stop-first' };
  const values: Record<string, string> = {
    COORDINATORS: managers.join(' '),
    LEASE: '4s',
    METRICS_LISTEN: ':9165',
    NODE_HOSTNAME: '{{.Node.Hostname}}',
    NODE_ID: '{{.Node.ID}}',
    SWARM_VIP_KEY_FILE: '/run/secrets/swarm-vip-key',
    VRRP_PRIORITY: '',
    VRRP_RT_PRIORITY: '',
    ...env,
  };
  return {
    Name: agentServiceName,
    Labels: { [roleLabel]: 'agent', [managedLabel]: 'yes', [madeForLabel]: madeFor },
    TaskTemplate: {
      ContainerSpec: {
        Image: image,
        Env: Object.entries(values).map((pair) => pair.join('=')),
        ReadOnly: true,
        StopGracePeriod: seconds(15),
        Mounts: [
          { Type: 'volume', Source: stateVolume, Target: '/var/lib/swarm-vip' },
          { Type: 'tmpfs', Target: '/run', TmpfsOptions: { SizeBytes: mebibytes(16) } },
          { Type: 'tmpfs', Target: '/tmp', TmpfsOptions: { SizeBytes: mebibytes(16) } },
        ],
        Secrets: [
          {
            File: { Name: 'swarm-vip-key', UID: '0', GID: '0', Mode: 0o444 },
            SecretID: secret.id,
            SecretName: secret.name,
          },
        ],
        CapabilityAdd: ['CAP_NET_ADMIN', 'CAP_NET_RAW'],
        CapabilityDrop: ['ALL'],
      },
      Resources: { Limits: { MemoryBytes: mebibytes(256) } },
      RestartPolicy: { Condition: 'any', Delay: seconds(1) },
      Placement: { Constraints: [`node.labels.${agentLabel} == yes`] },
      Networks: [{ Target: 'host' }],
      LogDriver: { Name: 'json-file', Options: { 'max-file': '3', 'max-size': '10m' } },
    },
    Mode: { Global: {} },
    UpdateConfig: { ...update, FailureAction: 'rollback', Monitor: seconds(15), Delay: seconds(2) },
    RollbackConfig: { ...update, FailureAction: 'pause', Monitor: seconds(5) },
  };
}

/**
 * Whether the next update is to wait for the one before it. Swarm, told of it, begins anew at once, whatever is just down:
 * of two agents both were, and with them the address for 9.8 s. One that never ends must not hold up its own correction.
 */
export const waitsForUpdate = (service: AgentService, waitedMs: number, agents: number): boolean =>
  service.replacing === true && waitedMs < 60_000 + 30_000 * agents;

/** Whether the service is no longer what it should be. What somebody added to it by hand is no reason. */
export function isOutdated(
  service: AgentService,
  order: AgentOrder,
  secret: string,
  managers: readonly string[],
): boolean {
  const listed = (service.env['COORDINATORS'] ?? '').split(' ');
  // Agents keep the list that coordinators tell them; the one in the environment is for their first start only.
  const lost = managers.length > 0 && !managers.some((address) => listed.includes(address));
  return service.madeFor !== order.madeFor || !service.secrets.includes(secret) || lost;
}
