#!/usr/bin/env bash
# Provides the image in which sam runs the functions, on the Docker engine of the environment, and
# prints its name.
#
# usage: images.sh
#
# It is the image of Lambda's runtime. An existing image is used as it is; otherwise it is pulled. If
# that fails, a stand-in is built once from the catalogue's images ubuntu and alpine. It has what a
# Rust program and sam need: glibc, a shell and the public CA certificates. A stand-in never has the
# real image's name.
#
# environment:
#   DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH   which engine, as for the docker command
#   CONTAINERLEASE_NO_PULL=1                           do not try to pull
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

case $(uname -m) in
  aarch64 | arm64) readonly ARCHITECTURE=arm64 ;;
  *) readonly ARCHITECTURE=x86_64 ;;
esac
readonly IMAGE=public.ecr.aws/lambda/provided:al2023-$ARCHITECTURE
readonly STAND_IN=containerlease/stand-in-lambda:1
readonly PULL_SECONDS=300
readonly REGISTRY_SECONDS=20

has_image() { # IMAGE
  docker image inspect "$1" >/dev/null 2>&1
}

# Gives up early on a registry that does not answer: the first line with a digest or a layer appears
# only after its answer.
pull() { # IMAGE
  local pid started=$SECONDS
  say "pulling $1"
  docker pull "$1" >"$work/pull" 2>&1 &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    if ((SECONDS - started >= PULL_SECONDS)) ||
      { ((SECONDS - started >= REGISTRY_SECONDS)) && ! grep -q ': ' "$work/pull"; }; then
      kill "$pid" 2>/dev/null || true
    fi
    sleep 0.2
  done
  wait "$pid" || {
    say "$1 was not pulled: $(grep -v '^$' "$work/pull" | tail -n 1 || true)"
    return 1
  }
}

# The image of a catalogue type on the engine, the real one or its stand-in.
image_of() { # TYPE
  local names name
  # shellcheck disable=SC2016  # The dollar signs are JavaScript's.
  names=$(node -p '
    const { images } = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
    const { image, standIn } = images.find(({ imageType }) => imageType === process.argv[2]);
    `${image} ${standIn}`' "$here/../images/catalogue.json" "$1")
  for name in $names; do
    if has_image "$name"; then
      printf '%s\n' "$name"
      return
    fi
  done
  fail "the image type $1 is not on the engine; run infra/images/prepare.sh $1."
}

build_stand_in() {
  local system certificates
  system=$(image_of ubuntu)
  certificates=$(image_of alpine)
  say "building a stand-in for $IMAGE from $system"
  docker build --quiet --tag "$STAND_IN" - >"$work/build" 2>&1 <<DOCKERFILE || { cat "$work/build" >&2; fail "the stand-in for $IMAGE could not be built."; }
FROM $certificates AS certificates
FROM $system
COPY --from=certificates /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
RUN mkdir -p /opt /var/rapid /var/runtime /var/task
ENV LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime
WORKDIR /var/task
LABEL containerlease.stand-in=1 containerlease.stand-in.origin="$system"
DOCKERFILE
}

[[ $# -eq 0 ]] || fail "usage: images.sh"
command -v docker >/dev/null || fail "the docker command is missing; install it and run this again."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if has_image "$IMAGE" || { [[ -z ${CONTAINERLEASE_NO_PULL:-} ]] && pull "$IMAGE"; }; then
  printf '%s\n' "$IMAGE"
else
  has_image "$STAND_IN" || build_stand_in
  printf '%s\n' "$STAND_IN"
fi
