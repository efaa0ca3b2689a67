// Looks at every change of an address or a state whether kernel and keepalived agree, and acts when they do not
// (core/holding.ts). Before it acts it asks both again.
import type { Log } from '../shared/io/log.ts';
import type { Problem } from '../shared/problem.ts';
import type { PlacedAddress } from './core/anchor.ts';
import { type Holding, type Mismatch, mismatches, reportedOf, stepHolding } from './core/holding.ts';
import { type KernelWatch, removeAddresses } from './io/addresses.ts';
import type { Problems } from './io/problems.ts';
import type { Keeper } from './keeper.ts';
import type { VrrpStates } from './vrrp-states.ts';

export interface HoldingCounters {
  /** Addresses removed although keepalived lives, because it does not hold them. */
  readonly swept: number;
  /** Times that keepalived was made to look, because an address of its was missing. */
  readonly repaired: number;
}

export interface HoldingWatch {
  look(): void;
  counters(): HoldingCounters;
  stop(): void;
}

export interface HoldingDeps {
  readonly log: Log;
  readonly problems: Problems;
  readonly kernel: KernelWatch;
  readonly states: VrrpStates;
  readonly keeper: Keeper;
  /** Somebody else runs a VRRP daemon on this host: what is there may be his. */
  readonly strangerHere: () => boolean;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export function createHoldingWatch(deps: HoldingDeps): HoldingWatch {
  const { log, problems, kernel, states, keeper, strangerHere, now } = deps;
  let state: Holding = new Map();
  let timer: NodeJS.Timeout | undefined;
  let acting = false;
  let stopped = false;
  const reported = new Map<string, Problem>();
  const counters = { swept: 0, repaired: 0 };

  const find = (): Mismatch[] => {
    const { phase, running } = keeper.supervise();
    // Around a start, a reload and a stop addresses come and go; what remains of it shows when it is over.
    if (phase !== 'running' && phase !== 'gating') return [];
    const found = mismatches(running?.instances ?? [], states.current(), kernel.current());
    // What keepalived of ours has left behind has a lease, and goes by itself.
    return found.filter(({ kind }) => kind === 'missing' || !strangerHere());
  };

  const look = () => {
    if (stopped || acting) return;
    const found = find();
    const step = stepHolding(state, found, now());
    state = step.state;
    report(reportedOf(state, now()));
    clearTimeout(timer);
    if (step.nextMs !== null) timer = setTimeout(look, Math.max(1, step.nextMs - now() + 1));
    if (step.due.length > 0) void act(step.due);
  };

  const act = async (due: readonly Mismatch[]) => {
    acting = true;
    try {
      await Promise.all([kernel.refresh(), states.resync(keeper.dump)]);
      const confirmed = find().filter((found) =>
        due.some((wanted) => wanted.kind === found.kind && wanted.group === found.group),
      );
      for (const mismatch of confirmed) await correct(mismatch);
      if (confirmed.length > 0) await kernel.refresh();
    } catch (error) {
      log.error({ event: 'holding-failed', error: String(error) }, 'cannot set addresses right');
    } finally {
      acting = false;
      look();
    }
  };

  const correct = async ({ kind, group, addresses, lever }: Mismatch) => {
    if (kind === 'stray') {
      counters.swept += addresses.length;
      log.warn(
        { event: 'stray-removed', group, addresses },
        'removes addresses that keepalived does not hold',
      );
      return removeAddresses(addresses);
    }
    if (lever === null) return;
    counters.repaired += 1;
    log.warn(
      { event: 'address-missing', group, addresses, lever },
      'keepalived is master without these addresses and has not noticed: makes it step back and stand again',
    );
    await removeAddresses([lever]);
  };

  const report = (lasting: readonly Mismatch[]) => {
    const current = new Map(
      lasting.map((mismatch) => [`${mismatch.kind} ${mismatch.group}`, problemOf(mismatch)]),
    );
    for (const [key, { code, where }] of reported) if (!current.has(key)) problems.clear(code, where);
    reported.clear();
    for (const [key, problem] of current) {
      problems.set(problem);
      reported.set(key, problem);
    }
  };

  return {
    look,
    counters: () => counters,
    stop() {
      stopped = true;
      clearTimeout(timer);
      report([]);
    },
  };
}

const listed = (addresses: readonly PlacedAddress[]) =>
  addresses.map((placed) => `${placed.address} on ${placed.interface}`).join(', ');

function problemOf({ kind, group, addresses }: Mismatch): Problem {
  const where = `group ${group}`;
  if (kind === 'stray') {
    return {
      code: 'address-stray',
      severity: 'error',
      where,
      group,
      message: `keepalived does not hold the group here, and yet the kernel has ${listed(addresses)}`,
      instead: 'it is removed again and again',
      remedy: 'find who adds it: another keepalived, a network configuration, a person',
    };
  }
  return {
    code: 'address-missing',
    severity: 'error',
    where,
    group,
    message: `keepalived is master, and yet the kernel lacks ${listed(addresses)}`,
    instead: 'the group is made to step back and stand again, with growing pauses',
    remedy: 'find who removes it; read what keepalived says in the log',
  };
}
