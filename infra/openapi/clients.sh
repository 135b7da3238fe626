#!/usr/bin/env bash
# Generates a Python and a TypeScript client from docs/openapi.json, as any user would, and runs a
# whole lease through each against a server with real containers: clients/lease.py and
# clients/lease.ts. The generated clients are discarded.
#
# usage: clients.sh [check]
#   check   only checks that the description is valid OpenAPI
#
# environment:
#   CONTAINERLEASE_CLIENTS        where the generators are kept (.containerlease/clients)
#   CONTAINERLEASE_EMULATOR_PYTHON   the Python to make their environment with (python3)
#   DOCKER_HOST                   the engine
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

[[ $# -eq 0 || ($# -eq 1 && $1 == check) ]] || fail "usage: clients.sh [check]"
tools=${CONTAINERLEASE_CLIENTS:-$PWD/.containerlease/clients}

infra/venv.sh "$here/clients/requirements.txt" "$tools/venv" "a generator of Python clients (once, half a minute)"
"$tools/venv/bin/openapi-spec-validator" --validation-errors all docs/openapi.json >&2 ||
  fail "docs/openapi.json is not valid OpenAPI."
[[ ${1:-} != check ]] || exit 0

command -v npm >/dev/null || fail "npm is missing; install Node.js 20.19 or newer and run this again."
lock=$here/clients/package-lock.json
if ! cmp -s "$lock" "$tools/npm/installed"; then
  printf '==> installing a generator of TypeScript clients (once, half a minute)\n' >&2
  mkdir -p "$tools/npm"
  cp "$here/clients/package.json" "$lock" "$tools/npm/"
  npm --prefix "$tools/npm" ci --no-fund --no-audit --loglevel=error >&2 ||
    fail "the generator of TypeScript clients cannot be installed; see what npm says above."
  # Last, so that an interrupted installation is repeated.
  cp "$lock" "$tools/npm/installed"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# As documented, except that skipped parts of the description are errors.
python_client() {
  mkdir "$work/python"
  printf 'post_hooks: []\n' >"$work/config.yaml"
  "$tools/venv/bin/openapi-python-client" generate --fail-on-warning --config "$work/config.yaml" \
    --path docs/openapi.json --meta none --output-path "$work/python/client" >"$work/python.log" 2>&1 ||
    { tail -n 30 "$work/python.log" >&2; fail "no Python client can be made of docs/openapi.json."; }
  cp "$here/clients/lease.py" "$work/python/"
}

# tsc checks the calls, and the fields read from the answers, against the client's types.
typescript_client() {
  mkdir "$work/typescript"
  local bin=$tools/npm/node_modules/.bin
  "$bin/openapi-ts" --input ./docs/openapi.json --output "$work/typescript/client" \
    --client @hey-api/client-fetch --logs "$work" >"$work/typescript.log" 2>&1 ||
    { tail -n 30 "$work/typescript.log" >&2; fail "no TypeScript client can be made of docs/openapi.json."; }
  cp "$here/clients/lease.ts" "$here/clients/tsconfig.json" "$work/typescript/"
  "$bin/tsc" --project "$work/typescript" || fail "lease.ts does not fit the TypeScript client."
}

python_client
typescript_client

drive() {
  PYTHONDONTWRITEBYTECODE=1 "$tools/venv/bin/python" "$work/python/lease.py" "$CONTAINERLEASE_URL" &&
    node "$work/typescript/compiled/lease.js" "$CONTAINERLEASE_URL"
}
export -f drive
export tools work

# Two leases at once, so that the third is refused.
CONTAINERLEASE_MAX_LEASES=2 CONTAINERLEASE_HOST_CPU_MILLI=100000 CONTAINERLEASE_HOST_MEMORY_MB=100000 \
  infra/with-server.sh bash -euo pipefail -c drive || fail "a lease through a generated client has failed."
