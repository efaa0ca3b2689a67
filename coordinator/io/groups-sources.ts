// What groups.yaml comes from: Docker configs with the label swarm-vip.groups, and secrets that hold its passwords.
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type Docker from 'dockerode';
import * as v from 'valibot';
import { configLabel } from '../core/groups-configs.ts';
import type { GroupsConfig } from '../core/snapshot.ts';
import { limit } from './engine.ts';

const RawConfig = v.object({
  ID: v.string(),
  CreatedAt: v.string(),
  Spec: v.object({ Name: v.string(), Data: v.optional(v.nullable(v.string()), '') }),
});

/** All labelled configs, as the engine lists them. */
export const listConfigs = (docker: Docker): Promise<unknown> =>
  docker.listConfigs({ ...limit(), filters: { label: [configLabel] } });

/** Their content never changes, so each is decoded once and stays the same object. */
export function createConfigReader(): (listed: unknown) => GroupsConfig[] {
  let known = new Map<string, GroupsConfig>();
  return (listed) => {
    const configs = v.parse(v.array(RawConfig), listed).map(({ ID, CreatedAt, Spec }): GroupsConfig => {
      const before = known.get(ID);
      if (before) return before;
      const data = Buffer.from(Spec.Data ?? '', 'base64');
      const sha256 = createHash('sha256').update(data).digest('hex');
      return { id: ID, name: Spec.Name, createdAt: CreatedAt, text: data.toString('utf8'), sha256 };
    });
    known = new Map(configs.map((config) => [config.id, config]));
    return configs;
  };
}

const secretsFolder = '/run/secrets';
/** A VRRP password has 8 characters; longer secrets (the agents' key among them) are never read. */
const maxSecretBytes = 10;

/**
 * Short secrets by name. Swarm mounts them when the container starts and never changes them, so one read is enough.
 * Without the folder there are none.
 */
export async function readShortSecrets(folder = secretsFolder): Promise<Readonly<Record<string, string>>> {
  const secrets: Record<string, string> = Object.create(null);
  for (const name of await namesIn(folder)) {
    const path = join(folder, name);
    const file = await stat(path);
    if (!file.isFile() || file.size > maxSecretBytes) continue;
    const text = (await readFile(path, 'utf8')).replace(/\r?\n$/, '');
    if (text.length > 0 && text.length <= 8) secrets[name] = text;
  }
  return secrets;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
