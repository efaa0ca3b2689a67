# Renews the kernel's leases on the addresses that keepalived holds, so that an address whose keepalived is gone, or
# does nothing any more, vanishes by itself. Started and restarted by init.sh; needs no Node.
#
#   perl lease.pl RUN_DIR
#
# RUN_DIR/leases (written by agent/core/lease.ts), in seconds:   LEASE PERIOD PATIENCE
# then a line for each group, hexadecimal address @ interface:   ANCHOR@lo ADDRESS@eth0 ...
#
# What keeps it from ever making a second holder:
# - RTM_NEWADDR with NLM_F_REPLACE alone still creates an absent address. With IFA_F_MCAUTOJOIN the kernel refuses to
#   create anything that is not multicast (EINVAL), and changes what is there all the same. Tried on lo at the start.
# - A group's addresses are renewed only after its anchor was: keepalived puts the anchor up as MASTER and takes it
#   down first.
# - Only while keepalived's VRRP process lives, is not stopped, and has done anything within PATIENCE.
use strict; use warnings;

my $run = shift // die "usage: lease.pl RUN_DIR\n";
$run =~ s{/+$}{};
my ($permanent, $einval) = (0x80, 22);
my ($lease, $period, $patience) = (0, 1, 1);
my %count = (starts => 0, rounds => 0, renewed => 0, absent => 0);
my ($sequence, $idle, $activity, $active_at, %said) = (0, '', '', 0);

