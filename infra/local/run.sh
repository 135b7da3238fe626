#!/usr/bin/env bash
# Starts dashboard and API on this machine, with all that they need: a Docker engine, the
# catalogue's images, the built dashboard, the server. Uses what is already there.
#
# usage: run.sh
#
# environment: the settings in docs/settings.md
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

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
say "starting the server"
exec "${CARGO_TARGET_DIR:-target}/debug/containerlease" serve
