// What the agents remember → what happened to each group, told as an operator would: who held it, who came after, why.
import type { StateTransition } from '../../shared/protocol.ts';
import { historyLength } from '../../shared/protocol.ts';
import { causeWords } from '../../shared/transition-words.ts';
import type { NodeId } from '../../shared/words.ts';
import type { AgentRecords } from './agents.ts';
import { risesOf, sameSwitchMs } from './rises.ts';
import type { Snapshot } from './snapshot.ts';
import type { NodeRef } from './status.ts';

export type Past = ReadonlyMap<NodeId, readonly StateTransition[]>;

/** One take-over. Times are Unix milliseconds by the clock of the node that took over. */
export interface Switch {
  group: string;
  atMs: number;
  /** Null: nobody is known to have held it before. */
  from: NodeRef | null;
  to: NodeRef;
  reason: string;
  /** The same as one word, for counting. */
  cause: HandOverCause;
}

/** Why a group changed its holder, as one word. */
export const handOverCauses = [
  'first',
  'drained',
  'ordered',
  'agent-stopped',
  'higher-priority',
  'silence',
  'held-back',
  'interface-down',
  'address-removed',
  'crashed',
  'stopped',
  'restarted',
  'unknown',
] as const;
export type HandOverCause = (typeof handOverCauses)[number];

export type NodeTransition = StateTransition &
  NodeRef & {
    /** The other one, where its address is known. */
    peerHostname?: string;
  };

export interface HistoryDocument {
  apiVersion: 'swarm-vip/v1';
  kind: 'History';
  /** Oldest first. */
  switches: Switch[];
  /** Every change of state on every node, oldest first. */
  transitions: NodeTransition[];
}

/** By sequence number, each once. */
export function merged(
  known: readonly StateTransition[],
  news: readonly StateTransition[],
): readonly StateTransition[] {
  const bySeq = new Map([...known, ...news].map((entry) => [entry.seq, entry]));
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq).slice(-historyLength);
}

export function historyDocument(past: Past, snapshot: Snapshot, agents: AgentRecords): HistoryDocument {
  const hostname = (node: NodeId) =>
    snapshot.nodes.find(({ id }) => id === node)?.hostname ?? agents.get(node)?.hello.hostname ?? node;
  const names = addressNames(agents);
  const transitions = [...past]
    .flatMap(([node, list]) =>
      list.map((entry): NodeTransition => {
        const peerHostname = entry.peer && names.get(entry.peer.address);
        return {
          ...{ ...entry, node, hostname: hostname(node) },
          ...(peerHostname === undefined ? {} : { peerHostname }),
        };
      }),
    )
    .sort((a, b) => a.atMs - b.atMs || a.node.localeCompare(b.node) || a.seq - b.seq);
  const switches = [...byGroup(transitions).values()].flatMap((entries) => switchesOf(entries, names));
  return {
    apiVersion: 'swarm-vip/v1',
    kind: 'History',
    switches: switches.sort((a, b) => a.atMs - b.atMs),
    transitions,
  };
}

/** In the same order. */
export function byGroup<T extends { group: string }>(entries: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const entry of entries) {
    const list = groups.get(entry.group);
    if (list) list.push(entry);
    else groups.set(entry.group, [entry]);
  }
  return groups;
}

function switchesOf(entries: readonly NodeTransition[], names: ReadonlyMap<string, string>): Switch[] {
  const takeOvers = risesOf(entries);
  // By node: to look through a whole group for each take-over took seconds in a Swarm of 60 nodes.
  const falls = new Map<NodeId, NodeTransition[]>();
  for (const entry of entries) {
    if (entry.from !== 'MASTER') continue;
    const list = falls.get(entry.node);
    if (list) list.push(entry);
    else falls.set(entry.node, [entry]);
  }
  return takeOvers.map((rise, index): Switch => {
    const before = takeOvers[index - 1];
    const fall = before && fallOf(falls.get(before.node) ?? [], before, rise);
    return {
      group: rise.group,
      atMs: rise.atMs,
      from: before ? { node: before.node, hostname: before.hostname } : null,
      to: { node: rise.node, hostname: rise.hostname },
      reason: reasonOf(rise, before, fall, names),
      cause: handOverCause(rise, before, fall),
    };
  });
}

/** How the former holder lost it: its first step away from MASTER since it rose. */
function fallOf(
  falls: readonly NodeTransition[],
  before: NodeTransition,
  rise: NodeTransition,
): NodeTransition | undefined {
  return falls.find(({ seq, atMs }) => seq > before.seq && atMs <= rise.atMs + sameSwitchMs);
}

function reasonOf(
  rise: NodeTransition,
  before: NodeTransition | undefined,
  fall: NodeTransition | undefined,
  names: ReadonlyMap<string, string>,
): string {
  if (!before) return rise.cause === 'unseen' ? 'held it when its agent was started' : 'the first to hold it';
  if (!fall) {
    if (rise.order !== undefined && (rise.cause === 'preempted' || before.node === rise.node))
      return `${rise.hostname} ${rise.order}`;
    if (before.node === rise.node) return 'keepalived began anew';
    return rise.cause === 'preempted'
      ? `${rise.hostname} has the higher priority`
      : `${before.hostname} fell silent`;
  }
  if (fall.order !== undefined) return `${fall.hostname} ${wordsOf(fall.order)}`;
  if (rise.order !== undefined && (fall.cause === 'higher-priority' || fall.node === rise.node))
    return `${rise.hostname} ${rise.order}`;
  if (fall.node === rise.node && fall.cause === 'unknown') return 'keepalived began anew';
  return `${fall.hostname}: ${causeWords(fall, names)}`;
}

/** Follows `reasonOf`. */
function handOverCause(
  rise: NodeTransition,
  before: NodeTransition | undefined,
  fall: NodeTransition | undefined,
): HandOverCause {
  if (!before) return 'first';
  const again = before.node === rise.node;
  if (!fall) {
    if (rise.order !== undefined && (rise.cause === 'preempted' || again)) return 'ordered';
    if (again) return 'restarted';
    return rise.cause === 'preempted' ? 'higher-priority' : 'silence';
  }
  if (fall.order === agentStops) return 'agent-stopped';
  if (fall.order !== undefined) return fall.order.startsWith('drained') ? 'drained' : 'ordered';
  if (rise.order !== undefined && (fall.cause === 'higher-priority' || again)) return 'ordered';
  if (again && fall.cause === 'unknown') return 'restarted';
  return handOverCauses.find((cause) => cause === fall.cause) ?? 'unknown';
}

const agentStops = 'the agent stops';
const wordsOf = (order: string): string =>
  order === agentStops ? 'stops: its agent was told to end' : order;

/** Address → host name. */
function addressNames(agents: AgentRecords): Map<string, string> {
  return new Map(
    [...agents.values()].flatMap(({ hello, report }) =>
      (report?.interfaces ?? []).flatMap(({ addresses }) =>
        addresses.map((cidr): [string, string] => [cidr.split('/')[0] ?? cidr, hello.hostname]),
      ),
    ),
  );
}
