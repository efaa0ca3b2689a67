// The ARP settings of an interface below a macvlan, read and written. keepalived sets arp_ignore and arp_filter there, and
// leaves them so when it ends; not arp_announce = 2, by which an ARP question of the node names the best address of the
// interface that it leaves by. With the kernel's default it names the address that waits for the answer. When that is a
// virtual one, whoever is asked learns it beside the MAC of the interface.
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { type RunResult, run } from './run.ts';

const Setting = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255));
export const ArpSettings = v.object({ arp_announce: Setting, arp_ignore: Setting, arp_filter: Setting });
export type ArpSettings = v.InferOutput<typeof ArpSettings>;

/** IPV4_DEVCONF_… of linux/ip.h. */
const numbers = { arp_announce: 18, arp_ignore: 19, arp_filter: 13 } as const;
export const arpNames = Object.keys(numbers) as (keyof ArpSettings)[];

/** Undefined when the interface does not exist. */
export function readArp(link: string): ArpSettings | undefined {
  const read = (name: string) => Number(readFileSync(`/proc/sys/net/ipv4/conf/${link}/${name}`, 'utf8'));
  try {
    return v.parse(ArpSettings, Object.fromEntries(arpNames.map((name) => [name, read(name)])));
  } catch {
    return undefined;
  }
}

/**
 * By netlink, because /proc/sys is read-only in a container: RTM_SETLINK (19) with IFLA_AF_SPEC (26), AF_INET (2),
 * IFLA_INET_CONF (1), all nested (0x8000), and the settings. NET_ADMIN is enough.
 */
const script = String.raw`
use strict; use warnings;
socket(my $ask, 16, 3, 0) or die "netlink: $!\n";
socket(my $any, 2, 2, 0) or die "socket: $!\n";
sub attribute { my ($type, $value) = @_; pack('S S', 4 + length $value, $type) . $value }
while (@ARGV) {
  my ($device, @settings) = split m{/}, shift;
  my $request = pack 'a16 x24', $device;
  ioctl($any, 0x8933, $request) or die "interface $device: $!\n";
  my $values = join '', map { my ($type, $value) = split /=/; attribute($type, pack 'L', $value) } @settings;
  my $nested = attribute(0x801a, attribute(0x8002, attribute(0x8001, $values)));
  my $body = pack('C C S l L L', 0, 0, 0, unpack('x16 i', $request), 0, 0) . $nested;
  syswrite $ask, pack('L S S L L', 16 + length $body, 19, 5, 1, 0) . $body or die "netlink: $!\n";
  recv $ask, my $answer, 8192, 0;
  my $error = unpack 'x16 l', $answer;
  next if $error == 0;
  $! = -$error;
  die "interface $device: $!\n";
}
`;

/** Stops at the first interface that refuses; the error names it. */
export function writeArp(wanted: Readonly<Record<string, Partial<ArpSettings>>>): Promise<RunResult> {
  const args = Object.entries(wanted).map(([link, settings]) =>
    [
      link,
      ...arpNames.flatMap((name) =>
        settings[name] === undefined ? [] : `${numbers[name]}=${settings[name]}`,
      ),
    ].join('/'),
  );
  return run('perl', ['-e', script, ...args], 5_000);
}
