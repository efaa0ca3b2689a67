// The small volume: what must survive the container. A full or read-only disk is a problem reported, not a stop.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import * as v from 'valibot';
import type { Problem } from '../../shared/problem.ts';
import { Assignment } from '../../shared/protocol.ts';
import { Address, InterfaceName, VirtualAddress } from '../../shared/words.ts';
import { isAnchor } from '../core/anchor.ts';
import { ArpSettings } from './arp.ts';
import type { Problems } from './problems.ts';

export const AssignmentFile = v.object({ node: v.string(), assignment: Assignment });
export const ManagersFile = v.object({ managers: v.array(Address) });
/** Addresses that running keepalived may have put on this node: only these may ever be removed. */
export const OwnedFile = v.object({
  addresses: v.array(
    v.object({
      address: v.pipe(
        v.string(),
        v.check((text) => v.is(VirtualAddress, text) || isAnchor(text), 'expected a /32 or /128'),
      ),
      interface: InterfaceName,
      pin: v.exactOptional(v.literal(true)),
    }),
  ),
});

/** Interfaces that running keepalived may have made on this node, and those below as they were before. */
export const MacvlansFile = v.object({
  macvlans: v.array(InterfaceName),
  below: v.exactOptional(v.record(InterfaceName, ArpSettings)),
});

export interface StateStore {
  read<T>(file: string, schema: v.GenericSchema<unknown, T>): T | undefined;
  write(file: string, value: unknown): boolean;
}

/** What could not be written is tried again: a disk that has room again shall hold what runs, not what ran. */
const retryMs = 10_000;

export function createStateStore(problems: Problems): StateStore {
  const unsaved = new Map<string, unknown>();
  let retry: NodeJS.Timeout | undefined;
  const save = (file: string, value: unknown): boolean => {
    const code = 'state-not-saved';
    try {
      writeDurably(file, `${JSON.stringify(value)}\n`);
      unsaved.delete(file);
      problems.clear(code, file);
      return true;
    } catch (error) {
      unsaved.set(file, value);
      if (retry === undefined) retry = setTimeout(saveAgain, retryMs).unref();
      problems.set({
        code,
        severity: 'warning',
        where: file,
        message: `expected to save it, found ${String(error)}`,
        instead:
          'goes on from memory and tries again; after a restart without a coordinator an older state is used',
        remedy: 'free space on the volume or make it writable',
      });
      return false;
    }
  };
  const saveAgain = () => {
    retry = undefined;
    for (const [file, value] of [...unsaved]) save(file, value);
  };
  return {
    read(file, schema) {
      try {
        const parsed = v.safeParse(schema, JSON.parse(readFileSync(file, 'utf8')));
        if (parsed.success) return parsed.output;
        problems.set(
          brokenFile(file, `${v.getDotPath(parsed.issues[0]) ?? 'file'}: ${parsed.issues[0].message}`),
        );
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') problems.set(brokenFile(file, String(error)));
      }
      return undefined;
    },
    write: save,
  };
}

function brokenFile(file: string, message: string): Problem {
  return {
    code: 'state-unreadable',
    severity: 'warning',
    where: file,
    message,
    instead: 'ignored',
    remedy: 'nothing, when a coordinator is reachable: the next assignment replaces it',
  };
}

/** Whole or not at all, also across a power cut; readable by root alone, since it may hold a VRRP password. */
export function writeDurably(file: string, text: string): void {
  writeWhole(file, text, true);
  const directory = openSync(dirname(file), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** Whole or not at all. A reader never sees it empty: keepalived reads an empty track file as 0. */
export function writeWhole(file: string, text: string, durable = false): void {
  const temporary = `${file}.new`;
  const fd = openSync(temporary, 'w', 0o600);
  try {
    writeSync(fd, text);
    if (durable) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, file);
}
