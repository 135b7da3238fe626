#!/usr/bin/env bash
# Runs the functions in containers on this machine, with sam: `sam local invoke`, and
# `sam local start-api` for the HTTP routes.
#
# usage: local.sh prepare|test|check|stop|status
#   prepare  builds the functions and starts what they need; prints the commands to use next
#   test     invokes each function with its events and checks the answers, then all HTTP routes; stops
#            everything at the end
#   check    the same for one function of each kind, with existing binaries
#   stop     stops what prepare started, and removes the leases' containers
#   status   says what runs
#
# The functions come from `sam build` or from CONTAINERLEASE_SAM_BINARIES, with the unchanged template.
# At this machine's address on a separate network they find the one-machine server's table as
# DynamoDB, the engine behind mutual TLS, its certificate in Secrets Manager, `sam local start-lambda`
# as Lambda, and the viewers' connections; see neighbours.py. Runs on Linux.
#
# --env-vars sets only variables that the template declares. AWS_ENDPOINT_URL and similar variables
# would be wrong on AWS, so they are in the image in which sam runs the functions.
#
# prepare uses the names of samconfig.toml, so only one clone at a time can use it on an engine. test
# uses these names too if they are free, so that its commands are those that a user types. Otherwise,
# and always for check, the names derive from the clone's folder.
#
# environment:
#   DOCKER_HOST                the socket of an engine to use instead of the one that
#                              infra/docker-host/engine.sh finds
#   CONTAINERLEASE_NO_PULL=1   do not try to pull images
#   CONTAINERLEASE_SAM_BINARIES   test and check: a folder with binaries to use instead of building
#                                 them; check builds none and takes those of target/debug
#   CONTAINERLEASE_EMULATOR_VENV, CONTAINERLEASE_EMULATOR_PYTHON   as for infra/emulator/venv.sh
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
cd "$repository"

readonly USAGE="local.sh prepare|test|check|stop|status"
# The names of the network, the image and the file with the variables in samconfig.toml.
NETWORK=containerlease-sam
IMAGE=containerlease/sam:local
DEPLOYMENT=sam-local
state=$repository/.containerlease/sam
# The configuration file for sam; empty for samconfig.toml itself.
config=
# A label names the network's owner, for two clones on one engine.
readonly CLONE_LABEL=containerlease.clone
# Nothing else listens on the network's address, so the ports can be fixed.
readonly SERVICES_PORT=42080 LAMBDA_PORT=42301 ENGINE_PORT=42376 TABLE_PORT=42800
# Short, so that a second and a third relay continue a test's log.
readonly RELAY_SECONDS=15
readonly START_SECONDS=60
readonly STOP_SECONDS=30
readonly PARTS=(server front neighbours lambda)

# Keep the user's AWS account away from the functions: sam passes on the keys that it finds. Without
# keys it invents some, and does not contact AWS.
sam_environment() {
  unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
  export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
  export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
  export AWS_EC2_METADATA_DISABLED=true SAM_CLI_TELEMETRY=0
  export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
}

# --- processes ------------------------------------------------------------------------------

# Starts a part in the background, in a new session, and stores its process id with a text from its
# command line.
start_part() { # PART MARK COMMAND…
  local part=$1 mark=$2
  shift 2
  setsid "$@" >"$state/$part.out" 2>"$state/$part.log" </dev/null &
  printf '%s %s\n' "$!" "$mark" >"$state/$part.pid"
}

