#!/usr/bin/env bash
# Deploys template.yaml on an AWS emulator on this machine, and tests it.
#
# usage: emulator.sh start|deploy|stop|status|test|smoke|policies
#   start    starts MiniStack, with IAM enforced
#   deploy   builds the functions and deploys the unchanged template; starts MiniStack if needed
#   stop     stops the MiniStack that was started here, and removes its leases' containers
#   status   says what runs, and where
#   test     tests the deployment: leases, logs, the schedule, TTL, a denied action, bad deploys;
#            deploys first if needed. Further arguments go to pytest: test -k logs
#   smoke    uploads the dashboard, and runs infra/hosting/smoke.sh, which is made for AWS
#   policies removes each permission, one at a time, and checks that a test fails; writes
#            docs/policies.md. An argument selects permissions: policies 'Renew .*'
#
# MiniStack runs the functions' real binaries on this machine. They reach a real Docker engine by
# mutual TLS, with the certificate from the emulated Secrets Manager.
#
# environment:
#   AWS_ENDPOINT_URL                   a running emulator to use and leave alone, such as LocalStack;
#                                      none: MiniStack is started here
#   CONTAINERLEASE_EMULATOR_PORT       where MiniStack listens, on loopback (4566)
#   CONTAINERLEASE_EMULATOR_DIR        where its state is kept (.containerlease/emulator)
#   CONTAINERLEASE_EMULATOR_BINARIES   a folder with binaries to deploy instead of building them
#   CONTAINERLEASE_EMULATOR_VENV, CONTAINERLEASE_EMULATOR_PYTHON   as for venv.sh
#   DOCKER_HOST, DOCKER_CERT_PATH      an engine to use instead of the one of
#                                      infra/docker-host/engine.sh. An engine on a socket gets a
#                                      front with mutual TLS
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)

readonly USAGE="emulator.sh start|deploy|stop|status|test|smoke|policies"
readonly STACK=containerlease
readonly START_SECONDS=30
readonly STOP_SECONDS=20
# Short, so that a second and a third relay continue a test's log.
readonly RELAY_SECONDS=10

