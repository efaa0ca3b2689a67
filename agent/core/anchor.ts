// The addresses an instance puts on the node: the anchor that VRRP advertises, and the real ones that ride along.
// Members reject each other's adverts when the *number* of advertised addresses differs; one synthetic anchor each
// keeps that number constant, so real addresses can change node by node.
import type { Instance } from '../../shared/protocol.ts';
import { familyOf } from '../../shared/words.ts';

/** An address as the kernel knows it: exact text with prefix, on one interface. */
export interface PlacedAddress {
  readonly address: string;
  readonly interface: string;
  /** A real address that we have put on `lo` for a moment. */
  readonly pin?: true;
}

/**
 * The anchor, on `lo`. 127.112.0.0/16 never leaves a host, and 100::/64 is the discard prefix (RFC 6666), so neither
 * can shadow a real host. It must be of the family of the instance's source.
 */
export function anchorOf(instance: Pick<Instance, 'vrid' | 'source'>): PlacedAddress {
  const address =
    familyOf(instance.source) === 4
      ? `127.112.0.${instance.vrid}/32`
      : `100::ff00:${instance.vrid.toString(16)}/128`;
  return { address, interface: 'lo' };
}

/** Whether an address has the form of an anchor: the only thing on `lo` that may ever be removed. */
export function isAnchor(address: string): boolean {
  return /^127\.112\.0\.\d{1,3}\/32$/.test(address) || /^100::ff00:[0-9a-f]{1,2}\/128$/.test(address);
}

export type Placing = Pick<
  Instance,
  'addresses' | 'interface' | 'addressInterfaces' | 'vrid' | 'source' | 'vmac'
>;

/** The real addresses, each on the interface that carries it. */
export function addressesOn(instance: Placing): PlacedAddress[] {
  const { addressInterfaces } = instance;
  return instance.addresses.map((address) => ({
    address,
    interface: addressInterfaces?.[address] ?? macvlanOf(instance, address) ?? instance.interface,
  }));
}

/** The same on the wire: a question or an answer about an address passes the interface below its macvlan. */
export function addressesOnWire({ vmac: _, ...instance }: Placing): PlacedAddress[] {
  return addressesOn(instance);
}

/**
 * A virtual MAC is for IPv4. Nothing keeps the kernel's MLD reports off a macvlan of IPv6: those of a node that has just
 * lost the addresses teach switches the wrong port (166 ms without an answer at a planned move). And until it is told
 * otherwise, it answers ARP for every address of the node, under a MAC that all members have.
 */
function macvlanOf({ vmac, source }: Placing, address: string): string | undefined {
  return familyOf(source) === 4 && familyOf(address) === 4 ? vmac : undefined;
}

/** Every address that running these instances may put on the node. */
export function addressesOf(instances: readonly Placing[]): PlacedAddress[] {
  return instances.flatMap((instance) => [anchorOf(instance), ...addressesOn(instance)]);
}

/**
 * A peer that is nobody: keepalived takes an empty `unicast_peer` for "use multicast". The v6 one is link-local
 * because a global address without a route makes keepalived complain at every advert.
 */
export const placeholderPeer = { 4: '240.0.0.1', 6: 'fe80::7f70:1' } as const;
