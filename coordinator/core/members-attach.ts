// Where a node takes part in a group: interface, source address of its adverts, interfaces of single addresses. Wishes
// come from labels, then from the group; only what the node's agent reported can be chosen.
import ipaddr from 'ipaddr.js';
import type { NetworkInterface } from '../../shared/protocol.ts';
import { canonicalAddress, familyOf, inSubnet } from '../../shared/words.ts';
import type { Group } from './groups.ts';
import { type InterfaceWish, readInterfaceWish } from './groups-values.ts';
import { label, statedBy } from './labels.ts';
import type { LabelContext } from './members-rank.ts';
import { readable } from './readable.ts';

export interface Attachment {
  interface: string;
  source: string;
  /** "label KEEPALIVED_INTERFACE", "config groups-7, line 12", "default". */
  interfaceFrom: string;
  sourceFrom: string;
  /** Addresses that live elsewhere than on `interface`; absent when there are none. */
  addressInterfaces?: Record<string, string>;
  /** Absent when there are none. */
  trackInterfaces?: string[];
}

interface Wanted {
  wish: InterfaceWish;
  text: string;
  /** For problems and for provenance. */
  where: string;
  from: string;
}

/** Chooses interface and source: what the node's label names, else what the group names, else who holds the subnet. */
export function attach(
  interfaces: readonly NetworkInterface[],
  tracked: readonly string[],
  context: LabelContext,
): Attachment | undefined {
  const { node, group, where, problems } = context;
  const found = new Map(interfaces.map((candidate) => [candidate, addressesFor(candidate, group)]));
  const hosts = (candidate: NetworkInterface) => found.get(candidate) ?? [];
  const automatic = group.addresses
    .map((vip) => interfaces.find((candidate) => hosts(candidate).some(({ cidr }) => holds(cidr, vip))))
    .find((candidate) => candidate !== undefined);
  const wanted = wantedInterface(context);
  const named = wanted ? interfaces.filter((candidate) => matches(candidate, wanted.wish)) : [];
  const usable = named.filter((candidate) => hosts(candidate).length > 0);
  const best = usable.find((candidate) => hosts(candidate).some((host) => host.inSubnet)) ?? usable[0];
  const chosen = wanted ? (best ?? automatic) : automatic;
  if (wanted && !best) {
    const have = interfaces.map((candidate) => candidate.name).join(', ') || 'none';
    problems.push({
      code: 'interface-missing',
      severity: chosen ? 'warning' : 'error',
      where: wanted.where,
      group: group.name,
      node: node.id,
      value: readable(wanted.text),
      message:
        named.length > 0
          ? `the interface has no IPv${group.family} address`
          : 'defaultRoute' in wanted.wish
            ? `the agent of node ${node.hostname} names no interface with a default route`
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
      where: context.where(),
      group: group.name,
      node: node.id,
      value: group.addresses[0],
      message: `no interface has a subnet that holds the address; the node has ${describe(interfaces)}`,
      instead: 'the node cannot hold the addresses of the group',
      remedy: `name the interface by the node’s label ${label.interface}`,
    });
  }
  const [first] = chosen ? hosts(chosen).sort((a, b) => Number(b.inSubnet) - Number(a.inSubnet)) : [];
  if (!chosen || !first || lacksTracked(interfaces, tracked, context)) return undefined;
  // VRRP tracks its own interface by itself; keepalived rejects a configuration that says so.
  const others = (group.trackInterfaces ?? []).filter((name) => name !== chosen.name);
  const elsewhere = addressInterfaces(interfaces, chosen, wanted === undefined, context);
  return {
    interface: chosen.name,
    interfaceFrom: wanted && best ? wanted.from : 'subnet of the address',
    ...readSource(chosen, first.address, where, context),
    ...(Object.keys(elsewhere).length > 0 ? { addressInterfaces: elsewhere } : {}),
    ...(others.length > 0 ? { trackInterfaces: others } : {}),
  };
}

function wantedInterface(context: LabelContext): Wanted | undefined {
  const { node, group, called, where, problems } = context;
  for (const { key, text } of statedBy(node, called, 'interface')) {
    if (text === 'auto') return undefined;
    const wish = readInterfaceWish(text);
    if (wish) return { wish, text, where: where(key), from: `label ${key}` };
    problems.push({
      code: 'interface-invalid',
      severity: 'warning',
      where: where(key),
      group: group.name,
      node: node.id,
      value: readable(text),
      message:
        'expected an interface name of at most 15 characters, a pattern such as eth.* or default-route',
      instead: 'the label is ignored',
      remedy: 'correct or remove the label',
    });
  }
  const wish = group.interface === undefined ? undefined : readInterfaceWish(group.interface);
  if (!wish || group.interface === undefined) return undefined;
  const from = group.provenance.interface;
  return { wish, text: group.interface, where: from, from };
}

function matches(candidate: NetworkInterface, wish: InterfaceWish): boolean {
  if ('name' in wish) return candidate.name === wish.name;
  if ('pattern' in wish) return wish.pattern.test(candidate.name);
  return candidate.defaultRoute === true;
}

