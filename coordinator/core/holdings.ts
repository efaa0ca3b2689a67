// What the nodes remember → who held a group when, as one line of time: the strips of the status page.
import type { NodeId } from '../../shared/words.ts';
import type { NodeTransition } from './history.ts';
import { type Rise, risesOf } from './rises.ts';

/** One stretch of a group's day. No holder: nobody held it. Times are Unix milliseconds. */
export interface Stretch {
  fromMs: number;
  /** Null: up to now. */
  toMs: number | null;
  /** Hostnames. */
  holders: string[];
}

interface Holding {
  node: NodeId;
  hostname: string;
  fromMs: number;
  toMs: number;
}

/** Clocks of nodes differ: a shorter gap or overlap says nothing. Every hand-over would show one. */
const meaninglessMs = 2_000;
const now = Number.POSITIVE_INFINITY;

/**
 * @param transitions of one group, oldest first
 * @param holders who holds it now
 * @returns oldest first, without gaps, from the first take-over that anybody remembers
 */
export function stretchesOf(transitions: readonly NodeTransition[], holders: readonly NodeId[]): Stretch[] {
  const held = holdingsOf(transitions, new Set(holders));
  // Of holdings that begin and end in order, one sweep keeps who holds between two neighbouring moments.
  const moments = held.flatMap((holding) => [
    { atMs: holding.fromMs, holding, begins: true },
    { atMs: holding.toMs, holding, begins: false },
  ]);
  moments.sort((a, b) => a.atMs - b.atMs || Number(a.begins) - Number(b.begins));
  const open = new Set<Holding>();
  const stretches: Stretch[] = [];
  for (const [index, { atMs, holding, begins }] of moments.entries()) {
    if (begins) open.add(holding);
    else open.delete(holding);
    const untilMs = moments[index + 1]?.atMs ?? now;
    if (atMs === now || untilMs === atMs) continue;
    append(stretches, { fromMs: atMs, toMs: untilMs === now ? null : untilMs, holders: names(open) });
  }
  // Somebody holds it of whose rise nobody remembers anything: better no word than a wrong one.
  if (stretches.at(-1)?.holders.length === 0 && holders.length > 0) stretches.pop();
  return stretches;
}

const names = (open: ReadonlySet<Holding>): string[] => [
  ...new Set([...open].map(({ hostname }) => hostname).sort()),
];

function append(stretches: Stretch[], next: Stretch): void {
  const last = stretches.at(-1);
  const meaningless =
    next.toMs !== null && next.toMs - next.fromMs < meaninglessMs && next.holders.length !== 1;
  if (last && (meaningless || String(last.holders) === String(next.holders))) last.toMs = next.toMs;
  else if (!meaningless) stretches.push(next);
}

function holdingsOf(transitions: readonly NodeTransition[], holders: ReadonlySet<NodeId>): Holding[] {
  const rises = risesOf(transitions);
  // Whoever gave way to it says that it held until then, at least.
  const seen = new Map(rises.filter(({ returned }) => returned).map((rise) => [keyOf(rise), rise.atMs]));
  const seenAt = (rise: Rise) => (seen.size === 0 ? undefined : seen.get(keyOf(rise)));
  const byNode = new Map<NodeId, NodeTransition[]>();
  for (const entry of transitions) {
    const list = byNode.get(entry.node);
    if (list) list.push(entry);
    else byNode.set(entry.node, [entry]);
  }
  const successors = successorsOf(rises);
  return rises.map((rise, index) => {
    const next = byNode.get(rise.node)?.find(({ seq }) => seq > rise.seq);
    // Who fell silent wrote nothing down: it held until somebody else did, or until it began anew.
    const written = next?.from === 'MASTER' && next.cause !== 'unseen';
    const successor = successors[index];
    const silentMs = Math.min(next?.atMs ?? now, successor?.atMs ?? now);
    const toMs = written ? next.atMs : !next && holders.has(rise.node) ? now : silentMs;
    const { node, hostname, atMs: fromMs } = rise;
    return { node, hostname, fromMs, toMs: Math.max(toMs, seenAt(rise) ?? fromMs) };
  });
}

const keyOf = ({ node, seq }: NodeTransition): string => `${node} ${seq}`;

/** For each take-over the next one by another node. */
function successorsOf(rises: readonly NodeTransition[]): (NodeTransition | undefined)[] {
  const successors: (NodeTransition | undefined)[] = [];
  for (let index = rises.length - 2; index >= 0; index--) {
    const next = rises[index + 1];
    successors[index] = next?.node === rises[index]?.node ? successors[index + 1] : next;
  }
  return successors;
}
