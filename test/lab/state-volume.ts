// What can befall the agent's small volume: full, read-only, or gone. A full disk is a small file system mounted over the
// volume in the agent's own mount namespace, so that nothing else of the machine has less room.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { containersOf, firstsOf } from './containers.ts';
import { type LabNames, nodeDir } from './names.ts';
import { run, signalProcess } from './run.ts';

const MOUNT_POINT = '/var/lib/swarm-vip';

const dataOf = (lab: LabNames, node: string): string =>
  `${nodeDir(lab, node)}/docker/volumes/swarm-vip_state/_data`;

const mountsOf = (pid: number): string[] =>
  readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    .split('\n')
    .filter((line) => line.split(' ')[4] === MOUNT_POINT);

async function inContainer(pid: number, script: string): Promise<void> {
  await run([
    'nsenter',
    `--target=${pid}`,
    '--mount',
    // mount and umount read /proc/self.
    '--pid',
    '--',
    '/bin/sh',
    '-euc',
    `d=${MOUNT_POINT}; ${script}`,
  ]);
}

/** Not one more block can be written; what is there can be read. */
export async function fillVolume(lab: LabNames, node: string): Promise<void> {
  for (const pid of firstsOf(lab, node, 'agent')) {
    await inContainer(
      pid,
      `mkdir -m 700 /tmp/kept; cp -a $d/. /tmp/kept
       mount -t tmpfs -o size=256k,mode=700 tmpfs $d; cp -a /tmp/kept/. $d; rm -r /tmp/kept
       cat /dev/zero >$d/filler 2>/dev/null || true
       if echo more >$d/more 2>/dev/null; then echo "the volume is not full" >&2; exit 1; fi`,
    );
  }
}

export async function protectVolume(lab: LabNames, node: string): Promise<void> {
  for (const pid of firstsOf(lab, node, 'agent')) await inContainer(pid, 'mount -o remount,bind,ro $d');
}

/** As `rm -r` on the host does it: the container keeps a directory that exists no more. */
export function removeVolume(lab: LabNames, node: string): void {
  const data = dataOf(lab, node);
  if (!existsSync(data)) throw new Error(`${node} has no state volume: expected ${data}`);
  rmSync(data, { recursive: true });
}

/** Mends all of it. A container whose directory was removed is killed: only another one gets the new directory. */
export async function restoreVolume(lab: LabNames, node: string): Promise<void> {
  const data = dataOf(lab, node);
  if (!existsSync(data)) {
    mkdirSync(data);
    // One that has ended could not be started again without the directory.
    for (const pid of containersOf(lab, node, 'agent')) signalProcess(pid, 'SIGKILL');
    return;
  }
  for (const pid of firstsOf(lab, node, 'agent')) {
    if (mountsOf(pid).length > 1) await inContainer(pid, 'umount -l $d');
    else await inContainer(pid, 'mount -o remount,bind,rw $d');
  }
}
