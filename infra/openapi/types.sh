#!/usr/bin/env bash
# Generates the dashboard's types from docs/openapi.json, or checks that they are up to date.
#
# usage: types.sh [check]
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
types=frontend/src/types/__generated__/openapi.ts

[[ $# -eq 0 || ($# -eq 1 && $1 == check) ]] || fail "usage: types.sh [check]"
command -v npm >/dev/null || fail "npm is missing; install Node.js 20.19 or newer and run this again."

# npm writes a list of its installed packages; reinstall if the lock file is newer.
generator=frontend/api-types
if [[ ! -e $generator/node_modules/.package-lock.json || $generator/package-lock.json -nt $generator/node_modules/.package-lock.json ]]; then
  npm --prefix "$generator" ci --no-fund --no-audit --loglevel=error >&2
  touch "$generator/node_modules/.package-lock.json"
fi

made=$(mktemp)
trap 'rm -f "$made"' EXIT
node "$generator/generate.mjs" docs/openapi.json >"$made"
if [[ ${1:-} == check ]]; then
  cmp -s "$made" "$types" || fail "$types is not made from docs/openapi.json; run \`make openapi\`."
else
  cp "$made" "$types"
fi
