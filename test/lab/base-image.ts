// The base image of the lab: Debian by mmdebstrap plus a current LTS of Node, made from packages alone. It stands
// in for `node:24-bookworm-slim`, so that building the project's images needs no account at an image registry.
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import * as v from 'valibot';
import { contentKey } from './cache.ts';
import { docker } from './docker.ts';
import { type LabNames, nodeDir } from './names.ts';
import { allDone, run } from './run.ts';

/** The major with an LTS mark. Odd majors and the newest even one have none. */
const NODE_MAJOR = 24;
const NPM_MAJOR = 11;
/** What node's binary is linked to, and roots of trust; the rest is the Dockerfiles' own business. */
const PACKAGES = ['ca-certificates', 'libstdc++6', 'libatomic1'];
const CA_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';
export const BASE_NAME = 'swarm-vip-lab-base';

export interface Base {
  readonly key: string;
  readonly machine: MachineSettings;
}

/** How this machine reaches its package sources. Goes into the lab's images only, never into the repository. */
interface MachineSettings {
  readonly suite: string;
  readonly sources: string | undefined;
  readonly apt: readonly string[];
  readonly npm: readonly string[];
}

export async function describeBase(): Promise<Base> {
  const machine = await readMachine();
  const files = [machine.sources, CA_BUNDLE].filter((file) => file !== undefined && existsSync(file));
  const values = [`node ${NODE_MAJOR}`, `npm ${NPM_MAJOR}`, process.arch, machine.suite];
  // By what this file says, not by where it lies: another checkout makes the same image.
  const recipe = readFileSync(import.meta.filename, 'utf8');
  const key = contentKey('/', files.map(String), [...values, recipe, ...machine.apt, ...machine.npm]);
  return { key, machine };
}

async function readMachine(): Promise<MachineSettings> {
  const release = readFileSync('/etc/os-release', 'utf8').match(/^VERSION_CODENAME=(\w+)$/m)?.[1];
  if (release === undefined) throw new Error('expected VERSION_CODENAME in /etc/os-release, found none');
  const sources = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'].find((file) =>
    existsSync(file),
  );
  const dump = await run(['apt-config', 'dump', '--no-empty', 'Acquire']);
  const apt = dump.stdout
    .split('\n')
    .filter((line) => /^Acquire::(Check-|https?::.*(Proxy|CaInfo))/i.test(line));
  // Asked outside of the project, so that its own .npmrc does not count as the machine's.
  const listed = await run(['npm', 'config', 'list', '--long', '--json'], { cwd: '/' });
  const settings = v.parse(v.record(v.string(), v.unknown()), JSON.parse(listed.stdout));
  const npm: string[] = [];
  for (const key of ['registry', 'cafile', 'https-proxy', 'proxy', 'noproxy']) {
    const value = settings[key];
    if (typeof value !== 'string' || value === '') continue;
    npm.push(`${key}=${key === 'cafile' ? CA_BUNDLE : value}`);
  }
  return { suite: release, sources, apt, npm };
}

/** Makes the base image in the builder unless it is there. Returns its name with tag. */
export async function ensureBase(
  lab: LabNames,
  base: Base,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const image = `${BASE_NAME}:${base.key}`;
  const present = await docker(lab, 'builder', ['image', 'ls', '--quiet', image], { signal });
  if (present.stdout.trim() !== '') return image;
  say(`building the base image: Debian ${base.machine.suite} and Node ${NODE_MAJOR} (about 30 s, once)`);
  // Below the builder's directory: it goes with the builder, also when this is interrupted.
  const work = `${nodeDir(lab, 'builder')}/base`;
  await layOutNode(work, base.machine, signal);
  const tar = `${work}/base.tar`;
  await run(
    [
      // In a mount namespace of its own: the mounts of an interrupted run vanish with it.
      ...['unshare', '-m', '-p', '--fork', '--kill-child', '--mount-proc'],
      'mmdebstrap',
      '--mode=root',
      '--variant=minbase',
      `--include=${PACKAGES.join(',')}`,
      '--aptopt=Acquire::Languages "none"',
      ...base.machine.apt.map((line) => `--aptopt=${line}`),
      ...['doc', 'man', 'locale', 'info'].map((dir) => `--dpkgopt=path-exclude=/usr/share/${dir}/*`),
      '--dpkgopt=path-include=/usr/share/doc/*/copyright',
      `--customize-hook=copy-in ${work}/root/usr /`,
      ...(existsSync(CA_BUNDLE) ? [`--customize-hook=upload ${CA_BUNDLE} ${CA_BUNDLE}`] : []),
      base.machine.suite,
      tar,
      ...(base.machine.sources === undefined ? [] : [base.machine.sources]),
    ],
    { signal, timeoutMs: 300_000, env: { TMPDIR: work } },
  );
  await docker(lab, 'builder', ['import', '--change', 'CMD ["bash"]', tar, image], {
    signal,
    timeoutMs: 120_000,
  });
  await run(['rm', '-rf', work]);
  return image;
}

async function layOutNode(work: string, machine: MachineSettings, signal: AbortSignal): Promise<void> {
  const local = `${work}/root/usr/local`;
  for (const dir of [
    `${work}/node`,
    `${work}/npm`,
    `${local}/bin`,
    `${local}/etc`,
    `${local}/lib/node_modules`,
  ]) {
    mkdirSync(dir, { recursive: true });
  }
  const unpack = async (name: string, into: string) => {
    const packed = await run(['npm', 'pack', '--silent', '--pack-destination', work, name], {
      cwd: '/',
      signal,
      timeoutMs: 180_000,
    });
    await run([
      'tar',
      '-xzf',
      `${work}/${packed.stdout.trim()}`,
      '-C',
      into,
      '--strip-components=1',
      '--no-same-owner',
    ]);
  };
  await allDone([
    unpack(`node-linux-${process.arch}@${NODE_MAJOR}`, `${work}/node`),
    unpack(`npm@${NPM_MAJOR}`, `${work}/npm`),
  ]);
  copyFileSync(`${work}/node/bin/node`, `${local}/bin/node`);
  await run(['cp', '-a', `${work}/npm`, `${local}/lib/node_modules/npm`]);
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', `${local}/bin/npm`);
  symlinkSync('../lib/node_modules/npm/bin/npx-cli.js', `${local}/bin/npx`);
  writeFileSync(`${local}/etc/npmrc`, machine.npm.map((line) => `${line}\n`).join(''));
  await run(['chmod', '0755', `${local}/bin/node`, `${local}/lib/node_modules/npm/bin/npm-cli.js`]);
}
