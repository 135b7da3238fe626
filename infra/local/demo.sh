#!/usr/bin/env bash
# Leases a few containers on a running server, so that its page has something to show: a cache, a
# web server, a job that writes its log, one that fails, one that was deleted.
#
# usage: demo.sh
#
# environment: CONTAINERLEASE_URL, CONTAINERLEASE_TOKEN, as for the command line
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
binary=${CARGO_TARGET_DIR:-target}/debug/containerlease
[[ -x $binary ]] || fail "$binary is not there yet; run \`make run\` in another terminal first."

lease() { "$binary" run "$@"; }

say "leasing five containers on ${CONTAINERLEASE_URL:-http://127.0.0.1:8080}"
lease redis --for 30m --name "session cache" --label team=search
lease nginx --for 15m --name "preview 42" --label team=web --label pull-request=42
# shellcheck disable=SC2016  # The container's shell expands it.
lease alpine --for 10m --name "nightly import" --label team=search -- \
  sh -c 'i=0; while true; do i=$((i+1)); echo "imported row $i"; [ $((i % 10)) = 0 ] && echo "warning: row $i has no name" >&2; sleep 1; done'
lease alpine --for 5m --name "failing job" -- sh -c 'echo "error: no such table" >&2; sleep 2; exit 3'
"$binary" rm "$(lease alpine --for 5m --name "deleted by hand")"
say "done: \`$binary ls --all\` lists them"
