// Members that cannot share an address: VRRP moves it by ARP and ND, which end at a router. Of members in different
// segments those stay whose subnet holds the group's addresses, then those with the holder, then the most.
import ipaddr from 'ipaddr.js';
import type { Problem } from '../../shared/problem.ts';
import type { NetworkInterface } from '../../shared/protocol.ts';
import { familyOf, inSubnet, type NodeId } from '../../shared/words.ts';
import type { Group } from './groups.ts';
import type { Attachment } from './members-attach.ts';
import { nodeName, type Snapshot } from './snapshot.ts';

interface Attached {
  node: NodeId;
  attachment: Attachment | undefined;
}

interface Placed {
  node: NodeId;
  source: string;
  interface: string;
  /** The source with its prefix. */
  cidr: string;
}

/** Takes the attachment from whoever is elsewhere. @param holds whether the node's keepalived is MASTER of the group */
export function refuseOtherSegments(
  snapshot: Snapshot,
  group: Group,
  members: readonly Attached[],
  interfaces: ReadonlyMap<NodeId, readonly NetworkInterface[]>,
  holds: (node: NodeId, group: string) => boolean,
  problems: Problem[],
): void {
  const placed = members.flatMap((member) => place(member, interfaces) ?? []);
  const segments = segmentsOf(placed);
  if (segments.length < 2) return;
  const [chosen, ...others] = segments
    .map((segment) => ({
      segment,
      vip: firstHeld(segment, group),
      holder: segment.some(({ node }) => holds(node, group.name)),
    }))
    .sort(
      (a, b) =>
        a.vip - b.vip ||
        Number(b.holder) - Number(a.holder) ||
        b.segment.length - a.segment.length ||
        (a.segment[0]?.node ?? '').localeCompare(b.segment[0]?.node ?? ''),
    );
  const [example] = chosen?.segment ?? [];
  if (!example) return;
  for (const { node, cidr, interface: name } of others.flatMap(({ segment }) => segment)) {
    const member = members.find((each) => each.node === node);
    if (member) member.attachment = undefined;
    problems.push({
      code: 'segment-differs',
      severity: 'error',
      where: `node ${nodeName(snapshot, node)}`,
      group: group.name,
      node,
      value: cidr,
      message:
        `${name} is in another layer 2 segment than ${example.interface} of node ` +
        `${nodeName(snapshot, example.node)} (${example.cidr}): an address cannot move between them`,
      instead: 'this node cannot hold the addresses of the group',
      remedy:
        'take the node out of the group, correct its prefix length, or name an interface in the common subnet',
    });
  }
}

function place(
  { node, attachment }: Attached,
  interfaces: ReadonlyMap<NodeId, readonly NetworkInterface[]>,
): Placed | undefined {
  if (!attachment) return undefined;
  const link = interfaces.get(node)?.find(({ name }) => name === attachment.interface);
  const cidr = link?.addresses.find((each) => each.split('/')[0] === attachment.source);
  // A host prefix says nothing about the segment (as clouds hand out): such a member is taken at its word.
  if (cidr === undefined || /\/(32|128)$/.test(cidr)) return undefined;
  return { node, source: attachment.source, interface: attachment.interface, cidr };
}

/** Members that reach each other without a router, by both their prefixes; by node id, so that all see the same. */
function segmentsOf(placed: readonly Placed[]): Placed[][] {
  const segments: { members: Placed[]; network: string | undefined }[] = [];
  for (const each of [...placed].sort((a, b) => a.node.localeCompare(b.node))) {
    const network = networkOf(each.cidr);
    // One network for all is the usual case; then nobody is compared with everybody.
    const found = segments.find(
      (segment) => segment.network === network || segment.members.every((other) => reach(each, other)),
    );
    if (!found) segments.push({ members: [each], network });
    else {
      found.members.push(each);
      if (found.network !== network) found.network = undefined;
    }
  }
  return segments.map(({ members }) => members);
}

const reach = (a: Placed, b: Placed): boolean => inSubnet(a.source, b.cidr) && inSubnet(b.source, a.cidr);

const networkOf = (cidr: string): string =>
  familyOf(cidr) === 4
    ? `${ipaddr.IPv4.networkAddressFromCIDR(cidr).toString()}/${cidr.split('/')[1]}`
    : `${ipaddr.IPv6.networkAddressFromCIDR(cidr).toString()}/${cidr.split('/')[1]}`;

/** Place of the first address that the segment's subnets hold; later than all when they hold none. */
function firstHeld(segment: readonly Placed[], { addresses }: Group): number {
  const index = addresses.findIndex((vip) =>
    segment.some(({ cidr }) => inSubnet(vip.split('/')[0] ?? '', cidr)),
  );
  return index < 0 ? addresses.length : index;
}
