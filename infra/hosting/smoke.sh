#!/usr/bin/env bash
# Smoke test of a deployed stack: leases an alpine for a minute at the stack's own address, reads its
# log by WebSocket, runs a command, checks that it ends on time, reads the receipt, and checks every
# alarm. Says what fails and where to look. Takes a minute and a half, and leaves nothing behind.
#
# usage: smoke.sh STACK
#
# The address is CloudFront's, or with Hosting=false the addresses of the two APIs.
#
# environment:
#   AWS_PROFILE, AWS_REGION and the other variables of the AWS CLI
#   AWS_ENDPOINT_URL   an emulator in place of AWS. Its CloudFront carries no WebSocket, so the log
#                      is read from the WebSocket API itself
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)

fail() {
  printf 'smoke.sh: %s\n' "$*" >&2
  exit 2
}

[[ $# -eq 1 && $1 != -* ]] || fail "usage: smoke.sh STACK"
readonly stack=$1
command -v node >/dev/null || fail "node is missing; install Node.js 20.19 or newer and run this again."
# The AWS CLI on the PATH, or else the one among the emulator's tools.
brought=${CONTAINERLEASE_EMULATOR_VENV:-$repository/.containerlease/emulator/venv}/bin/aws
aws=$(type -P aws || true)
[[ -n $aws || ! -x $brought ]] || aws=$brought
[[ -n $aws ]] || fail "the AWS CLI is missing; install it, or run infra/emulator/venv.sh, and run this again."
aws() { AWS_PAGER='' "$aws" --output json "$@"; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
aws cloudformation describe-stacks --stack-name "$stack" >"$work/stack.json" ||
  fail "the stack $stack cannot be read; name one that is deployed, and check account and region."

failed=0
node --no-warnings --experimental-websocket "$here/smoke.js" lease "$work/stack.json" || failed=1

# After the lease's end, to see the alarms that it set off.
if aws cloudformation list-stack-resources --stack-name "$stack" \
  --query "StackResourceSummaries[?ResourceType=='AWS::CloudWatch::Alarm'].PhysicalResourceId" >"$work/names.json" &&
  aws cloudwatch describe-alarms --alarm-types MetricAlarm >"$work/alarms.json"; then
  node "$here/smoke.js" alarms "$work/names.json" "$work/alarms.json" || failed=1
else
  printf 'FAILED  the alarms: they cannot be read; you need cloudformation:ListStackResources and cloudwatch:DescribeAlarms\n'
  failed=1
fi
if ((failed)); then
  printf '\nThe stack %s does not do all that it promises; see FAILED above.\n' "$stack"
else
  printf '\nThe stack %s works.\n' "$stack"
fi
exit "$failed"
