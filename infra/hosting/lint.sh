#!/usr/bin/env bash
# Checks that AWS would accept the templates, and that they are secure. checkov.yaml and the
# templates' Metadata list the exceptions with their reasons.
#
# usage: lint.sh
#
# environment:
#   CONTAINERLEASE_CHECKS_VENV   where checkov is kept (.containerlease/checks/venv)
#   CONTAINERLEASE_EMULATOR_VENV, CONTAINERLEASE_EMULATOR_PYTHON   as for infra/emulator/venv.sh
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

[[ $# -eq 0 ]] || fail "usage: lint.sh"
tools=$(infra/emulator/venv.sh)
checks=${CONTAINERLEASE_CHECKS_VENV:-$PWD/.containerlease/checks/venv}
# checkov needs a separate environment.
infra/venv.sh "$here/requirements.txt" "$checks" "checkov (once, half a minute)"

export SAM_CLI_TELEMETRY=0 AWS_EC2_METADATA_DISABLED=true
templates=(template.yaml)
"$tools/bin/sam" validate --lint --region us-east-1 --template template.yaml
# sam does not validate plain CloudFormation templates.
if [[ -f infra/docker-host/host.yaml ]]; then
  templates+=(infra/docker-host/host.yaml)
  "$tools/bin/cfn-lint" infra/docker-host/host.yaml
fi
# Otherwise a template that checkov cannot parse passes.
CKV_PARSE_ERROR_FAIL=true "$checks/bin/checkov" --config-file "$here/checkov.yaml" "${templates[@]/#/--file=}"
