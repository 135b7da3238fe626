#!/usr/bin/env bash
# Provides the images of catalogue.json on the Docker engine of the environment.
#
# usage: prepare.sh [TYPE ...]        (default: all types of the catalogue)
#
# Existing images are left alone; missing ones are pulled. If that fails, a stand-in is built once from
# Debian's or Ubuntu's packages. At the end it prints a table of the images. It succeeds if at least
# one type can be used.
#
# environment:
#   DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH   which engine, as for the docker command
#   CONTAINERLEASE_NO_PULL=1                           do not try to pull
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

readonly PULL_SECONDS=300
readonly REGISTRY_SECONDS=20

as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"; else sudo -n "$@"; fi
}

# The catalogue as lines of "type image stand-in", in the order of the file.
read_catalogue() { # TYPE...
  # shellcheck disable=SC2016  # The dollar signs are JavaScript's.
  node -e '
    const [file, ...wanted] = process.argv.slice(1);
    const { images } = JSON.parse(require("fs").readFileSync(file, "utf8"));
    const unknown = wanted.filter((type) => !images.some((image) => image.imageType === type));
    if (unknown.length > 0) {
      console.error(`prepare.sh: the catalogue has no image type ${unknown.join(", ")}; it has ${images.map((image) => image.imageType).join(", ")}.`);
      process.exit(1);
    }
    for (const image of images) {
      if (wanted.length === 0 || wanted.includes(image.imageType)) {
        console.log([image.imageType, image.image, image.standIn].join(" "));
      }
    }
  ' "$here/catalogue.json" "$@"
}

has_image() { # IMAGE
  docker image inspect "$1" >/dev/null 2>&1
}

label_of() { # IMAGE LABEL
  docker image inspect --format "{{index .Config.Labels \"$2\"}}" "$1" 2>/dev/null
}

# --- pulling --------------------------------------------------------------------------------

# A replacement for 'timeout', which macOS lacks.
within() { # SECONDS COMMAND...
  local deadline=$((SECONDS + $1)) pid
  shift
  "$@" &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    if ((SECONDS >= deadline)); then
      kill "$pid" 2>/dev/null || true
      wait "$pid" 2>/dev/null || true
      return 124
    fi
    sleep 0.2
  done
  wait "$pid"
}

# Whether the registry was unreachable, so that the next image would fail too.
is_unreachable() { # FILE
  grep -qiE 'no such host|server misbehaving|connection refused|network is unreachable|no route to host|i/o timeout|timeout exceeded|deadline exceeded|TLS handshake timeout|request canceled|x509:|proxyconnect|connection reset|temporary failure' "$1"
}

# Without any answer an engine waits long, for each image. So the first pull must show progress soon;
# the others get the whole time.
pull() { # IMAGE
  local image=$1 code=0
  say "pulling $image"
  if [[ -z $registry_answered ]]; then
    within "$PULL_SECONDS" pull_watched "$image" || code=$?
  else
    within "$PULL_SECONDS" docker pull --quiet "$image" >"$work/pull" 2>&1 || code=$?
  fi
  if [[ $code -eq 0 ]]; then
    registry_answered=1
    return 0
  fi
  reason=$(grep -v '^$' "$work/pull" | tail -n 1 || true)
  if [[ $code -eq 125 ]]; then
    reason="no answer from the registry within $REGISTRY_SECONDS s"
    no_pull=$reason
  elif [[ $code -eq 124 ]]; then
    reason="not pulled within $PULL_SECONDS s"
  elif [[ -z $registry_answered ]] && is_unreachable "$work/pull"; then
    no_pull="no registry can be reached"
  fi
  say "$image was not pulled: $reason"
  return 1
}

pull_watched() { # IMAGE; 125 if the registry shows no sign of life
  local pid deadline=$((SECONDS + REGISTRY_SECONDS))
  docker pull "$1" >"$work/pull" 2>&1 &
  pid=$!
  # shellcheck disable=SC2064  # The process is known now.
  trap "kill $pid 2>/dev/null" TERM
  while kill -0 "$pid" 2>/dev/null; do
    # The first line with a digest or a layer appears only after the registry's answer.
    if ((SECONDS >= deadline)) && ! grep -q ': ' "$work/pull"; then
      kill "$pid" 2>/dev/null || true
      return 125
    fi
    sleep 0.2
  done
  wait "$pid"
}

# Results per type are kept in files, because the bash of macOS has no associative arrays.
set_result() { # TYPE RESULT
  printf '%s\n' "$2" >"$work/results/$1"
}

# --- stand-ins ------------------------------------------------------------------------------

