// What processes have used, from /proc: CPU time is theirs alone, whatever else the machine does.
import { readFileSync } from 'node:fs';

/** USER_HZ, which is 100 on every Linux that Node runs on. */
const tickMs = 10;

export interface Usage {
  /** User and system time of the process itself. */
  readonly ownMs: number;
  /** Of its children that have ended and that it has waited for. */
  readonly childrenMs: number;
  readonly rssKb: number;
}

/** @throws when there is no such process: what died meanwhile has no figure */
export function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // proc_pid_stat(5): utime, stime, cutime and cstime are fields 14 to 17; the second one may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = (field: number) => Number(fields[field - 3]) * tickMs;
  const rss = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return { ownMs: ticks(14) + ticks(15), childrenMs: ticks(16) + ticks(17), rssKb: Number(rss?.[1] ?? 0) };
}

/** Percent of one core. */
export const coreShare = (usedMs: number, elapsedMs: number): number => (100 * usedMs) / elapsedMs;
