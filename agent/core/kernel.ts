// What the kernel says about addresses → what we report, hold, and must remove.
import type { Instance, NetworkInterface } from '../../shared/protocol.ts';
import { canonicalAddress } from '../../shared/words.ts';
import { isAnchor, type PlacedAddress } from './anchor.ts';

/** One interface as `ip -j addr` shows it, in canonical text. */
export interface KernelInterface {
  readonly name: string;
  /** Administratively up and with carrier. */
  readonly up: boolean;
  readonly loopback: boolean;
  /** The node's default route leaves by it. */
  readonly defaultRoute?: boolean;
  readonly mac?: string;
  /** Routers that its routes lead to, canonical. */
  readonly gateways?: readonly string[];
  readonly addresses: readonly {
    readonly address: string;
    readonly prefix: number;
    readonly linkLocal: boolean;
  }[];
}

const text = (entry: { address: string; prefix: number }) => `${entry.address}/${entry.prefix}`;

/** Its MAC is that of a virtual router (RFC 5798 §7.3): a macvlan of keepalived's. */
export const isVirtual = ({ mac }: Pick<KernelInterface, 'mac'>): boolean =>
  mac?.startsWith('00:00:5e:00:01:') === true || mac?.startsWith('00:00:5e:00:02:') === true;

/** Interfaces without our own virtual addresses: those come and go with the role, and are no one's VRRP source. */
export function visibleInterfaces(
  kernel: readonly KernelInterface[],
  ours: readonly PlacedAddress[],
): NetworkInterface[] {
  const virtual = new Set(ours.map((placed) => placed.address));
  return (
    kernel
      .filter((link) => !link.loopback && !isVirtual(link))
      .map((link) => ({
        name: link.name,
        up: link.up,
        addresses: link.addresses
          .filter((entry) => !entry.linkLocal && !virtual.has(text(entry)))
          .map(text)
          .slice(0, 64),
        ...(link.defaultRoute ? { defaultRoute: true } : {}),
        ...(link.gateways && link.gateways.length > 0 ? { gateways: link.gateways.slice(0, 16) } : {}),
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

/**
 * The interface of the default route with the lowest metric, IPv4 first. Sources: proc(5), /proc/net/route, and the
 * kernel's net/ipv6/route.c (rt6_info_route) for /proc/net/ipv6_route.
 */
export function defaultRouteInterface(route4: string, route6: string): string | undefined {
  const lowest = (routes: readonly { name: string; metric: number }[]) =>
    [...routes].sort((a, b) => a.metric - b.metric)[0]?.name;
  const rows = (table: string) => table.split('\n').map((line) => line.trim().split(/\s+/));
  const v4 = rows(route4).flatMap(([name = '', destination, , , , , metric, mask]) =>
    destination === '00000000' && mask === '00000000' ? [{ name, metric: Number(metric) }] : [],
  );
  const v6 = rows(route6).flatMap(
    ([destination = '', prefix, , , gateway = '', metric = '', , , , name = '']) =>
      /^0{32}$/.test(destination) && prefix === '00' && !/^0{32}$/.test(gateway)
        ? [{ name, metric: Number.parseInt(metric, 16) }]
        : [],
  );
  return lowest(v4) ?? lowest(v6);
}

/**
 * Routers by interface, canonical, link-local ones left out. In /proc/net/route a gateway is one little-endian number,
 * in /proc/net/ipv6_route sixteen bytes.
 */
export function gatewaysByInterface(route4: string, route6: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const add = (name: string, address: string | undefined) => {
    if (address === undefined || name === 'lo' || found.get(name)?.includes(address)) return;
    found.set(name, [...(found.get(name) ?? []), address]);
  };
  for (const line of route4.split('\n')) {
    const [name = '', , gateway = ''] = line.trim().split(/\s+/);
    if (!/^[0-9A-F]{8}$/i.test(gateway) || gateway === '00000000') continue;
    const bytes = (gateway.match(/../g) ?? []).reverse().map((hex) => Number.parseInt(hex, 16));
    add(name, canonicalAddress(bytes.join('.')));
  }
  for (const line of route6.split('\n')) {
    const fields = line.trim().split(/\s+/);
    const gateway = fields[4] ?? '';
    if (!/^[0-9a-f]{32}$/.test(gateway) || /^(0{32}|fe[89ab].*)$/.test(gateway)) continue;
    add(fields[9] ?? '', canonicalAddress((gateway.match(/.{4}/g) ?? []).join(':')));
  }
  return found;
}

/** A line of `ip -o monitor` about an address that is known to be there: at most its lifetime or its flags are new. */
export function isRenewal(line: string, kernel: readonly KernelInterface[]): boolean {
  const [, name, address] = /^(?:\[ADDR\])?\d+: (\S+) +inet6? (\S+) /.exec(line) ?? [];
  const link = kernel.find((candidate) => candidate.name === name);
  return link?.addresses.some((entry) => text(entry) === address) ?? false;
}

/** A line of `ip -o monitor` that says that an address is gone, in canonical text and without its prefix. */
export function removedAddress(line: string): { interface: string; address: string } | undefined {
  const [, name, text = ''] = /^(?:\[ADDR\])?Deleted \d+: (\S+) +inet6? ([^\s/]+)/.exec(line) ?? [];
  const address = canonicalAddress(text);
  return name === undefined || address === undefined ? undefined : { interface: name, address };
}

/** The reading as it is without the address. */
export function withoutAddress(
  kernel: readonly KernelInterface[],
  gone: { interface: string; address: string },
): KernelInterface[] {
  return kernel.map((link) =>
    link.name === gone.interface
      ? { ...link, addresses: link.addresses.filter(({ address }) => address !== gone.address) }
      : link,
  );
}
