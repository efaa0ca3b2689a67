// What a later command must know about a running lab, and the journal of what chaos did to it. Both lie on the
// lab's tmpfs and so end with it.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import * as v from 'valibot';
import { LAB_ROOT, type LabNames } from './names.ts';
import { attempt, run } from './run.ts';

const StateSchema = v.object({
  name: v.string(),
  phase: v.picklist(['starting', 'up']),
  nodes: v.array(v.object({ index: v.number(), manager: v.boolean() })),
});
export type LabState = v.InferOutput<typeof StateSchema>;

const file = (lab: LabNames): string => `${lab.dir}/state.json`;

export function readState(lab: LabNames): LabState | undefined {
  if (!existsSync(file(lab))) return undefined;
  return v.parse(StateSchema, JSON.parse(readFileSync(file(lab), 'utf8')));
}

export function writeState(lab: LabNames, state: LabState): void {
  writeFileSync(`${file(lab)}.new`, JSON.stringify(state));
  renameSync(`${file(lab)}.new`, file(lab));
}

/** Names of the labs that have a directory, running or half-built. */
export function knownLabs(): string[] {
  return existsSync(LAB_ROOT) ? readdirSync(LAB_ROOT).sort() : [];
}

export async function createDir(lab: LabNames): Promise<void> {
  mkdirSync(lab.dir, { recursive: true });
  // Memory is taken only by what is written: a node needs about 0.5 GiB.
  await run(['mount', '-t', 'tmpfs', '-o', 'mode=755,size=80%', `svl.${lab.name}`, lab.dir]);
}

export function isMounted(lab: LabNames): boolean {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[1] === lab.dir);
}

export async function removeDir(lab: LabNames): Promise<void> {
  // More than once when two `up` raced for the same name.
  while (isMounted(lab)) {
    const result = await attempt(['umount', lab.dir]);
    // Somebody's shell stands in it: detach it now, the memory returns when they leave.
    if (result.code !== 0) await run(['umount', '-l', lab.dir]);
  }
  for (const dir of [lab.dir, LAB_ROOT]) {
    if (existsSync(dir) && readdirSync(dir).length === 0) rmdirSync(dir);
  }
}

export type CutVerb = 'isolate' | 'heal';

const EntrySchema = v.object({ atMs: v.number(), verb: v.string(), node: v.string() });
export type JournalEntry = v.InferOutput<typeof EntrySchema>;

const journal = (lab: LabNames): string => `${lab.dir}/chaos.jsonl`;

export function writeJournal(lab: LabNames, entry: JournalEntry): void {
  appendFileSync(journal(lab), `${JSON.stringify(entry)}\n`);
}

export function readJournal(lab: LabNames): JournalEntry[] {
  if (!existsSync(journal(lab))) return [];
  return readFileSync(journal(lab), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => v.parse(EntrySchema, JSON.parse(line)));
}
