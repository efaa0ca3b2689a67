// Keeps the coordinators' own keys where a rotated join token leaves them: in Docker configs, which managers alone can read
// (a worker gets those that its tasks mount, and no task mounts these), as encrypted in raft as the join tokens are.
import type { KeyObject } from 'node:crypto';
import type Docker from 'dockerode';
import * as v from 'valibot';
import { publicKeyName, readSigningKey } from '../../shared/io/coordinator-proof.ts';
import type { Log } from '../../shared/io/log.ts';
import { managedLabel } from '../core/swarm-services.ts';
import { limit } from './engine.ts';
import type { SigningKey, SigningRing } from './signing-ring.ts';

const prefix = 'swarm-vip-coordinator-';
/** More than there are rotations while one update of the agents is under way. */
const mostKept = 8;

export interface KeyVault {
  /** The newest first. What is no key is passed over. */
  read(): Promise<KeyObject[]>;
  /** Resolves when all of these are kept, and beside them no more than a few. */
  keep(keys: readonly SigningKey[]): Promise<void>;
  /** All of them, for good. */
  empty(): Promise<void>;
}

/**
 * The public half that agents are to know: never of a key that the next life of this process could not prove, too. Where
 * the newest cannot be kept, the one that they know stays, and none is left that nobody can prove any more.
 * @param keep resolves with whether it could
 * @param known what agents are given now
 */
export async function keyToGive(
  signing: Pick<SigningRing, 'current' | 'find'>,
  keep: (keys: readonly SigningKey[]) => Promise<boolean>,
  known: string | undefined,
): Promise<string | undefined> {
  const current = signing.current();
  if (!current) return undefined;
  const former = known ? signing.find(publicKeyName(known)) : undefined;
  const kept = await keep(former && former !== current ? [current, former] : [current]);
  return kept ? current.publicText : former?.publicText;
}

const Kept = v.array(
  v.object({
    ID: v.string(),
    CreatedAt: v.string(),
    Spec: v.object({ Name: v.string(), Data: v.optional(v.nullable(v.string()), '') }),
  }),
);

export function createKeyVault(docker: Docker, log: Log): KeyVault {
  const list = async () =>
    v
      .parse(Kept, await docker.listConfigs({ ...limit(), filters: { label: [managedLabel] } }))
      .filter(({ Spec }) => Spec.Name.startsWith(prefix))
      .sort((a, b) => b.CreatedAt.localeCompare(a.CreatedAt));

  return {
    async read() {
      return (await list()).flatMap(({ Spec }) => {
        try {
          return [readSigningKey(Buffer.from(Spec.Data ?? '', 'base64').toString('utf8'))];
        } catch (error) {
          log.warn({ event: 'key-unreadable', config: Spec.Name, error: String(error) }, 'no key of ours');
          return [];
        }
      });
    },

    async keep(keys) {
      const kept = await list();
      for (const { key, name } of keys) {
        if (kept.some(({ Spec }) => Spec.Name === prefix + name)) continue;
        const pem = String(key.export({ type: 'pkcs8', format: 'pem' }));
        const Data = Buffer.from(pem).toString('base64');
        const body = { Name: prefix + name, Labels: { [managedLabel]: 'yes' }, Data };
        await docker.createConfig({ ...limit(), _body: body });
        log.info({ event: 'coordinator-key-kept', config: body.Name }, 'the coordinators’ own key is kept');
      }
      const former = kept.filter(({ Spec }) => !keys.some(({ name }) => Spec.Name === prefix + name));
      for (const { ID } of former.slice(mostKept)) await docker.getConfig(ID).remove(limit());
    },

    async empty() {
      for (const { ID } of await list()) await docker.getConfig(ID).remove(limit());
    },
  };
}
