#!/usr/bin/env bash
# Writes docs/openapi.json anew from the types, and the dashboard's types from it.
#
# usage: write.sh
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# By way of another file: the program that writes it has the old one built in.
cargo run --quiet --package containerlease-functions --example openapi >"$work/openapi.json"
mv "$work/openapi.json" docs/openapi.json
infra/openapi/types.sh
