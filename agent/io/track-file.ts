// The two track files of an instance, which keepalived watches:
//   pause/GROUP   1: held back (keepalived shows FAULT), 0: takes part
//   live/GROUP    what is added to the base priority right now
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { FoundFiles } from '../core/checks-verdict.ts';
import { writeWhole } from './state-store.ts';

export interface TrackFiles {
  /** @param live undefined: as it is */
  write(group: string, paused: boolean, live: number | undefined): void;
  /** What an earlier life of the agent wrote. Anything but a clear 0 counts as paused: the safe reading. */
  read(group: string): FoundFiles;
  keepOnly(groups: ReadonlySet<string>): void;
}

export function createTrackFiles(pauseDir: string, liveDir: string): TrackFiles {
  const written = new Map<string, string>();
  const both = [pauseDir, liveDir];
  for (const dir of both) mkdirSync(dir, { recursive: true, mode: 0o700 });

  const put = (file: string, text: string) => {
    if (written.get(file) === text) return;
    writeWhole(file, text);
    written.set(file, text);
  };
  return {
    write(group, paused, live) {
      // The priority first: a member that is to be modest must not take part for a moment with its full one.
      if (live !== undefined) put(`${liveDir}/${group}`, `${live}\n`);
      put(`${pauseDir}/${group}`, paused ? '1\n' : '0\n');
    },
    read: (group) => ({
      paused: readNumber(`${pauseDir}/${group}`) !== 0,
      live: readNumber(`${liveDir}/${group}`),
    }),
    keepOnly(groups) {
      for (const dir of both) {
        for (const name of readdirSync(dir)) {
          if (groups.has(name)) continue;
          rmSync(`${dir}/${name}`, { force: true });
          written.delete(`${dir}/${name}`);
        }
      }
    },
  };
}

/** Undefined when there is none, or none that can be read as a number. */
function readNumber(path: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return /^-?\d{1,3}$/.test(text) ? Number(text) : undefined;
}
