#!/usr/bin/env bash
# Runs the functions in containers on this machine, with sam: `sam local invoke`, and
# `sam local start-api` for the HTTP routes.
#
# usage: local.sh prepare|test|stop|status
#   prepare  builds the functions and brings up what they need; prints the commands to use then
#   test     invokes each function with its events and checks what it answers, then all HTTP
#            routes; prepares first if need be, and then stops at the end
#   stop     stops what prepare has started, and removes the leases' containers
#   status   says what runs
#
# The functions are those of `sam build`, under the template as it is. They find the table of the
# one-machine server as DynamoDB, the engine behind mutual TLS, its certificate in Secrets
# Manager, `sam local start-lambda` as Lambda, and connections of viewers, all on the address that
# this machine has on a network of its own; see neighbours.py. Runs on Linux.
#
# What the template does not declare, --env-vars cannot set. AWS_ENDPOINT_URL and its like are
# right on no account of AWS, so they come with the image in which sam runs the functions.
#
# environment:
#   DOCKER_HOST              the socket of an engine to use instead of the one that
#                            infra/docker-host/engine.sh finds
#   CONTAINERLEASE_NO_PULL=1 do not try to pull images
#   CONTAINERLEASE_EMULATOR_VENV, CONTAINERLEASE_EMULATOR_PYTHON   as infra/emulator/venv.sh has them
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
cd "$repository"

# samconfig.toml has the network, the image and the file with the variables by these names.
readonly NETWORK=containerlease-sam
readonly IMAGE=containerlease/sam:local
readonly state=$repository/.containerlease/sam
readonly DEPLOYMENT=sam-local
# On the network's address nothing else listens, so they can be the same each time.
readonly SERVICES_PORT=42080 LAMBDA_PORT=42301 ENGINE_PORT=42376 TABLE_PORT=42800
# Longer than the half minute after which a relay looks whether its viewer is there still.
readonly RELAY_SECONDS=60
readonly START_SECONDS=60
readonly STOP_SECONDS=30
readonly PARTS=(server neighbours lambda)

say() { printf '==> %s\n' "$*" >&2; }
fail() {
  printf 'local.sh: %s\n' "$*" >&2
  exit 1
}

# Nothing of the caller's own account may reach the functions, and sam hands on what it finds. Where
# it finds no keys it takes made-up ones, and does not ask AWS whose they are.
sam_environment() {
  unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
  export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
  export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
  export AWS_EC2_METADATA_DISABLED=true SAM_CLI_TELEMETRY=0
  export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
}

# --- processes ------------------------------------------------------------------------------

# Starts a part in the background, in a session of its own, and notes its process id.
start_part() { # PART COMMAND…
  local part=$1
  shift
  setsid "$@" >"$state/$part.out" 2>"$state/$part.log" </dev/null &
  printf '%s %s\n' "$!" "$1" >"$state/$part.pid"
}

# Prints the process id of a part that lives. The number may have gone to another process by now,
# so its command line is read as well.
own_pid() { # PART
  local pid command
  [[ -s $state/$1.pid ]] || return 1
  read -r pid command <"$state/$1.pid"
  [[ $(ps -o args= -p "$pid" 2>/dev/null) == *"$command"* ]] || return 1
  printf '%s\n' "$pid"
}

# Waits for a part that was just started.
await() { # PART CONDITION…
  local part=$1 deadline=$((SECONDS + START_SECONDS)) pid
  read -r pid _ <"$state/$1.pid"
  shift
  until "$@"; do
    kill -0 "$pid" 2>/dev/null ||
      fail "the $part has ended; it said: $(tail -n 1 "$state/$part.log")"
    ((SECONDS < deadline)) || fail "the $part was not ready within $START_SECONDS s; see $state/$part.log."
    sleep 0.2
  done
}

stop_part() { # PART
  local pid deadline=$((SECONDS + STOP_SECONDS))
  if pid=$(own_pid "$1"); then
    kill -TERM "$pid"
    while kill -0 "$pid" 2>/dev/null; do
      ((SECONDS < deadline)) || fail "the $1 (process $pid) has not ended within $STOP_SECONDS s."
      sleep 0.2
    done
  fi
  rm -f "$state/$1.pid"
}