sub slurp { open my $file, '<', $_[0] or return ''; local $/; my $text = readline $file; $text // '' }
sub seconds { (split ' ', slurp('/proc/uptime'))[0] }
sub say_it { syswrite STDOUT, qq({"level":"$_[0]","program":"lease","msg":"$_[1]"}\n) }

# AF_NETLINK, SOCK_RAW, NETLINK_ROUTE; the second one hears RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR.
socket(my $ask, 16, 3, 0) or die "netlink: $!\n";
socket(my $hear, 16, 3, 0) or die "netlink: $!\n";
bind($hear, pack 'S S L L', 16, 0, 0, 0x10 | 0x100) or die "netlink: $!\n";
socket(my $any, 2, 2, 0) or die "socket: $!\n";

# SIOCGIFINDEX
sub index_of { my $request = pack 'a16 x24', $_[0]; ioctl($any, 0x8933, $request) ? unpack 'x16 i', $request : undef }

sub attribute { my ($type, $value) = @_; pack('S S', 4 + length $value, $type) . $value }

# One system call for up to 32 addresses, and one for each answer. Returns how many were there.
sub request {
  my ($type, $flags, @addresses) = @_;
  my $there = 0;
  while (my @some = splice @addresses, 0, 32) {
    my $batch = '';
    for (@some) {
      my ($hex, $interface) = split /@/, $_, 2;
      my $index = index_of($interface) // next;
      my $raw = pack 'H*', $hex;
      my $six = length $raw == 16;
      # IFA_F_MCAUTOJOIN; for v6 also IFA_F_NODAD and IFA_F_NOPREFIXROUTE. Preferred 0 keeps v6 from being a source.
      my $body = pack('C4 L', $six ? 10 : 2, 8 * length $raw, 0, 0, $index)
        . attribute(2, $raw) . attribute(1, $raw) . attribute(8, pack 'L', $six ? 0x602 : 0x400)
        . attribute(6, pack 'L4', $six ? 0 : $lease, $lease, 0, 0);
      $batch .= pack('L S S L L', 16 + length $body, $type, $flags, ++$sequence, 0) . $body;
    }
    next if $batch eq '';
    syswrite $ask, $batch or die "netlink: $!\n";
    # The kernel has answered before the write returns.
    while (defined recv $ask, my $answer, 8192, 0x40) {
      my ($kind, $error) = unpack 'x4 S x10 l', $answer;
      next unless $kind == 2;
      if ($error == 0) { $there++ } elsif ($error != -$einval) { $! = -$error; say_it('warn', "the kernel says: $!") unless $said{$error}++ }
    }
  }
  $there;
}
# NLM_F_REQUEST, NLM_F_ACK, NLM_F_REPLACE
sub renew { my $there = request(20, 0x105, @_); $count{renewed} += $there; $count{absent} += @_ - $there; $there }

# An address of our own range on lo that nobody has: if the kernel takes it, renewals could make holders.
sub refuse_unsafe_kernel {
  $lease = 1;
  for ('7f70ffff@lo', '0100' . '0' x 20 . 'ff00ffff@lo') {
    next unless request(20, 0x105, $_);
    request(21, 5, $_);
    say_it('error', 'this kernel creates an absent address on renewal: addresses get no leases');
    publish('unsafe');
    sleep 86400 while 1;
  }
}

sub publish {
  open my $file, '>', "$run/lease.stats.new" or return;
  syswrite $file, join(' ', $_[0], map { "$_ $count{$_}" } sort keys %count) . "\n" or return;
  close $file;
  rename "$run/lease.stats.new", "$run/lease.stats";
}

sub read_list {
  my ($head, @lines) = split /\n/, slurp("$run/leases");
  return unless defined $head && $head =~ /^(\d+) ([\d.]+) ([\d.]+)$/;
  ($lease, $period, $patience) = ($1, $2, $3);
  map { [split ' '] } @lines;
}

# Why nothing is renewed, or ''.
sub why_not {
  my ($pid) = slurp("$run/vrrp.pid") =~ /^(\d+)/ or return 'keepalived does not run';
  my ($comm, $state, @rest) = slurp("/proc/$pid/stat") =~ /^\d+ \((.*)\) (\S) (.*)/s or return 'keepalived is gone';
  return 'keepalived is gone' if $comm ne 'keepalived' || $state =~ /[ZXx]/;
  return 'keepalived is gone' if index(slurp("/proc/$pid/cmdline"), "\0$run/keepalived.conf\0") < 0;
  return 'keepalived is stopped' if $state =~ /[Tt]/;
  # utime and stime, and how often it was switched: a master works several times each interval.
  my ($user, $system) = (split ' ', $rest[0])[10, 11];
  my $now = join ' ', $pid, $user, $system, slurp("/proc/$pid/status") =~ /ctxt_switches:\s*(\d+)/g;
  ($activity, $active_at) = ($now, seconds()) if $now ne $activity;
  seconds() - $active_at > $patience ? 'keepalived hangs' : '';
}

sub round {
  my @groups = read_list();
  my $why = @groups ? why_not() : 'nothing to hold';
  if ($why ne $idle) { say_it('info', $why eq '' ? 'renews leases' : "renews nothing: $why"); $idle = $why }
  if ($why eq '') { for (@groups) { my ($anchor, @own) = @$_; renew(@own) if renew($anchor) } }
  $count{rounds}++;
  publish($why eq '' ? 'renewing' : 'idle');
}

# True when an address without a lease has come, or when events were lost.
sub heard {
  my $look = 0;
  while (defined recv $hear, my $events, 65536, 0x40) {
    for (my $at = 0; $at + 24 <= length $events;) {
      my ($length, $type, $prefix, $flags) = unpack 'L S x11 C C', substr $events, $at, 24;
      $look ||= $type == 20 && ($flags & $permanent) && ($prefix == 32 || $prefix == 128);
      last if $length < 16;
      $at += ($length + 3) & ~3;
    }
  }
  # 11 is EAGAIN, "no more".
  $look || $! != 11;
}

(($count{starts}) = slurp("$run/lease.stats") =~ /starts (\d+)/) or $count{starts} = 0;
$count{starts}++;
refuse_unsafe_kernel();
my ($last, $due) = (0, 0);
while (1) {
  my $wait = $due - seconds();
  if ($wait <= 0) { round(); $last = seconds(); $due = $last + $period; next }
  my $ready = '';
  vec($ready, fileno $hear, 1) = 1;
  # A host that starts a hundred containers sends thousands of events: at most fifty rounds a second.
  $due = $last + 0.02 if select($ready, undef, undef, $wait) > 0 && heard();
}
