#!/usr/bin/env bash
# Finds a Docker engine on this machine, or installs and starts one if possible.
#
# usage: engine.sh ensure|stop|status
#   ensure   uses the engine that answers; if none does, starts one on Debian and Ubuntu, behind the
#            rules of firewall.sh
#   stop     stops the engine that ensure started, and no other, and removes those rules
#   status   says what answers
#
# Messages for people go to stderr. On success, ensure prints only shell assignments on stdout:
#   DOCKER_HOST=…                             the engine to use
# and, if this script started the engine, now or earlier:
#   CONTAINERLEASE_ENGINE_STARTED=1|0         1 if this very run started it
#   CONTAINERLEASE_ENGINE_TLS_HOST=tcp://…    the same engine over mutual TLS
#   CONTAINERLEASE_ENGINE_CERTIFICATES=DIR    the client's certificate (a DOCKER_CERT_PATH)
# and, if the engine runs on this machine and root is available:
#   CONTAINERLEASE_FIREWALL=up|missing        whether the rules of firewall.sh are there
# Use it as:  settings=$(engine.sh ensure) && eval "$settings" && export DOCKER_HOST
#
# environment:
#   DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH   the engine to use, if you have one
#   CONTAINERLEASE_ENGINE_DIR         where the engine's state is kept (.containerlease/engine)
#   CONTAINERLEASE_DOCKER_DATA_ROOT   where it keeps images and containers (Docker's default); users are
#                                     mapped only if others may search (x) every folder above it
#   CONTAINERLEASE_ENGINE_USERNS      off: the engine maps no users (userns-remap)
#   CONTAINERLEASE_FIREWALL_DENY, CONTAINERLEASE_FIREWALL_CONNECTIONS, CONTAINERLEASE_FIREWALL_LISTS
#                                     the settings of firewall.sh; an engine started here names the
#                                     lists in a label
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)

readonly SOCKET=/var/run/docker.sock
readonly TLS_ADDRESS=127.0.0.1:2376
readonly START_SECONDS=60
readonly STOP_SECONDS=20
# The most processes that a lease of the catalogue may have, and the command that raises the machine's limit.
readonly LEASE_PROCESSES=256
readonly RAISE_PROCESSES='sysctl -w kernel.pid_max=4194304'

