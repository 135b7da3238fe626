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

fail() {
  printf 'lint.sh: %s\n' "$*" >&2
  exit 1
}

[[ $# -eq 0 ]] || fail "usage: lint.sh"
tools=$(infra/emulator/venv.sh)
checks=${CONTAINERLEASE_CHECKS_VENV:-$PWD/.containerlease/checks/venv}
# checkov wants an environment to itself.
infra/venv.sh "$here/requirements.txt" "$checks" "checkov (once, half a minute)"

export SAM_CLI_TELEMETRY=0 AWS_EC2_METADATA_DISABLED=true
templates=(template.yaml)
"$tools/bin/sam" validate --lint --region us-east-1 --template template.yaml
# A template that is plain CloudFormation is none of sam's.
if [[ -f infra/docker-host/host.yaml ]]; then
  templates+=(infra/docker-host/host.yaml)
  "$tools/bin/cfn-lint" infra/docker-host/host.yaml
fi
"$checks/bin/checkov" --config-file "$here/checkov.yaml" "${templates[@]/#/--file=}"
