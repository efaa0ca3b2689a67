// All services of a Swarm → those that concern us: coordinators, agents, and what the former operator left behind.
//
// The operator's stack names no role, so a coordinator is told by one of: the label swarm-vip.role=coordinator (set in
// compose.yaml, and by every coordinator on its own service), the image repository of the own service, or having been
// told so before. A `stack deploy` takes the label away for a moment; taking the service for none of ours then would
// take its group's addresses away.
import * as v from 'valibot';
import { canonicalAddress } from '../../shared/words.ts';
import type { AgentService, CoordinatorService, Leftover } from './snapshot.ts';
import { SwarmLabels } from './swarm-node.ts';

export const roleLabel = 'swarm-vip.role';
/** On the agent service and the secret that a coordinator has made. */
export const managedLabel = 'swarm-vip.managed';
export const madeForLabel = 'swarm-vip.made-for';
/** What services of ours say of themselves; no operator's word. */
export const ownServiceLabels: readonly string[] = [roleLabel, managedLabel, madeForLabel];

const texts = v.optional(v.nullable(v.array(v.string())), []);
const RawService = v.object({
  ID: v.string(),
  CreatedAt: v.string(),
  UpdateStatus: v.nullish(v.object({ State: v.optional(v.string()) })),
  Spec: v.object({
    Name: v.string(),
    Labels: SwarmLabels,
    Mode: v.nullish(v.object({ Replicated: v.optional(v.object({ Replicas: v.optional(v.number()) })) })),
    TaskTemplate: v.object({
      ContainerSpec: v.optional(
        v.object({
          Image: v.optional(v.string(), ''),
          Env: texts,
          Secrets: v.optional(v.nullable(v.array(v.object({ SecretName: v.optional(v.string(), '') }))), []),
          Mounts: v.optional(v.nullable(v.array(v.object({ Source: v.optional(v.string(), '') }))), []),
        }),
        {},
      ),
      Placement: v.nullish(v.object({ Constraints: texts })),
    }),
  }),
});
export type ListedService = v.InferOutput<typeof RawService>;

/** The answer of the API's list. What is no service of containers is passed over. @throws ValiError if it is no list */
export const readServices = (raw: unknown): ListedService[] =>
  v.parse(v.array(v.unknown()), raw).flatMap((each) => {
    const read = v.safeParse(RawService, each);
    return read.success ? [read.output] : [];
  });

export interface OurServices {
  coordinators: Omit<CoordinatorService, 'tasks'>[];
  agents: AgentService[];
  leftovers: Omit<Leftover, 'nodes'>[];
  formerOperators: { id: string; name: string }[];
}

/**
 * @param own id of the service that this process belongs to
 * @param known ids that were coordinators before
 */
export function ourServices(
  services: readonly ListedService[],
  own: string | undefined,
  known: ReadonlySet<string>,
): OurServices {
  const ownImage = services.find(({ ID }) => ID === own)?.Spec.TaskTemplate.ContainerSpec.Image;
  const repository = ownImage === undefined ? undefined : repositoryOf(ownImage);
  const agentRepository = repository === undefined ? undefined : agentRepositoryOf(repository);
  const result: OurServices = { coordinators: [], agents: [], leftovers: [], formerOperators: [] };
  for (const service of services) {
    const { ID: id, CreatedAt: createdAt, Spec } = service;
    const { Image: image, Env, Mounts } = Spec.TaskTemplate.ContainerSpec;
    const env = envRecord(Env);
    const role = Spec.Labels?.[roleLabel];
    const from = repositoryOf(image);
    if (role === undefined && isLeftover(Spec.Name, env)) {
      result.leftovers.push({ id, name: Spec.Name, addresses: addressesOf(env), hostname: boundTo(service) });
    } else if (role === 'agent' || (role === undefined && from === agentRepository)) {
      result.agents.push(agentService(service, env));
    } else if (role === 'coordinator' || id === own || known.has(id) || from === repository) {
      const state = { labelled: role === 'coordinator', updating: isUpdating(service.UpdateStatus?.State) };
      result.coordinators.push({ id, name: Spec.Name, createdAt, image, env, ...state });
    } else if (
      env['KEEPALIVED_GROUP'] &&
      env['KEEPALIVED_VIRTUAL_IPS'] &&
      (Mounts ?? []).some(({ Source }) => Source.endsWith('/docker.sock'))
    ) {
      result.formerOperators.push({ id, name: Spec.Name });
    }
  }
  return result;
}

function agentService({ ID, Spec, UpdateStatus }: ListedService, env: Record<string, string>): AgentService {
  const madeFor = Spec.Labels?.[madeForLabel];
  return {
    id: ID,
    name: Spec.Name,
    managed: Spec.Labels?.[managedLabel] !== undefined,
    ...(madeFor === undefined ? {} : { madeFor }),
    secrets: (Spec.TaskTemplate.ContainerSpec.Secrets ?? []).map(({ SecretName }) => SecretName),
    env,
    updating: isUpdating(UpdateStatus?.State),
    replacing: ['updating', 'rollback_started'].includes(UpdateStatus?.State ?? ''),
    rolledBack: UpdateStatus?.State?.startsWith('rollback') === true,
  };
}

export const isUpdating = (state: string | undefined): boolean =>
  state !== undefined && state !== 'completed' && state !== 'rollback_completed';

/** By name and by what the operator gave each of them; others may like the name, too. */
const isLeftover = (name: string, env: Record<string, string>): boolean =>
  name.startsWith('keepalived-node-') &&
  env['KEEPALIVED_VIRTUAL_IPS'] !== undefined &&
  env['KEEPALIVED_PRIORITY'] !== undefined;

/** "192.168.1.201, 192.168.1.202", or the same as a list of Python, as the operator passed it on. */
const addressesOf = (env: Record<string, string>): string[] =>
  (env['KEEPALIVED_VIRTUAL_IPS'] ?? '')
    .split(/[\s,'"[\]]+/)
    .flatMap((text) => canonicalAddress(text.replace(/\/\d+$/, '')) ?? []);

function boundTo({ Spec }: ListedService): string {
  for (const constraint of Spec.TaskTemplate.Placement?.Constraints ?? []) {
    const [, hostname] = /^\s*node\.hostname\s*==\s*(\S+)\s*$/.exec(constraint) ?? [];
    if (hostname !== undefined) return hostname;
  }
  return Spec.Name.replace(/^keepalived-node-/, '').replace(/-\d+$/, '');
}

/** "host:5000/vip/swarm-vip-coordinator:1@sha256:…" → without tag and digest. */
export const repositoryOf = (image: string): string => image.replace(/@.*$/, '').replace(/:[^:/]*$/, '');

/** The naming rule: the last "coordinator" of the last part becomes "agent". Undefined when there is none. */
export function agentRepositoryOf(repository: string): string | undefined {
  const found = /^(.*)coordinator([^/]*)$/.exec(repository);
  return found ? `${found[1]}agent${found[2]}` : undefined;
}

/** ["A=b", "A=c"] → {A: "c"}: the last one counts, as in the container. */
export function envRecord(env: readonly string[] | null): Record<string, string> {
  return Object.fromEntries(
    (env ?? []).map((pair) => {
      const at = pair.indexOf('=');
      return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}
