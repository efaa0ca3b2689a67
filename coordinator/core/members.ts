// Node labels, placement rules and what agents report → the members of each group: which nodes, with which priority,
// interface and source address. A label that cannot be used is bent or left out aloud; it never touches another node
// or group.
import type { Problem } from '../../shared/problem.ts';
import type { NetworkInterface } from '../../shared/protocol.ts';
import { familyOf, type NodeId } from '../../shared/words.ts';
import { type Drain, readDrain } from './drain.ts';
import type { Group } from './groups.ts';
import { groupsLabel, label, unknownLabels } from './labels.ts';
import { type Attachment, attach } from './members-attach.ts';
import { isByRule, type NamedGroups, readCallings } from './members-named.ts';
import { type Rank, rank, readRank } from './members-rank.ts';
import { refuseOtherSegments } from './members-segment.ts';
import { readObserve } from './observe.ts';
import { fits } from './placement.ts';
import { nodeName, type Snapshot, type SwarmNode } from './snapshot.ts';

/** A node that an operator put into a group. */
export interface Member {
  node: NodeId;
  wantedPriority: number;
  /** "label KEEPALIVED_PRIORITY", "tier 1", "default". */
  priorityFrom: string;
  /** Decides between equal priorities, lowest first: the spread of several groups over nodes. */
  order: number;
  /** The name under which the node runs the group: for a while after a change the former one. */
  runAs: string;
  /** Why the node is a member: "label keepalived_group", "config groups-7, line 12". */
  memberFrom: string;
  /** False while nothing has been heard of the node's interfaces. */
  reported: boolean;
  /** Where it takes part, or undefined while its agent has not reported, or has no fitting interface. */
  attachment: Attachment | undefined;
  /** The operator wants the node to hold nothing. */
  drain: Drain | undefined;
  /** The operator wants the agent to look on only. */
  observe: boolean;
}

export interface Memberships {
  byGroup: Map<string, Member[]>;
  problems: Problem[];
}

export interface Heard {
  /** What the agents last reported, by node; a node without an agent is absent. */
  interfaces: ReadonlyMap<NodeId, readonly NetworkInterface[]>;
  /** The interfaces that a node tracks for a group now. */
  tracked(node: NodeId, group: string): readonly string[];
  /** Its keepalived is MASTER of the group. */
  holds(node: NodeId, group: string): boolean;
  runs(node: NodeId, group: string): boolean;
}

type Candidate = Omit<Member, 'wantedPriority' | 'priorityFrom' | 'order'> & Rank;

export function findMembers(
  snapshot: Snapshot,
  defined: NamedGroups,
  heard: Heard,
  nowMs: number,
): Memberships {
  const { groups, named, renames } = defined;
  const callings = readCallings(snapshot, defined, heard.runs);
  const problems = unknownLabels(snapshot, new Set([...named, ...renames.keys()]));
  problems.push(...callings.problems);
  const candidates = new Map<string, Candidate[]>(groups.map((group) => [group.name, []]));
  for (const node of snapshot.nodes) {
    const { drain, problem } = readDrain(snapshot, node, nowMs);
    const { observe, problem: unclear } = readObserve(snapshot, node);
    problems.push(...[problem, unclear].filter((each) => each !== undefined));
    const name = `node ${nodeName(snapshot, node.id)}`;
    const where = (key?: string) => (key === undefined ? name : `${name}, label ${key}`);
    for (const group of groups) {
      const byLabel = callings.of(node, group);
      const memberFrom = membership(node, group, byLabel?.key);
      if (memberFrom === undefined) {
        if (byLabel?.text === group.name)
          problems.push(labelWithoutEffect(group, node, where(byLabel.key), byLabel.key));
        continue;
      }
      const context = { node, group, called: byLabel?.text ?? group.name, where, problems };
      const reported = heard.interfaces.get(node.id);
      candidates.get(group.name)?.push({
        node: node.id,
        runAs: isByRule(group) ? group.name : (byLabel?.runAs ?? group.name),
        memberFrom,
        ...readRank(context),
        reported: reported !== undefined,
        attachment: reported && attach(reported, heard.tracked(node.id, group.name), context),
        drain,
        observe,
      });
    }
  }
  for (const group of groups) {
    const members = candidates.get(group.name) ?? [];
    refuseSharedSources(snapshot, group, members, problems);
    refuseOtherSegments(snapshot, group, members, heard.interfaces, heard.holds, problems);
    if (members.length === 0) problems.push(withoutMember(group));
  }
  return { byGroup: rank(candidates), problems };
}

