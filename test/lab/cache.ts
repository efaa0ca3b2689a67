// What survives a lab: the base image, the builder's layers and the registry's store. Keyed by content, so it is
// never wrong, only large; `lab purge` removes it.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, relative } from 'node:path';

export function cacheDir(): string {
  const base = process.env['XDG_CACHE_HOME'] || join(process.env['HOME'] || homedir(), '.cache');
  return join(base, 'swarm-vip-lab');
}

export const registryStore = (): string => join(cacheDir(), 'registry');
export const builderData = (): string => join(cacheDir(), 'builder');

export function purgeCache(): void {
  rmSync(cacheDir(), { recursive: true, force: true });
}

/** One key for the content of files and directories, with their names relative to `root`, and for plain values. */
export function contentKey(root: string, paths: readonly string[], values: readonly string[] = []): string {
  const hash = createHash('sha256');
  for (const value of values) hash.update(`value ${value.length} ${value}\n`);
  for (const file of paths.flatMap((path) => filesIn(join(root, path))).sort()) {
    const content = readFileSync(file);
    hash.update(
      `file ${relative(root, file)} ${statSync(file).mode & 0o111 ? 'x' : '-'} ${content.length}\n`,
    );
    hash.update(content);
  }
  return hash.digest('hex').slice(0, 16);
}

function filesIn(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).flatMap((entry) => filesIn(join(path, entry)));
}

/**
 * Runs `work` while no other process on this machine does so: two labs that start together build once. The lock
 * is held by a child that ends with us, however we end.
 */
export async function withCacheLock<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  mkdirSync(cacheDir(), { recursive: true });
  const holder = spawn('flock', ['-x', join(cacheDir(), 'lock'), 'sh', '-c', 'echo locked; cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  // A holder killed together with us breaks the pipe; there is nothing left to say to it then.
  holder.stdin.on('error', (error) => process.emitWarning(`lock of the lab's cache: ${error.message}`));
  const onAbort = () => holder.kill();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once('data', () => resolve());
      holder.once('error', reject);
      holder.once('exit', () =>
        reject(signal.aborted ? signal.reason : new Error('flock ended without the lock')),
      );
    });
    return await work();
  } finally {
    signal.removeEventListener('abort', onAbort);
    holder.stdin.end();
  }
}
