// The tables of nftables that keepalived makes for its macvlans, one per family, and removes when it ends. One that was
// killed leaves them, with the number of an interface that the host may give to another one. The image has no `nft`.
import { type RunResult, run } from './run.ts';

/**
 * A batch of nfnetlink: begin (0x10) and end (0x11) for NFNL_SUBSYS_NFTABLES (10), between them NFT_MSG_DELTABLE (2) for
 * NFPROTO_IPV4 (2) or NFPROTO_IPV6 (10) with NFTA_TABLE_NAME (1). That there is no such table (ENOENT, 2) is as good. One
 * batch each, because a batch fails as a whole. NET_ADMIN is enough.
 */
const script = String.raw`
use strict; use warnings;
socket(my $ask, 16, 3, 12) or die "netlink: $!\n";
sub message { my ($type, $flags, $body) = @_; pack('L S S L L', 16 + length $body, $type, $flags, 1, 0) . $body }
my $edge = pack 'C C n', 0, 0, 10;
my $name = "keepalived\0";
my $attribute = pack('S S', 4 + length $name, 1) . $name . "\0" x (-length($name) % 4);
for my $family (2, 10) {
  my $removal = message(0x0a02, 5, pack('C C n', $family, 0, 0) . $attribute);
  syswrite $ask, message(0x10, 1, $edge) . $removal . message(0x11, 1, $edge) or die "netlink: $!\n";
  recv $ask, my $answer, 8192, 0;
  my ($type, $error) = unpack 'x4 S x10 l', $answer;
  next if $type == 2 && ($error == 0 || $error == -2);
  $! = -$error;
  die "family $family: $!\n";
}
`;

export const removeVrrpTables = (): Promise<RunResult> => run('perl', ['-e', script], 5_000);