const withoutPrefix = (address: string): string => address.split('/')[0] ?? '';
const isHost = (cidr: string): boolean => /\/(32|128)$/.test(cidr);
/** As `inSubnet`, for canonical addresses: a plan asks for every node, group and address. */
function holds(cidr: string, vip: string): boolean {
  const address = withoutPrefix(vip);
  if (familyOf(cidr) !== familyOf(address)) return false;
  if (familyOf(address) === 6) return inSubnet(address, cidr);
  return ipaddr.IPv4.parse(address).match(ipaddr.IPv4.parseCIDR(cidr));
}

/** Own addresses of an interface that adverts of this group can come from; the group's own addresses are none. */
function addressesFor(candidate: NetworkInterface, group: Group) {
  const virtual = new Set(group.addresses.map(withoutPrefix));
  return candidate.addresses
    .map((cidr) => ({ cidr, address: withoutPrefix(cidr) }))
    .filter(({ address }) => familyOf(address) === group.family && !virtual.has(address))
    .map((host) => ({ ...host, inSubnet: group.addresses.some((vip) => holds(host.cidr, vip)) }));
}

/**
 * Addresses that belong on another interface: those that name one, and, where the group's own is chosen by subnet, those
 * whose subnet another interface holds.
 */
function addressInterfaces(
  interfaces: readonly NetworkInterface[],
  main: NetworkInterface,
  automatic: boolean,
  { node, group, problems }: LabelContext,
): Record<string, string> {
  const elsewhere: Record<string, string> = {};
  const holder = (candidates: readonly NetworkInterface[], vip: string) =>
    candidates.find(({ addresses }) => addresses.some((cidr) => !isHost(cidr) && holds(cidr, vip)));
  for (const vip of group.addresses) {
    const text = group.addressInterfaces?.[vip];
    const wish = text === undefined ? undefined : readInterfaceWish(text);
    const bySubnet = automatic ? holder([main, ...interfaces], vip) : undefined;
    const named = wish ? interfaces.filter((candidate) => matches(candidate, wish)) : [];
    const chosen = wish ? (holder(named, vip) ?? named[0] ?? bySubnet) : bySubnet;
    if (wish && named.length === 0) {
      problems.push({
        code: 'interface-missing',
        severity: 'warning',
        where: group.provenance.addresses,
        group: group.name,
        node: node.id,
        value: readable(text ?? ''),
        message: `node ${node.hostname} has no such interface for ${vip}; it has ${describe(interfaces)}`,
        instead: `${(chosen ?? main).name} is used on this node`,
        remedy: 'correct the interface of the address, or use a pattern',
      });
    }
    if (chosen && chosen.name !== main.name) elsewhere[vip] = chosen.name;
  }
  return elsewhere;
}

/**
 * A node without a tracked interface cannot hold: keepalived refuses a configuration that names one. But an interface
 * that goes away while it is tracked is keepalived's to see; taking the group from the node then would end the fault.
 */
function lacksTracked(
  interfaces: readonly NetworkInterface[],
  tracked: readonly string[],
  { node, group, problems }: LabelContext,
): boolean {
  const missing = (group.trackInterfaces ?? []).filter(
    (name) => !tracked.includes(name) && !interfaces.some((candidate) => candidate.name === name),
  );
  if (missing.length === 0) return false;
  problems.push({
    code: 'tracked-interface-missing',
    severity: 'error',
    where: group.provenance.track_interfaces,
    group: group.name,
    node: node.id,
    value: missing.join(', '),
    message: `node ${node.hostname} has no such interface; it has ${describe(interfaces)}`,
    instead: 'the node cannot hold the addresses of the group',
    remedy: 'correct track_interfaces, or leave the node out of the group',
  });
  return true;
}

function readSource(
  chosen: NetworkInterface,
  automatic: string,
  where: (key: string) => string,
  context: LabelContext,
): Pick<Attachment, 'source' | 'sourceFrom'> {
  const { node, group, called, problems } = context;
  for (const { key, text } of statedBy(node, called, 'address')) {
    const wanted = canonicalAddress(text);
    const own = addressesFor(chosen, group).find(({ address }) => address === wanted);
    if (own) return { source: own.address, sourceFrom: `label ${key}` };
    problems.push({
      code: 'source-address-foreign',
      severity: 'warning',
      where: where(key),
      group: group.name,
      node: node.id,
      value: readable(text),
      message: `expected an address of ${chosen.name}: ${chosen.addresses.join(', ')}`,
      instead: `${automatic} is used`,
      remedy: 'correct or remove the label',
    });
  }
  return { source: automatic, sourceFrom: `address of ${chosen.name}` };
}

function describe(interfaces: readonly NetworkInterface[]): string {
  return interfaces
    .map(({ name, addresses }) => `${name} (${addresses.join(' ') || 'no address'})`)
    .join(', ');
}