state=${CONTAINERLEASE_ENGINE_DIR:-$repository/.containerlease/engine}
[[ $state == /* ]] || state=$PWD/$state
readonly state
readonly pid_file=$state/dockerd.pid
readonly log_file=$state/dockerd.log
# This file exists while the firewall's rules were set by this script.
readonly firewall_file=$state/firewall
readonly certificates=$state/certificates
# The label with the lists of firewall.sh on an engine started here, and the file that records it.
lists=
readonly lists_file=$state/lists

as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"; else sudo -n "$@"; fi
}

can_be_root() {
  [[ $EUID -eq 0 ]] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
}

# --- which engine answers -------------------------------------------------------------------

ping_socket() { # PATH
  [[ -S $1 ]] &&
    [[ $(curl --silent --max-time 5 --noproxy '*' --unix-socket "$1" http://docker/_ping) == OK ]]
}

# As in Docker's own client, DOCKER_TLS_VERIFY counts if it is not empty.
ping_tcp() { # HOST:PORT
  local folder=${DOCKER_CERT_PATH:-$HOME/.docker}
  if [[ -n ${DOCKER_TLS_VERIFY:-} ]]; then
    [[ $(curl --silent --max-time 10 --noproxy '*' --cacert "$folder/ca.pem" --cert "$folder/cert.pem" \
      --key "$folder/key.pem" "https://$1/_ping") == OK ]]
  else
    [[ $(curl --silent --max-time 10 --noproxy '*' "http://$1/_ping") == OK ]]
  fi
}

ping_host() { # DOCKER_HOST
  case $1 in
    unix://*) ping_socket "${1#unix://}" ;;
    tcp://*) ping_tcp "${1#tcp://}" ;;
    *) command -v docker >/dev/null && DOCKER_HOST=$1 docker version >/dev/null 2>&1 ;;
  esac
}

# Docker Desktop, Colima and others publish their socket to the docker command as a context.
context_socket() {
  command -v docker >/dev/null || return 0
  docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null | sed -n 's#^unix://##p'
}

usual_sockets() {
  printf '%s\n' "$SOCKET"
  [[ -z ${XDG_RUNTIME_DIR:-} ]] || printf '%s\n' "$XDG_RUNTIME_DIR/docker.sock"
  [[ -z ${HOME:-} ]] || printf '%s\n' "$HOME/.docker/run/docker.sock"
  context_socket
}

answering_socket() {
  local socket
  while IFS= read -r socket; do
    if ping_socket "$socket"; then
      printf '%s\n' "$socket"
      return 0
    fi
  done < <(usual_sockets)
  return 1
}

# --- our own engine -------------------------------------------------------------------------

# Prints the process id of the engine that this script started, if it lives. After kill -9 the id in
# the pidfile may belong to another process by now, so the command line is checked too.
own_pid() {
  local pid command_line
  [[ -s $pid_file ]] || return 1
  pid=$(<"$pid_file")
  [[ $pid =~ ^[0-9]+$ && -r /proc/$pid/cmdline ]] || return 1
  command_line=$(tr '\0' ' ' <"/proc/$pid/cmdline")
  [[ $command_line == *dockerd\ * && $command_line == *"--pidfile $pid_file "* ]] || return 1
  printf '%s\n' "$pid"
}

report() { # DOCKER_HOST STARTED
  printf 'DOCKER_HOST=%q\n' "$1"
  if own_pid >/dev/null && [[ $1 == "unix://$SOCKET" || $1 == "tcp://$TLS_ADDRESS" ]]; then
    printf 'CONTAINERLEASE_ENGINE_STARTED=%s\n' "$2"
    printf 'CONTAINERLEASE_ENGINE_TLS_HOST=%q\n' "tcp://$TLS_ADDRESS"
    printf 'CONTAINERLEASE_ENGINE_CERTIFICATES=%q\n' "$certificates/client"
  fi
  # The label cannot be changed while the engine runs.
  if own_pid >/dev/null && [[ -e $lists_file && $(<"$lists_file") != "$("$here/firewall.sh" lists 2>/dev/null)" ]]; then
    say "this engine was started with other egress lists; stop it with 'engine.sh stop' and run this again"
  fi
  # For an engine in a virtual machine, or without root, these rules mean nothing.
  [[ $1 != "unix://$SOCKET" || $(uname -s) != Linux ]] || ! can_be_root ||
    printf 'CONTAINERLEASE_FIREWALL=%s\n' "$(firewall_state)"
}

is_debian_like() {
  [[ -r /etc/os-release ]] || return 1
  (
    # shellcheck source=/dev/null
    . /etc/os-release
    [[ " ${ID:-} ${ID_LIKE:-} " == *" debian "* || " ${ID:-} ${ID_LIKE:-} " == *" ubuntu "* ]]
  )
}

has_systemd() { [[ -d /run/systemd/system ]]; }

# dockerd runs docker-init as process 1 of each container that requests an init.
has_docker_init() {
  command -v docker-init >/dev/null ||
    [[ -x /usr/libexec/docker/docker-init || -x /usr/lib/docker/docker-init ]]
}

# Prints why users cannot be mapped, or nothing if they can. Mapped, root in a container has no rights
# outside. Debian's dockerd uses the user ids from 100000 on.
against_user_namespaces() {
  local folder=${CONTAINERLEASE_DOCKER_DATA_ROOT:-/var/lib/docker}
  if [[ ${CONTAINERLEASE_ENGINE_USERNS:-on} == off ]]; then
    echo "CONTAINERLEASE_ENGINE_USERNS is off"
  elif [[ ! -e /proc/self/ns/user || $(cat /proc/sys/user/max_user_namespaces 2>/dev/null || echo 0) -eq 0 ]]; then
    echo "the kernel has no user namespaces"
  elif ! awk '$1 <= 100000 && $1 + $3 >= 165536 { all = 1 } END { exit !all }' /proc/self/uid_map; then
    echo "this machine is itself in a user namespace"
  else
    while folder=$(dirname "$folder") && [[ $folder != / ]]; do
      [[ ! -e $folder || $(stat -c %A "$folder") == *[xt] ]] || { echo "others may not search $folder"; return; }
    done
  fi
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2 ||
    fail "apt-get could not install $*; its own message is above."
}

install_packages() {
  local missing=()
  command -v dockerd >/dev/null || missing+=(docker.io)
  command -v iptables >/dev/null || missing+=(iptables)
  command -v openssl >/dev/null || missing+=(openssl)
  if [[ ${#missing[@]} -gt 0 ]]; then
    say "installing ${missing[*]} with apt-get"
    as_root apt-get update -q >&2 || fail "apt-get update failed; its own message is above."
    apt_install "${missing[@]}"
  fi
  # Newer Debian releases have the docker command in a separate package, and some omit the init.
  command -v docker >/dev/null || apt_install docker-cli
  has_docker_init || command -v tini-static >/dev/null || apt_install tini
}

wait_for_ping() { # SECONDS [PID]
  local deadline=$((SECONDS + $1))
  while ((SECONDS < deadline)); do
    ping_socket "$SOCKET" && return 0
    [[ -z ${2:-} || -d /proc/$2 ]] || return 1
    sleep 0.2
  done
  return 1
}

start_with_systemd() {
  raise_firewall
  say "starting the engine with systemctl"
  as_root systemctl start docker.service ||
    fail "systemctl could not start docker.service; 'journalctl -u docker' tells why."
  if ! [[ -w $SOCKET ]]; then
    fail "the engine runs, but you may not use $SOCKET; run 'sudo usermod -aG docker $(id -un)', log in again and repeat this."
  fi
  wait_for_ping "$START_SECONDS" ||
    fail "docker.service was started but does not answer; 'journalctl -u docker' tells why."
  say "using the engine of systemd at unix://$SOCKET; it has no TLS port"
}

# Starts dockerd in the background and leaves its process id in `launched`.
launch() { # ARGUMENTS…
  # Close the lock's descriptor for dockerd, which would otherwise hold the lock as long as it lives.
  as_root setsid nohup dockerd "$@" >"$log_file" 2>&1 </dev/null 9>&- &
  launched=$!
}

# An engine that maps users keeps its data in a subfolder named after the first mapped ids.
network_store() {
  local root=${CONTAINERLEASE_DOCKER_DATA_ROOT:-/var/lib/docker} mapped
  # shellcheck disable=SC2016  # The dollar sign is the inner shell's.
  mapped=$(as_root sh -c 'ls -td "$1"/[0-9]*.[0-9]*' store "$root" 2>/dev/null | head -n 1)
  if [[ -z $(against_user_namespaces) && -n $mapped ]]; then root=$mapped; fi
  printf '%s/network/files/local-kv.db\n' "$root"
}

# A dockerd stopped while it set up containers may leave a network without an address pool in its
# store. Releases 20.10 then panic at every start.
network_store_is_broken() { # PID
  [[ ! -d /proc/$1 ]] && grep -q '^panic: ' "$log_file" && grep -q 'libnetwork\.New(' "$log_file"
}

# Without a store, dockerd makes a new one with its own three networks; the old one is kept. The bridges
# of the lost networks are removed, or they would block their addresses for ever.
forget_networks() {
  local store bridge
  store=$(network_store)
  say "dockerd cannot read the networks that an earlier run left; moving $store to $store.broken and starting again"
  as_root mv -f "$store" "$store.broken" || fail "$store could not be moved away; remove it and run this again."
  command -v ip >/dev/null || apt_install iproute2
  for bridge in /sys/class/net/{br,cl*}-*/bridge; do
    bridge=$(basename "${bridge%/bridge}")
    [[ ! $bridge =~ ^(br-[0-9a-f]{12}|clc-[0-9a-f]{8,10}|cl[0-9a-f]{4}-[0-9a-f]{8})$ ]] || as_root ip link delete "$bridge"
  done
}

# Blocks containers from the host, except for answers. Always sets the rules, because existing ones may
# allow more. stop removes them only if this script set the first ones.
raise_firewall() {
  local before
  before=$(firewall_state)
  if firewall up 2>"$state/firewall.log"; then
    say "containers reach neither this host nor a cloud's metadata (infra/docker-host/firewall.sh)"
    [[ $before == up ]] || touch "$firewall_file"
  else
    say "the firewall could not be set, so containers can reach this host: $(tail -n 1 "$state/firewall.log")"
  fi
}

# sudo passes no variables on.
firewall() { # up|down|status
  local name settings=()
  for name in CONTAINERLEASE_FIREWALL_{DENY,CONNECTIONS,LISTS}; do
    [[ -z ${!name+set} ]] || settings+=("$name=${!name}")
  done
  as_root env ${settings[@]+"${settings[@]}"} "$here/firewall.sh" "$1"
}

firewall_state() {
  if firewall status 2>/dev/null; then echo up; else echo missing; fi
}

lower_firewall() {
  [[ -e $firewall_file ]] || return 0
  firewall down && rm -f "$firewall_file"
}

# Only warns, because this may be a personal machine. One network has at most 1,000 leases.
warn_of_few_processes() {
  local most
  most=$(cat /proc/sys/kernel/pid_max)
  ((most >= 1000 * LEASE_PROCESSES)) ||
    say "this machine has $most process ids, which $((most / LEASE_PROCESSES)) leases could use up; '$RAISE_PROCESSES' gives it more"
}

start_own() {
  local arguments launched against
  "$here/certificates.sh" "$certificates" IP:127.0.0.1 DNS:localhost
  # A separate configuration file, because one in /etc/docker may name hosts that contradict ours.
  printf '{}\n' >"$state/daemon.json"
  [[ ! -e $log_file ]] || mv -f "$log_file" "$log_file.previous"
  as_root rm -f "$pid_file"
  arguments=(
    --config-file "$state/daemon.json"
    --pidfile "$pid_file"
    # Docker's default pools suffice for some thirty networks; these for 256 networks of 1,022 containers.
    --default-address-pool "base=172.20.0.0/14,size=22"
    # Leases use the default bridge, which isolates them and starts them fastest.
    --icc=false
    # A published port costs no process: the kernel alone forwards connections.
    --userland-proxy=false
    --host "unix://$SOCKET"
    --host "tcp://$TLS_ADDRESS"
    --tlsverify
    --tlscacert "$certificates/server/ca.pem"
    --tlscert "$certificates/server/cert.pem"
    --tlskey "$certificates/server/key.pem"
  )
  [[ -z ${CONTAINERLEASE_DOCKER_DATA_ROOT:-} ]] ||
    arguments+=(--data-root "$CONTAINERLEASE_DOCKER_DATA_ROOT")
  has_docker_init || arguments+=(--init-path "$(command -v tini-static)")
  # Users who may become root here may use the engine too, without being in the group docker.
  [[ $EUID -eq 0 ]] || arguments+=(--group "$(id -g)")

  # Root in a container then has no rights outside. Images are stored apart from those of an engine
  # that maps no users.
  against=$(against_user_namespaces)
  if [[ -z $against ]]; then
    arguments+=(--userns-remap default)
  else
    say "root in a container is root on this machine, except for the limits of containers, because users are not mapped: $against"
  fi

  # Before the engine starts, so that no container ever runs without the rules.
  raise_firewall
  if [[ $(firewall_state) == up ]]; then
    arguments+=(--label containerlease.firewall=closes-egress)
    [[ -z $lists ]] || arguments+=(--label "containerlease.firewall.lists=$lists")
  fi
  printf '%s\n' "$lists" >"$lists_file"
  warn_of_few_processes
  say "starting dockerd on unix://$SOCKET and, with mutual TLS, on tcp://$TLS_ADDRESS (log: $log_file)"
  launch "${arguments[@]}"
  if ! wait_for_ping "$START_SECONDS" "$launched" && network_store_is_broken "$launched"; then
    forget_networks
    mv -f "$log_file" "$log_file.previous"
    launch "${arguments[@]}"
    wait_for_ping "$START_SECONDS" "$launched" || true
  fi
  if ! ping_socket "$SOCKET"; then
    tail -n 20 "$log_file" >&2 || true
    [[ -d /proc/$launched ]] || fail "dockerd ended at once; the last lines of $log_file are above."
    fail "dockerd did not answer within $START_SECONDS s; the last lines of $log_file are above."
  fi
  own_pid >/dev/null || fail "an engine answers at $SOCKET, but it is not the one just started; see $log_file."
}

# --- commands -------------------------------------------------------------------------------

use_what_answers() {
  local socket
  if [[ -n ${DOCKER_HOST:-} ]]; then
    ping_host "$DOCKER_HOST" ||
      fail "DOCKER_HOST is $DOCKER_HOST, and nothing usable answers there; correct it or unset it."
    say "using the engine at $DOCKER_HOST (from DOCKER_HOST)"
    report "$DOCKER_HOST" 0
    return 0
  fi
  socket=$(answering_socket) || return 1
  say "using the engine at unix://$socket"
  report "unix://$socket" 0
}

ensure() {
  command -v curl >/dev/null || fail "curl is missing; install it and run this again."
  use_what_answers && return

  [[ $(uname -s) == Linux ]] ||
    fail "no Docker engine answers; start Docker Desktop (or Colima, or OrbStack) and run this again."
  if ! can_be_root; then
    [[ ! -S $SOCKET || -w $SOCKET ]] ||
      fail "you may not use $SOCKET; run 'sudo usermod -aG docker $(id -un)', log in again and repeat this."
    fail "no Docker engine answers, and installing one needs root; start yours, set DOCKER_HOST, or run this as root."
  fi
  if [[ -S $SOCKET && ! -w $SOCKET ]] && as_root curl --silent --max-time 5 --unix-socket "$SOCKET" http://docker/_ping >/dev/null; then
    fail "you may not use $SOCKET; run 'sudo usermod -aG docker $(id -un)', log in again and repeat this."
  fi
  is_debian_like ||
    fail "no Docker engine answers; install Docker with your system's package manager, start it, and run this again."

  # Report a wrong list before anything starts.
  lists=$("$here/firewall.sh" lists) || exit 1
  mkdir -p "$state"
  # Parallel runs must not start two engines, which would break each other's network rules.
  exec 9>"$state/ensure.lock"
  flock 9
  use_what_answers && return

  install_packages
  if has_systemd; then
    start_with_systemd
    report "unix://$SOCKET" 0
    return
  fi
  # Other init systems may have started the engine while its package was installed.
  use_what_answers && return
  start_own
  report "unix://$SOCKET" 1
}

stop() {
  local pid deadline
  if ! pid=$(own_pid); then
    say "no engine of ours is running; nothing to stop"
    # An engine that was killed leaves its rules; they stay while another engine uses them.
    answering_socket >/dev/null || lower_firewall
    return 0
  fi
  say "stopping dockerd (process $pid)"
  as_root kill -TERM "$pid"
  deadline=$((SECONDS + STOP_SECONDS))
  while [[ -d /proc/$pid ]]; do
    ((SECONDS < deadline)) ||
      fail "dockerd (process $pid) has not ended within $STOP_SECONDS s; $log_file tells what it waits for."
    sleep 0.2
  done
  lower_firewall
  say "stopped"
}

status() {
  local pid socket
  if pid=$(own_pid); then
    say "dockerd started here runs as process $pid, on unix://$SOCKET and tcp://$TLS_ADDRESS"
  else
    say "no dockerd started here is running"
  fi
  if [[ -n ${DOCKER_HOST:-} ]]; then
    ping_host "$DOCKER_HOST" || fail "DOCKER_HOST is $DOCKER_HOST, and nothing usable answers there."
    say "$DOCKER_HOST answers (from DOCKER_HOST)"
  elif socket=$(answering_socket); then
    say "unix://$socket answers"
  else
    fail "no Docker engine answers."
  fi
}

case ${1:-} in
  ensure | stop | status)
    [[ $# -eq 1 ]] || fail "usage: engine.sh ensure|stop|status"
    "$1"
    ;;
  *) fail "usage: engine.sh ensure|stop|status" ;;
esac
