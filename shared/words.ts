// The words both sides share: branded names and the limits of every value that crosses an edge.
// Source of the limits: RFC 5798 (VRRP), RFC 1123 (names), keepalived.conf(5).
import ipaddr from 'ipaddr.js';
import * as v from 'valibot';

/** Docker Swarm node id: 25 characters of [a-z0-9]. Hostnames may repeat, ids never do. */
export const NodeId = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9]{25}$/, 'expected a Swarm node id'),
  v.brand('NodeId'),
);
export type NodeId = v.InferOutput<typeof NodeId>;

/** Name of a group (one virtual router). Used as keepalived's instance name, hence the narrow alphabet. */
export const GroupName = v.pipe(
  v.string(),
  v.regex(
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/,
    'expected 1 to 63 of A-Z a-z 0-9 _ . - beginning with a letter or a digit',
  ),
  v.brand('GroupName'),
);
export type GroupName = v.InferOutput<typeof GroupName>;

/** Virtual router id, 1 to 255 (RFC 5798 §5.2.3). */
export const Vrid = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(255), v.brand('Vrid'));
export type Vrid = v.InferOutput<typeof Vrid>;

/** VRRP priority of a backup, 1 to 254; 255 means address owner and 0 "I stop" (RFC 5798 §5.2.4). */
export const Priority = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(254));

/** Linux interface name: at most 15 characters (IFNAMSIZ − 1). */
export const InterfaceName = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}$/, 'expected an interface name of at most 15 characters'),
);

/** An IPv4 or IPv6 address in its canonical text form, without prefix or zone. */
export const Address = v.pipe(
  v.string(),
  v.check((text) => canonicalAddress(text) === text, 'expected a canonical IPv4 or IPv6 address'),
);

/** A host address with its prefix, always /32 or /128 (kernel leases and removals are only safe on these). */
export const VirtualAddress = v.pipe(
  v.string(),
  v.check((text) => {
    const [address = '', prefix] = text.split('/');
    const canonical = canonicalAddress(address);
    return canonical === address && prefix === (address.includes(':') ? '128' : '32');
  }, 'expected an address with prefix /32 or /128'),
);

/** VRRPv2 simple password: 1 to 8 printable characters that keepalived.conf takes literally. */
export const VrrpPassword = v.pipe(
  v.string(),
  v.regex(/^[^\s"'{}!#$@\\]{1,8}$/, 'expected 1 to 8 printable characters, none of " \' { } ! # $ @ \\'),
  v.regex(/^[\x21-\x7e]+$/, 'expected ASCII'),
);

/** Human words in frames: bounded, so that a peer cannot flood a log; one line, so that it cannot forge a second. */
export const Words = v.pipe(
  v.string(),
  v.maxLength(2000),
  v.transform((text) => text.replace(/\p{Cc}+/gu, ' ')),
);

/** A host's name as an agent reports it; it ends up in tables and logs. */
export const Hostname = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.-]{1,253}$/, 'expected a host name'));

/** Canonical text of an address, or undefined when it is none (four decimal parts, or IPv6 as in RFC 5952). */
export function canonicalAddress(text: string): string | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text).toString();
  if (text.includes(':') && !text.includes('%') && ipaddr.IPv6.isValid(text)) {
    return ipaddr.IPv6.parse(text).toRFC5952String();
  }
  return undefined;
}

/** Whether `address` lies in the subnet of `cidr` (an interface's "10.0.0.7/24"); false for mixed families. */
export function inSubnet(address: string, cidr: string): boolean {
  const host = ipaddr.parse(address);
  const [network, prefix] = ipaddr.parseCIDR(cidr);
  return host.kind() === network.kind() && host.match(network, prefix);
}

/** "4" or "6". */
export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}
