#!/usr/bin/env bash
# Runs all checks and tests, with everything that they need: linters, a Docker engine with the
# catalogue's images, an AWS emulator, Chromium. At the end it stops what it started.
#
# usage: test.sh [check|lint|release|attack]
#   check     what needs no engine: formatting, clippy, unit tests, the dashboard's types and tests
#   lint      only the linters
#   attack    the attacks that SECURITY.md names, each proof of its tables
#   release   checks that a release build of the server survives panics; needs a separate build
#
# environment: DOCKER_HOST and Docker's other variables for your own engine; CHROMIUM for a browser
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/say.sh"

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$repository"
work=$(mktemp -d)
readonly work
passed=0
failed=0
engine_started=0
pids=()
behind_names=()
behind_pids=()

say() { printf '\n==> %s\n' "$*" >&2; }

# However this run ends, it stops the processes that it started, by their ids.
clean_up() {
  local pid
  for pid in ${behind_pids[@]+"${behind_pids[@]}"}; do
    kill -TERM -- "-$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  for pid in ${pids[@]+"${pids[@]}"}; do
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  [[ $engine_started != 1 ]] || infra/docker-host/engine.sh stop || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"; else sudo -n "$@"; fi
}

need() { # COMMAND PACKAGE
  command -v "$1" >/dev/null && return
  command -v apt-get >/dev/null || fail "$1 is missing; install it and run this again."
  say "installing $2 with apt-get"
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$2" >"$work/apt.log" 2>&1; then
    as_root apt-get update -q >"$work/apt.log" 2>&1 || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$2" >"$work/apt.log" 2>&1 ||
      { tail -n 5 "$work/apt.log" >&2; fail "$1 is missing and $2 could not be installed; install it and run this again."; }
  fi
}

# Runs a step and shows its output. If the step fails, the whole run ends.
step() { # NAME COMMAND…
  local name=$1 started=$SECONDS status=0
  shift
  say "$name"
  "$@" 2>&1 | tee "$work/output" || status=$?
  judge "$name" "$status" "$work/output" "$((SECONDS - started))"
}

