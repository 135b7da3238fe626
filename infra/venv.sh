#!/usr/bin/env bash
# Makes a virtual environment with the packages that a requirements file pins. It remakes an existing
# one only if the pins have changed.
#
# usage: venv.sh REQUIREMENTS FOLDER WHAT
#
# WHAT describes what it installs and how long that takes; it is shown to the user.
#
# environment:
#   CONTAINERLEASE_EMULATOR_PYTHON   the Python to make it with (python3)
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/say.sh"

[[ $# -eq 3 ]] || fail "usage: venv.sh REQUIREMENTS FOLDER WHAT"
readonly requirements=$1 venv=$2 what=$3
python=${CONTAINERLEASE_EMULATOR_PYTHON:-python3}

is_there() { [[ -f $venv/requirements.txt ]] && cmp -s "$requirements" "$venv/requirements.txt"; }

! is_there || exit 0
command -v "$python" >/dev/null || fail "$python is missing; install Python 3.11 or newer and run this again."
mkdir -p "$(dirname "$venv")"
# If two run at once, the second waits and then uses the first one's environment.
exec {lock}>"$venv.lock"
flock "$lock"
! is_there || exit 0
say "installing $what"
"$python" -m venv "$venv" ||
  fail "Python cannot make a virtual environment; install its venv module (on Debian: python3-venv)."
"$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2 ||
  fail "the packages of $requirements cannot be installed; see what pip says above."
# Last, so that an interrupted installation is repeated.
cp "$requirements" "$venv/requirements.txt"
