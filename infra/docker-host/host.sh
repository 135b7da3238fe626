#!/usr/bin/env bash
# Deploys host.yaml, a Docker host for the leases on AWS.
#
# usage: host.sh deploy [PARAMETER=VALUE ...]   creates or updates the host
#        host.sh replace                        puts a new machine at the host's address; its leases end
#        host.sh renew                          renews the certificates of both sides
#        host.sh bundle FILE                    packs only the files that set up a machine
#
# deploy creates the address, then certificates for it and their two secrets, then the machine. Last it
# prints the outputs, which are parameters of the main stack. PARAMETERs are those of host.yaml; the
# first deploy needs VpcId, SubnetId, and ClientSecurityGroupId or ClientCidr:
#   host.sh deploy VpcId=vpc-… SubnetId=subnet-… ClientSecurityGroupId=sg-…
# Other parameters keep their values.
#
# environment:
#   CONTAINERLEASE_HOST_STACK          the stack (containerlease-host)
#   CONTAINERLEASE_HOST_BUCKET         the bucket for the setup (STACK-ACCOUNT-REGION, created if missing)
#   CONTAINERLEASE_HOST_CERTIFICATES   where the certificates and their authority are kept
#                                      (.containerlease/STACK/certificates)
#   CONTAINERLEASE_HOST_NAMES          more names for the host, such as "DNS:docker.example.org"
#   CONTAINERLEASE_CLIENT_SECRET       the functions' secret (containerlease/docker-certificate)
#   CONTAINERLEASE_GUARD               the guard's binary for the machine (by default built here)
#   AWS_PROFILE, AWS_REGION and the other variables of the AWS CLI
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)

stack=${CONTAINERLEASE_HOST_STACK:-containerlease-host}
certificates=${CONTAINERLEASE_HOST_CERTIFICATES:-$repository/.containerlease/$stack/certificates}
client_secret=${CONTAINERLEASE_CLIENT_SECRET:-containerlease/docker-certificate}
readonly stack certificates client_secret
readonly server_secret=$stack/server-certificate
readonly KEY=setup.tar.gz

export AWS_PAGER=''

