// From Dockerfiles to images that Swarm can pull: builds what the store lacks, with an engine that exists only for
// that time, and pushes it. When nothing changed nothing is started.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BASE_NAME, type Base, describeBase, ensureBase } from './base-image.ts';
import { builderData, contentKey, withCacheLock } from './cache.ts';
import { killAll, removeCgroups } from './cgroups.ts';
import { docker } from './docker.ts';
import { startHostEngine, stopEngine } from './engine.ts';
import { type LabNames, nodeDir, registryHost } from './names.ts';
import { hasImage, startPushRegistry } from './registry.ts';
import { makeSeed } from './seed.ts';

export const PROJECT_ROOT = new URL('../..', import.meta.url).pathname.replace(/\/$/, '');

export interface ImageSpec {
  /** Repository name in the lab's registry. */
  readonly name: string;
  /** Relative to the context. */
  readonly dockerfile: string;
  /** The build context; the project's root unless told otherwise. */
  readonly context?: string;
  /** Files and directories, relative to the context, whose content decides whether to build again. */
  readonly inputs: readonly string[];
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** Images of one release get one tag. */
  readonly release?: string;
}

const SOURCES = [
  ...['package.json', 'package-lock.json', '.npmrc', 'tsconfig.json', 'build.mjs', '.dockerignore'],
  ...['agent', 'coordinator', 'shared', 'images'],
];

export const PROJECT_IMAGES: readonly [agent: ImageSpec, coordinator: ImageSpec] = [
  { name: 'swarm-vip-agent', dockerfile: 'images/agent.Dockerfile', inputs: SOURCES, release: 'swarm-vip' },
  {
    name: 'swarm-vip-coordinator',
    dockerfile: 'images/coordinator.Dockerfile',
    inputs: SOURCES,
    release: 'swarm-vip',
  },
];

/** The base image itself, for stacks of a test that only need Node or a shell. */
export const BASE_IMAGE: ImageSpec = { name: BASE_NAME, dockerfile: '', inputs: [] };

/** Returns the references, in the order of the specs, under which the lab's nodes pull the images. */
export async function ensureImages(
  lab: LabNames,
  specs: readonly ImageSpec[],
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<string[]> {
  const base = await describeBase();
  const tagged = specs.map((spec) => ({ spec, tag: tagOf(spec, base) }));
  const absent = () => tagged.filter(({ spec, tag }) => !hasImage(spec.name, tag));
  if (absent().length > 0) {
    await withCacheLock(signal, async () => {
      // Another lab may have built them while this one waited for the lock.
      const todo = absent();
      if (todo.length > 0) await buildAll(lab, base, todo, say, signal);
    });
  }
  return tagged.map(({ spec, tag }) => `${registryHost(lab)}/${spec.name}:${tag}`);
}

function tagOf(spec: ImageSpec, base: Base): string {
  if (spec.name === BASE_NAME) return base.key;
  const root = spec.context ?? PROJECT_ROOT;
  const args = Object.entries(spec.buildArgs ?? {}).map(([key, value]) => `${key}=${value}`);
  const files = spec.release === undefined ? [spec.dockerfile, ...spec.inputs] : spec.inputs;
  const inputs = files.filter((path) => existsSync(join(root, path)));
  return contentKey(root, inputs, [base.key, spec.release ?? spec.name, ...args]);
}

interface Tagged {
  readonly spec: ImageSpec;
  readonly tag: string;
}

async function buildAll(
  lab: LabNames,
  base: Base,
  todo: readonly Tagged[],
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    await startBuilderOrAfresh(lab, say, signal);
    const baseImage = await ensureBase(lab, base, say, signal);
    const host = await startPushRegistry(lab, signal);
    if (!hasImage(BASE_NAME, base.key)) await push(lab, baseImage, `${host}/${baseImage}`, signal);
    await makeSeed(lab, base, host, signal);
    for (const { spec, tag } of todo) {
      if (spec.name === BASE_NAME) continue;
      const local = `${spec.name}:${tag}`;
      await build(lab, spec, local, baseImage, say, signal);
      // Under a key that is not its content's, a wrong image would be served for ever.
      if (tagOf(spec, base) !== tag)
        throw new Error(`the sources of ${spec.name} changed while it was built: try again`);
      await push(lab, local, `${host}/${local}`, signal);
    }
  } finally {
    await stopEngine(lab, 'builder');
    await removeCgroups(lab, 'builder');
    rmSync(nodeDir(lab, 'builder'), { recursive: true, force: true });
  }
}

async function push(lab: LabNames, local: string, remote: string, signal: AbortSignal): Promise<void> {
  await docker(lab, 'builder', ['tag', local, remote], { signal });
  await docker(lab, 'builder', ['push', '--quiet', remote], { signal, timeoutMs: 300_000 });
  await docker(lab, 'builder', ['rmi', '--no-prune', remote], { signal });
}

/** The builder's data outlives it and may have been damaged by a power cut of this very machine. */
async function startBuilderOrAfresh(
  lab: LabNames,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    await startHostEngine(lab, 'builder', builderData(), signal);
  } catch (error) {
    if (signal.aborted) throw error;
    say(`the builder did not start with its old data, starting afresh: ${String(error).split('\n')[0]}`);
    await killAll(lab, 'builder');
    rmSync(builderData(), { recursive: true, force: true });
    await startHostEngine(lab, 'builder', builderData(), signal);
  }
}

async function build(
  lab: LabNames,
  spec: ImageSpec,
  image: string,
  baseImage: string,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  say(`building ${spec.name} from ${spec.dockerfile}`);
  const context = spec.context ?? PROJECT_ROOT;
  const proxies = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy'].filter(
    (name) => process.env[name] !== undefined,
  );
  const args = { BASE_IMAGE: baseImage, VERSION: projectVersion(), ...spec.buildArgs };
  await docker(
    lab,
    'builder',
    [
      ...['build', '--network=host', '--tag', image, '--file', join(context, spec.dockerfile)],
      ...Object.entries(args).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]),
      ...proxies.flatMap((name) => ['--build-arg', name]),
      context,
    ],
    { signal, timeoutMs: 600_000 },
  );
}

function projectVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(PROJECT_ROOT, 'package.json'), 'utf8'));
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest)
    return String(manifest.version);
  throw new Error('package.json has no version');
}
