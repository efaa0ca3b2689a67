// Evidence for the pause rule: does anybody answer for an address, and does the holder send us its adverts?
import type { ChildProcess } from 'node:child_process';
import type { Instance } from '../../shared/protocol.ts';
import { familyOf } from '../../shared/words.ts';
import { anchorOf, type PlacedAddress } from '../core/anchor.ts';
import { run, spawnTied } from './run.ts';

export type Answer =
  | { readonly kind: 'silence' }
  | { readonly kind: 'answer'; readonly address: string; readonly mac: string }
  | { readonly kind: 'unknown'; readonly why: string };

export interface Probe {
  ask(addresses: readonly PlacedAddress[]): Promise<Answer>;
  /** Waits for the first advert. Returns how to stop waiting. */
  listen(instance: Listening, onHeard: () => void, onFailed: (why: string) => void): () => void;
}

/** How many addresses are asked for at once. */
const width = 32;

/** Asks for every address, a second each, all at once; the first answer decides. */
export async function askAddresses(addresses: readonly PlacedAddress[]): Promise<Answer> {
  for (let from = 0; from < addresses.length; from += width) {
    const part = addresses.slice(from, from + width);
    const answers = await Promise.all(part.map((placed) => askAddress(placed)));
    const found =
      answers.find((answer) => answer.kind === 'answer') ??
      answers.find((answer) => answer.kind === 'unknown');
    if (found) return found;
  }
  return { kind: 'silence' };
}

async function askAddress({ address: virtual, interface: link }: PlacedAddress): Promise<Answer> {
  const [address = ''] = virtual.split('/');
  // Duplicate address detection: it asks from 0.0.0.0, so that no neighbour learns a wrong sender.
  const [command, args] =
    familyOf(address) === 4
      ? (['arping', ['-D', '-f', '-w', '1', '-I', link, address]] as const)
      : (['ndisc6', ['-1', '-r', '1', '-w', '1000', address, link]] as const);
  const { code, stdout, stderr } = await run(command, args, 5_000);
  const mac = /\b([0-9a-f]{2}(?::[0-9a-f]{2}){5})\b/i.exec(stdout)?.[1]?.toLowerCase();
  if (mac !== undefined) return { kind: 'answer', address, mac };
  // arping ends with 0 after silence under -D, ndisc6 with 2.
  if (code === (command === 'arping' ? 0 : 2) && !/error|cannot|invalid/i.test(stderr))
    return { kind: 'silence' };
  return {
    kind: 'unknown',
    why: `${command} ${address} on ${link}: ${stderr.trim() || `exit code ${code}`}`,
  };
}

/**
 * Ends with 0 at the first advert that this instance would take for its holder's: VRID, version, password and (version
 * 2) interval as ours, nothing but our anchor in it (keepalived refuses any other list of addresses, so a hand-run one
 * with the same VRID is another router), from one of the peers, to our own source or the group's multicast address, on
 * the interface; priority 0 ("I stop") does not count. Arguments: 4 or 6, interface, source, anchor, VRID, version,
 * seconds (version 2), unicast or multicast, peers; on standard input the password.
 *
 * It hears exactly what keepalived hears, a raw socket behind the host's firewall. A packet capture sits before the
 * firewall: it would hear a holder that keepalived cannot hear, and so make a second one. Perl is in every Debian
 * (perl-base is essential), and unlike tcpdump it needs no capability but NET_RAW. Offsets: RFC 5798 §5.1, RFC 3768
 * §5.1; 35 and 20 are IP_ADD_MEMBERSHIP and IPV6_JOIN_GROUP, 0x8933 is SIOCGIFINDEX.
 */
