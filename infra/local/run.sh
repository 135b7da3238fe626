#!/usr/bin/env bash
# Starts dashboard and API on this machine, with all that they need: a Docker engine, the
# catalogue's images, the built dashboard, the server. Uses what is already there.
#
# usage: run.sh [watch]
#   watch   for developers: also serves the page with reloading, and builds and starts the server
#           anew whenever its sources change; leases go on meanwhile
#
# environment: the settings in docs/settings.md
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

[[ $# -eq 0 || $* == watch ]] || fail "usage: run.sh [watch]"
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$repository"

command -v cargo >/dev/null || fail "cargo is missing; install Rust from https://rustup.rs and run this again."
command -v cc >/dev/null || fail "a C compiler is missing; install gcc (on Debian: build-essential) and run this again."

engine=$(infra/docker-host/engine.sh ensure)
eval "$engine"
export DOCKER_HOST ${CONTAINERLEASE_FIREWALL:+CONTAINERLEASE_FIREWALL}
infra/images/prepare.sh
infra/local/dashboard.sh
say "building the server (the first time takes some minutes)"
cargo build --quiet --package containerlease-cli
readonly binary=${CARGO_TARGET_DIR:-target}/debug/containerlease
if [[ ${1:-} != watch ]]; then
  say "starting the server"
  exec "$binary" serve
fi

stamp=$(mktemp)
page=
server=
# shellcheck disable=SC2317  # The trap below calls it.
clean_up() {
  local pid
  for pid in $server $page; do
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -f "$stamp"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

has_changed() {
  [[ -n $(find Cargo.toml Cargo.lock shared functions infra docs/openapi.json -newer "$stamp" \
    -not -path '*/node_modules/*' \( -name '*.rs' -o -name 'Cargo.*' -o -name '*.json' \) -print -quit) ]]
}

say "serving the page with reloading; its address is the one that vite prints"
(cd frontend && exec node_modules/.bin/vite) &
page=$!
while true; do
  touch "$stamp"
  if cargo build --quiet --package containerlease-cli; then
    "$binary" serve &
    server=$!
  else
    say "this does not compile; waiting for a change"
  fi
  until has_changed; do sleep 1; done
  say "sources have changed: building the server anew"
  if [[ -n $server ]]; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
  fi
done
