// Nodes start with the base image's layers on board, as machines do that ran other containers of the same base.
// The product's images are still resolved and pulled by digest; only their own layers travel. Saves several seconds
// of unpacking per deploy on two cores.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { BASE_NAME, type Base } from './base-image.ts';
import { cacheDir } from './cache.ts';
import { removeCgroups } from './cgroups.ts';
import { docker } from './docker.ts';
import { startHostEngine, stopEngine } from './engine.ts';
import { type LabNames, nodeDir } from './names.ts';
import { run } from './run.ts';

const seedDir = (base: Base): string => `${cacheDir()}/seed-${base.key}`;
const PART = 'seeder';
/** What makes an image in an engine's data directory: the metadata and the layers' files. */
const PARTS = ['image', 'overlay2'];

/** Makes the seed from the base image in the registry at `host`. Call with the cache's lock held. */
export async function makeSeed(lab: LabNames, base: Base, host: string, signal: AbortSignal): Promise<void> {
  if (existsSync(seedDir(base))) return;
  const dataRoot = `${nodeDir(lab, PART)}/docker`;
  try {
    await startHostEngine(lab, PART, dataRoot, signal);
    await docker(lab, PART, ['pull', '--quiet', `${host}/${BASE_NAME}:${base.key}`], {
      signal,
      timeoutMs: 120_000,
    });
    await stopEngine(lab, PART);
    const draft = `${seedDir(base)}.new`;
    rmSync(draft, { recursive: true, force: true });
    mkdirSync(draft, { recursive: true });
    await run(['cp', '-a', ...PARTS.map((part) => `${dataRoot}/${part}`), draft], { signal });
    renameSync(draft, seedDir(base));
    // Of an older base: nobody will ask for it again.
    for (const entry of readdirSync(cacheDir())) {
      const path = `${cacheDir()}/${entry}`;
      if (entry.startsWith('seed-') && path !== seedDir(base)) rmSync(path, { recursive: true, force: true });
    }
  } finally {
    await stopEngine(lab, PART);
    await removeCgroups(lab, PART);
    rmSync(nodeDir(lab, PART), { recursive: true, force: true });
  }
}

/** Gives a node that never ran its layers. Without a seed (the very first lab) the node pulls everything. */
export async function sow(lab: LabNames, base: Base, node: string, signal: AbortSignal): Promise<void> {
  const dataRoot = `${nodeDir(lab, node)}/docker`;
  if (!existsSync(seedDir(base)) || existsSync(dataRoot)) return;
  mkdirSync(dataRoot, { recursive: true, mode: 0o710 });
  await run(['cp', '-a', ...PARTS.map((part) => `${seedDir(base)}/${part}`), dataRoot], { signal });
}
