// Addresses that service labels must never get, whatever the pools say: a gateway, an address by which Swarm knows a
// node, a subnet's own or broadcast address. That nothing answers for one is found out by the agents (rule R1).
import ipaddr from 'ipaddr.js';
import type { NetworkInterface } from '../../shared/protocol.ts';
import { familyOf, type NodeId } from '../../shared/words.ts';
import type { Group } from './groups.ts';
import { nodeName, type Snapshot } from './snapshot.ts';

export interface UnfitAddress {
  /** With its prefix, as in the group. */
  address: string;
  node: NodeId;
  why: string;
}

export function unfitAddresses(
  snapshot: Snapshot,
  group: Group,
  interfaces: ReadonlyMap<NodeId, readonly NetworkInterface[]>,
): UnfitAddress[] {
  if (group.origin !== 'labels') return [];
  return group.addresses.flatMap((address): UnfitAddress[] => {
    const host = address.split('/')[0] ?? '';
    const known = snapshot.nodes.find((node) => node.addresses.includes(host));
    if (known) {
      const why = `Swarm knows node ${nodeName(snapshot, known.id)} by this address`;
      return [{ address, node: known.id, why }];
    }
    for (const [node, list] of interfaces) {
      for (const each of list) {
        const name = `${each.name} of node ${nodeName(snapshot, node)}`;
        if (each.gateways?.includes(host)) return [{ address, node, why: `it is a gateway on ${name}` }];
        if (each.addresses.some((cidr) => isEdge(host, cidr)))
          return [{ address, node, why: `it is the network or the broadcast address on ${name}` }];
      }
    }
    return [];
  });
}

function isEdge(host: string, cidr: string): boolean {
  if (familyOf(host) === 6 || familyOf(cidr) === 6) return false;
  const prefix = Number(cidr.split('/')[1]);
  if (prefix >= 31) return false;
  const edges = [ipaddr.IPv4.networkAddressFromCIDR(cidr), ipaddr.IPv4.broadcastAddressFromCIDR(cidr)];
  return edges.some((edge) => edge.toString() === host);
}
