#!/usr/bin/env bash
# Runs a command with a new server on a free port, which has its own deployment on the engine.
# Afterwards it ends the command's leases. It fails if the command failed, if a container was left
# without a lease, or if the server panicked.
#
# usage: with-server.sh COMMAND…
#
# The command's environment has CONTAINERLEASE_URL, the server's URL, and SERVER_PID, its process.
#
# environment: the server's settings, and DOCKER_HOST, the engine
#   CONTAINERLEASE_TEST_SERVER   the binary to start (the workspace's own, which is then built)
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/say.sh"

cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ $# -ge 1 ]] || fail "usage: with-server.sh COMMAND…"
binary=${CONTAINERLEASE_TEST_SERVER:-}
if [[ -z $binary ]]; then
  cargo build --quiet --package containerlease-cli
  binary=${CARGO_TARGET_DIR:-target}/debug/containerlease
fi
own=$(mktemp -d)
deployment=test-driven-$$
containers() { docker ps --all --quiet --filter "label=containerlease.deployment=$deployment"; }

: >"$own/server.out"
CONTAINERLEASE_LISTEN=127.0.0.1:0 CONTAINERLEASE_DATA=$own/data CONTAINERLEASE_DEPLOYMENT=$deployment \
  "$binary" serve >"$own/server.out" 2>"$own/server.log" &
server=$!
# shellcheck disable=SC2317  # The trap below calls it.
clean_up() {
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" || true
  containers | xargs -r docker rm --force --volumes >/dev/null
  docker network ls --quiet --filter "label=containerlease.deployment=$deployment" |
    xargs -r docker network rm >/dev/null 2>&1 || true
  rm -rf "$own"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

url=
for ((i = 0; i < 100; i++)); do
  url=$(sed -n 's/^ContainerLease is on //p' "$own/server.out")
  [[ -z $url ]] || break
  sleep 0.1
done
[[ -n $url ]] || fail "the server does not start: $(tail -n 3 "$own/server.log")"

failed=0
CONTAINERLEASE_URL=$url SERVER_PID=$server "$@" || { tail -n 30 "$own/server.log" >&2; failed=1; }
! grep -n panicked "$own/server.log" || failed=1

# Delete all leases. A container that is left then had no lease.
for id in $(curl --fail --silent "$url/api/containers" | grep -o '"id":"[^"]*"' | cut -d '"' -f 4); do
  curl --fail --silent --output /dev/null --request DELETE "$url/api/containers/$id"
done
left=$(containers | wc -l)
[[ $left -eq 0 ]] || { printf 'with-server.sh: %s containers have no lease\n' "$left" >&2; failed=1; }
exit "$failed"
