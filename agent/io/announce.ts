// Tells the neighbours where addresses are: one gratuitous ARP or unsolicited neighbour advertisement each.
import type { PlacedAddress } from '../core/anchor.ts';
import { type RunResult, run } from './run.ts';

/**
 * Arguments: pairs of interface and address. Needs NET_RAW, as keepalived does. RFC 5227 §3 (an ARP announcement), RFC
 * 4861 §4.4 (override flag, target link-layer address); 17 is AF_PACKET, 18 and 17 of IPPROTO_IPV6 are
 * IPV6_MULTICAST_HOPS and IPV6_MULTICAST_IF; SIOCGIFINDEX and SIOCGIFHWADDR. An address that has gone meanwhile is skipped.
 */
const announceScript = String.raw`
use strict; use warnings; use Socket qw(:all);
socket(my $any, AF_INET, SOCK_DGRAM, 0) or die "socket: $!\n";
sub ask { my $request = pack 'a16 x24', $_[0]; ioctl($any, $_[1], $request) or die "interface $_[0]: $!\n"; $request }
while (my ($device, $address) = splice @ARGV, 0, 2) {
  my $index = unpack 'x16 i', ask($device, 0x8933);
  my $mac = unpack 'x18 a6', ask($device, 0x8927);
  if ($address =~ /:/) {
    my $own = inet_pton(AF_INET6, $address);
    socket(my $raw, AF_INET6, SOCK_RAW, 58) or die "raw socket: $!\n";
    bind($raw, pack_sockaddr_in6(0, $own)) or next;
    setsockopt($raw, 41, 18, pack 'i', 255) or die "hop limit: $!\n";
    setsockopt($raw, 41, 17, pack 'i', $index) or die "interface $device: $!\n";
    my $advert = pack('C2 n N', 136, 0, 0, 0x20000000) . $own . pack('C2', 2, 1) . $mac;
    send($raw, $advert, 0, pack_sockaddr_in6(0, inet_pton(AF_INET6, 'ff02::1'))) or die "send: $!\n";
  } else {
    my $own = inet_pton(AF_INET, $address);
    socket(my $held, AF_INET, SOCK_DGRAM, 0) or die "socket: $!\n";
    bind($held, pack_sockaddr_in(0, $own)) or next;
    socket(my $raw, 17, SOCK_RAW, 0) or die "packet socket: $!\n";
    my $arp = "\xff" x 6 . $mac . pack('n2 n C2 n', 0x0806, 1, 0x0800, 6, 4, 1) . $mac . $own . "\0" x 6 . $own;
    send($raw, $arp, 0, pack('S n i S C C a8', 17, 0x0806, $index, 0, 0, 6, "\xff" x 6)) or die "send: $!\n";
  }
}
`;

export function announce(addresses: readonly PlacedAddress[]): Promise<RunResult> {
  const pairs = addresses.flatMap((placed) => [placed.interface, placed.address.split('/')[0] ?? '']);
  return run('perl', ['-e', announceScript, ...pairs], 5_000);
}
