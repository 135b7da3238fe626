#!/usr/bin/env bash
# Fuzzes a server from its own API description: valid and invalid requests of every operation, and
# chains of them. Each answer is checked against the description. It leases real containers on the
# engine, a few at a time, and leaves none.
#
# usage: fuzz.sh [CASES]
#
# CASES is the number of generated requests per operation (400), in addition to those that follow
# from the description's bounds and links.
#
# environment:
#   CONTAINERLEASE_FUZZ_SEED      repeats a run; each prints its seed
#   CONTAINERLEASE_FUZZ_VENV      where schemathesis is kept (.containerlease/fuzz/venv)
#   CONTAINERLEASE_EMULATOR_PYTHON   the Python to make it with (python3)
#   DOCKER_HOST                   the engine
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

[[ $# -le 1 && ${1:-400} =~ ^[1-9][0-9]*$ ]] || fail "usage: fuzz.sh [CASES]"
cases=${1:-400}
seed=${CONTAINERLEASE_FUZZ_SEED:-$((RANDOM * 32768 + RANDOM))}
venv=${CONTAINERLEASE_FUZZ_VENV:-$PWD/.containerlease/fuzz/venv}

# schemathesis needs a separate environment.
infra/venv.sh "$here/requirements.txt" "$venv" "schemathesis (once, half a minute)"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

drive() {
  # From a file: schemathesis skips the operation that serves the description.
  curl --fail --silent --show-error "$CONTAINERLEASE_URL/api/openapi.json" >"$work/openapi.json"
  cmp -s "$work/openapi.json" docs/openapi.json || fail "the server does not serve docs/openapi.json"
  # The user who runs the server needs no token, and this run is that user's: invented ones would only
  # be refused. The tests `server sign_in::` try every operation with every kind of token.
  "$venv/bin/python" -c 'import json, sys
description = json.load(open(sys.argv[1]))
description["components"].pop("securitySchemes")
for methods in description["paths"].values():
    for operation in methods.values():
        operation.pop("security")
json.dump(description, open(sys.argv[1], "w"))' "$work/openapi.json"
  say "driving $CONTAINERLEASE_URL, seed $seed (CONTAINERLEASE_FUZZ_SEED=$seed repeats this run)"
  # It keeps its notes in the current folder.
  (cd "$work" && PYTHONDONTWRITEBYTECODE=1 SCHEMATHESIS_HOOKS=$here/checks.py \
    "$venv/bin/schemathesis" --config-file "$here/schemathesis.toml" run openapi.json \
    --url "$CONTAINERLEASE_URL" --max-examples "$cases" --seed "$seed" \
    --generation-database none --no-color) | cut -c 1-2000
}
export -f drive say fail
export SCRIPT here venv work cases seed

# A few leases at once are enough, and the host has room for every request.
CONTAINERLEASE_MAX_LEASES=4 CONTAINERLEASE_HOST_CPU_MILLI=100000 CONTAINERLEASE_HOST_MEMORY_MB=100000 \
  infra/with-server.sh bash -euo pipefail -c drive || fail "failed with seed $seed"
