#!/usr/bin/env bash
# Serves an engine's unix socket on a loopback port with mutual TLS, until it is killed.
#
# usage: tls-front.sh SOCKET CERTIFICATES PORT [ADDRESS SUBNET]
#   CERTIFICATES   a folder of certificates for 127.0.0.1 or ADDRESS; filled if they are missing
#   ADDRESS        this machine's address on one of the engine's networks, in place of loopback
#   SUBNET         the network that callers must come from, like 172.20.0.0/16
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"; else sudo -n "$@"; fi
}

install_socat() {
  local problem="socat is missing, and could not be installed; install it and run this again."
  command -v apt-get >/dev/null || fail "$problem"
  printf '==> installing socat with apt-get\n' >&2
  install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends socat)
  as_root "${install[@]}" >/dev/null 2>&1 && return
  as_root apt-get update -qq >/dev/null 2>&1 || true
  as_root "${install[@]}" >/dev/null 2>&1 || fail "$problem"
}

[[ $# -eq 3 || $# -eq 5 ]] || fail "usage: tls-front.sh SOCKET CERTIFICATES PORT [ADDRESS SUBNET]"
command -v socat >/dev/null || install_socat
if [[ $# -eq 5 ]]; then
  readonly address=$4 range=,range=$5
  "$here/certificates.sh" "$2" "IP:$address"
else
  readonly address=127.0.0.1 range=''
  "$here/certificates.sh" "$2" IP:127.0.0.1 DNS:localhost
fi
server=$2/server
# Like dockerd, it tells a client that it refuses its certificate. A client that has sent all input of
# a command still waits for the output, longer than socat waits by default.
exec socat -t 30 "OPENSSL-LISTEN:$3,bind=$address$range,reuseaddr,fork,cert=$server/cert.pem,key=$server/key.pem,cafile=$server/ca.pem,verify=1" \
  "UNIX-CONNECT:$1"