runs() {
  local part
  for part in "${PARTS[@]}"; do
    own_pid "$part" >/dev/null || return 1
  done
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# --- what the functions need ----------------------------------------------------------------

# sam mounts the functions' folders, so the engine is one of this machine.
find_engine() {
  local settings
  settings=$(infra/docker-host/engine.sh ensure)
  eval "$settings"
  [[ $DOCKER_HOST == unix://* ]] ||
    fail "sam needs an engine of this machine; DOCKER_HOST is $DOCKER_HOST and must be a unix:// socket."
  export DOCKER_HOST
}

find_tools() {
  command -v cargo >/dev/null || fail "cargo is missing; install Rust from https://rustup.rs and run this again."
  venv=$(infra/emulator/venv.sh)
  PATH=$venv/bin:$PATH
  # They are large, and nothing else wants them.
  if ! cmp -s "$here/requirements.txt" "$venv/sam-requirements.txt"; then
    say "installing cargo-lambda (once, half a minute)"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" >&2 ||
      fail "the packages of $here/requirements.txt cannot be installed; see what pip says above."
    cp "$here/requirements.txt" "$venv/sam-requirements.txt"
  fi
}

build() {
  say "building the table's server"
  cargo build --quiet --package containerlease-cli
  say "building the functions (the first time takes some minutes)"
  # sam builds one function after the other. All binaries at once keep both ends of the machine
  # busy, and sam finds them ready. Where rustup is not found, no target is downloaded.
  RUSTUP=none cargo lambda build --release --quiet \
    --bin provision --bin list --bin renew --bin delete --bin exec --bin cleanup --bin logs
  RUSTUP=none sam build >"$state/build.log" 2>&1 || {
    tail -n 20 "$state/build.log" >&2
    fail "sam build failed; its last lines are above."
  }
}

make_network() {
  docker network inspect "$NETWORK" >/dev/null 2>&1 || docker network create "$NETWORK" >/dev/null
  read -r address subnet < <(docker network inspect --format \
    '{{range .IPAM.Config}}{{.Gateway}} {{.Subnet}}{{end}}' "$NETWORK")
}

start_server() {
  CONTAINERLEASE_LISTEN=127.0.0.1:0 CONTAINERLEASE_TABLE_PORT=0 CONTAINERLEASE_DATA=$state/data \
    CONTAINERLEASE_TABLE=containerlease CONTAINERLEASE_DEPLOYMENT=$DEPLOYMENT CONTAINERLEASE_TICK_SECONDS=3600 \
    start_part server "${CARGO_TARGET_DIR:-target}/debug/containerlease" serve
  await server grep -qs 'DynamoDB, embedded' "$state/server.out"
  table=$(sed -n 's#^ *table *http://127\.0\.0\.1:\([0-9]*\) .*#\1#p' "$state/server.out")
}

start_neighbours() {
  infra/docker-host/certificates.sh "$state/certificates" "IP:$address"
  lambda=$(free_port)
  start_part neighbours python3 "$here/neighbours.py" "$state" "$address" "$subnet" "$SERVICES_PORT" \
    "$ENGINE_PORT=${DOCKER_HOST#unix://}" "$TABLE_PORT=$table" "$LAMBDA_PORT=$lambda"
  await neighbours grep -qs ready "$state/neighbours.out"
}

write_variables() {
  cat >"$state/env.json" <<VARIABLES
{
  "Parameters": {
    "CONTAINERLEASE_CONNECTIONS_ENDPOINT": "http://$address:$SERVICES_PORT/live",
    "CONTAINERLEASE_DEPLOYMENT": "$DEPLOYMENT",
    "CONTAINERLEASE_DOCKER_SECRET": "containerlease/docker-certificate",
    "CONTAINERLEASE_RELAY_SECONDS": "$RELAY_SECONDS",
    "CONTAINERLEASE_TABLE": "containerlease",
    "DOCKER_HOST": "tcp://$address:$ENGINE_PORT",
    "RUST_LOG": "info"
  }
}
VARIABLES
}

# sam puts its emulator of the runtime into an image of its own on top of this one, and would keep
# that with the addresses of another time.
build_image() {
  local base
  base=$(infra/sam/images.sh)
  remove_images
  docker build --quiet --tag "$IMAGE" - >"$state/image.log" 2>&1 <<DOCKERFILE || fail "the functions' image could not be built; see $state/image.log."
FROM $base
ENV AWS_ENDPOINT_URL_DYNAMODB=http://$address:$TABLE_PORT \\
    AWS_ENDPOINT_URL_LAMBDA=http://$address:$LAMBDA_PORT \\
    AWS_ENDPOINT_URL_SECRETS_MANAGER=http://$address:$SERVICES_PORT
DOCKERFILE
}

start_lambda() {
  sam_environment
  start_part lambda sam local start-lambda --port "$lambda"
  await lambda grep -qs 'Running on' "$state/lambda.log"
}

# --- the commands ---------------------------------------------------------------------------

prepare() {
  mkdir -p "$state/frames"
  find_engine
  find_tools
  infra/images/prepare.sh ubuntu alpine redis >&2
  build
  if runs; then
    say "all that the functions need runs already"
  else
    stop
    mkdir -p "$state/frames"
    make_network
    start_server
    start_neighbours
    write_variables
    build_image
    start_lambda
  fi
  cat <<COMMANDS

The functions can be run. Once for this shell:

  export PATH=$venv/bin:\$PATH DOCKER_HOST=$DOCKER_HOST

Then, for example:

  sam local invoke ProvisionFunction --event functions/events/provision-ubuntu.json
  sam local invoke ListFunction --event functions/events/list.json
  sam local start-api --port 3000

'sam build' takes over what you change. 'infra/sam/local.sh stop' stops all and ends the leases.
COMMANDS
}

stop() {
  local part
  for part in lambda neighbours server; do
    stop_part "$part"
  done
  # On the network there are only functions, and this deployment's leases are in no table now.
  remove_containers "network=$NETWORK" "the functions'"
  remove_containers "label=containerlease.deployment=$DEPLOYMENT" "the leases'"
  docker network ls --quiet --filter "label=containerlease.deployment=$DEPLOYMENT" |
    xargs -r docker network rm >/dev/null
  ! docker network inspect "$NETWORK" >/dev/null 2>&1 || docker network rm "$NETWORK" >/dev/null
  remove_images
  rm -rf "$state"
}

# The newest first, since sam's is made from ours.
remove_images() {
  docker images --format '{{.Repository}}:{{.Tag}}' "${IMAGE%:*}" | xargs -r docker rmi --force >/dev/null
}

remove_containers() { # FILTER WHOSE
  local containers
  containers=$(docker ps --all --quiet --filter "$1")
  [[ -n $containers ]] || return 0
  say "removing $(wc -l <<<"$containers") of $2 containers"
  # shellcheck disable=SC2086  # One word each.
  docker rm --force --volumes $containers >/dev/null
}

status() {
  local part pid
  for part in "${PARTS[@]}"; do
    if pid=$(own_pid "$part"); then
      say "the $part runs (process $pid); its log is $state/$part.log"
    else
      say "the $part does not run"
    fi
  done
  runs || fail "the functions cannot be run; 'infra/sam/local.sh prepare' brings up what they need."
}

test_functions() {
  if ! runs; then
    trap stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
  fi
  prepare >&2
  sam_environment
  "$venv/bin/python" "$here/drive.py" "$state" "$DEPLOYMENT"
}

[[ $# -eq 1 ]] || fail "usage: local.sh prepare|test|stop|status"
case $1 in
  prepare | status) "$1" ;;
  stop)
    if [[ -d $state ]]; then
      find_engine
      stop
    else
      say "nothing of ours is running; nothing to stop"
    fi
    ;;
  test) test_functions ;;
  *) fail "usage: local.sh prepare|test|stop|status" ;;
esac
