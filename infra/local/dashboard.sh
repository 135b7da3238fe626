#!/usr/bin/env bash
# Builds the dashboard into frontend/dist, if its sources have changed since.
#
# usage: dashboard.sh
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

cd "$(dirname "${BASH_SOURCE[0]}")/../../frontend"

for tool in node npm; do
  command -v "$tool" >/dev/null || fail "$tool is missing; install Node.js 20.19 or newer and run this again."
done
node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
  process.exit(major >= 24 || (major === 22 && minor >= 13) || (major === 20 && minor >= 19) ? 0 : 1)' ||
  fail "Node.js 20.19, 22.13 or 24, or newer in the same line, is needed, and this is $(node --version)."

# npm records what it has installed in a file as new as the installation.
if [[ ! -e node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]; then
  say "installing the dashboard's packages with npm ci"
  npm ci --no-fund --no-audit --loglevel=error >&2
  touch node_modules/.package-lock.json
fi
newer=$([[ ! -e dist/index.html ]] || find src public index.html package-lock.json vite.config.ts -newer dist/index.html -print -quit)
if [[ ! -e dist/index.html || -n $newer ]]; then
  say "building the dashboard"
  npm run --silent build >&2
fi
