#!/usr/bin/env bash
# Checks the templates: that AWS would take them, and that they leave nothing open that should
# not be. checkov.yaml and the templates' Metadata say what may stay as it is, and why.
#
# usage: lint.sh
#
# environment:
#   CONTAINERLEASE_CHECKS_VENV   where checkov is kept (.containerlease/checks/venv)
#   CONTAINERLEASE_EMULATOR_VENV, CONTAINERLEASE_EMULATOR_PYTHON   as infra/emulator/venv.sh has them
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

say() { printf '==> %s\n' "$*" >&2; }
fail() {
  printf 'lint.sh: %s\n' "$*" >&2
  exit 1
}

# Makes the environment that checkov wants to itself, when its pin has changed.
install_checkov() {
  local lock python=${CONTAINERLEASE_EMULATOR_PYTHON:-python3}
  mkdir -p "$(dirname "$checks")"
  # Of two at once, the second waits and then finds it there.
  exec {lock}>"$checks.lock"
  flock "$lock"
  ! cmp -s "$here/requirements.txt" "$checks/requirements.txt" || return 0
  say "installing checkov (once, half a minute)"
  "$python" -m venv "$checks" ||
    fail "Python cannot make a virtual environment; install its venv module (on Debian: python3-venv)."
  "$checks/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" >&2 ||
    fail "the packages of $here/requirements.txt cannot be installed; see what pip says above."
  # Last, so that an installation that was cut off is done again.
  cp "$here/requirements.txt" "$checks/requirements.txt"
  exec {lock}>&-
}

[[ $# -eq 0 ]] || fail "usage: lint.sh"
tools=$(infra/emulator/venv.sh)
checks=${CONTAINERLEASE_CHECKS_VENV:-$PWD/.containerlease/checks/venv}
cmp -s "$here/requirements.txt" "$checks/requirements.txt" || install_checkov

export SAM_CLI_TELEMETRY=0 AWS_EC2_METADATA_DISABLED=true
templates=(template.yaml)
"$tools/bin/sam" validate --lint --region us-east-1 --template template.yaml
# A template that is plain CloudFormation is none of sam's.
if [[ -f infra/docker-host/host.yaml ]]; then
  templates+=(infra/docker-host/host.yaml)
  "$tools/bin/cfn-lint" infra/docker-host/host.yaml
fi
"$checks/bin/checkov" --config-file "$here/checkov.yaml" "${templates[@]/#/--file=}"
