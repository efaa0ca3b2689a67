// arp_announce = 2: an ARP question of the node names the best address of the interface that it leaves by. With the
// kernel's default it names the address that waits for the answer. When that is a virtual one, whoever is asked learns
// it beside the MAC of the interface below its macvlan. keepalived sets arp_ignore and arp_filter there, and not this.
import { type RunResult, run } from './run.ts';

/**
 * By netlink, because /proc/sys is read-only in a container: RTM_SETLINK (19) with IFLA_AF_SPEC (26), AF_INET (2),
 * IFLA_INET_CONF (1), all nested (0x8000), and IPV4_DEVCONF_ARP_ANNOUNCE (18). NET_ADMIN is enough.
 */
const script = String.raw`
use strict; use warnings;
socket(my $ask, 16, 3, 0) or die "netlink: $!\n";
socket(my $any, 2, 2, 0) or die "socket: $!\n";
sub attribute { my ($type, $value) = @_; pack('S S', 4 + length $value, $type) . $value }
for my $device (@ARGV) {
  my $request = pack 'a16 x24', $device;
  ioctl($any, 0x8933, $request) or die "interface $device: $!\n";
  my $nested = attribute(0x801a, attribute(0x8002, attribute(0x8001, attribute(18, pack 'L', 2))));
  my $body = pack('C C S l L L', 0, 0, 0, unpack('x16 i', $request), 0, 0) . $nested;
  syswrite $ask, pack('L S S L L', 16 + length $body, 19, 5, 1, 0) . $body or die "netlink: $!\n";
  recv $ask, my $answer, 8192, 0;
  my $error = unpack 'x16 l', $answer;
  next if $error == 0;
  $! = -$error;
  die "interface $device: $!\n";
}
`;

export function announceBestAddress(interfaces: readonly string[]): Promise<RunResult> {
  return run('perl', ['-e', script, ...interfaces], 5_000);
}