# Prints the process id of a running part. The id may belong to another process by now, so its
# command line is checked too.
own_pid() { # PART
  local pid mark
  [[ -s $state/$1.pid ]] || return 1
  read -r pid mark <"$state/$1.pid"
  [[ $(ps -o args= -p "$pid" 2>/dev/null) == *"$mark"* ]] || return 1
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

# sam mounts the functions' folders, so the engine must run on this machine.
find_engine() {
  local settings
  settings=$(infra/docker-host/engine.sh ensure)
  eval "$settings"
  [[ $DOCKER_HOST == unix://* ]] ||
    fail "sam needs an engine of this machine; DOCKER_HOST is $DOCKER_HOST and must be a unix:// socket."
  export DOCKER_HOST
}

find_tools() { # [check]
  command -v cargo >/dev/null || fail "cargo is missing; install Rust from https://rustup.rs and run this again."
  venv=$(infra/emulator/venv.sh)
  PATH=$venv/bin:$PATH
  # They are large, and only a build needs them.
  if [[ ${1:-} != check ]] && ! cmp -s "$here/requirements.txt" "$venv/sam-requirements.txt"; then
    say "installing cargo-lambda (once, half a minute)"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" >&2 ||
      fail "the packages of $here/requirements.txt cannot be installed; see what pip says above."
    cp "$here/requirements.txt" "$venv/sam-requirements.txt"
  fi
}

# The binaries to build, from the template.
binaries() { sed -n 's/^ *BuildProperties: {Binary: \(.*\)}$/\1/p' template.yaml; }

build() {
  local name flags=()
  say "building the table's server"
  cargo build --quiet --package containerlease-cli
  say "building the functions (the first time takes some minutes)"
  # sam builds one function after the other. Building all binaries together uses all processors, and
  # sam then finds them ready. Without rustup no target is downloaded.
  for name in $(binaries); do flags+=(--bin "$name"); done
  RUSTUP=none cargo lambda build --release --quiet "${flags[@]}"
  RUSTUP=none sam build >"$state/build.log" 2>&1 || {
    tail -n 20 "$state/build.log" >&2
    fail "sam build failed; its last lines are above."
  }
}

# Puts existing binaries where sam expects the output of a build.
lay_out() { # FOLDER
  [[ -x $1/list ]] || fail "$1 has no functions; build them with 'cargo build --package containerlease-functions --bins'."
  "$venv/bin/python" infra/emulator/package.py template.yaml "$1" "$state/build"
}

# Names for this clone's tests only, and a configuration for sam with these names.
take_names_of_our_own() {
  local name text
  name=test-sam-$(cksum <<<"$repository" | cut -d ' ' -f 1)
  state=$repository/.containerlease/sam-test
  config=$state/samconfig.toml
  text=$(sed -e "s#\"$NETWORK\"#\"$name-functions\"#" -e "s#\"$IMAGE\"#\"containerlease/$name:local\"#" \
    -e "s#\"\.containerlease/sam/env.json\"#\"$state/env.json\"#" samconfig.toml)
  NETWORK=$name-functions IMAGE=containerlease/$name:local DEPLOYMENT=$name
  # First remove the remains of a killed run.
  stop
  mkdir -p "$state"
  printf '%s\n' "$text" >"$config"
}

# Prints the folder of the clone that owns the network; fails if there is no such network.
network_owner() { docker network inspect --format "{{index .Labels \"$CLONE_LABEL\"}}" "$NETWORK" 2>/dev/null; }

make_network() {
  local owner bridge
  if owner=$(network_owner); then
    [[ $owner == "$repository" ]] ||
      fail "the network $NETWORK is another clone's (${owner:-it does not say whose}); run 'infra/sam/local.sh stop' there first, or 'docker network rm $NETWORK'."
  else
    # A bridge name that the firewall does not treat as a leases' bridge, because functions must reach
    # this machine.
    bridge=sam-$(printf '%s' "$NETWORK" | cksum | cut -d ' ' -f 1)
    docker network create --label "$CLONE_LABEL=$repository" \
      --opt com.docker.network.bridge.name="$bridge" "$NETWORK" >/dev/null
  fi
  read -r address subnet < <(docker network inspect --format \
    '{{range .IPAM.Config}}{{.Gateway}} {{.Subnet}}{{end}}' "$NETWORK")
}

# The server's own reaper must leave the leases to the functions.
start_server() {
  CONTAINERLEASE_LISTEN=127.0.0.1:0 CONTAINERLEASE_TABLE_PORT=0 CONTAINERLEASE_DATA=$state/data \
    CONTAINERLEASE_TABLE=containerlease CONTAINERLEASE_DEPLOYMENT=$DEPLOYMENT \
    CONTAINERLEASE_TICK_SECONDS=3600 CONTAINERLEASE_LOOK_AHEAD_SECONDS=0 \
    start_part server containerlease "${CARGO_TARGET_DIR:-target}/debug/containerlease" serve
  await server grep -qs 'DynamoDB, embedded' "$state/server.out"
  # The functions' URL for it; they see only the path.
  table=$(sed -n 's#^http://127\.0\.0\.1:\([0-9]*\)/.*#\1#p' "$state/data/table-endpoint")
  table_key=$(sed 's#.*/##' "$state/data/table-endpoint")
}

start_front() {
  # The script execs the serving program, whose arguments contain the certificates' folder.
  start_part front "$state/certificates" infra/docker-host/tls-front.sh "${DOCKER_HOST#unix://}" "$state/certificates" \
    "$ENGINE_PORT" "$address" "$subnet"
  await front port_answers "$ENGINE_PORT"
}

port_answers() { (: <"/dev/tcp/$address/$1") 2>/dev/null; }

start_neighbours() {
  lambda=$(free_port)
  start_part neighbours "$here/neighbours.py" python3 "$here/neighbours.py" "$state" "$address" "$subnet" "$SERVICES_PORT" \
    "$TABLE_PORT=$table" "$LAMBDA_PORT=$lambda"
  await neighbours grep -qs ready "$state/neighbours.out"
}

write_variables() {
  cat >"$state/env.json" <<VARIABLES
{
  "Parameters": {
    "CONTAINERLEASE_END_QUEUE": "",
    "CONTAINERLEASE_DELIVERY_QUEUE": "",
    "CONTAINERLEASE_LOOK_AHEAD_SECONDS": "65",
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

# sam builds its own image with its runtime emulator on top of this one. Remove it, or sam would keep
# one with old addresses.
build_image() {
  local base
  base=$(infra/sam/images.sh)
  remove_images
  docker build --quiet --tag "$IMAGE" - >"$state/image.log" 2>&1 <<DOCKERFILE || fail "the functions' image could not be built; see $state/image.log."
FROM $base
ENV AWS_ENDPOINT_URL_DYNAMODB=http://$address:$TABLE_PORT/$table_key \\
    AWS_ENDPOINT_URL_LAMBDA=http://$address:$LAMBDA_PORT \\
    AWS_ENDPOINT_URL_SECRETS_MANAGER=http://$address:$SERVICES_PORT
DOCKERFILE
}

start_lambda() {
  sam_environment
  # shellcheck disable=SC2046  # One word each.
  start_part lambda start-lambda sam local start-lambda --port "$lambda" $(sam_flags)
  await lambda grep -qs 'Running on' "$state/lambda.log"
}

# The flags that point sam to everything on this machine, and to another configuration or other
# functions. With another template it would also look for the configuration beside that.
sam_flags() {
  printf '%s\n' --config-env local
  if [[ -d $state/build ]]; then
    printf '%s\n' --template-file "$state/build/template.yaml" --config-file "${config:-$repository/samconfig.toml}"
  elif [[ -n $config ]]; then
    printf '%s\n' --config-file "$config"
  fi
}

# --- the commands ---------------------------------------------------------------------------

bring_up() {
  mkdir -p "$state/frames"
  make_network
  start_server
  start_front
  start_neighbours
  write_variables
  build_image
  start_lambda
}

prepare() {
  mkdir -p "$state"
  find_engine
  find_tools
  infra/images/prepare.sh ubuntu alpine redis >&2
  build
  if runs; then
    say "everything that the functions need runs already"
  else
    stop
    bring_up
  fi
  cat <<COMMANDS

The functions can be run. Once for this shell:

  export PATH=$venv/bin:\$PATH DOCKER_HOST=$DOCKER_HOST

Then, for example:

  sam local invoke --config-env local ProvisionFunction --event functions/events/provision-ubuntu.json
  sam local invoke --config-env local ListFunction --event functions/events/list.json
  sam local start-api --config-env local --port 3000

'sam build' takes over what you change. 'infra/sam/local.sh stop' stops all and ends the leases.
COMMANDS
}

stop() {
  local part owner
  for part in lambda neighbours front server; do
    stop_part "$part"
  done
  rm -rf "$state"
  # Another clone may own these names.
  owner=$(network_owner) || owner=$repository
  [[ $owner == "$repository" ]] || return 0
  # The network has only functions, and the table of this deployment's leases is gone.
  remove_containers "network=$NETWORK" "the functions'"
  remove_containers "label=containerlease.deployment=$DEPLOYMENT" "the leases'"
  docker network ls --quiet --filter "label=containerlease.deployment=$DEPLOYMENT" |
    xargs -r docker network rm >/dev/null
  ! docker network inspect "$NETWORK" >/dev/null 2>&1 || docker network rm "$NETWORK" >/dev/null
  remove_images
}

# The newest first, because sam's image is built on ours.
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
  runs || fail "the functions cannot run; 'infra/sam/local.sh prepare' starts what they need."
}

drive() { # [--few]
  trap stop EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  bring_up
  sam_environment
  # shellcheck disable=SC2046  # One word each.
  "$venv/bin/python" "$here/drive.py" "$@" "$state" "$DEPLOYMENT" $(sam_flags)
}

test_functions() {
  find_engine
  find_tools
  infra/images/prepare.sh ubuntu alpine redis >&2
  if network_owner >/dev/null; then take_names_of_our_own; else stop; fi
  mkdir -p "$state"
  if [[ -n ${CONTAINERLEASE_SAM_BINARIES:-} ]]; then lay_out "$CONTAINERLEASE_SAM_BINARIES"; else build; fi
  drive
}

check() {
  find_engine
  find_tools check
  infra/images/prepare.sh ubuntu alpine redis >&2
  take_names_of_our_own
  lay_out "${CONTAINERLEASE_SAM_BINARIES:-${CARGO_TARGET_DIR:-target}/debug}"
  drive --few
}

[[ $# -eq 1 ]] || fail "usage: $USAGE"
case $1 in
  prepare | status | check) "$1" ;;
  stop)
    if [[ -d $state ]]; then
      find_engine
      stop
    else
      say "nothing of ours is running; nothing to stop"
    fi
    ;;
  test) test_functions ;;
  *) fail "usage: $USAGE" ;;
esac
