// Keeps the agents of stacks that bring none: secret, service, and the label of the nodes that are to run one. Done by
// the active coordinator after each look at Swarm; whatever fails is a problem in the status and tried again.
import type Docker from 'dockerode';
import * as v from 'valibot';
import type { Log } from '../../shared/io/log.ts';
import { keyName } from '../../shared/io/psk-identity.ts';
import type { Problem } from '../../shared/problem.ts';
import type { NodeId } from '../../shared/words.ts';
import type { AgentNodes } from '../core/agent-nodes.ts';
import {
  type AgentOrder,
  agentLabel,
  agentOrder,
  agentServiceName,
  agentServiceSpec,
  isOutdated,
  publicKeyVariable,
  secretPrefix,
  unproven,
  waitsForUpdate,
} from '../core/agent-service.ts';
import { type AgentService, managerAddresses, nodeName, type Snapshot } from '../core/snapshot.ts';
import { managedLabel } from '../core/swarm-services.ts';
import { toldLabel } from '../core/told.ts';
import { limit } from './engine.ts';
import type { KeyRing } from './key-ring.ts';
import { type KeyVault, keyToGive } from './key-vault.ts';
import type { SigningKey, SigningRing } from './signing-ring.ts';
import { activeLabel, type Swarm } from './swarm.ts';

export interface Steward {
  /** @returns what could not be done */
  tend(snapshot: Snapshot, nodes: AgentNodes): Promise<Problem[]>;
  /** Takes away all that it made. */
  dissolve(): Promise<void>;
}

const Named = v.array(v.object({ ID: v.string(), Spec: v.object({ Name: v.string() }) }));
const Created = v.object({ ID: v.optional(v.string()), id: v.optional(v.string()) });
const Writable = v.object({
  Version: v.object({ Index: v.number() }),
  Spec: v.looseObject({
    TaskTemplate: v.looseObject({ ContainerSpec: v.looseObject({ Configs: v.optional(v.unknown()) }) }),
  }),
});
const Distribution = v.object({ Descriptor: v.object({ digest: v.string() }) });

