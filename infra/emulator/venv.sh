#!/usr/bin/env bash
# Makes the virtual environment with what infra/emulator/requirements.txt pins, and prints its
# path: the AWS emulator, the AWS tools and what checks the template. One that is there already
# is made again only when the pins have changed.
#
# usage: venv.sh
#
# environment:
#   CONTAINERLEASE_EMULATOR_VENV     where it is kept (.containerlease/emulator/venv)
#   CONTAINERLEASE_EMULATOR_PYTHON   the Python to make it with (python3)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)

say() { printf '==> %s\n' "$*" >&2; }
fail() {
  printf 'venv.sh: %s\n' "$*" >&2
  exit 1
}

[[ $# -eq 0 ]] || fail "usage: venv.sh"
python=${CONTAINERLEASE_EMULATOR_PYTHON:-python3}
venv=${CONTAINERLEASE_EMULATOR_VENV:-$repository/.containerlease/emulator/venv}
[[ $venv == /* ]] || venv=$PWD/$venv

is_there() { [[ -f $venv/requirements.txt ]] && cmp -s "$here/requirements.txt" "$venv/requirements.txt"; }

if ! is_there; then
  command -v "$python" >/dev/null || fail "$python is missing; install Python 3.11 or newer and run this again."
  mkdir -p "$(dirname "$venv")"
  # Of two at once, the second waits and then finds it there.
  exec {lock}>"$venv.lock"
  flock "$lock"
  if ! is_there; then
    say "installing the emulator and its tools (once, some minutes)"
    "$python" -m venv "$venv" ||
      fail "Python cannot make a virtual environment; install its venv module (on Debian: python3-venv)."
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" >&2 ||
      fail "the packages of $here/requirements.txt cannot be installed; see what pip says above."
    # Last, so that an installation that was cut off is done again.
    cp "$here/requirements.txt" "$venv/requirements.txt"
  fi
fi
printf '%s\n' "$venv"