state=${CONTAINERLEASE_EMULATOR_DIR:-$repository/.containerlease/emulator}
[[ $state == /* ]] || state=$PWD/$state
port=${CONTAINERLEASE_EMULATOR_PORT:-4566}
endpoint=${AWS_ENDPOINT_URL:-http://127.0.0.1:$port}
endpoint=${endpoint%/}
readonly state port endpoint
# An emulator of the user's, neither started nor stopped here.
readonly foreign=${AWS_ENDPOINT_URL:+1}
name=${endpoint##*:}
[[ $name =~ ^[0-9]+$ ]] || name=there
readonly deployment=emulator-$name
readonly run=$state/$name
readonly pid_file=$run/pid
readonly log_file=$run/log
readonly engine_file=$run/engine
readonly outputs_file=$run/outputs
readonly front=$repository/infra/docker-host/tls-front.sh
readonly front_pid_file=$run/front.pid

# Keep the user's AWS account and the emulator apart, in both directions.
emulator_environment() {
  unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN
  export AWS_ENDPOINT_URL=$endpoint
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
  export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
  export AWS_EC2_METADATA_DISABLED=true AWS_PAGER='' SAM_CLI_TELEMETRY=0
  export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
}

# Prints the process id of the MiniStack that was started here, if it lives. The id may belong to
# another process by now, so its command line is checked too.
own_pid() {
  local pid
  [[ -s $pid_file ]] || return 1
  pid=$(<"$pid_file")
  [[ $(ps -o args= -p "$pid" 2>/dev/null) == *"$here/start.py $port" ]] || return 1
  printf '%s\n' "$pid"
}

answers() { curl --silent --max-time 5 --noproxy '*' --output /dev/null "$endpoint"; }

# Whether an emulator runs, ours or the user's.
runs() {
  if [[ -n $foreign ]]; then answers; else own_pid >/dev/null; fi
}

# Sets engine_host and engine_certificates for an engine with mutual TLS. While MiniStack runs, that is
# the engine that it was started with.
find_engine() {
  local settings
  if runs && [[ -s $engine_file ]]; then
    { read -r engine_host && read -r engine_certificates; } <"$engine_file"
    return
  fi
  if [[ ${DOCKER_HOST:-} == tcp://* && -n ${DOCKER_CERT_PATH:-} ]]; then
    engine_host=$DOCKER_HOST engine_certificates=$DOCKER_CERT_PATH
    return
  fi
  settings=$("$repository/infra/docker-host/engine.sh" ensure)
  eval "$settings"
  if [[ -n ${CONTAINERLEASE_ENGINE_TLS_HOST:-} ]]; then
    engine_host=$CONTAINERLEASE_ENGINE_TLS_HOST
    engine_certificates=$CONTAINERLEASE_ENGINE_CERTIFICATES
  else
    start_front
  fi
}

# An engine that was not started here usually listens on a socket, so start a front with mutual TLS.
start_front() {
  local pid front_port deadline=$((SECONDS + START_SECONDS))
  [[ $DOCKER_HOST == unix://* ]] ||
    fail "the Docker engine at $DOCKER_HOST does not use mutual TLS; set DOCKER_CERT_PATH too, or set DOCKER_HOST to a socket."
  stop_front
  mkdir -p "$run"
  front_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  setsid "$front" "${DOCKER_HOST#unix://}" "$run/certificates" "$front_port" 2>"$run/front.log" </dev/null >&2 &
  pid=$!
  printf '%s\n' "$pid" >"$front_pid_file"
  until (: <"/dev/tcp/127.0.0.1/$front_port") 2>/dev/null; do
    kill -0 "$pid" 2>/dev/null || fail "the TLS front for $DOCKER_HOST did not start: $(tail -n 1 "$run/front.log")"
    ((SECONDS < deadline)) || fail "the TLS front for $DOCKER_HOST did not start within $START_SECONDS s; see $run/front.log."
    sleep 0.1
  done
  engine_host=tcp://127.0.0.1:$front_port
  engine_certificates=$run/certificates/client
  say "started a TLS front for $DOCKER_HOST at $engine_host (process $pid)"
}

stop_front() {
  local pid
  [[ -s $front_pid_file ]] || return 0
  pid=$(<"$front_pid_file")
  # The id may belong to another process by now.
  [[ $(ps -o args= -p "$pid" 2>/dev/null) != *"$run/certificates/"* ]] || kill -TERM "$pid"
  rm -f "$front_pid_file"
}

start() {
  local deadline pid
  if [[ -n $foreign ]]; then
    answers || fail "nothing answers at $endpoint (AWS_ENDPOINT_URL); start that emulator, or unset it."
    say "using the emulator at $endpoint"
  elif pid=$(own_pid) && answers; then
    say "MiniStack runs already (process $pid)"
    return
  fi
  find_engine
  mkdir -p "$run/tmp"
  printf '%s\n' "$engine_host" "$engine_certificates" >"$engine_file"
  [[ -z $foreign ]] || return 0
  rm -f "$outputs_file"
  (
    emulator_environment
    # MiniStack itself must find no engine, or it would search it for its own containers. The functions
    # get their engine from the template's parameter.
    unset DOCKER_CERT_PATH DOCKER_TLS_VERIFY
    export DOCKER_HOST=unix://$run/no-engine
    export BIND_HOST=127.0.0.1 GATEWAY_PORT=$port AUTH=true IOT_MTLS_ENABLED=0 TMPDIR=$run/tmp
    exec setsid "$venv/bin/python" "$here/start.py" "$port" >"$log_file" 2>&1 </dev/null
  ) &
  pid=$!
  printf '%s\n' "$pid" >"$pid_file"
  deadline=$((SECONDS + START_SECONDS))
  until own_pid >/dev/null && answers; do
    kill -0 "$pid" 2>/dev/null || fail "MiniStack has ended; its log $log_file ends with: $(tail -n 1 "$log_file")"
    ((SECONDS < deadline)) || fail "MiniStack does not answer within $START_SECONDS s; see $log_file."
    sleep 0.2
  done
  say "MiniStack runs at $endpoint (process $pid)"
}

# The secret as the template describes it. Prints its ARN.
put_secret() {
  PATH=$venv/bin:$PATH "$repository/infra/docker-host/certificates.sh" upload "$engine_certificates" \
    containerlease/docker-certificate
}

aws() { "$venv/bin/aws" "$@"; }

deploy() {
  local binaries=${CONTAINERLEASE_EMULATOR_BINARIES:-} secret outputs
  start
  find_engine
  emulator_environment
  if [[ -z $binaries ]]; then
    say "building the functions (the first time takes some minutes)"
    (cd "$repository" && cargo build --quiet --package containerlease-functions --bins)
    binaries=${CARGO_TARGET_DIR:-$repository/target}/debug
  fi
  say "packaging"
  rm -rf "$run/build"
  mkdir -p "$run/build"
  "$venv/bin/python" "$here/package.py" "$repository/template.yaml" "$binaries" "$run/build"
  aws s3 mb "s3://$deployment" >/dev/null 2>&1 || aws s3 ls "s3://$deployment" >/dev/null
  aws cloudformation package --template-file "$run/build/template.yaml" --s3-bucket "$deployment" \
    --output-template-file "$run/packaged.yaml" >/dev/null 2>"$run/package.log" ||
    fail "packaging failed: $(tail -n 3 "$run/package.log")"
  secret=$(put_secret)
  say "deploying"
  outputs=$(BUCKET=$deployment "$venv/bin/python" "$here/stack.py" "$run/packaged.yaml" "$STACK" \
    "Deployment=$deployment" "DockerHost=$engine_host" "DockerCertificateSecret=$secret" \
    "RelaySeconds=$RELAY_SECONDS")
  # Further facts for the tests.
  {
    printf '%s\n' "$outputs"
    printf '%s=%s\n' Stack "$STACK" Deployment "$deployment" DockerHost "$engine_host" \
      DockerCertificateSecret "$secret" Certificates "$engine_certificates" \
      Packaged "$run/packaged.yaml" Bucket "$deployment" RelaySeconds "$RELAY_SECONDS"
  } >"$outputs_file"
  printf '%s\n' "$outputs"
}

stop() {
  local pid deadline containers networks
  if [[ -n $foreign ]]; then
    answers || fail "nothing answers at $endpoint (AWS_ENDPOINT_URL)."
    find_engine
    say "deleting the stack $STACK; the emulator at $endpoint keeps running"
    (emulator_environment && aws cloudformation delete-stack --stack-name "$STACK" &&
      aws cloudformation wait stack-delete-complete --stack-name "$STACK")
  elif pid=$(own_pid); then
    find_engine
    say "stopping MiniStack (process $pid)"
    kill -TERM "$pid"
    deadline=$((SECONDS + STOP_SECONDS))
    while kill -0 "$pid" 2>/dev/null; do
      ((SECONDS < deadline)) || fail "MiniStack (process $pid) has not ended within $STOP_SECONDS s."
      sleep 0.2
    done
    rm -f "$pid_file"
  else
    say "no MiniStack of ours is running; nothing to stop"
    return
  fi
  rm -f "$outputs_file"
  # Without the table, nothing would end these leases.
  containers=$(tls_docker ps --all --quiet --filter "label=containerlease.deployment=$deployment")
  if [[ -n $containers ]]; then
    say "removing $(wc -l <<<"$containers") of its containers"
    # shellcheck disable=SC2086  # One word each.
    tls_docker rm --force --volumes $containers >/dev/null
  fi
  networks=$(tls_docker network ls --quiet --filter "label=containerlease.deployment=$deployment")
  # shellcheck disable=SC2086  # One word each.
  [[ -z $networks ]] || tls_docker network rm $networks >/dev/null
  stop_front
}

tls_docker() { DOCKER_HOST=$engine_host DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=$engine_certificates docker "$@"; }

status() {
  runs || fail "no emulator is running."
  if [[ -n $foreign ]]; then
    say "an emulator that was not started here runs at $endpoint"
  else
    say "MiniStack runs at $endpoint (process $(own_pid)); its log is $log_file"
  fi
  if [[ -s $outputs_file ]]; then cat "$outputs_file"; else say "nothing is deployed"; fi
}

# Runs a Python program against the deployment.
against_stack() {
  if ! runs || [[ ! -s $outputs_file ]]; then deploy >&2; fi
  find_engine
  emulator_environment
  DOCKER_HOST=$engine_host DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=$engine_certificates \
    "$venv/bin/python" "$@"
}

test_stack() { against_stack -m pytest "$here/tests" --stack "$outputs_file" "$@"; }

smoke() {
  if ! runs || [[ ! -s $outputs_file ]]; then deploy >&2; fi
  emulator_environment
  PATH=$venv/bin:$PATH CONTAINERLEASE_STACK=$STACK "$repository/infra/hosting/upload.sh" >/dev/null
  PATH=$venv/bin:$PATH "$repository/infra/hosting/smoke.sh" "$STACK"
}

policies() { against_stack "$here/policies.py" "$outputs_file" "$@"; }

command=${1:-}
[[ $# -eq 1 || $command == test || $command == policies ]] || fail "usage: $USAGE"
venv=$("$here/venv.sh")
readonly venv
case $command in
  start | deploy | stop | status | smoke) "$command" ;;
  test) test_stack "${@:2}" ;;
  policies) policies "${@:2}" ;;
  *) fail "usage: $USAGE" ;;
esac