output() { # OUTPUT; prints nothing if there is no such stack or output
  local value
  value=$(aws cloudformation describe-stacks --stack-name "$stack" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue" 2>/dev/null) || return 0
  [[ $value == None ]] || printf '%s\n' "$value"
}

# The guard for the machine's processor. Building for another processor than this one's needs a
# toolchain that only the operator can choose.
guard_binary() { # ARCHITECTURE
  local binary=${CONTAINERLEASE_GUARD:-} ours
  if [[ -n $binary ]]; then
    [[ -x $binary ]] || fail "CONTAINERLEASE_GUARD is '$binary', which is not a program."
    printf '%s\n' "$binary"
    return
  fi
  ours=$(uname -m)
  [[ $(uname -s) == Linux && ${ours/aarch64/arm64} == "$1" ]] ||
    fail "the guard cannot be built here for Linux on $1; build it there, and name it in CONTAINERLEASE_GUARD."
  command -v cargo >/dev/null || fail "cargo is missing; install Rust, or name a built guard in CONTAINERLEASE_GUARD."
  say "building the guard"
  (cd "$repository" && cargo build --quiet --release --package containerlease-guard) ||
    fail "the guard could not be built; see above."
  printf '%s\n' "${CARGO_TARGET_DIR:-$repository/target}/release/containerlease-guard"
}

bundle() ( # FILE [ARCHITECTURE]
  [[ -n ${1:-} ]] || fail "usage: host.sh bundle FILE"
  local work binary machine
  machine=$(uname -m)
  binary=$(guard_binary "${2:-${machine/aarch64/arm64}}")
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/infra/docker-host/guard" "$work/infra/images"
  cp "$here"/{setup,certificates,firewall,refresh-certificate}.sh "$work/infra/docker-host"
  cp -R "$here/units" "$work/infra/docker-host"
  cp "$here/guard/containerlease-guard.service" "$work/infra/docker-host/guard"
  cp "$repository/infra/images/catalogue.json" "$work/infra/images"
  install -m 755 "$binary" "$work/containerlease-guard"
  tar -C "$work" -czf "$1" .
)

# A parameter's value from this run, or else from the stack.
parameter() { # NAME DEFAULT PARAMETER=VALUE…
  local name=$1 default=$2 given value
  shift 2
  for given; do
    if [[ $given == "$name="* ]]; then
      printf '%s\n' "${given#*=}"
      return
    fi
  done
  value=$(aws cloudformation describe-stacks --stack-name "$stack" --output text \
    --query "Stacks[0].Parameters[?ParameterKey=='$name'].ParameterValue" 2>/dev/null) || value=
  [[ -n $value && $value != None ]] || value=$default
  printf '%s\n' "$value"
}

ensure_bucket() {
  local account region
  bucket=${CONTAINERLEASE_HOST_BUCKET:-}
  if [[ -z $bucket ]]; then
    account=$(aws sts get-caller-identity --query Account --output text) ||
      fail "AWS does not know who you are; 'aws sts get-caller-identity' must work."
    region=${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}
    [[ -n $region ]] || fail "no region is set; set AWS_REGION and run this again."
    bucket=$stack-$account-$region
  fi
  aws s3api head-bucket --bucket "$bucket" >/dev/null 2>&1 || aws s3 mb "s3://$bucket" >&2 ||
    fail "the bucket $bucket can be neither used nor created; name another in CONTAINERLEASE_HOST_BUCKET."
}

deploy_stack() { # PARAMETER=VALUE…
  local events
  if ! aws cloudformation deploy --stack-name "$stack" --template-file "$here/host.yaml" \
    --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset --parameter-overrides "$@" >&2; then
    # shellcheck disable=SC2016  # The backquotes are JMESPath's.
    events=$(aws cloudformation describe-stack-events --stack-name "$stack" --output text \
      --query 'StackEvents[?contains(ResourceStatus, `FAILED`)].[LogicalResourceId, ResourceStatusReason]' 2>/dev/null) || true
    fail "the stack $stack was not deployed: ${events:-see above}"
  fi
}

deploy() { # PARAMETER=VALUE…
  local given archive address arn client names
  for given; do
    [[ $given == [A-Z]*=* ]] || fail "'$given' is not of the form PARAMETER=VALUE."
    [[ $given != ServerCertificateSecret=* && $given != Setup*=* ]] || fail "${given%%=*} is set by this script."
  done
  ensure_bucket
  archive=$(mktemp)
  # shellcheck disable=SC2064  # The file is known now.
  trap "rm -f '$archive'" EXIT
  bundle "$archive" "$(parameter Architecture x86_64 "$@")"
  aws s3 cp --only-show-errors "$archive" "s3://$bucket/$KEY" || fail "the setup could not be uploaded to $bucket."

  say "deploying the address"
  deploy_stack "SetupBucket=$bucket" "SetupKey=$KEY" "$@"
  address=$(output Address)
  [[ -n $address ]] || fail "the stack $stack has no output Address."
  # shellcheck disable=SC2206  # One word each.
  names=("IP:$address" ${CONTAINERLEASE_HOST_NAMES:-})
  mkdir -p "$(dirname "$certificates")"
  "$here/certificates.sh" "$certificates" "${names[@]}"
  arn=$("$here/certificates.sh" upload "$certificates/server" "$server_secret")
  client=$("$here/certificates.sh" upload "$certificates/client" "$client_secret")

  say "deploying the machine (takes some minutes the first time, until its setup has finished)"
  deploy_stack "ServerCertificateSecret=$arn"
  aws cloudformation describe-stacks --stack-name "$stack" --output text \
    --query 'Stacks[0].Outputs[].[OutputKey, OutputValue]' | tr '\t' '='
  printf 'DockerCertificateSecret=%s\n' "$client"
  say "the authority's key is only in $certificates/ca on this machine: keep it safe"
}

replace() {
  [[ -n $(output Address) ]] || fail "there is no stack $stack, so no machine to replace."
  say "removing the machine"
  deploy_stack Machine=false
  # Change sets are named by the second, so the next one needs a new second.
  sleep 1
  say "putting a new one at its address"
  deploy_stack Machine=true
}

renew() {
  [[ -d $certificates/ca ]] || fail "$certificates has no authority; renew on the machine that keeps it."
  "$here/certificates.sh" renew "$certificates"
  "$here/certificates.sh" upload "$certificates/server" "$server_secret" >/dev/null
  "$here/certificates.sh" upload "$certificates/client" "$client_secret" >/dev/null
  say "the host fetches its new certificate within a day; 'systemctl start containerlease-certificate' on it does so at once"
}

case ${1:-} in
  deploy | replace | renew)
    command -v aws >/dev/null || fail "the aws command is missing; install the AWS CLI and run this again."
    [[ $1 == deploy || $# -eq 1 ]] || fail "usage: host.sh $1"
    "$@"
    ;;
  bundle) "$@" ;;
  *) fail "usage: host.sh deploy [PARAMETER=VALUE ...] | replace | renew | bundle FILE" ;;
esac