# Sets "unbuildable" to a reason if stand-ins cannot be built.
check_builder() {
  unbuildable=
  if ! command -v apt-get >/dev/null || [[ ! -r /etc/os-release ]]; then
    unbuildable="it was not pulled, and stand-ins are built on Debian and Ubuntu only"
  elif [[ $EUID -ne 0 ]] && ! { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }; then
    unbuildable="it was not pulled, and building a stand-in takes root"
  elif ! command -v mmdebstrap >/dev/null; then
    say "installing mmdebstrap, which builds stand-ins"
    { as_root apt-get update -q && as_root env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -q --no-install-recommends mmdebstrap; } >"$work/apt.log" 2>&1 || {
      tail -n 5 "$work/apt.log" >&2
      unbuildable="it was not pulled, and apt-get could not install mmdebstrap"
    }
  fi
}

import() { # TYPE NAME
  local type=$1 name=$2 line changes=()
  while IFS= read -r line; do
    [[ -z $line ]] || changes+=(--change "$line")
  done <"$here/stand-ins/$type/changes"
  say "importing $name"
  docker import "${changes[@]}" \
    --change 'LABEL containerlease.stand-in=1' \
    --change "LABEL containerlease.stand-in.origin=\"$(<"$work/roots/$type.origin")\"" \
    --message "stand-in for $type" "$work/roots/$type.tar" "$name" >/dev/null
}

build_stand_ins() { # "TYPE IMAGE STAND-IN"...
  local entry type name types=()
  for entry; do
    types+=("${entry%% *}")
  done
  check_builder
  if [[ -z $unbuildable ]]; then
    mkdir -p "$work/roots"
    as_root "$here/stand-ins/build.sh" "$work/roots" "${types[@]}" ||
      unbuildable="it was not pulled, and its stand-in could not be built"
  fi
  for entry; do
    type=${entry%% *}
    name=${entry##* }
    if [[ -n $unbuildable ]]; then
      set_result "$type" "missing: $unbuildable"
    elif [[ ! -s $work/roots/$type.tar ]] || ! import "$type" "$name"; then
      set_result "$type" "missing: its stand-in could not be built"
    else
      set_result "$type" "stand-in ($(<"$work/roots/$type.origin"))"
    fi
  done
}

# --- main -----------------------------------------------------------------------------------

main() {
  local entries entry type image name origin result usable=0 stand_ins=0 missing=() to_build=()
  command -v docker >/dev/null || fail "the docker command is missing; install it (package docker-cli or docker.io) and run this again."
  command -v node >/dev/null || fail "node is missing; install Node.js and run this again."
  docker version >/dev/null 2>&1 ||
    fail "no Docker engine answers at ${DOCKER_HOST:-the usual place}; 'infra/docker-host/engine.sh ensure' finds or starts one."

  entries=$(read_catalogue "$@")
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  registry_answered=
  no_pull=
  [[ -z ${CONTAINERLEASE_NO_PULL:-} ]] || no_pull="CONTAINERLEASE_NO_PULL is set"
  mkdir "$work/results"

  while read -r type image name; do
    if has_image "$image"; then
      set_result "$type" "present"
    elif [[ -z $no_pull ]] && pull "$image"; then
      set_result "$type" "pulled"
    elif has_image "$name"; then
      origin=$(label_of "$name" containerlease.stand-in.origin)
      set_result "$type" "stand-in (${origin:-built earlier})"
    else
      to_build+=("$type $image $name")
    fi
  done <<<"$entries"

  if [[ ${#to_build[@]} -gt 0 ]]; then
    [[ -z $no_pull ]] || say "building stand-ins, because $no_pull"
    build_stand_ins "${to_build[@]}"
  fi

  printf '\n%-10s %-22s %s\n' "TYPE" "IMAGE" "STATE"
  while read -r type image name; do
    result=$(<"$work/results/$type")
    printf '%-10s %-22s %s\n' "$type" "$image" "$result"
    case $result in
      missing*) missing+=("$type") ;;
      stand-in*) stand_ins=$((stand_ins + 1)) usable=$((usable + 1)) ;;
      *) usable=$((usable + 1)) ;;
    esac
  done <<<"$entries"
  printf '\n'
  [[ $stand_ins -eq 0 ]] ||
    say "$stand_ins of these are stand-ins built here, not the named images; run this again with a reachable registry to get those."
  [[ $usable -gt 0 ]] || fail "no image type is usable; the table above says why."
  [[ ${#missing[@]} -eq 0 ]] || say "missing: ${missing[*]}; the other types can be used."
}

main "$@"
