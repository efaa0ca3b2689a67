// What an earlier life of the agent wrote into a track file.
import { readFileSync } from 'node:fs';

/** Undefined when there is none, or none that can be read as a number. */
export function readTrackFile(path: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return /^-?\d{1,3}$/.test(text) ? Number(text) : undefined;
}