/** Why a node is a member of a group, or undefined if it is none. */
function membership(node: SwarmNode, group: Group, key: string | undefined): string | undefined {
  if (!isByRule(group)) return key === undefined ? undefined : `label ${key}`;
  if (group.members && !fits(node, group.members)) return undefined;
  const inTier = group.tiers?.some((tier) => fits(node, tier.members)) ?? true;
  return group.members || inTier ? group.provenance.members : undefined;
}

function labelWithoutEffect(group: Group, node: SwarmNode, where: string, key: string): Problem {
  return {
    code: 'label-without-effect',
    severity: 'warning',
    where,
    group: group.name,
    node: node.id,
    value: group.name,
    message: `the members of this group are chosen by ${group.provenance.members}, which does not choose this node`,
    instead: 'the node is no member',
    remedy: key === groupsLabel ? 'take the group out of the label' : 'remove the label, or change the rule',
  };
}

function withoutMember(group: Group): Problem {
  const byRule = isByRule(group);
  const key = group.origin === 'file' ? groupsLabel : label.group;
  return {
    code: 'group-without-member',
    severity: 'error',
    where: byRule ? group.provenance.members : group.source,
    group: group.name,
    message: byRule
      ? 'expected at least one node that fits the placement expressions, found none'
      : `expected at least one node with the label ${key}=${group.name}, found none`,
    instead: 'nobody holds its addresses',
    remedy: byRule
      ? 'correct the expressions, or label nodes so that they fit'
      : `docker node update --label-add ${key}=${group.name} NODE`,
  };
}

/** Two members with one source address (a cloned machine, NAT) would talk to themselves: the later one stays out. */
function refuseSharedSources(
  snapshot: Snapshot,
  group: Group,
  members: Candidate[],
  problems: Problem[],
): void {
  const owners = new Map<string, NodeId>();
  for (const member of [...members].sort((a, b) => a.node.localeCompare(b.node))) {
    if (!member.attachment) continue;
    const { source } = member.attachment;
    const owner = owners.get(source);
    if (owner === undefined) {
      owners.set(source, member.node);
      continue;
    }
    member.attachment = undefined;
    problems.push({
      code: 'source-address-shared',
      severity: 'error',
      where: `node ${nodeName(snapshot, member.node)}`,
      group: group.name,
      node: member.node,
      value: source,
      message: `node ${nodeName(snapshot, owner)} has the same address on its interface`,
      instead: 'this node cannot hold the addresses of the group',
      remedy: 'give each node an address of its own',
    });
  }
}

/**
 * Addresses of a group that a node has as its own, hence cannot be virtual ones. Host prefixes do not count: what a
 * killed keepalived of ours left behind looks like that.
 */
export function ownedByNodes(
  group: Group,
  interfaces: ReadonlyMap<NodeId, readonly NetworkInterface[]>,
): { address: string; node: NodeId }[] {
  const owned: { address: string; node: NodeId }[] = [];
  for (const [node, list] of interfaces) {
    for (const cidr of list.flatMap((one) => one.addresses)) {
      const address = cidr.replace(/\/.*/, familyOf(cidr) === 4 ? '/32' : '/128');
      if (address !== cidr && group.addresses.includes(address)) owned.push({ address, node });
    }
  }
  return owned;
}
