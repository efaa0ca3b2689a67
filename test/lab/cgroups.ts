// Every process of a lab sits in a cgroup named after it: that is how `down` finds them all, also those that a
// dead command left, and how a node is frozen. Works with the old hierarchy (freezer) and the unified one.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { belongsTo, type LabNames } from './names.ts';
import { signalProcess, spawnDaemon } from './run.ts';

const ROOT = '/sys/fs/cgroup';
const UNIFIED = existsSync(`${ROOT}/cgroup.controllers`);
/** The hierarchy that holds our processes. */
const HIERARCHY = UNIFIED ? ROOT : `${ROOT}/freezer`;

const treeOf = (lab: LabNames, part: string): string => `${HIERARCHY}/${lab.prefix}/${part}`;

/** For dockerd's --cgroup-parent: containers end up beside the engine, inside the node's tree. */
export const cgroupParent = (lab: LabNames, part: string): string => `/${lab.prefix}/${part}`;

/**
 * Wraps a command so that it starts inside the part's cgroup, or not at all: outside, `down` would not find it.
 * A leaf, as the unified hierarchy demands.
 */
export function inCgroup(lab: LabNames, part: string, command: readonly string[]): string[] {
  const leaf = `${treeOf(lab, part)}/own`;
  mkdirSync(leaf, { recursive: true });
  return [
    '/bin/sh',
    '-c',
    'echo $$ >"$1/cgroup.procs" || exit 125; shift; exec "$@"',
    'lab',
    leaf,
    ...command,
  ];
}

/** Starts a program in the part's cgroup that outlives this process. Returns its PID once it is there. */
export function startInCgroup(
  lab: LabNames,
  part: string,
  command: readonly string[],
  logFile: string,
): Promise<number> {
  return spawnDaemon(inCgroup(lab, part, command), logFile, (pid) => processesOf(lab, part).includes(pid));
}

/** All processes in the part's tree, containers included. */
export function processesOf(lab: LabNames, part: string): number[] {
  return processesIn(treeOf(lab, part));
}

function processesIn(dir: string): number[] {
  const pids: number[] = [];
  for (const group of groupsIn(dir)) {
    const text = readIfPresent(`${group}/cgroup.procs`);
    for (const line of text.split('\n')) if (line !== '' && line !== '0') pids.push(Number(line));
  }
  return pids;
}

/** The directory and all below it, deepest first, which is the order to remove them in. */
function groupsIn(dir: string): string[] {
  if (!existsSync(dir)) return [];
  const below = readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => groupsIn(`${dir}/${entry.name}`));
  return [...below, dir];
}

function readIfPresent(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    // A group that vanished between listing and reading has no processes.
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENODEV'))
      return '';
    throw error;
  }
}

export function freeze(lab: LabNames, part: string): void {
  if (UNIFIED) writeFileSync(`${treeOf(lab, part)}/cgroup.freeze`, '1');
  else writeFileSync(`${treeOf(lab, part)}/freezer.state`, 'FROZEN');
}

export function thaw(lab: LabNames, part: string): void {
  if (!existsSync(treeOf(lab, part))) return;
  if (UNIFIED) writeFileSync(`${treeOf(lab, part)}/cgroup.freeze`, '0');
  else writeFileSync(`${treeOf(lab, part)}/freezer.state`, 'THAWED');
}

/** Kills everything in the part (or the whole lab) and waits until it is gone. */
export async function killAll(lab: LabNames, part = ''): Promise<void> {
  const dir = part === '' ? `${HIERARCHY}/${lab.prefix}` : treeOf(lab, part);
  if (!existsSync(dir)) return;
  const deadline = performance.now() + 10_000;
  for (;;) {
    // A frozen process keeps a pending SIGKILL until it is thawed.
    for (const group of groupsIn(dir)) thawGroup(group);
    const pids = processesIn(dir);
    if (pids.length === 0) return;
    for (const pid of pids) signalProcess(pid, 'SIGKILL');
    if (performance.now() > deadline) {
      throw new Error(`processes ${pids.join(', ')} of ${lab.name} survive SIGKILL: see ${dir}`);
    }
    await delay(10);
  }
}

function thawGroup(group: string): void {
  const [file, value] = UNIFIED ? ['cgroup.freeze', '0'] : ['freezer.state', 'THAWED'];
  const path = `${group}/${file}`;
  if (
    readIfPresent(path)
      .trim()
      .match(/^(1|FROZEN|FREEZING)$/)
  )
    writeFileSync(path, value ?? '');
}

/** Kills what is left in the part (or the whole lab) and removes its groups: engines make some in every hierarchy. */
export async function removeCgroups(lab: LabNames, part = ''): Promise<void> {
  for (const dir of cgroupTrees(lab, part)) {
    for (const group of groupsIn(dir)) await removeGroup(lab, part, group);
  }
}

async function removeGroup(lab: LabNames, part: string, group: string): Promise<void> {
  // The kernel frees a group a moment after its last process: EBUSY until then. And a program that was being
  // started when the killing began may have joined since.
  for (let attempts = 0; ; attempts++) {
    await killAll(lab, part);
    try {
      rmdirSync(group);
      return;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'ENOENT') return;
      if (code !== 'EBUSY' || attempts === 200) throw error;
      await delay(10);
    }
  }
}

/** Trees of this lab that exist, over all hierarchies. */
export function cgroupTrees(lab: LabNames, part = ''): string[] {
  if (!existsSync(ROOT)) return [];
  const hierarchies = UNIFIED ? [ROOT] : readdirSync(ROOT).map((name) => `${ROOT}/${name}`);
  return hierarchies.flatMap((hierarchy) =>
    safeList(hierarchy)
      .filter((entry) => belongsTo(lab, entry))
      .map((entry) => (part === '' ? `${hierarchy}/${entry}` : `${hierarchy}/${entry}/${part}`))
      .filter((path) => existsSync(path)),
  );
}

function safeList(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') return [];
    throw error;
  }
}