const hearAdvert = String.raw`
use strict; use warnings; use Socket qw(:all);
my ($family, $device, $source, $anchor, $vrid, $version, $seconds, $transport, @peers) = @ARGV;
my $password = <STDIN> // '';
my $six = $family == 6;
my $many = $transport eq 'multicast';
my $af = $six ? AF_INET6 : AF_INET;
socket(my $raw, $af, SOCK_RAW, 112) or die "raw socket: $!\n";
setsockopt($raw, SOL_SOCKET, 25, "$device\0") or die "interface $device: $!\n";
my $own = inet_pton($af, $source);
my $mark = inet_pton($af, $anchor);
my $to = $many ? inet_pton($af, $six ? 'ff02::12' : '224.0.0.18') : $own;
if ($many && $six) {
  my $request = pack 'a16 x24', $device;
  ioctl($raw, 0x8933, $request) or die "interface $device: $!\n";
  setsockopt($raw, 41, 20, $to . pack('I', unpack 'x16 i', $request)) or die "multicast group: $!\n";
} elsif ($many) {
  setsockopt($raw, 0, 35, $to . $own) or die "multicast group: $!\n";
}
# The address a v6 group joins is bound per interface by the device above.
unless ($many && $six) {
  bind($raw, $six ? pack_sockaddr_in6(0, $to) : pack_sockaddr_in(0, $to)) or die "address $source: $!\n";
}
my %peer = map { inet_pton($af, $_) => 1 } @peers;
while (defined(my $from = recv($raw, my $packet, 65535, 0))) {
  my $sender = $six ? (unpack_sockaddr_in6($from))[1] : (unpack_sockaddr_in($from))[1];
  # Multicast over v6 comes from link-local addresses, which nobody has told us.
  next unless $peer{$sender} || ($many && $six);
  # keepalived takes what no router has passed on (RFC 5798 §5.1.1.3); a raw v6 socket does not show the hop limit.
  next unless $six || ord(substr $packet, 8, 1) == 255;
  substr($packet, 0, 4 * (ord($packet) & 15)) = '' unless $six;
  my ($kind, $id, $priority, $count, $auth, $interval) = unpack 'C6', $packet;
  next unless defined $interval && $kind == $version * 16 + 1 && $id == $vrid && $priority > 0;
  next unless $count == 1 && substr($packet, 8, length $mark) eq $mark;
  if ($version == 2) {
    next unless $auth == (length $password ? 1 : 0) && $interval == $seconds;
    my ($word) = unpack 'Z8', substr($packet, 8 + 4 * $count) . "\0" x 8;
    next unless $auth == 0 || substr($word, 0, 8) eq $password;
  }
  exit 0;
}
die "receive: $!\n";
`;

export type Listening = Pick<
  Instance,
  'source' | 'peers' | 'vrid' | 'interface' | 'version' | 'intervalMs' | 'password' | 'transport'
>;

/** Waits for the first advert. Returns how to stop waiting. */
export function listenForAdvert(
  instance: Listening,
  onHeard: () => void,
  onFailed: (why: string) => void,
): () => void {
  if (instance.peers.length === 0) return () => undefined;
  const args = [
    '-e',
    hearAdvert,
    String(familyOf(instance.source)),
    instance.interface,
    instance.source,
    anchorOf(instance).address.replace(/\/.*/, ''),
    String(instance.vrid),
    String(instance.version),
    String(instance.intervalMs / 1000),
    instance.transport ?? 'unicast',
    ...instance.peers.map((peer) => peer.address),
  ];
  let stopped = false;
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  const listen = () => {
    let words = '';
    let failure: string | undefined;
    child = spawnTied('perl', args, instance.password);
    child.stdout?.resume();
    child.stderr?.on('data', (data) => {
      words = `${words}${data}`.slice(-500);
    });
    child.on('error', (error) => {
      failure = error.message;
    });
    child.on('close', (code) => {
      if (stopped) return;
      if (code === 0) return onHeard();
      onFailed(failure ?? (words.trim() || `exit code ${code}`));
      timer = setTimeout(listen, 1000);
    });
  };
  listen();
  return () => {
    stopped = true;
    clearTimeout(timer);
    child?.kill('SIGKILL');
  };
}

export const probe: Probe = { ask: askAddresses, listen: listenForAdvert };
