// Labels, tiers and the spread → the priority of each member, and the order of those with equal ones.
// A label counts before a tier, a tier before the default; where nobody said which node leads, spread.ts chooses, so that
// several groups land on different nodes. What it chooses depends on names alone, never on who is alive or drained.
import type { Problem } from '../../shared/problem.ts';
import type { NodeId } from '../../shared/words.ts';
import type { Group } from './groups.ts';
import { statedBy } from './labels.ts';
import type { Member } from './members.ts';
import { fits } from './placement.ts';
import { readable } from './readable.ts';
import type { SwarmNode } from './snapshot.ts';
import { byPreference, type Candidates, spreadLeaders } from './spread.ts';

export const defaultPriority = 100;
/** Of nodes that a group prefers: so little above the default that usual check weights outweigh it. */
const preferredPriority = 110;

/** What is known of a member's priority before all members are. */
export interface Rank {
  /** By a label. */
  stated?: number;
  /** Range of the tier, or the default twice. */
  lowest: number;
  highest: number;
  rankFrom: string;
}

export interface LabelContext {
  node: SwarmNode;
  group: Group;
  /** What the node's labels call it. */
  called: string;
  /** The node, and which of its labels. */
  where: (key?: string) => string;
  problems: Problem[];
}

export function readRank(context: LabelContext): Rank {
  const { node, group, called } = context;
  for (const { key, text } of statedBy(node, called, 'priority')) {
    const found = /^[+-]?\d{1,9}$/.test(text) ? Number(text) : undefined;
    const clamped = found === undefined ? undefined : Math.min(254, Math.max(1, found));
    if (found !== clamped || clamped === undefined) complain(context, key, text, clamped);
    if (clamped !== undefined)
      return { stated: clamped, lowest: clamped, highest: clamped, rankFrom: `label ${key}` };
  }
  const index = group.tiers?.findIndex((tier) => fits(node, tier.members)) ?? -1;
  const tier = group.tiers?.[index];
  if (!tier && group.preferred && fits(node, group.preferred))
    return { lowest: preferredPriority, highest: preferredPriority, rankFrom: 'preferred' };
  if (!tier) return { lowest: defaultPriority, highest: defaultPriority, rankFrom: 'default' };
  return { lowest: tier.lowest, highest: tier.highest, rankFrom: `tier ${index + 1}` };
}

function complain(context: LabelContext, key: string, text: string, clamped: number | undefined): void {
  const { node, group, where, problems } = context;
  problems.push({
    code: clamped === undefined ? 'priority-invalid' : 'priority-clamped',
    severity: 'warning',
    where: where(key),
    group: group.name,
    node: node.id,
    value: readable(text),
    message: 'expected a whole number from 1 to 254',
    instead:
      clamped === undefined
        ? `the next that counts is used, or the default ${defaultPriority}`
        : `${clamped} is used`,
    remedy: `docker node update --label-add ${key}=${clamped ?? defaultPriority} ${node.hostname}`,
  });
}

type Unranked = Omit<Member, 'wantedPriority' | 'priorityFrom' | 'order'> & Rank;

/** All groups at once, because the spread is over all. */
export function rank(groups: ReadonlyMap<string, readonly Unranked[]>): Map<string, Member[]> {
  const leaders = spreadLeaders([...groups].flatMap(([group, members]) => candidatesOf(group, members)));
  return new Map(
    [...groups].map(([group, members]) => [group, rankGroup(group, members, leaders.get(group))]),
  );
}

/** Who may lead a group: the members of the highest class that can hold at all. */
function candidatesOf(group: string, members: readonly Unranked[]): Candidates[] {
  const able = members
    .filter(({ attachment, reported }) => attachment !== undefined || !reported)
    .sort(
      (a, b) =>
        b.highest - a.highest ||
        Number(b.stated !== undefined) - Number(a.stated !== undefined) ||
        a.rankFrom.localeCompare(b.rankFrom) ||
        a.node.localeCompare(b.node),
    );
  const [top] = able;
  if (!top) return [];
  if (top.stated !== undefined) return [{ group, nodes: [top.node] }];
  const nodes = able.filter(({ rankFrom, highest }) => rankFrom === top.rankFrom && highest === top.highest);
  return [{ group, nodes: nodes.map(({ node }) => node) }];
}

function rankGroup(group: string, members: readonly Unranked[], leader: NodeId | undefined): Member[] {
  const preferred = byPreference(
    group,
    members.map(({ node }) => node),
  );
  const places = new Map(preferred.map((node, index) => [node, node === leader ? -1 : index]));
  const place = (node: NodeId) => places.get(node) ?? preferred.length;
  const classes = new Map<string, Unranked[]>();
  for (const member of members) {
    if (member.stated !== undefined) continue;
    const peers = classes.get(member.rankFrom);
    if (peers) peers.push(member);
    else classes.set(member.rankFrom, [member]);
  }
  const wanted = new Map<NodeId, number>();
  for (const peers of classes.values()) {
    [...peers]
      .sort((a, b) => place(a.node) - place(b.node))
      .forEach(({ node, lowest, highest }, index) => {
        const step = peers.length > 1 ? (highest - lowest) / (peers.length - 1) : 0;
        wanted.set(node, Math.round(highest - index * step));
      });
  }
  const ranked = members
    .map((member) => ({ member, priority: member.stated ?? wanted.get(member.node) ?? defaultPriority }))
    .sort(
      (a, b) =>
        b.priority - a.priority ||
        Number(b.member.stated !== undefined) - Number(a.member.stated !== undefined) ||
        (a.member.stated === undefined ? place(a.member.node) - place(b.member.node) : 0) ||
        a.member.node.localeCompare(b.member.node),
    );
  const order = new Map(ranked.map(({ member }, index) => [member.node, index]));
  return members.map((member) => {
    const { stated, lowest: _, highest: __, rankFrom, ...rest } = member;
    const spread = stated === undefined && (classes.get(rankFrom)?.length ?? 0) > 1;
    return {
      ...rest,
      wantedPriority: stated ?? wanted.get(member.node) ?? defaultPriority,
      priorityFrom: spread ? `${rankFrom}, spread` : rankFrom,
      order: order.get(member.node) ?? 0,
    };
  });
}
