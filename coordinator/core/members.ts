// Node labels + what agents report → the members of each group: which nodes, with which priority, interface and source
// address. A label that cannot be used is bent or left out aloud; it never touches another node or group.
import * as v from 'valibot';
import type { Problem } from '../../shared/problem.ts';
import type { NetworkInterface } from '../../shared/protocol.ts';
import { canonicalAddress, familyOf, InterfaceName, inSubnet, type NodeId } from '../../shared/words.ts';
import { type Drain, readDrain } from './drain.ts';
import { type Group, type Groups, readable } from './groups.ts';
import { nodeName, type Snapshot, type SwarmNode } from './snapshot.ts';

export const label = {
  group: 'keepalived_group',
  priority: 'KEEPALIVED_PRIORITY',
  interface: 'KEEPALIVED_INTERFACE',
  address: 'KEEPALIVED_IP',
} as const;

const defaultPriority = 100;

/** A node that an operator put into a group. */
export interface Member {
  node: NodeId;
  wantedPriority: number;
  /** "label KEEPALIVED_PRIORITY" or "default". */
  priorityFrom: string;
  /** False while nothing has been heard of the node's interfaces. */
  reported: boolean;
  /** Where it takes part, or undefined while its agent has not reported, or has no fitting interface. */
  attachment: { interface: string; source: string } | undefined;
  /** The operator wants the node to hold nothing. */
  drain: Drain | undefined;
}

export interface Memberships {
  byGroup: Map<string, Member[]>;
  problems: Problem[];
}

/** @param interfaces what the agents last reported, by node; a node without an agent is absent */
export function membersFromLabels(
  snapshot: Snapshot,
  { groups, named }: Groups,
  interfaces: ReadonlyMap<NodeId, readonly NetworkInterface[]>,
  nowMs: number,
): Memberships {
  const problems: Problem[] = [];
  const byGroup = new Map<string, Member[]>(groups.map((group) => [group.name, []]));
  for (const node of snapshot.nodes) {
    const { drain, problem } = readDrain(snapshot, node, nowMs);
    if (problem) problems.push(problem);
    const name = node.labels[label.group]?.trim();
    if (name === undefined || name === '') continue;
    const where = (key: string) => `node ${nodeName(snapshot, node.id)}, label ${key}`;
    const group = groups.find((candidate) => candidate.name === name);
    if (!group) {
      if (!named.has(name)) problems.push(unknownGroup(name, node, where(label.group), groups));
      continue;
    }
    const context = { node, group, where, problems };
    const reported = interfaces.get(node.id);
    byGroup.get(group.name)?.push({
      node: node.id,
      ...readPriority(context),
      reported: reported !== undefined,
      attachment: reported && attach(reported, context),
      drain,
    });
  }
  for (const group of groups) {
    const members = byGroup.get(group.name) ?? [];
    refuseSharedSources(snapshot, group, members, problems);
    if (members.length === 0) {
      problems.push({
        code: 'group-without-member',
        severity: 'error',
        where: group.source,
        group: group.name,
        message: `expected at least one node with the label ${label.group}=${group.name}, found none`,
        instead: 'nobody holds its addresses',
        remedy: `docker node update --label-add ${label.group}=${group.name} NODE`,
      });
    }
  }
  return { byGroup, problems };
}

function unknownGroup(name: string, node: SwarmNode, where: string, groups: readonly Group[]): Problem {
  const known = groups.map((group) => group.name).join(', ');
  return {
    code: 'group-unknown',
    severity: 'error',
    where,
    node: node.id,
    value: readable(name),
    message: `no service defines this group; defined: ${known || 'none'}`,
    instead: 'the node takes part in no group',
    remedy: 'correct the label, or deploy a service with this KEEPALIVED_GROUP',
  };
}

interface Context {
  node: SwarmNode;
  group: Group;
  where: (key: string) => string;
  problems: Problem[];
}

function readPriority({
  node,
  group,
  where,
  problems,
}: Context): Pick<Member, 'wantedPriority' | 'priorityFrom'> {
  const text = node.labels[label.priority]?.trim();
  if (text === undefined || text === '') return { wantedPriority: defaultPriority, priorityFrom: 'default' };
  const found = /^[+-]?\d{1,9}$/.test(text) ? Number(text) : undefined;
  const clamped = found === undefined ? defaultPriority : Math.min(254, Math.max(1, found));
  if (found !== clamped) {
    problems.push({
      code: found === undefined ? 'priority-invalid' : 'priority-clamped',
      severity: 'warning',
      where: where(label.priority),
      group: group.name,
      node: node.id,
      value: readable(text),
      message: 'expected a whole number from 1 to 254',
      instead: found === undefined ? `the default ${clamped} is used` : `${clamped} is used`,
      remedy: `docker node update --label-add ${label.priority}=${clamped} ${node.hostname}`,
    });
  }
  return {
    wantedPriority: clamped,
    priorityFrom: found === undefined ? 'default' : `label ${label.priority}`,
  };
}

