// Does a VRRP daemon run on this host that is not ours? The container has its own process ids, so nobody else's process
// can be seen, but the network namespace is the host's: /proc/net/raw lists every raw socket in it, whoever holds it.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * Tells whether there are raw sockets of protocol 112 (0x70, in the place of a port) that none of our own processes
 * holds. Our processes are looked through only when the table shows other sockets than last time.
 */
export function createVrrpSocketLook(): () => boolean {
  let last = { inodes: '', foreign: false };
  return () => {
    const found = vrrpSockets();
    const inodes = [...found].sort().join(' ');
    if (inodes === last.inodes) return last.foreign;
    for (const inode of ownSockets()) found.delete(inode);
    last = { inodes, foreign: found.size > 0 };
    return last.foreign;
  };
}

function vrrpSockets(): Set<string> {
  const found = new Set<string>();
  for (const path of ['/proc/net/raw', '/proc/net/raw6']) {
    for (const line of readTable(path).split('\n')) {
      const [, local = '', , , , , , , , inode] = line.trim().split(/\s+/);
      if (local.endsWith(':0070') && inode !== undefined) found.add(inode);
    }
  }
  return found;
}

/** A kernel without IPv6 has no second table. */
function readTable(path: string): string {
  return attempt(() => readFileSync(path, 'utf8')) ?? '';
}

function* ownSockets(): Generator<string> {
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    for (const fd of attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? []) {
      const target = attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? '';
      const [, inode] = /^socket:\[(\d+)\]$/.exec(target) ?? [];
      if (inode !== undefined) yield inode;
    }
  }
}

/** Undefined when it has ended meanwhile, is not there, or is not ours to look into. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
