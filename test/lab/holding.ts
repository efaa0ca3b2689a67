// Pure: from events of single nodes to "who held the address when", and for how long nobody or two did.

export interface NodeEvent {
  readonly atMs: number;
  readonly node: string;
  /** address: configured on an interface; link: the node's card has a carrier; cut: chaos took it off the network. */
  readonly kind: 'address' | 'link' | 'cut';
  readonly present: boolean;
  /** Tells several of a kind apart: interface and prefix length of an address. */
  readonly key?: string;
}

export interface Interval {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface HolderReport extends Interval {
  /** Per node, when it had the address and could be reached. */
  readonly byNode: Readonly<Record<string, readonly Interval[]>>;
  readonly atStart: string[];
  readonly now: string[];
  /** Total time with two or more reachable holders. */
  readonly twoHoldersMs: number;
  /** Total time without a reachable holder. */
  readonly noHolderMs: number;
}

/** In all. */
export const heldMs = (held: readonly Interval[] = []): number =>
  held.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);

interface NodeState {
  readonly addresses: Set<string>;
  link: boolean;
  cut: boolean;
}

export function holdingOf(
  nodes: readonly string[],
  events: readonly NodeEvent[],
  fromMs: number,
  toMs: number,
): HolderReport {
  const states = new Map(
    nodes.map((node): [string, NodeState] => [node, { addresses: new Set(), link: true, cut: false }]),
  );
  const byNode: Record<string, Interval[]> = Object.fromEntries(nodes.map((node) => [node, []]));
  const holders = () => [...states].filter(([, state]) => holds(state)).map(([node]) => node);
  let atStart: string[] | undefined;
  let twoHoldersMs = 0;
  let noHolderMs = 0;
  let lastMs = fromMs;
  // Until `untilMs` the present holders held.
  const advance = (untilMs: number) => {
    const to = Math.min(untilMs, toMs);
    if (to <= lastMs) return;
    const present = holders();
    atStart ??= present;
    if (present.length > 1) twoHoldersMs += to - lastMs;
    if (present.length === 0) noHolderMs += to - lastMs;
    for (const node of present) extend(byNode[node] ?? [], lastMs, to);
    lastMs = to;
  };
  for (const event of [...events].sort((a, b) => a.atMs - b.atMs)) {
    if (event.atMs > toMs) break;
    advance(event.atMs);
    const state = states.get(event.node);
    if (state) apply(state, event);
  }
  advance(toMs);
  return { fromMs, toMs, byNode, atStart: atStart ?? holders(), now: holders(), twoHoldersMs, noHolderMs };
}

const holds = (state: NodeState): boolean => state.addresses.size > 0 && state.link && !state.cut;

function apply(state: NodeState, event: NodeEvent): void {
  if (event.kind === 'link') state.link = event.present;
  else if (event.kind === 'cut') state.cut = event.present;
  else if (event.present) state.addresses.add(event.key ?? '');
  else state.addresses.delete(event.key ?? '');
}

function extend(intervals: Interval[], fromMs: number, toMs: number): void {
  const last = intervals.at(-1);
  if (last?.toMs === fromMs) intervals[intervals.length - 1] = { ...last, toMs };
  else intervals.push({ fromMs, toMs });
}
