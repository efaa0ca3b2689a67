// Two members that both claim to hold for longer than any hand-over takes: the lower one is told to step down, and the
// likely cause is named. It begins to join again at once and, by rule R1, stays out while it does not hear the holder.
import type { Problem } from '../../shared/problem.ts';
import type { RunningInstance } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';
import type { Agents } from './plan.ts';
import { nodeName, type Snapshot } from './snapshot.ts';
import { spoken } from './understanding.ts';

/** VRRP settles two masters that hear each other within one interval; a report is on its way for up to a second. */
export const conflictMs = 1_000;
/** A claim that comes so long after there were two was made since then, however long it was on its way. */
const travelMs = 200;
/** How soon to look again whether a member that claimed to hold before there were two still does. */
const lookMs = 100;
/** Who takes over so soon after another one had to step down does not hear the holder that went on. */
export const challengeMs = 5_000;
/** Who had to step down for that stays below the others for so long, should there be two again. */
export const rememberMs = 600_000;
/** Who came back all the same leaves those alone whom it hears: it may hear them without being heard. */
export const modestMs = 300_000;

export interface Conflict {
  group: string;
  /** Goes on: the highest of ours that others hear, or nothing of ours at all. */
  upper: NodeId;
  /** Are to step down. */
  lower: NodeId[];
  /** One of these: it would go on by its priority, but others do not hear it. */
  unheard?: NodeId;
  /** Hold by a keepalived that is only looked at: they go on, whatever ours do. */
  observed: NodeId[];
}

interface Claimant {
  node: NodeId;
  /** Undefined: observed. */
  running: RunningInstance | undefined;
  firstMs: number;
  lastMs: number;
  upheldMs?: number;
  /** When it last had to step down because others do not hear it. */
  sunkMs?: number;
}

/**
 * A claim made before there were two proves nothing: a holder that lost power or network is still connected for seconds
 * (`silenceLimitMs`), with MASTER as its last word. Of any two only those count who have both said it again since then.
 * @returns when, if ever, to look again (Unix ms), and the conflict that has lasted long enough
 */
export function findConflict(
  agents: Agents,
  group: string,
  nowMs: number,
): { conflict?: Conflict; againMs?: number } {
  const claimants = claimantsOf(agents, group);
  const current = new Set<Claimant>();
  let againMs = Number.POSITIVE_INFINITY;
  for (const [at, one] of claimants.entries()) {
    for (const other of claimants.slice(at + 1)) {
      const sinceMs = Math.max(one.firstMs, other.firstMs);
      const dueMs = sinceMs + conflictMs;
      const both = [one, other].every(({ lastMs }) => lastMs >= sinceMs + travelMs);
      if (nowMs < dueMs) againMs = Math.min(againMs, dueMs);
      else if (!both) againMs = Math.min(againMs, nowMs + lookMs);
      else current.add(one).add(other);
    }
  }
  const [upper, ...lower] = ranked([...current], nowMs).map(({ node }) => node);
  const [highest] = [...current].sort(byRank);
  const again = Number.isFinite(againMs) ? { againMs } : {};
  if (upper === undefined) return again;
  const observed = [...current].filter(({ running }) => !running).map(({ node }) => node);
  return {
    conflict: {
      ...{ group, upper, lower: lower.filter((node) => !observed.includes(node)), observed },
      ...(highest && highest.node !== upper ? { unheard: highest.node } : {}),
    },
    ...again,
  };
}

function claimantsOf(agents: Agents, group: string): Claimant[] {
  return [...agents].flatMap(([node, { connected, report, claims, unheard }]) => {
    const claim = claims?.get(group);
    const running = report?.instances.find((instance) => instance.group === group);
    const seen = report?.observed?.find((instance) => instance.group === group);
    if (!connected || !claim || claim.former || (running ?? seen)?.state !== 'MASTER') return [];
    const sunkMs = unheard?.get(group)?.sinceMs;
    return [{ node, running, ...claim, ...(sunkMs === undefined ? {} : { sunkMs }) }];
  });
}

/**
 * The highest goes on, unless another one had to step down for it a moment ago and yet the next one took over: then it
 * is the highest whom the others do not hear, and without this they would take turns beside it for good. If it comes back
 * beside one that holds, it hears that one, and is not heard itself.
 */