# Starts a step in the background, for steps that mostly wait; `catch_up` shows its output later. The
# step is a process group, which is killed as a whole.
behind() { # NAME COMMAND…
  local name=$1 output=$work/behind-${#behind_names[@]}
  shift
  say "$name: started, shown later"
  set -m
  {
    started=$SECONDS status=0
    "$@" >"$output" 2>&1 || status=$?
    echo "$((SECONDS - started))" >"$output.seconds"
    exit "$status"
  } &
  set +m
  behind_names+=("$name")
  behind_pids+=($!)
}

# Waits for the background steps, and shows each as `step` does.
catch_up() {
  local index status
  for index in "${!behind_names[@]}"; do
    status=0
    wait "${behind_pids[index]}" || status=$?
    say "${behind_names[index]}"
    cat "$work/behind-$index"
    judge "${behind_names[index]}" "$status" "$work/behind-$index" "$(<"$work/behind-$index.seconds")"
  done
  behind_names=()
  behind_pids=()
}

# Counts a step's test results. If the step failed, the whole run ends.
judge() { # NAME STATUS FILE SECONDS
  count "$3"
  if (($2 != 0)); then
    printf '\n%s passed, %s failed\n' "$passed" "$((failed > 0 ? failed : 1))"
    fail "failed: $1"
  fi
  printf '    (%s s)\n' "$4" >&2
}

# Adds up the counts of the test runners: cargo, vitest, pytest, Node, and the browser test.
count() { # FILE
  local line counts='^(test result:| +Tests +|[0-9]+ passed, [0-9]+ failed|[0-9]+ (passed|failed).* in [0-9.]+s)'
  while IFS= read -r line || [[ -n $line ]]; do
    if [[ $line =~ $counts ]]; then
      if [[ $line =~ ([0-9]+)\ passed ]]; then passed=$((passed + BASH_REMATCH[1])); fi
      if [[ $line =~ ([0-9]+)\ failed ]]; then failed=$((failed + BASH_REMATCH[1])); fi
    elif [[ $line =~ ^#\ pass\ ([0-9]+)$ ]]; then
      passed=$((passed + BASH_REMATCH[1]))
    elif [[ $line =~ ^#\ fail\ ([0-9]+)$ ]]; then
      failed=$((failed + BASH_REMATCH[1]))
    fi
  done < <(sed 's/\x1b\[[0-9;]*m//g' "$1")
}

lint_scripts() {
  need shellcheck shellcheck
  git ls-files -z --cached --others --exclude-standard '*.sh' .ci/run | xargs -0 shellcheck -x
}

lint_python() {
  local venv
  venv=$(infra/emulator/venv.sh)
  "$venv/bin/ruff" check --quiet infra && "$venv/bin/ruff" format --quiet --check infra
}

lint_workflows() {
  local venv
  venv=$(infra/emulator/venv.sh)
  "$venv/bin/zizmor" --offline --quiet --no-progress --persona=pedantic .github
}

# A first compilation takes some minutes, so this runs in the background until the end of `lint`.
begin_clippy() {
  behind "Rust: clippy, warnings are errors" cargo clippy --quiet --workspace --all-targets -- -D warnings
}

dashboard() {
  infra/local/dashboard.sh
  step "dashboard: biome" npm --prefix frontend run --silent lint
  step "dashboard: tsc --strict" npm --prefix frontend run --silent typecheck
}

lint() {
  step "scripts: shellcheck" lint_scripts
  step "Python: ruff" lint_python
  step "Rust: formatting" cargo fmt --all --check
  dashboard
  step "dashboard: its types are the API's" infra/openapi/types.sh check
  step "the API's description: openapi-spec-validator" infra/openapi/clients.sh check
  step "the picture of the architecture is up to date" infra/picture.sh check
  step "alert rules and Grafana's dashboard: promql-parser" infra/local/observability/check.sh
  step "templates: sam, cfn-lint, checkov" infra/hosting/lint.sh
  step "workflows: zizmor" lint_workflows
  catch_up
}

# The tests of mutual TLS need an engine behind TLS. If the engine has no TLS port of ours, start a
# TLS front with our certificates for its socket.
tls_front() {
  if [[ -n ${CONTAINERLEASE_ENGINE_TLS_HOST:-} ]]; then
    export CONTAINERLEASE_TEST_TLS_HOST=$CONTAINERLEASE_ENGINE_TLS_HOST
    export CONTAINERLEASE_TEST_CERTIFICATES=$CONTAINERLEASE_ENGINE_CERTIFICATES
    return
  fi
  [[ $DOCKER_HOST == unix://* ]] ||
    { export CONTAINERLEASE_TEST_TLS_HOST=$DOCKER_HOST CONTAINERLEASE_TEST_CERTIFICATES=${DOCKER_CERT_PATH:-}; return; }
  local port
  port=$(free_port)
  infra/docker-host/tls-front.sh "${DOCKER_HOST#unix://}" "$work/certificates" "$port" 2>"$work/front.log" &
  pids+=($!)
  until (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    kill -0 "${pids[-1]}" 2>/dev/null || fail "the TLS front for $DOCKER_HOST did not start: $(tail -n 1 "$work/front.log")"
    sleep 0.1
  done
  export CONTAINERLEASE_TEST_TLS_HOST=tcp://127.0.0.1:$port
  export CONTAINERLEASE_TEST_CERTIFICATES=$work/certificates/client
}

free_port() { node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'; }

# It starts a separate engine in new namespaces, which needs root.
host_test() {
  as_root env CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}" DOCKER_HOST="$DOCKER_HOST" infra/docker-host/test.sh
}

prepare_for_attacks() {
  need faketime faketime
  need mkfs.btrfs btrfs-progs
  # Older distributions do not have it; then its tests say so.
  (need runsc runsc) || true
  # An engine that was already running uses its machine's rules.
  [[ ${CONTAINERLEASE_FIREWALL:-} != up ]] || export CONTAINERLEASE_TEST_FIREWALL=1
}

# This test uses all processors and memory for leases, which would disturb other tests.
readonly attackers=from_inside::no_image_type

# All tests but that one. They mostly wait, for the engine and for time to pass.
rust_test() { # [OPTION…] -- [FILTER…]
  RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) * 2 + 1))} \
    cargo test --quiet --workspace "$@" --skip "$attackers"
}

attackers_test() {
  cargo test --quiet --workspace --test server "$attackers"
}

# Users install a release build, whose profile may handle panics differently than the tests' profile.
release_test() {
  cargo build --quiet --profile release-quick --package containerlease-cli
  CONTAINERLEASE_TEST_SERVER=$(realpath "${CARGO_TARGET_DIR:-target}")/release-quick/containerlease \
    cargo test --quiet --workspace --test server panics
}

# The tests of this target that SECURITY.md names; `lib` means unit tests beside the code.
proofs() { # server|handlers|own_engine|lib
  local target=$1
  [[ $target != lib ]] || target='domain|settings|service|functions|local'
  grep -oE "\`($target) [a-z_0-9:]+\`" SECURITY.md | tr -d '`' | cut -d ' ' -f 2 | sort -u
}

# A row proves nothing if its test was renamed.
proofs_exist() {
  local target select filter missing=0
  for target in server handlers own_engine lib; do
    select=(--test "$target")
    [[ $target != lib ]] || select=(--lib)
    cargo test --quiet --workspace "${select[@]}" -- --list >"$work/tests"
    while read -r filter; do
      grep -qF "$filter" "$work/tests" ||
        { printf 'SECURITY.md names %s %s, but there is no such test\n' "$target" "$filter"; missing=1; }
    done < <(proofs "$target")
  done
  return "$missing"
}

attack_on() { # server|handlers|own_engine|lib
  local select=(--test "$1") filters
  [[ $1 != lib ]] || select=(--lib)
  mapfile -t filters < <(proofs "$1")
  rust_test "${select[@]}" -- "${filters[@]}"
}

attack() {
  # A proof that cannot run here fails instead of being skipped.
  export CONTAINERLEASE_TEST_ALL=1
  step "the tests that SECURITY.md names exist" proofs_exist
  prepare_for_attacks
  step "attacks on the server" attack_on server
  step "attacks from inside every image type" attackers_test
  step "attacks on the handlers, and from inside leases" attack_on handlers
  step "attacks on engines with quotas, or with gVisor" attack_on own_engine
  step "attacks on what parses and decides" attack_on lib
  step "from inside a container of a Docker host" host_test
  infra/local/dashboard.sh
  step "a browser: the main job, and a hostile page" browser_test
}

# A separate emulator for this run: one that runs for development is left alone.
emulator_test() (
  port=$(free_port)
  emulator() {
    env CONTAINERLEASE_EMULATOR_PORT="$port" CONTAINERLEASE_EMULATOR_BINARIES="${CARGO_TARGET_DIR:-target}/debug" \
      DOCKER_HOST="$CONTAINERLEASE_TEST_TLS_HOST" DOCKER_CERT_PATH="$CONTAINERLEASE_TEST_CERTIFICATES" \
      infra/emulator/emulator.sh "$@"
  }
  trap 'emulator stop' EXIT
  # These mostly wait, so they run in parallel: a stack's smoke test, one removed permission, and a
  # short soak. `make test-long` runs all of each.
  little_of_each() {
    local running=() bad=0 pid
    emulator smoke >"$work/smoke" 2>&1 &
    running+=($!)
    bench soak --leases 12 >"$work/soak" 2>&1 &
    running+=($!)
    emulator policies 'Renew dynamodb:GetItem' || bad=1
    for pid in "${running[@]}"; do wait "$pid" || bad=1; done
    cat "$work/smoke" "$work/soak"
    return "$bad"
  }
  emulator deploy && emulator test -q && little_of_each
)

bench() { "${CARGO_TARGET_DIR:-target}/debug/containerlease-bench" "$@" --out "$work"; }

# Figures from a debug build on a busy machine prove nothing. This only checks that the measurements
# work and leave nothing behind.
bench_runs() {
  local status=0
  bench cost --leases 2 || status=$?
  ((status <= 1)) && [[ -s $work/cost.json ]]
}

sam_tests() {
  local venv
  venv=$(infra/emulator/venv.sh)
  "$venv/bin/python" -m pytest -q -p no:cacheprovider -W ignore::DeprecationWarning infra/sam/tests
}

browser_test() {
  local browser=${CHROMIUM:-}
  if [[ -z $browser ]]; then
    browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
  fi
  if [[ -z $browser ]]; then
    need chromium chromium
    browser=$(command -v chromium)
  fi
  # With a port for the table, so that the hostile page has a target.
  # shellcheck disable=SC2016  # The inner shell expands it.
  CONTAINERLEASE_TABLE_PORT=0 CHROMIUM=$browser \
    CONTAINERLEASE_TEST_SERVER="${CARGO_TARGET_DIR:-target}/debug/containerlease" \
    infra/with-server.sh bash -euo pipefail -c '
      export BASE_URL=$CONTAINERLEASE_URL
      npm --prefix frontend run --silent e2e
      npm --prefix frontend run --silent e2e:hostile'
}

# Removes the remains of killed tests and benchmarks from an engine that nothing uses yet.
forget_killed_runs() {
  local all='label=containerlease.deployment'
  docker ps --all --filter "$all" --format '{{.ID}} {{.Label "containerlease.deployment"}}' |
    awk '$2 ~ /^(test|bench)-/ { print $1 }' | xargs -r docker rm --force --volumes >/dev/null ||
    say "containers of earlier runs could not be removed"
  docker network ls --filter "$all" --format '{{.ID}} {{.Name}}' |
    awk '$2 ~ /^(test|bench)-/ { print $1 }' | xargs -r docker network rm >/dev/null ||
    say "networks of earlier runs could not be removed"
}

node_tests() {
  step "dashboard: unit tests" npm --prefix frontend run --silent test
  step "hosting: CloudFront's functions, and what the documents say" node --test --test-reporter=tap infra/hosting/hosting.test.js
}

check() {
  begin_clippy
  step "Rust: formatting" cargo fmt --all --check
  dashboard
  node_tests
  catch_up
  # The testkit compares its engine in memory with a real one.
  step "Rust: unit tests" cargo test --quiet --workspace --exclude containerlease-testkit --lib
  step "Rust: the rules, and the walls" cargo test --quiet --package containerlease-domain --test rules --test walls
}

command -v cargo >/dev/null || fail "cargo is missing; install Rust from https://rustup.rs and run this again."
command -v python3 >/dev/null || fail "python3 is missing; install Python 3.11 or newer with its venv module and run this again."
command -v cc >/dev/null || fail "a C compiler is missing; install gcc (on Debian: build-essential) and run this again."

if [[ ${1:-} == lint ]]; then
  begin_clippy
  lint
  exit
fi
if [[ ${1:-} == check ]]; then
  check
  printf '\n%s passed, %s failed\n' "$passed" "$failed"
  exit
fi
[[ $# -eq 0 || ${1:-} == release || ${1:-} == attack ]] || fail "usage: test.sh [check|lint|release|attack]"

[[ -n ${1:-} ]] || begin_clippy
say "the engine and its images"
engine=$(infra/docker-host/engine.sh ensure)
eval "$engine"
export DOCKER_HOST
engine_started=${CONTAINERLEASE_ENGINE_STARTED:-0}
[[ $engine_started != 1 ]] || forget_killed_runs
infra/images/prepare.sh
tls_front
if [[ ${1:-} == release ]]; then
  step "the server outlives panics as it is released" release_test
  exit
fi
if [[ ${1:-} == attack ]]; then
  attack
  printf '\n%s passed, %s failed\n' "$passed" "$failed"
  exit
fi
lint
node_tests
prepare_for_attacks
step "Rust: all tests but the next" rust_test --
step "Rust: from inside every image type" attackers_test
step "the tests that SECURITY.md names exist" proofs_exist
behind "the API, driven from its description" infra/openapi/fuzz.sh 10
step "a lease through generated clients" infra/openapi/clients.sh
step "the Docker host" host_test
step "sam: parameters, what is watched, the events" sam_tests
step "sam: functions in their containers" infra/sam/local.sh check
step "the measurements" bench_runs
catch_up
step "the template on the AWS emulator" emulator_test
step "a browser: the main job, and a hostile page" browser_test

printf '\n%s passed, %s failed\n' "$passed" "$failed"
