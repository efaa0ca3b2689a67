#!/bin/sh
# Makes a bare Debian machine able to run the lab, the tests and the demo: Debian packages, then node_modules.
# First step of `npm test`, `npm run demo` and `npm run lab`; silent and fast when nothing is missing.
# It never starts, stops or alters a service of this machine: packages that carry one are installed with the
# start denied, and a unit that came with them stays disabled.
set -eu
cd "$(dirname "$0")/../.."
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export PATH

fail() {
  echo "bootstrap: $1" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || fail "must run as root (found uid $(id -u)): the lab makes network namespaces and engines. Try sudo."
command -v apt-get >/dev/null 2>&1 && [ -r /etc/debian_version ] ||
  fail "expected Debian (apt-get and /etc/debian_version), found neither here. The lab is built from Debian packages."

# command → the package that brings it. Only what the lab and the tests really call.
missing=
need() {
  command -v "$1" >/dev/null 2>&1 || case " $missing " in *" $2 "*) ;; *) missing="$missing $2" ;; esac
}
need dockerd docker.io
need docker docker.io
need containerd docker.io
need iptables iptables
need docker-registry docker-registry
need mmdebstrap mmdebstrap
need ip iproute2
need nft nftables
need nsenter util-linux
need unshare util-linux
need ping iputils-ping
need fping fping
need chrt util-linux
need flock util-linux
need tcpdump tcpdump
need arping iputils-arping
need ndisc6 ndisc6
need keepalived keepalived
need chromium chromium
need prometheus prometheus
need promtool prometheus
need prometheus-alertmanager prometheus-alertmanager
# A library and no command: where dpkg has it.
ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || missing="$missing libfaketime"

if [ -n "$missing" ]; then
  echo "bootstrap: installing Debian packages:$missing" >&2
  policy=/usr/sbin/policy-rc.d
  # policy-rc.d is Debian's switch for "do not start services now"; 101 means denied.
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  else
    code=0
    "$policy" docker start >/dev/null 2>&1 || code=$?
    [ "$code" = 101 ] ||
      fail "$policy exists and lets services start (exit $code, expected 101). Install these packages by hand:$missing"
  fi
  install() {
    # shellcheck disable=SC2086 # a list of words on purpose
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >"$log" 2>&1
  }
  log=$(mktemp)
  # Lists may be absent (a slim image) or old (a file moved): refresh them once when the first try fails.
  if ! install; then
    echo "bootstrap: refreshing the package lists" >&2
    apt-get update -q >>"$log" 2>&1 || { cat "$log" >&2; fail "apt-get update failed (above)"; }
    install || { cat "$log" >&2; fail "apt-get install failed (above)"; }
  fi
  rm -f "$log"
  # Installed by us for the lab alone: must not begin to run at the next boot either.
  if command -v systemctl >/dev/null 2>&1; then
    for package in $missing; do
      case $package in
      docker.io) units="docker.service docker.socket containerd.service" ;;
      docker-registry) units=docker-registry.service ;;
      keepalived) units=keepalived.service ;;
      prometheus) units=prometheus.service ;;
      prometheus-alertmanager) units=prometheus-alertmanager.service ;;
      *) continue ;;
      esac
      # shellcheck disable=SC2086
      systemctl disable $units >/dev/null 2>&1 || echo "bootstrap: could not disable $units" >&2
    done
  fi
fi

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "bootstrap: npm ci" >&2
  npm ci --no-audit --no-fund --loglevel=error >&2
  # npm leaves an older time stamp when it finds nothing to change.
  touch node_modules/.package-lock.json
fi
