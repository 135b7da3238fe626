#!/usr/bin/env bash
# Drives a running server from the description that it serves: valid requests and invalid
# ones of every operation, and chains of them, each answer held against the description. It
# leases real containers on the engine, a few at a time, and leaves none.
#
# usage: fuzz.sh [CASES]
#
# CASES is how many requests of each operation are made up (400), beside those that follow
# from the description's bounds and links.
#
# environment:
#   CONTAINERLEASE_FUZZ_SEED      repeats a run; each prints its seed
#   CONTAINERLEASE_FUZZ_VENV      where schemathesis is kept (.containerlease/fuzz/venv)
#   CONTAINERLEASE_EMULATOR_PYTHON   the Python to make it with (python3)
#   DOCKER_HOST                   the engine
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

say() { printf '==> %s\n' "$*" >&2; }
fail() {
  printf 'fuzz.sh: %s\n' "$*" >&2
  exit 1
}

[[ $# -le 1 && ${1:-400} =~ ^[1-9][0-9]*$ ]] || fail "usage: fuzz.sh [CASES]"
cases=${1:-400}
seed=${CONTAINERLEASE_FUZZ_SEED:-$((RANDOM * 32768 + RANDOM))}
venv=${CONTAINERLEASE_FUZZ_VENV:-$PWD/.containerlease/fuzz/venv}

# schemathesis wants an environment to itself.
infra/venv.sh "$here/requirements.txt" "$venv" "schemathesis (once, half a minute)"

cargo build --quiet --package containerlease-cli
work=$(mktemp -d)
deployment=fuzz-$$
containers() { docker ps --all --quiet --filter "label=containerlease.deployment=$deployment"; }

# A few leases at once are enough, and the host has room for whatever is asked.
CONTAINERLEASE_LISTEN=127.0.0.1:0 CONTAINERLEASE_DATA=$work/data CONTAINERLEASE_DEPLOYMENT=$deployment \
  CONTAINERLEASE_MAX_LEASES=4 CONTAINERLEASE_HOST_CPU_MILLI=100000 CONTAINERLEASE_HOST_MEMORY_MB=100000 \
  "${CARGO_TARGET_DIR:-target}/debug/containerlease" serve >"$work/server.out" 2>"$work/server.log" &
server=$!
clean_up() {
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" || true
  containers | xargs -r docker rm --force --volumes >/dev/null
  docker network rm "$deployment" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

url=
for ((i = 0; i < 100; i++)); do
  url=$(sed -n 's/^ContainerLease is on //p' "$work/server.out")
  [[ -z $url ]] || break
  sleep 0.1
done
[[ -n $url ]] || fail "the server does not start: $(tail -n 3 "$work/server.log")"

# From a file: schemathesis leaves out the operation that it was given the description by.
curl --fail --silent --show-error "$url/api/openapi.json" >"$work/openapi.json"
cmp -s "$work/openapi.json" docs/openapi.json || fail "the server does not serve docs/openapi.json"
say "driving $url, seed $seed (CONTAINERLEASE_FUZZ_SEED=$seed repeats this run)"
failed=0
# What it notes for itself goes where it runs.
(cd "$work" && PYTHONDONTWRITEBYTECODE=1 SCHEMATHESIS_HOOKS=$here/checks.py \
  "$venv/bin/schemathesis" --config-file "$here/schemathesis.toml" run openapi.json --url "$url" \
  --max-examples "$cases" --seed "$seed" --generation-database none --no-color) | cut -c 1-2000 || failed=1
! grep -n panicked "$work/server.log" || failed=1

# What it has leased can be ended like everything else, and nothing is without a lease.
for id in $(curl --fail --silent "$url/api/containers" | grep -o '"id":"[^"]*"' | cut -d '"' -f 4); do
  curl --fail --silent --output /dev/null --request DELETE "$url/api/containers/$id"
done
left=$(containers | wc -l)
[[ $left -eq 0 ]] || { printf 'fuzz.sh: %s containers have no lease\n' "$left" >&2; failed=1; }
[[ $failed -eq 0 ]] || fail "failed with seed $seed"