function ranked(claimants: Claimant[], nowMs: number): Claimant[] {
  const [first, ...others] = claimants.sort(byRank);
  if (!first) return [];
  const { running, upheldMs, sunkMs } = first;
  const challenges = (other: Claimant) =>
    upheldMs !== undefined && other.firstMs > upheldMs && other.firstMs - upheldMs < challengeMs;
  const unheard = others.every(challenges) || (sunkMs !== undefined && nowMs - sunkMs < rememberMs);
  return running && others.length > 0 && unheard ? [...others, first] : [first, ...others];
}

/** By its priority alone: an order to keep out for good would outlive the coordinator that gave it. */
export function modestyOf(
  agents: Agents,
  node: NodeId,
  { group, preemptDelayMs = 0 }: Pick<RunningInstance, 'group' | 'preemptDelayMs'>,
  nowMs: number,
): { preemptDelayMs?: number } {
  const known = agents.get(node)?.unheard?.get(group);
  const owes = known?.again && nowMs - known.sinceMs < modestMs;
  return owes ? { preemptDelayMs: Math.max(preemptDelayMs, modestMs) } : {};
}

/** What nobody may order goes on, so it ranks above everything of ours. */
const rankOf = ({ running }: Claimant): number => running?.effectivePriority ?? Number.MAX_SAFE_INTEGER;
const byRank = (a: Claimant, b: Claimant): number => rankOf(b) - rankOf(a) || a.node.localeCompare(b.node);

export function conflictProblem(snapshot: Snapshot, agents: Agents, conflict: Conflict): Problem {
  const { group, upper } = conflict;
  const name = (node: NodeId) => nodeName(snapshot, node);
  return {
    code: 'two-holders',
    severity: 'error',
    where: `group ${group}`,
    group,
    node: upper,
    ...(conflict.observed.length > 0 ? wordsByHand(conflict, name) : wordsOfOurs(agents, conflict, name)),
  };
}

type ConflictWords = Pick<Problem, 'message' | 'instead' | 'remedy'>;

function wordsByHand({ lower, observed }: Conflict, name: (node: NodeId) => string): ConflictWords {
  const named = (nodes: readonly NodeId[]) => nodes.map(name).join(' and ');
  return {
    message: `${named([...observed, ...lower])} hold at once; ${named(observed)} by a keepalived run by hand`,
    instead:
      lower.length > 0
        ? `${named(lower)} is told to step down, the other is left alone`
        : 'they are left alone',
    remedy:
      lower.length > 0
        ? 'stop the keepalived run by hand before the node takes part'
        : 'let IP protocol 112 (VRRP) pass between them; see that VRID, version, password and addresses are the same',
  };
}

function wordsOfOurs(agents: Agents, conflict: Conflict, name: (node: NodeId) => string): ConflictWords {
  const { message, remedy } = likelyCause(agents, conflict, name);
  const names = conflict.lower.map(name).join(' and ');
  return {
    message: `${name(conflict.upper)} and ${names} hold at once; ${message}`,
    instead: `${names} is told to step down`,
    remedy,
  };
}

function likelyCause(
  agents: Agents,
  { group, upper, lower }: Conflict,
  name: (node: NodeId) => string,
): { message: string; remedy: string } {
  const runs = (node: NodeId) => agents.get(node)?.report?.instances.find((each) => each.group === group);
  const first = runs(upper);
  for (const node of lower) {
    const second = runs(node);
    if (!first || !second) continue;
    if (spoken(first) !== spoken(second)) {
      return {
        message: `${name(upper)} and ${name(node)} run different values of what they must agree on`,
        remedy: 'wait for the change to finish; swarm-vip status names whoever it waits for',
      };
    }
    const unheard = [
      [upper, node, first, second.source],
      [node, upper, second, first.source],
    ] as const;
    for (const [from, to, sender, target] of unheard) {
      if (sender.transport === 'multicast' || sender.peers.some(({ address }) => address === target))
        continue;
      return {
        message: `${name(from)} does not list ${name(to)} as peer`,
        remedy: `look for problems of ${name(from)}: it has not taken the last assignment`,
      };
    }
  }
  return {
    message: 'they list each other and agree, so their adverts are lost on the way',
    remedy:
      'let IP protocol 112 (VRRP) pass between these nodes, in both directions: host firewalls, security groups, ' +
      'switches that filter multicast; a VRID used by somebody else shows as another problem',
  };
}
