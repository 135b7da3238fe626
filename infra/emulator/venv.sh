#!/usr/bin/env bash
# Makes the virtual environment with the packages of infra/emulator/requirements.txt, and prints its
# path: the AWS emulator, the AWS tools and the template's linter. It remakes an existing one only if
# the pins have changed.
#
# usage: venv.sh
#
# environment:
#   CONTAINERLEASE_EMULATOR_VENV     where it is kept (.containerlease/emulator/venv)
#   CONTAINERLEASE_EMULATOR_PYTHON   the Python to make it with (python3)
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)

[[ $# -eq 0 ]] || fail "usage: venv.sh"
venv=${CONTAINERLEASE_EMULATOR_VENV:-$repository/.containerlease/emulator/venv}
[[ $venv == /* ]] || venv=$PWD/$venv

"$repository/infra/venv.sh" "$here/requirements.txt" "$venv" "the emulator and its tools (once, some minutes)"
printf '%s\n' "$venv"
