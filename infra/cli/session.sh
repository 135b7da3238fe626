#!/usr/bin/env bash
# Runs the session of docs/cli.md against a running server, and prints it as a terminal shows it:
# each command behind a prompt, then its output. It leaves nothing behind.
#
# usage: session.sh
#
# environment:
#   CONTAINERLEASE_URL   the server [default: http://127.0.0.1:8080, where `make run` has it]
#   CARGO_TARGET_DIR     where the program was built
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly name=cache
program=${CARGO_TARGET_DIR:-target}/debug/containerlease
lease=

containerlease() { "$program" "$@"; }

# Runs one command as if somebody typed it.
type_in() { # LINE
  printf '$ %s\n' "$1"
  eval "$1" 2>&1
}

clean_up() { [[ -z $lease ]] || containerlease rm "$lease" >/dev/null; }
trap clean_up EXIT

[[ -x $program ]] || fail "$program is missing; run cargo build --package containerlease-cli first."
! containerlease stats "$name" >/dev/null 2>&1 ||
  fail "a lease is called $name already; end it with containerlease rm $name, and run this again."

type_in "containerlease run redis --for 10m --name $name --wait"
lease=$(containerlease inspect "$name" | sed -n 's/^    "id": "\(.*\)",/\1/p')
type_in "containerlease ls"
port=$(containerlease inspect "$name" | sed -n 's/.*"hostPort": \([0-9]*\).*/\1/p' | head -n 1)
url=$(containerlease inspect "$name" | sed -n 's/.*"url": "\(.*\)".*/\1/p' | head -n 1)
if command -v redis-cli >/dev/null; then
  type_in "redis-cli -u $url set greeting hello"
else
  # bash can speak the little of redis's protocol that this needs.
  password=${url#*://*:} password=${password%@*}
  type_in "(exec 3<>/dev/tcp/127.0.0.1/$port; printf 'AUTH $password\r\nSET greeting hello\r\nQUIT\r\n' >&3; cat <&3)"
fi
type_in "containerlease exec $name redis-cli get greeting"
type_in "containerlease renew $name +15m"
type_in "containerlease stats $name"
type_in "containerlease logs --tail 1 $name"
type_in "containerlease rm $name"
lease=
type_in "containerlease inspect $name | sed -n '/receipt/,/}/p'"