export function createSteward(deps: {
  docker: Docker;
  swarm: Pick<Swarm, 'setLabel'>;
  /** Undefined when an operator mounted the key: then he brings the agents, too. */
  keys: KeyRing | undefined;
  signing: SigningRing;
  vault: KeyVault;
  log: Log;
  now: () => number;
}): Steward {
  const { docker, swarm, keys, signing, vault, log, now } = deps;
  /** Of what is tried again at each look only the first failure is told. */
  let told = '';
  /** What the last update of this process was for: tried once, for what Swarm rolls back would fail again. */
  let tried = '';
  /** Since when an update waits for the one before it. */
  let waitingSinceMs: number | undefined;

  async function attempt(what: string, act: () => Promise<void>, problems: Problem[]): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      problems.push(refused(what, error instanceof Error ? error.message : String(error)));
      return false;
    }
  }

  const managedSecrets = async () =>
    v.parse(Named, await docker.listSecrets({ ...limit(), filters: { label: [managedLabel] } }));

  async function ensureSecret(key: Buffer): Promise<{ id: string; name: string }> {
    const name = secretPrefix + keyName(key);
    const present = (await managedSecrets()).find(({ Spec }) => Spec.Name === name);
    if (present) return { id: present.ID, name };
    const body = { Name: name, Labels: { [managedLabel]: 'yes' }, Data: key.toString('base64') };
    const { ID, id } = v.parse(Created, await docker.createSecret({ ...limit(), _body: body }));
    log.info({ event: 'key-handed-out', secret: name }, 'the agents’ key is a secret of Swarm now');
    return { id: ID ?? id ?? '', name };
  }

  /** With its digest, so that all nodes run the same; without one where the registry does not tell. */
  async function resolved(image: string): Promise<string> {
    try {
      const answer: unknown = await docker.getImage(image).distribution();
      return `${image.replace(/@.*$/, '')}@${v.parse(Distribution, answer).Descriptor.digest}`;
    } catch (error) {
      log.debug({ event: 'image-unresolved', image, error: String(error) }, 'the registry tells no digest');
      return image;
    }
  }

  async function tendService(snapshot: Snapshot, order: AgentOrder, key: Buffer): Promise<void> {
    const managers = managerAddresses(snapshot);
    const present = snapshot.agentServices?.find(({ managed }) => managed);
    const secretName = secretPrefix + keyName(key);
    if (present && !isOutdated(present, order, secretName, managers)) {
      waitingSinceMs = undefined;
      return;
    }
    if (present && waits(present, snapshot)) return;
    waitingSinceMs = undefined;
    const attempted = `${order.madeFor} ${secretName}`;
    if (present?.rolledBack && tried === attempted) {
      throw new Error(`its update to ${order.image} did not come up and was rolled back`);
    }
    const secret = await ensureSecret(key);
    const spec = agentServiceSpec(order, { image: await resolved(order.image), secret, managers });
    if (present) {
      await update(present, spec);
      tried = attempted;
      return;
    }
    await docker.createService({ ...limit(), _body: spec } as Docker.CreateServiceOptions);
    log.info(
      { event: 'agents-created', service: agentServiceName, image: order.image },
      'the agent service is created',
    );
  }

  function waits(present: AgentService, { nodes }: Snapshot): boolean {
    waitingSinceMs ??= now();
    const agents = nodes.filter(({ labels }) => labels[agentLabel] !== undefined).length;
    return waitsForUpdate(present, now() - waitingSinceMs, agents);
  }

  async function update(present: AgentService, spec: ReturnType<typeof agentServiceSpec>): Promise<void> {
    const handle = docker.getService(present.id);
    const { Version, Spec } = v.parse(Writable, await handle.inspect(limit()));
    const { Configs } = Spec.TaskTemplate.ContainerSpec;
    const { TaskTemplate } = spec;
    // Scripts of checks are mounted by hand.
    const body = {
      ...spec,
      TaskTemplate: {
        ...TaskTemplate,
        ContainerSpec: { ...TaskTemplate.ContainerSpec, ...(Configs ? { Configs } : {}) },
      },
    };
    await handle.update({ ...limit(), _query: { version: Version.Index }, _body: body });
    log.info(
      { event: 'agents-updated', service: present.name, image: spec.TaskTemplate.ContainerSpec.Image },
      'the agent service is updated, one node after the other',
    );
  }

  async function tendLabels(snapshot: Snapshot, { wanted, idle }: AgentNodes): Promise<void> {
    for (const { id, labels } of snapshot.nodes) {
      const has = labels[agentLabel] !== undefined;
      // An agent stays until it has said that it runs nothing: the others must not forget it before.
      if (wanted.has(id) === has || (has && !idle.has(id))) continue;
      await swarm.setLabel(id, agentLabel, has ? undefined : 'yes');
      log.info(
        { event: has ? 'agent-unneeded' : 'agent-needed', node: nodeName(snapshot, id) },
        has ? 'the node needs no agent any more' : 'the node is to run an agent',
      );
    }
  }

  /** Keys that nothing mounts any more. */
  async function tendSecrets(snapshot: Snapshot): Promise<void> {
    const [service] = snapshot.agentServices?.filter(({ managed }) => managed) ?? [];
    if (!service || service.updating || service.secrets.length === 0) return;
    const former = (await managedSecrets()).filter(({ Spec }) => !service.secrets.includes(Spec.Name));
    for (const { ID } of former) await docker.getSecret(ID).remove(limit());
  }

  async function removeService(service: AgentService): Promise<void> {
    await docker.getService(service.id).remove(limit());
    log.info({ event: 'agents-removed', service: service.name }, 'the agent service is removed');
  }

  return {
    async tend(snapshot, nodes) {
      const problems: Problem[] = [];
      const services = snapshot.agentServices ?? [];
      const ours = services.find(({ managed }) => managed);
      if (services.some(({ managed }) => !managed)) {
        if (ours) await attempt('service', () => removeService(ours), problems);
      } else {
        const key = keys?.current();
        const keep = (kept: readonly SigningKey[]) =>
          attempt(publicKeyVariable, () => vault.keep(kept), problems);
        const publicKey = key && (await keyToGive(signing, keep, ours?.env[publicKeyVariable]));
        const order = agentOrder(snapshot, publicKey);
        if (order && 'code' in order) problems.push(order);
        else if (order && key) {
          const doubt = unproven(snapshot, order);
          if (doubt) problems.push(doubt);
          await attempt('service', () => tendService(snapshot, order, key), problems);
          await attempt('label of nodes', () => tendLabels(snapshot, nodes), problems);
          await attempt('secret', () => tendSecrets(snapshot), problems);
        }
      }
      const failed = problems.filter(({ severity }) => severity === 'error');
      const words = failed.map(({ message }) => message).join('; ');
      if (words !== '' && words !== told) {
        log.warn({ event: 'agents-untended', why: words }, 'the agents cannot be looked after');
      }
      told = words;
      return problems;
    },

    async dissolve() {
      const problems: Problem[] = [];
      const listed = v.parse(
        Named,
        await docker.listServices({ ...limit(), filters: { label: [managedLabel] } }),
      );
      for (const { ID } of listed) {
        await attempt('service', () => docker.getService(ID).remove(limit()), problems);
      }
      for (const { ID } of await managedSecrets()) {
        await attempt('secret', () => docker.getSecret(ID).remove(limit()), problems);
      }
      await attempt('key', () => vault.empty(), problems);
      const Labelled = v.array(
        v.object({ ID: v.string(), Spec: v.object({ Labels: v.nullish(v.record(v.string(), v.string())) }) }),
      );
      for (const { ID, Spec } of v.parse(Labelled, await docker.listNodes(limit()))) {
        for (const key of [agentLabel, activeLabel, toldLabel]) {
          if (Spec.Labels?.[key] === undefined) continue;
          await attempt(
            'label',
            async () => void (await swarm.setLabel(ID as NodeId, key, undefined)),
            problems,
          );
        }
      }
      log.info(
        { event: 'dissolved', problems: problems.map(({ message }) => message) },
        'the last stack is gone: agents, their key and labels are removed',
      );
    },
  };
}

function refused(what: string, why: string): Problem {
  return {
    code: 'agents-untended',
    severity: 'error',
    where: `${what} of the agents`,
    message: `expected Swarm to take it, found: ${why}`,
    instead: 'what runs goes on',
    remedy: 'see `docker service ps --no-trunc swarm-vip-agent`, and correct what the message names',
  };
}