/** Chooses interface and source: what the node's label names, else what the group names, else who holds the subnet. */
function attach(interfaces: readonly NetworkInterface[], context: Context): Member['attachment'] {
  const { node, group, where, problems } = context;
  const hosts = (candidate: NetworkInterface) => addressesFor(candidate, group);
  const automatic = interfaces.find((candidate) => hosts(candidate).some((host) => host.inSubnet));
  const wanted = wantedInterface(context);
  const named = wanted && interfaces.find((candidate) => candidate.name === wanted.name);
  const chosen = wanted === undefined ? automatic : named && hosts(named).length > 0 ? named : automatic;
  const have = interfaces.map((candidate) => candidate.name).join(', ') || 'none';
  if (wanted && chosen !== named) {
    problems.push({
      code: 'interface-missing',
      severity: chosen ? 'warning' : 'error',
      where: wanted.where,
      group: group.name,
      node: node.id,
      value: wanted.name,
      message: named
        ? `the interface has no IPv${group.family} address`
        : `node ${node.hostname} has no such interface; it has ${have}`,
      instead: chosen
        ? `${chosen.name} is used, whose subnet holds the address`
        : 'the node cannot hold the addresses of the group',
      remedy: `set the label ${label.interface} on the node to an interface that it has`,
    });
  } else if (!chosen) {
    problems.push({
      code: 'no-interface',
      severity: 'error',
      where: `node ${nodeName({ nodes: [node], services: [] }, node.id)}`,
      group: group.name,
      node: node.id,
      value: group.addresses[0],
      message: `no interface has a subnet that holds the address; the node has ${describe(interfaces)}`,
      instead: 'the node cannot hold the addresses of the group',
      remedy: `name the interface by the node’s label ${label.interface}`,
    });
  }
  if (!chosen) return undefined;
  const [best] = hosts(chosen).sort((a, b) => Number(b.inSubnet) - Number(a.inSubnet));
  if (!best) return undefined;
  const source = readSource(chosen, best.address, where(label.address), context);
  return { interface: chosen.name, source };
}

function wantedInterface({
  node,
  group,
  where,
  problems,
}: Context): { name: string; where: string } | undefined {
  const text = node.labels[label.interface]?.trim();
  if (text !== undefined && text !== '' && text !== 'auto') {
    if (v.is(InterfaceName, text)) return { name: text, where: where(label.interface) };
    problems.push({
      code: 'interface-invalid',
      severity: 'warning',
      where: where(label.interface),
      group: group.name,
      node: node.id,
      value: readable(text),
      message: 'expected an interface name of at most 15 characters',
      instead: 'the label is ignored',
      remedy: 'correct or remove the label',
    });
  }
  return group.interface === undefined
    ? undefined
    : { name: group.interface, where: group.source.replace('KEEPALIVED_GROUP', label.interface) };
}

/** Own addresses of an interface that adverts of this group can come from; the group's own addresses are none. */
function addressesFor(candidate: NetworkInterface, group: Group): { address: string; inSubnet: boolean }[] {
  return candidate.addresses
    .map((cidr) => ({ cidr, address: cidr.split('/')[0] ?? '' }))
    .filter(({ address }) => familyOf(address) === group.family)
    .filter(({ address }) => !group.addresses.some((vip) => vip.split('/')[0] === address))
    .map(({ cidr, address }) => ({
      address,
      inSubnet: group.addresses.some((vip) => inSubnet(vip.split('/')[0] ?? '', cidr)),
    }));
}

function readSource(chosen: NetworkInterface, automatic: string, where: string, context: Context): string {
  const { node, group, problems } = context;
  const text = node.labels[label.address]?.trim();
  if (text === undefined || text === '') return automatic;
  const wanted = canonicalAddress(text);
  const own = addressesFor(chosen, group).find(({ address }) => address === wanted);
  if (own) return own.address;
  problems.push({
    code: 'source-address-foreign',
    severity: 'warning',
    where,
    group: group.name,
    node: node.id,
    value: readable(text),
    message: `expected an address of ${chosen.name}: ${chosen.addresses.join(', ')}`,
    instead: `${automatic} is used`,
    remedy: 'correct or remove the label',
  });
  return automatic;
}

/** Two members with one source address (a cloned machine, NAT) would talk to themselves: the later one stays out. */
function refuseSharedSources(snapshot: Snapshot, group: Group, members: Member[], problems: Problem[]): void {
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

function describe(interfaces: readonly NetworkInterface[]): string {
  return interfaces
    .map(({ name, addresses }) => `${name} (${addresses.join(' ') || 'no address'})`)
    .join(', ');
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
