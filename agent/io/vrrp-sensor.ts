// Which adverts leave and reach this host, of whomever: for what is not ours. Runs only while something is observed or
// somebody else's keepalived is about (observer.ts). A packet capture, unlike the listener of a joiner (probe.ts): a raw
// socket does not hear what this host itself sends. A filter in the kernel passes nothing but protocol 112.
import type { ChildProcess } from 'node:child_process';
import * as v from 'valibot';
import { SeenAdvert } from '../../shared/protocol.ts';
import { canonicalAddress } from '../../shared/words.ts';
import { createLineSplitter } from './lines.ts';
import { spawnTied } from './run.ts';

/**
 * A line for each advert, of one sender at most four a second unless it says something else:
 * interface, "out" when this host puts it on the wire, source, VRID, version, priority, milliseconds, addresses.
 *
 * 17 is AF_PACKET (packet(7)): SOCK_DGRAM begins at the network header; of ETH_P_ALL it also hears what goes out (type
 * 4; type 3 is for another host). The filter is classic BPF: version nibble, then protocol or next header; 26 is
 * SO_ATTACH_FILTER, 0x8910 SIOCGIFNAME. Offsets of VRRP: RFC 5798 §5.1, RFC 3768 §5.1.
 */
const program = String.raw`
use strict; use warnings; use Socket qw(:all);
$| = 1;
sub seconds { open my $file, '<', '/proc/uptime' or die "uptime: $!\n"; (split ' ', readline $file)[0] }
socket(my $raw, 17, SOCK_DGRAM, unpack('S', pack 'n', 3)) or die "packet socket: $!\n";
my $filter = join '', map { pack 'SCCL', @$_ }
  [0x30, 0, 0, 0], [0x54, 0, 0, 0xf0], [0x15, 0, 2, 0x40], [0x30, 0, 0, 9], [0x05, 0, 0, 2],
  [0x15, 0, 3, 0x60], [0x30, 0, 0, 6], [0x15, 0, 1, 112], [0x06, 0, 0, 0xffff], [0x06, 0, 0, 0];
setsockopt($raw, SOL_SOCKET, 26, pack 'S x![P] P', 10, $filter) or die "filter: $!\n";
my %last;
while (defined(my $from = recv($raw, my $packet, 65535, 0))) {
  my (undef, undef, $index, undef, $type) = unpack 'S n i S C', $from;
  next if $type == 3 || length $packet < 20;
  my $six = (ord($packet) >> 4) == 6;
  my $head = $six ? 40 : 4 * (ord($packet) & 15);
  next if length $packet < $head + 8;
  my $source = inet_ntop($six ? AF_INET6 : AF_INET, substr($packet, $six ? 8 : 12, $six ? 16 : 4));
  my ($kind, $vrid, $priority, $count, $auth, $seconds, undef) = unpack 'C6 n', substr $packet, $head;
  my $version = $kind >> 4;
  next unless ($kind & 15) == 1 && ($version == 2 || $version == 3);
  my $interval = $version == 2 ? $seconds * 1000 : ((($auth & 15) << 8) | $seconds) * 10;
  my $size = $six ? 16 : 4;
  next if length $packet < $head + 8 + $count * $size;
  my @addresses = map { inet_ntop($six ? AF_INET6 : AF_INET, substr $packet, $head + 8 + $_ * $size, $size) } 0 .. $count - 1;
  my $request = pack 'a16 i x20', '', $index;
  ioctl($raw, 0x8910, $request) or next;
  my ($device) = unpack 'Z16', $request;
  my $key = join ' ', $device, $type == 4 ? 'out' : 'in', $source, $vrid, $version;
  my $text = join ' ', $key, $priority, $interval, @addresses;
  my $known = $last{$key};
  my $now = seconds();
  next if $known && $known->[0] eq $text && $now - $known->[1] < 0.25;
  %last = () if keys %last > 1000;
  $last{$key} = [$text, $now];
  print "$text\n";
}
die "receive: $!\n";
`;

export interface VrrpSensor {
  stop(): void;
}

export interface Sensed {
  readonly advert: SeenAdvert;
  /** This host has put it on the wire: sent or, as a bridge, passed on. */
  readonly outgoing: boolean;
}

export function startVrrpSensor(
  onSensed: (sensed: Sensed) => void,
  onDeaf: (why: string | undefined) => void,
): VrrpSensor {
  let stopped = false;
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  const listen = () => {
    let words = '';
    child = spawnTied('perl', ['-e', program]);
    child.stdout?.on(
      'data',
      createLineSplitter((line) => {
        onDeaf(undefined);
        const sensed = readSensed(line);
        if (sensed) onSensed(sensed);
      }),
    );
    child.stderr?.on('data', (data) => {
      words = `${words}${data}`.slice(-500);
    });
    child.on('error', (error) => {
      words = error.message;
    });
    child.on('close', (code) => {
      if (stopped) return;
      onDeaf(words.trim() || `exit code ${code}`);
      timer = setTimeout(listen, 1000);
    });
  };
  listen();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
      child?.kill('SIGKILL');
    },
  };
}

/** Undefined for what is no VRRP of this world: anybody on the network can send it. Exported for tests. */
export function readSensed(line: string): Sensed | undefined {
  const [link, direction, source = '', vrid, version, priority, interval, ...addresses] = line.split(' ');
  const parsed = v.safeParse(SeenAdvert, {
    interface: link,
    source: canonicalAddress(source),
    vrid: Number(vrid),
    version: Number(version),
    priority: Number(priority),
    intervalMs: Number(interval),
    addresses: addresses.map(canonicalAddress).slice(0, 64),
  });
  return parsed.success ? { advert: parsed.output, outgoing: direction === 'out' } : undefined;
}
