// Tells the renewer of leases (lease.pl, kept running by init.sh) which addresses are ours, and watches that it renews.
import { readFileSync } from 'node:fs';
import type { Log } from '../shared/io/log.ts';
import type { Problem } from '../shared/problem.ts';
import type { AgentConfig } from './config.ts';
import { type Leased, type LeaseStats, leaseList, parseLeaseStats, renewalPeriodMs } from './core/lease.ts';
import type { Problems } from './io/problems.ts';
import { writeWhole } from './io/state-store.ts';

export interface Leases {
  /** Before keepalived may add them. */
  add(instances: readonly Leased[]): void;
  /** keepalived runs exactly these. */
  only(instances: readonly Leased[]): void;
  /** Undefined without leases, or before the renewer has spoken. */
  stats(): LeaseStats | undefined;
  stop(): void;
}

export function createLeases(
  { leaseSeconds, paths }: Pick<AgentConfig, 'leaseSeconds' | 'paths'>,
  deps: { readonly log: Log; readonly problems: Problems },
): Leases {
  if (leaseSeconds === null) {
    return { add: () => undefined, only: () => undefined, stats: () => undefined, stop: () => undefined };
  }
  let listed: readonly Leased[] = [];
  let said = '';
  let rounds: number | undefined;

  const write = (instances: readonly Leased[]) => {
    listed = instances;
    const text = leaseList(instances, leaseSeconds);
    if (text === said) return;
    try {
      writeWhole(paths.leases, text);
      said = text;
    } catch (error) {
      deps.log.error({ event: 'leases-not-told', error: String(error) }, 'the renewer keeps to the old list');
    }
  };
  const stats = () => {
    try {
      return parseLeaseStats(readFileSync(paths.leaseStats, 'utf8'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        deps.log.warn(
          { event: 'lease-stats-unreadable', error: String(error) },
          'cannot read what lease.pl says',
        );
      return undefined;
    }
  };
  const say = (problem: Problem, holds: boolean) =>
    holds ? deps.problems.set(problem) : deps.problems.clear(problem.code, problem.where);
  // It makes a round each period, whether there is anything to renew or not.
  const watch = () => {
    const now = stats();
    const unsafe = now?.phase === 'unsafe';
    say(unsafeKernel, unsafe);
    say(notRenewed, !unsafe && (now === undefined || now.rounds === rounds));
    rounds = now?.rounds;
  };
  const timer = setInterval(watch, Math.max(5_000, 3 * renewalPeriodMs(leaseSeconds)));

  return {
    // An adopted keepalived of which nothing is known: the old list is the best there is.
    add(instances) {
      if (instances.length > 0) write([...listed, ...instances]);
    },
    only: write,
    stats,
    stop: () => clearInterval(timer),
  };
}

const notRenewed: Problem = {
  code: 'leases-not-renewed',
  severity: 'warning',
  where: 'lease.pl',
  message: 'expected a round of renewals, found none',
  instead: 'addresses of this node are held without a lease, or move when it ends',
  remedy: 'read the container log for lines of the program "lease"; LEASE=off does without',
};

const unsafeKernel: Problem = {
  code: 'leases-unsafe',
  severity: 'warning',
  where: 'kernel',
  message: 'expected it to refuse the renewal of an absent address, found that it creates it',
  instead: 'addresses are held without a lease: what a killed container leaves stays until it starts again',
  remedy: 'run a kernel of version 4.1 or later',
};
