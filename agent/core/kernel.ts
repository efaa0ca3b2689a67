// What the kernel says about addresses → what we report, hold, and must remove.
import type { Instance, NetworkInterface } from '../../shared/protocol.ts';
import { isAnchor, type PlacedAddress } from './anchor.ts';

/** One interface as `ip -j addr` shows it, in canonical text. */
export interface KernelInterface {
  readonly name: string;
  /** Administratively up and with carrier. */
  readonly up: boolean;
  readonly loopback: boolean;
  readonly addresses: readonly {
    readonly address: string;
    readonly prefix: number;
    readonly linkLocal: boolean;
  }[];
}

const text = (entry: { address: string; prefix: number }) => `${entry.address}/${entry.prefix}`;

/** Interfaces without our own virtual addresses: those come and go with the role, and are no one's VRRP source. */
export function visibleInterfaces(
  kernel: readonly KernelInterface[],
  ours: readonly PlacedAddress[],
): NetworkInterface[] {
  const virtual = new Set(ours.map((placed) => placed.address));
  return (
    kernel
      .filter((link) => !link.loopback)
      .map((link) => ({
        name: link.name,
        up: link.up,
        addresses: link.addresses
          .filter((entry) => !entry.linkLocal && !virtual.has(text(entry)))
          .map(text)
          .slice(0, 64),
      }))
      // Those with addresses first: the list is bounded, and a busy Docker host has hundreds of veths.
      .sort((a, b) => Math.sign(b.addresses.length) - Math.sign(a.addresses.length))
      .slice(0, 256)
  );
}

/** Which of an instance's addresses the kernel has right now, outside lo (where direct routing puts them, too). */
export function heldAddresses(
  kernel: readonly KernelInterface[],
  instance: Pick<Instance, 'addresses'>,
): string[] {
  const present = new Set(
    kernel.filter((link) => !link.loopback).flatMap((link) => link.addresses.map(text)),
  );
  return instance.addresses.filter((address) => present.has(address));
}

/** Recorded addresses that the kernel still has, exactly as recorded; on lo nothing but anchors and pins. */
export function orphansOf(
  kernel: readonly KernelInterface[],
  recorded: readonly PlacedAddress[],
): PlacedAddress[] {
  return recorded.filter((placed) => {
    const link = kernel.find((candidate) => candidate.name === placed.interface);
    if (!link || (link.loopback && !placed.pin && !isAnchor(placed.address))) return false;
    return link.addresses.some((entry) => text(entry) === placed.address);
  });
}

/** Sources that no interface has: keepalived keeps such an instance in FAULT until it is told to look again. */
export function absentSources(
  kernel: readonly KernelInterface[],
  instances: readonly Pick<Instance, 'source' | 'interface'>[],
): string[] {
  return instances
    .filter((instance) => {
      const link = kernel.find((candidate) => candidate.name === instance.interface);
      return !link?.addresses.some((entry) => entry.address === instance.source);
    })
    .map((instance) => `${instance.source} on ${instance.interface}`);
}
