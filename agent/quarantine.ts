// Remembers beyond the death of this process which assignment was being carried out (core/suspicion.ts).
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import * as v from 'valibot';
import type { Log } from '../shared/io/log.ts';
import type { AssignedInstance } from '../shared/protocol.ts';
import type { AgentConfig, Paths } from './config.ts';
import { acquitted, afterDeath, isPoison, isSuspect, opened, type Suspect } from './core/suspicion.ts';
import { type StateStore, writeWhole } from './io/state-store.ts';
import { type RunConfig, readLastRun } from './run-config.ts';

type Content = readonly AssignedInstance[];

export interface Quarantine {
  /** What the last life ran; should that be what ended it, what ran before. */
  lastRun(): RunConfig | undefined;
  isPoison(content: Content): boolean;
  /** Before anything is done with it. */
  open(content: Content): void;
  /** Our part is done: a while later, when keepalived has done its own, nothing is suspect any more. */
  settled(isQuiet: () => boolean): void;
}

/** What goes wrong later than this is not the arrival's fault. */
const acquitMs = 10_000;

const SuspectsFile = v.object({
  suspects: v.array(v.object({ digest: v.string(), deaths: v.number(), open: v.boolean() })),
});

export function createQuarantine(deps: {
  readonly config: Pick<AgentConfig, 'paths' | 'lastExit'>;
  readonly store: StateStore;
  readonly log: Log;
}): Quarantine {
  const { store, log } = deps;
  const { paths, lastExit } = deps.config;
  const before = store.read(paths.suspects, SuspectsFile)?.suspects ?? [];
  let suspects: readonly Suspect[] = afterDeath(before, takeHang(paths.hung) || diedOfItself(lastExit));
  let timer: NodeJS.Timeout | undefined;
  const write = (next: readonly Suspect[]) => {
    if (next.length === 0 && suspects.length === 0) return;
    suspects = next;
    try {
      writeWhole(paths.suspects, JSON.stringify({ suspects }));
    } catch (error) {
      log.error(
        { event: 'suspects-not-saved', error: String(error) },
        'an assignment that kills will do so again',
      );
    }
  };
  write(suspects);

  const found = readLastRun(paths.applied, store);
  const ran =
    found && isPoison(suspects, digestOf(found.instances)) ? readLastRun(paths.appliedBefore, store) : found;
  // It is not known what keepalived was told last: what comes next is told again.
  const lastRun = ran && ran !== found ? { ...ran, key: 'unsettled' } : ran;
  const digest = lastRun && digestOf(lastRun.instances);
  const suspect = digest !== undefined && isSuspect(suspects, digest);
  // To adopt it may be what kills.
  if (suspect) write(opened(suspects, digest));
  /** Carried out already, by this life or an earlier one. */
  let proven = suspect || lastRun?.key === 'unsettled' ? undefined : digest;
  let current = digest;

  return {
    lastRun: () => lastRun,
    isPoison: (content) => isPoison(suspects, digestOf(content)),
    open(content) {
      const arrived = digestOf(content);
      const replaced = current;
      current = arrived;
      clearTimeout(timer);
      timer = undefined;
      if (arrived === proven) return;
      if (replaced !== undefined && replaced !== arrived && !isSuspect(suspects, replaced)) keepRecord(paths);
      write(opened(suspects, arrived));
    },
    settled(isQuiet) {
      timer ??= setTimeout(() => {
        timer = undefined;
        if (!isQuiet()) return this.settled(isQuiet);
        proven = current;
        write(acquitted(suspects, current));
      }, acquitMs).unref();
    },
  };
}

/** Of sh: 128 + 9 is a kill from outside. */
function diedOfItself(exit: number | null): boolean {
  return exit !== null && exit !== 137;
}

/** init.sh leaves it when it kills an agent that hangs. */
function takeHang(file: string): boolean {
  const hung = existsSync(file);
  rmSync(file, { force: true });
  return hung;
}

/** Words for the history change nothing that is carried out: a poison with others is the same. */
export function digestOf(content: Content): string {
  const text = JSON.stringify(content.map(({ order: _, ...carriedOut }) => carriedOut));
  return createHash('sha256').update(text).digest('hex');
}

/** What runs now, for a life that must not touch what comes next. */
function keepRecord(paths: Paths): void {
  try {
    copyFileSync(paths.applied, paths.appliedBefore);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
