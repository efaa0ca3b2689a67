// What keepalived says against what the kernel has. A master without one of its addresses, or an address of a group
// that is not master here: transient around every transition, acted upon when it stays.
//
//   stray     is removed by exact address: a second holder otherwise
//   missing   keepalived has not noticed it (it steps back when it does, but a reload or a flood of events can make it
//             miss the news). It is made to look: another address of the group is taken away, the anchor first. Then
//             it does what it always does, steps back and stands again, and whoever wins puts all addresses up. The
//             agent never adds an address itself, so it can never make a second holder.
import type { Instance, VrrpState } from '../../shared/protocol.ts';
import { addressesOn, anchorOf, type PlacedAddress, type Placing } from './anchor.ts';
import type { KernelInterface } from './kernel.ts';

type Watched = Placing & Pick<Instance, 'group'>;

export interface Mismatch {
  readonly kind: 'stray' | 'missing';
  readonly group: string;
  readonly addresses: readonly PlacedAddress[];
  /** Of those that are there, the one to take away to make keepalived look. */
  readonly lever: PlacedAddress | null;
}

/** One at most for each group. A state that is not known says nothing. */
export function mismatches(
  instances: readonly Watched[],
  states: ReadonlyMap<string, { readonly state: VrrpState }>,
  kernel: readonly KernelInterface[],
): Mismatch[] {
  const stateOf = (instance: Watched) => states.get(instance.group)?.state ?? 'INIT';
  const wholeOf = (instance: Watched) => [anchorOf(instance), ...addressesOn(instance)];
  const heldElsewhere = new Set(
    instances
      .filter((instance) => stateOf(instance) === 'MASTER')
      .flatMap(wholeOf)
      .map(keyOf),
  );
  return instances.flatMap((instance): Mismatch[] => {
    const { group } = instance;
    const state = stateOf(instance);
    if (state === 'INIT') return [];
    const whole = wholeOf(instance);
    const there = whole.filter((placed) => isThere(kernel, placed));
    if (state === 'MASTER') {
      const addresses = whole.filter((placed) => !there.includes(placed));
      return addresses.length > 0 ? [{ kind: 'missing', group, addresses, lever: there[0] ?? null }] : [];
    }
    const addresses = there.filter((placed) => !heldElsewhere.has(keyOf(placed)));
    return addresses.length > 0 ? [{ kind: 'stray', group, addresses, lever: null }] : [];
  });
}

const keyOf = (placed: PlacedAddress) => `${placed.address} ${placed.interface}`;

function isThere(kernel: readonly KernelInterface[], placed: PlacedAddress): boolean {
  const link = kernel.find((candidate) => candidate.name === placed.interface);
  return link?.addresses.some((entry) => `${entry.address}/${entry.prefix}` === placed.address) ?? false;
}

/** keepalived tells its FIFO first and takes addresses down afterwards, or up before: these cover a loaded machine. */
export const graceMs = { stray: 500, missing: 300 } as const;
const retryMs = 1_000;
const longestRetryMs = 60_000;
/** A problem that comes back at once is one problem, and people must be able to see it. */
export const reportMs = 5_000;

interface Lasting {
  readonly mismatch: Mismatch;
  /** It is there right now. */
  readonly present: boolean;
  /** When it is acted upon (again), if it is there. */
  readonly dueMs: number;
  readonly tries: number;
  readonly actedMs: number | null;
}

/** By kind and group. */
export type Holding = ReadonlyMap<string, Lasting>;

export interface HoldingStep {
  readonly state: Holding;
  readonly due: readonly Mismatch[];
  /** When to look again at the latest; null: when something changes. */
  readonly nextMs: number | null;
}

/**
 * Due once the grace is over. A missing address is then left alone for 1, 2, 4 … 60 s, also when it was there meanwhile:
 * what keepalived cannot put up must not make the group flap. A stray is removed whenever it comes back.
 */
export function stepHolding(state: Holding, found: readonly Mismatch[], nowMs: number): HoldingStep {
  const next = new Map<string, Lasting>();
  const due: Mismatch[] = [];
  for (const [key, known] of state) {
    const kept = known.actedMs !== null && nowMs < known.dueMs + longestRetryMs;
    if (kept) next.set(key, { ...known, present: false });
  }
  for (const mismatch of found) {
    const key = `${mismatch.kind} ${mismatch.group}`;
    const step = meet(state.get(key), mismatch, nowMs);
    if (step.actedMs === nowMs) due.push(mismatch);
    next.set(key, step);
  }
  const times = [...next.values()].flatMap((known) => {
    const end = (known.actedMs ?? nowMs) + reportMs;
    return known.present ? [known.dueMs] : nowMs < end ? [end] : [];
  });
  return { state: next, due, nextMs: times.length > 0 ? Math.min(...times) : null };
}

function meet(known: Lasting | undefined, mismatch: Mismatch, nowMs: number): Lasting {
  const graceEndMs = nowMs + graceMs[mismatch.kind];
  if (!known) return { mismatch, present: true, dueMs: graceEndMs, tries: 0, actedMs: null };
  if (!known.present) {
    const dueMs = mismatch.kind === 'missing' ? Math.max(known.dueMs, graceEndMs) : graceEndMs;
    return { ...known, mismatch, present: true, dueMs };
  }
  if (nowMs < known.dueMs) return { ...known, mismatch };
  const pauseMs = Math.min(longestRetryMs, retryMs * 2 ** known.tries);
  return { mismatch, present: true, dueMs: nowMs + pauseMs, tries: known.tries + 1, actedMs: nowMs };
}

/** Acted upon, and still there or only just over. */
export function reportedOf(state: Holding, nowMs: number): Mismatch[] {
  return [...state.values()]
    .filter(({ actedMs, present }) => actedMs !== null && (present || nowMs < actedMs + reportMs))
    .map(({ mismatch }) => mismatch);
}
