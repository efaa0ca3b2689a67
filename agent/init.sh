#!/bin/sh
# PID 1 of the agent's container: tiny, because it must never die. It keeps Node running and leaves keepalived alone
# when Node dies, so that VRRP goes on whatever happens to the agent.
#
#   init.sh [COMMAND ARG...]     the agent; default: node agent.js beside this file
#
# The agent ends with 0 after a finished stop and with 78 when its settings cannot be used; after anything else it is
# started again and finds keepalived running. POSIX sh (dash): no arrays, no wait -n.
set -u

RUN_DIR=${RUN_DIR:-/run/swarm-vip}
STATE_DIR=${STATE_DIR:-/var/lib/swarm-vip}
if [ $# -eq 0 ]; then
  # A small heap, and no optimising compiler, which costs 7 to 10 MB and gains an agent nothing: the node is there for
  # the services.
  set -- node --max-old-space-size=96 --max-semi-space-size=1 --lite-mode "$(dirname "$0")/agent.js"
fi

# Both limits together stay below the usual stop_grace_period of 15 s.
agent_stop_tenths=80
keepalived_stop_tenths=40
watch_period_s=3
watch_misses=5

stopping=
agent=

say() {
  printf '{"level":"%s","program":"init","msg":"%s"}\n' "$1" "$2"
}

on_stop() {
  stopping=1
  [ -n "$agent" ] && kill -TERM "$agent" 2>/dev/null
}
trap on_stop TERM INT

# Two agents on one host would fight over the same addresses, and an update may start the new one before the old one
# has ended. The kernel frees the lock with the last process that holds it, however that ends.
take_lock() {
  if [ ! -d "$STATE_DIR" ]; then
    say warn "$STATE_DIR is missing: goes on without lock and memory; mount a volume there"
    return
  fi
  # The directory itself: works on a read-only or full disk.
  exec 9<"$STATE_DIR"
  export AGENT_LOCK_FD=9
  said=
  until flock -w 1 9; do
    [ -n "$stopping" ] && exit 0
    [ -z "$said" ] && say warn "another agent runs on this host: waits for its end"
    said=1
  done
}

# Kills an agent whose heartbeat stands still. Counting looks rather than comparing clocks keeps it right when the
# clock jumps or the machine was suspended.
watch_heartbeat() {
  trap - TERM INT
  last= misses=0
  while sleep "$watch_period_s"; do
    beat=
    [ -r "$RUN_DIR/heartbeat" ] && read -r beat <"$RUN_DIR/heartbeat"
    if [ "$beat" = "$last" ]; then misses=$((misses + 1)); else misses=0; fi
    last=$beat
    if [ "$misses" -ge "$watch_misses" ]; then
      say error "the agent hangs: kills it"
      : >"$RUN_DIR/hung"
      kill -KILL "$1" 2>/dev/null
      return
    fi
  done
}

# Leases on held addresses are renewed beside Node, so that nothing that befalls Node takes an address away.
keep_leases() {
  trap - TERM INT
  while :; do
    perl "$(dirname "$0")/lease.pl" "$RUN_DIR"
    say error "the renewer of leases ended with code $?: starts it again"
    sleep 0.1
  done
}

# Waits for the end of a process; a stop signal cuts one wait short. Leaves the exit code in $code.
wait_for_agent() {
  while :; do
    wait "$agent"
    code=$?
    [ -n "$stopping" ] && return
    kill -0 "$agent" 2>/dev/null || return
  done
}

# A foreground sleep lets the shell reap, so that kill -0 tells the truth about an ended child.
await_end() { # PID TENTHS
  tenths=0
  while kill -0 "$1" 2>/dev/null; do
    [ "$tenths" -ge "$2" ] && return 1
    sleep 0.1
    tenths=$((tenths + 1))
  done
}

# For the case that no agent could do it.
stop_keepalived() {
  pid=
  [ -r "$RUN_DIR/keepalived.pid" ] && read -r pid <"$RUN_DIR/keepalived.pid"
  [ -n "$pid" ] || return 0
  comm=
  [ -r "/proc/$pid/comm" ] && read -r comm <"/proc/$pid/comm"
  [ "$comm" = keepalived ] || return 0
  say warn "stops keepalived itself"
  kill -TERM "$pid" 2>/dev/null
  await_end "$pid" "$keepalived_stop_tenths"
}

finish() {
  if ! await_end "$agent" "$agent_stop_tenths"; then
    say error "the agent did not stop in time: kills it"
    kill -KILL "$agent" 2>/dev/null
    await_end "$agent" 10
  fi
  stop_keepalived
  exit "$1"
}

mkdir -p "$RUN_DIR" && chmod 700 "$RUN_DIR"
take_lock
[ "${LEASE:-}" = off ] || keep_leases &
# The pause before a restart, in tenths of a second: 2, 4, 8 … 50, and 2 again after a minute of life.
pause=2
while :; do
  [ -n "$stopping" ] && { stop_keepalived; exit 0; }
  read -r uptime _ </proc/uptime
  began=${uptime%.*}
  "$@" &
  agent=$!
  # A stop signal between the test above and this line has found no agent to pass it to.
  [ -n "$stopping" ] && kill -TERM "$agent" 2>/dev/null
  watch_heartbeat "$agent" &
  watcher=$!
  wait_for_agent
  kill "$watcher" 2>/dev/null
  [ -n "$stopping" ] && finish 0
  case $code in
    0) stop_keepalived; exit 0 ;;
    78) stop_keepalived; exit 78 ;;
  esac
  read -r uptime _ </proc/uptime
  [ $((${uptime%.*} - began)) -ge 60 ] && pause=2
  say error "the agent ended with code $code: starts it again in ${pause} tenths of a second; keepalived goes on"
  n=0
  while [ "$n" -lt "$pause" ] && [ -z "$stopping" ]; do
    sleep 0.1
    n=$((n + 1))
  done
  export AGENT_LAST_EXIT="$code"
  pause=$((pause * 2))
  [ "$pause" -gt 50 ] && pause=50
done
