#!/usr/bin/env bash
# Regenerates docs/openapi.json from the Rust types, and the dashboard's types from it.
#
# usage: write.sh
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Through a temporary file, because the program that writes it has the old one compiled in.
cargo run --quiet --package containerlease-functions --example openapi >"$work/openapi.json"
mv "$work/openapi.json" docs/openapi.json
infra/openapi/types.sh
