#!/usr/bin/env bash
# Makes this machine a Docker host for leases: Debian 12 or newer, Ubuntu 22.04 or newer, as root.
#
# usage: setup.sh [OPTION ...]
#   --certificates DIR   the server's certificate: a folder that certificates.sh filled, or only its
#                        folder server
#   --name SAN           makes the certificates here instead, for the address that clients use, such
#                        as IP:192.0.2.7 or DNS:docker.example.org; may be given more than once
#   --secret ARN         fetches the server's certificate from AWS Secrets Manager instead, and checks
#                        daily for a newer one
#   --listen ADDRESS     where the engine listens with mutual TLS, on port 2376 (0.0.0.0)
#   --guard PATH         the guard's binary, which is installed and started
#   --gvisor PATH        gVisor's runsc, which becomes the engine's runtime of that name; the engine then
#                        maps no users, because gVisor does not start with mapped users; "none" removes it
#   --deny NETWORK       one more network that containers may not reach; may be given more than once
#   --egress-list LIST   an egress list that leases choose by name, as NAME=ENTRY,ENTRY (firewall.sh
#                        defines ENTRY); may be given more than once; replaces all earlier lists
#   --reboot-at HH:MM    reboots at that time when an update needs it, or never; by default the host never
#                        reboots by itself, because its leases end with a reboot
#   --no-pull            does not pull the catalogue's images
#   --take-over          continues although the engine has containers or images, which become invisible
#   --files-only         only writes the files; installs nothing and starts nothing
#
# It can be run again at any time and changes only what differs: an option that is not given keeps the
# value of an earlier run.
#
#   /etc/docker/daemon.json             the engine's settings
#   /etc/containerlease/docker-tls/     the server's certificate
#   /etc/containerlease/*.env           settings of the guard, the firewall, the certificate's secret
#   /etc/sysctl.d/60-containerlease.conf   how many processes the machine may have
#   /usr/local/lib/containerlease/      the scripts that the host's units run
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

readonly DAEMON=/etc/docker/daemon.json
readonly OURS=/etc/containerlease
readonly TLS=$OURS/docker-tls
readonly SCRIPTS=/usr/local/lib/containerlease
readonly FIREWALL=$OURS/firewall.env
readonly SYSCTL=/etc/sysctl.d/60-containerlease.conf
readonly UNITS=/etc/systemd/system
readonly GUARD=/usr/local/bin/containerlease-guard
readonly MADE_HERE=/root/containerlease-certificates
readonly PORT=2376
readonly START_SECONDS=60
# All process ids of a 64-bit kernel, and twice what 1,000 leases of 256 processes may start.
readonly PROCESS_IDS=4194304
readonly THREADS=524288

say() { printf '==> %s\n' "$*" >&2; }
fail() {
  printf 'setup.sh: %s\n' "$*" >&2
  exit 1
}

# --- options --------------------------------------------------------------------------------

listen=
certificates=
secret=
guard=
gvisor=
reboot_at=
names=()
deny=()
egress_lists=()
lists=
pull=1
take_over=
files_only=

value_of() { # OPTION [VALUE]
  [[ $# -ge 2 && -n $2 && $2 != --* ]] || fail "$1 needs a value; the head of this script lists all options."
  printf '%s\n' "$2"
}

read_options() {
  while [[ $# -gt 0 ]]; do
    case $1 in
      --no-pull) pull= ;;
      --take-over) take_over=1 ;;
      --files-only) files_only=1 ;;
      --certificates | --secret | --listen | --guard | --gvisor | --reboot-at | --name | --deny | --egress-list)
        local option=$1 value
        value=$(value_of "$@")
        shift
        case $option in
          --certificates) certificates=$value ;;
          --secret) secret=$value ;;
          --listen) listen=$value ;;
          --guard) guard=$value ;;
          --gvisor) gvisor=$value ;;
          --reboot-at) reboot_at=$value ;;
          --name) names+=("$value") ;;
          --deny) deny+=("$value") ;;
          --egress-list) egress_lists+=("$value") ;;
        esac
        ;;
      *) fail "there is no option '$1'; the head of this script lists all options." ;;
    esac
    shift
  done
}

# A run without --listen keeps the earlier address, so it never widens it.
choose_address() {
  [[ -z $listen ]] || return 0
  ! is_ours || listen=$(sed -nE "s#.*\"tcp://([^\"]+):$PORT\".*#\1#p" "$DAEMON")
  listen=${listen:-0.0.0.0}
}

choose_gvisor() {
  [[ $gvisor != none ]] || { gvisor=; return; }
  [[ -z $gvisor ]] || return 0
  ! is_ours || gvisor=$(sed -nE 's#.*"runsc": \{"path": "([^"]+)".*#\1#p' "$DAEMON")
}

is_ours() { grep -qs "$TLS" "$DAEMON"; }

check_options() {
  local sources=0 name network
  [[ -z $certificates ]] || sources=$((sources + 1))
  [[ -z $secret ]] || sources=$((sources + 1))
  [[ ${#names[@]} -eq 0 ]] || sources=$((sources + 1))
  [[ $sources -le 1 ]] || fail "give only one of --certificates, --name and --secret."
  [[ $sources -eq 1 || -s $TLS/cert.pem ]] ||
    fail "the engine needs a certificate: give --certificates DIR, --name IP:… or --secret ARN."
  [[ $listen =~ ^[0-9]+(\.[0-9]+){3}$ || $listen =~ ^\[[0-9a-fA-F:]+\]$ ]] ||
    fail "--listen is '$listen'; it must be an address, such as 0.0.0.0 or 10.0.1.10 or [::]."
  [[ -z $reboot_at || $reboot_at == never || $reboot_at =~ ^([01][0-9]|2[0-3]):[0-5][0-9]$ ]] ||
    fail "--reboot-at is '$reboot_at'; it must look like 04:30, or be never."
  [[ -z $guard || (-f $guard && -x $guard) ]] || fail "the guard '$guard' is not a program."
  [[ -z $gvisor || ($gvisor =~ ^/[A-Za-z0-9/._-]+$ && -f $gvisor && -x $gvisor) ]] ||
    fail "gVisor's '$gvisor' is not a program; --gvisor needs its full path, such as /usr/local/bin/runsc."
  for name in ${names[@]+"${names[@]}"}; do
    [[ $name == IP:?* || $name == DNS:?* ]] || fail "--name is '$name'; it must look like IP:192.0.2.7 or DNS:docker.example.org."
  done
  for network in ${deny[@]+"${deny[@]}"}; do
    [[ $network =~ ^[0-9a-fA-F.:]+(/[0-9]+)?$ ]] || fail "--deny is '$network'; it must be a network, such as 10.0.0.0/8."
  done
  check_lists
}

# Sets "lists" to the value of the engine's label, from this run's lists or else from the file.
check_lists() {
  local given=()
  [[ ${#egress_lists[@]} -eq 0 ]] || given=("CONTAINERLEASE_FIREWALL_LISTS=$(egress_setting)")
  lists=$(env -u CONTAINERLEASE_FIREWALL_CONNECTIONS -u CONTAINERLEASE_FIREWALL_LISTS ${given[@]+"${given[@]}"} \
    "$here/firewall.sh" lists 2>&1) || fail "${lists#firewall.sh: }"
}

egress_setting() {
  local setting
  setting=$(printf '%s;' "${egress_lists[@]}")
  printf '%s\n' "${setting%;}"
}

check_machine() {
  [[ $EUID -eq 0 ]] || fail "this script sets up the whole machine; run it as root."
  local id=unknown version=0
  if [[ -r /etc/os-release ]]; then
    id=$(. /etc/os-release && printf '%s' "${ID:-unknown}")
    # Debian testing has no version number, and is newer than every numbered release.
    version=$(. /etc/os-release && printf '%s' "${VERSION_ID:-9999}")
  fi
  case $id in
    debian) [[ ${version%%.*} -ge 12 ]] || fail "this is Debian $version; setup.sh needs Debian 12 or newer." ;;
    ubuntu) [[ ${version%%.*} -ge 22 ]] || fail "this is Ubuntu $version; setup.sh needs Ubuntu 22.04 or newer." ;;
    *) fail "this system is '$id'; setup.sh needs Debian 12 or newer, or Ubuntu 22.04 or newer." ;;
  esac
  [[ -n $files_only || -d /run/systemd/system ]] ||
    fail "systemd does not run here, and it must start the services; --files-only writes only the files."
}

# --- writing --------------------------------------------------------------------------------

changed=

# Writes a file from its standard input, if it differs; sets "changed" then.
write() { # MODE PATH
  local new
  mkdir -p "$(dirname "$2")"
  new=$(mktemp "$2.XXXXXX")
  cat >"$new"
  chmod "$1" "$new"
  if cmp -s "$new" "$2" && [[ $(stat -c %a "$2") == "${1#0}" ]]; then
    rm -f "$new"
    return
  fi
  mv -f "$new" "$2"
  say "wrote $2"
  changed=1
}

write_copy() { # MODE PATH SOURCE
  write "$1" "$2" <"$3"
}

# --- the steps ------------------------------------------------------------------------------

# dockerd runs docker-init as process 1 of each container that requests an init.
has_docker_init() {
  command -v docker-init >/dev/null ||
    [[ -x /usr/libexec/docker/docker-init || -x /usr/lib/docker/docker-init ]]
}

install_packages() {
  local missing=()
  command -v dockerd >/dev/null || missing+=(docker.io)
  command -v iptables >/dev/null || missing+=(iptables)
  command -v openssl >/dev/null || missing+=(openssl)
  command -v curl >/dev/null || missing+=(curl)
  command -v sysctl >/dev/null || missing+=(procps)
  # AppArmor lets dockerd confine containers by a profile; Docker's package only recommends it.
  command -v apparmor_parser >/dev/null || missing+=(apparmor)
  # The engine pulls over TLS.
  [[ -e /etc/ssl/certs/ca-certificates.crt ]] || missing+=(ca-certificates)
  command -v unattended-upgrade >/dev/null || missing+=(unattended-upgrades)
  [[ -z $secret ]] || python3 -c 'import boto3' 2>/dev/null || missing+=(python3-boto3)
  if [[ ${#missing[@]} -gt 0 ]]; then
    say "installing ${missing[*]}"
    apt_get update -q
    apt_get install -y -q --no-install-recommends "${missing[@]}"
  fi
  # Newer Debian releases have the docker command in a separate package, and some omit the init.
  command -v docker >/dev/null || apt_get install -y -q --no-install-recommends docker-cli
  has_docker_init || command -v tini-static >/dev/null || apt_get install -y -q --no-install-recommends tini
}

# Waits for apt's lock: a machine that has just started may be installing updates.
apt_get() {
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a apt-get -o DPkg::Lock::Timeout=300 "$@" >&2 ||
    fail "'apt-get $1' failed; its own message is above."
}

# With mapped users, the engine keeps containers and images in another folder.
check_engine_in_use() {
  local mapped='' to_be_mapped=1
  [[ -z $take_over ]] || return 0
  ! grep -q '"userns-remap"' "$DAEMON" 2>/dev/null || mapped=1
  [[ -z $gvisor ]] || to_be_mapped=
  [[ $mapped != "$to_be_mapped" ]] || return 0
  command -v docker >/dev/null && [[ -S /var/run/docker.sock ]] || return 0
  [[ -z $(docker --host unix:///var/run/docker.sock ps --all --quiet 2>/dev/null) &&
    -z $(docker --host unix:///var/run/docker.sock images --quiet 2>/dev/null) ]] ||
    fail "the engine here already has containers or images, which would become invisible because the mapping of users changes; use a separate machine, or give --take-over."
}

place_certificate() {
  local folder name problem
  mkdir -p "$TLS"
  chmod 700 "$TLS"
  if [[ -n $secret ]]; then
    printf 'CONTAINERLEASE_SERVER_SECRET=%s\n' "$secret" | write 0600 "$OURS/certificate.env"
    [[ -z $files_only ]] || return 0
    # It also fails for a certificate that expires soon, which is no reason to stop here.
    CONTAINERLEASE_SERVER_SECRET=$secret CONTAINERLEASE_DOCKER_TLS=$TLS "$here/refresh-certificate.sh" >&2 ||
      "$here/certificates.sh" check "$TLS" server ||
      fail "the engine has no usable certificate; see above."
    return
  fi
  if [[ ${#names[@]} -gt 0 ]]; then
    "$here/certificates.sh" "$MADE_HERE" "${names[@]}"
    certificates=$MADE_HERE
  fi
  [[ -n $certificates ]] || return 0
  folder=$certificates
  [[ ! -d $folder/server ]] || folder=$folder/server
  problem=$("$here/certificates.sh" check "$folder" server 2>&1) ||
    fail "the certificate in $folder cannot be used: ${problem#certificates.sh: }"
  for name in key cert ca; do
    write_copy 0600 "$TLS/$name.pem" "$folder/$name.pem"
  done
  # The secret of an earlier run would bring back the old certificate.
  rm -f "$OURS/certificate.env"
}

# hosts: the unit's own -H is removed, because dockerd refuses hosts in both places.
# live-restore: containers outlive a restart of dockerd, for example after an update or a new certificate.
# userns-remap: root in a container has no rights on the host. All catalogue images run so, but not under
# gVisor, whose sandbox has its own user namespace.
# userland-proxy: without it, a published port costs no process; the kernel alone forwards connections.
# icc: off, so that leases on the default bridge cannot reach each other.
# labels: tell the product that the firewall is set, which the engine cannot see, and its lists.
# no-new-privileges, log-opts, default-ulimits: leases request the first two themselves; here they apply
# to all other containers. Files: redis needs 10,032. No core dumps: they would fill the disk.
daemon_settings() {
  local init='' confined='"userns-remap": "default"' label=${lists:+", \"containerlease.firewall.lists=$lists\""}
  has_docker_init || ! command -v tini-static >/dev/null || init="  \"init-path\": \"$(command -v tini-static)\","
  [[ -z $gvisor ]] || confined="\"runtimes\": {\"runsc\": {\"path\": \"$gvisor\"}}"
  cat <<JSON
{
  "hosts": ["unix:///var/run/docker.sock", "tcp://$listen:$PORT"],
  "tlsverify": true,
  "tlscacert": "$TLS/ca.pem",
  "tlscert": "$TLS/cert.pem",
  "tlskey": "$TLS/key.pem",
  "live-restore": true,
  $confined,
  "userland-proxy": false,
  "icc": false,
  "labels": ["containerlease.firewall=closes-egress"$label],
  "no-new-privileges": true,${init:+
$init}
  "log-driver": "json-file",
  "log-opts": {"max-size": "10m", "max-file": "2"},
  "default-ulimits": {
    "nofile": {"Name": "nofile", "Soft": 16384, "Hard": 16384},
    "core": {"Name": "core", "Soft": 0, "Hard": 0}
  }
}
JSON
}

# The distribution's own command, without its -H. It is read from the unit, because the paths of dockerd
# and of containerd's socket differ between distributions.
docker_unit() {
  local file command=
  for file in /usr/lib/systemd/system/docker.service /lib/systemd/system/docker.service; do
    [[ -e $file ]] || continue
    command=$(sed -n 's/^ExecStart=//p' "$file" | sed -E 's/ (-H|--host)[ =]?fd:\/\///')
    break
  done
  [[ -n $command ]] || fail "Docker's unit docker.service is missing; install docker.io and run this again."
  cat <<UNIT
# No container runs before the firewall's rules are set, and no -H contradicts daemon.json.
[Unit]
Requires=containerlease-firewall.service
After=containerlease-firewall.service

[Service]
ExecStart=
ExecStart=$command
UNIT
}

write_scripts() {
  local script
  for script in certificates.sh firewall.sh refresh-certificate.sh; do
    write_copy 0755 "$SCRIPTS/$script" "$here/$script"
  done
}

write_firewall() {
  write_copy 0644 "$UNITS/containerlease-firewall.service" "$here/units/containerlease-firewall.service"
  firewall_settings | write 0644 "$FIREWALL"
}

# Replaces the settings given now, and keeps all others, including lines written by hand.
firewall_settings() {
  local replaced=NONE
  if [[ ${#deny[@]} -gt 0 || ! -e $FIREWALL ]]; then
    printf 'CONTAINERLEASE_FIREWALL_DENY="%s"\n' "${deny[*]-}"
    replaced+='|DENY'
  fi
  if [[ ${#egress_lists[@]} -gt 0 ]]; then
    printf 'CONTAINERLEASE_FIREWALL_LISTS="%s"\n' "$(egress_setting)"
    replaced+='|LISTS'
  fi
  [[ ! -e $FIREWALL ]] || sed -E "/^CONTAINERLEASE_FIREWALL_($replaced)=/d" "$FIREWALL"
}

# A lease has up to 256 processes. Some kernels have only 32,768 ids; when they run out, root cannot start
# a process either. Threads have their own limit, by default as many as have stacks in an eighth of the
# memory. Many small leases reach it within their memory limits, which count the stacks anyway.
write_limits() {
  {
    [[ $(getconf LONG_BIT) != 64 ]] || printf 'kernel.pid_max = %s\n' "$PROCESS_IDS"
    # A machine with more memory may have a higher limit, and keeps it.
    (($(</proc/sys/kernel/threads-max) > THREADS)) || printf 'kernel.threads-max = %s\n' "$THREADS"
  } | write 0644 "$SYSCTL"
}

write_docker() {
  if [[ -s $DAEMON && ! -e $DAEMON.before-containerlease ]] && ! is_ours; then
    cp -p "$DAEMON" "$DAEMON.before-containerlease"
    say "kept the settings that were there as $DAEMON.before-containerlease"
  fi
  daemon_settings | write 0644 "$DAEMON"
  docker_unit | write 0644 "$UNITS/docker.service.d/containerlease.conf"
}

write_certificate_units() {
  local unit
  for unit in service timer; do
    write_copy 0644 "$UNITS/containerlease-certificate.$unit" "$here/units/containerlease-certificate.$unit"
  done
}

# Containers survive an update of Docker's package, which restarts dockerd. They do not survive a reboot.
write_updates() {
  local file=/etc/apt/apt.conf.d/60containerlease
  [[ -n $reboot_at || ! -e $file ]] || return 0
  {
    printf 'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n'
    printf 'APT::Periodic::AutocleanInterval "7";\n'
    if [[ -n $reboot_at && $reboot_at != never ]]; then
      printf 'Unattended-Upgrade::Automatic-Reboot "true";\nUnattended-Upgrade::Automatic-Reboot-Time "%s";\n' "$reboot_at"
    else
      printf 'Unattended-Upgrade::Automatic-Reboot "false";\n'
    fi
  } | write 0644 "$file"
}

write_guard() {
  [[ -n $guard ]] || return 0
  local said
  # A guard for another processor or a newer C library does not start here. One that starts refuses an
  # engine over the network with this sentence.
  said=$(DOCKER_HOST=tcp://127.0.0.1:1 DOCKER_CERT_PATH=/ "$guard" 2>&1) || true
  [[ $said == *"socket only"* ]] || fail "the guard '$guard' does not run on this machine: ${said:-it says nothing}"
  write_copy 0755 "$GUARD" "$guard"
  write_copy 0644 "$UNITS/containerlease-guard.service" "$here/guard/containerlease-guard.service"
}

# --- starting -------------------------------------------------------------------------------

answers() {
  [[ $(curl --silent --max-time 5 --unix-socket /var/run/docker.sock http://docker/_ping) == OK ]]
}

start_engine() {
  local deadline=$((SECONDS + START_SECONDS)) address=$listen code=0
  # A machine inside a container may not set them; it uses those of its host.
  sysctl --quiet --load="$SYSCTL" || say "the kernel did not accept all of $SYSCTL, so leases may use up the process ids; its own message is above"
  systemctl daemon-reload
  systemctl --quiet enable containerlease-firewall.service docker.service
  if systemctl --quiet is-active containerlease-firewall.service; then
    systemctl reload containerlease-firewall.service
  else
    systemctl start containerlease-firewall.service ||
      fail "the firewall's rules could not be set; 'journalctl -u containerlease-firewall' tells why."
  fi
  if [[ -n $engine_changed ]] || ! systemctl --quiet is-active docker.service; then
    say "starting Docker"
    systemctl restart docker.service ||
      fail "Docker did not start with $DAEMON; 'journalctl -u docker' tells why."
  fi
  until answers; do
    ((SECONDS < deadline)) || fail "Docker does not answer within $START_SECONDS s; 'journalctl -u docker' tells why."
    sleep 0.5
  done
  # An open port would hand over the machine, so try it without a certificate.
  [[ $address != 0.0.0.0 ]] || address=127.0.0.1
  [[ $address != "[::]" ]] || address="[::1]"
  curl --silent --insecure --max-time 5 --noproxy '*' "https://$address:$PORT/_ping" >/dev/null || code=$?
  [[ $code -ne 0 ]] || fail "Docker answers on port $PORT without a client's certificate; stop it, and look at $DAEMON."
  [[ $code -ne 7 && $code -ne 28 ]] || fail "Docker does not listen on $address:$PORT; 'journalctl -u docker' tells why."
  say "Docker listens on $listen:$PORT, with mutual TLS only"
}

start_others() {
  systemctl --quiet enable --now containerlease-certificate.timer
  systemctl --quiet enable --now unattended-upgrades.service
  if [[ -e $UNITS/containerlease-guard.service ]]; then
    systemctl --quiet enable containerlease-guard.service
    if [[ -n $guard_changed ]] || ! systemctl --quiet is-active containerlease-guard.service; then
      say "starting the guard"
      systemctl restart containerlease-guard.service ||
        fail "the guard did not start; 'journalctl -u containerlease-guard' tells why."
    fi
  else
    say "no guard is installed: if the control plane stops, leases on this host outlive their hard deadline; --guard PATH installs it"
  fi
}

# prepare.sh also builds stand-ins, but needs Node.js, which a host does not otherwise need.
pull_images() {
  local catalogue=$here/../images/catalogue.json image pulled=0 missing=()
  export DOCKER_HOST=unix:///var/run/docker.sock
  if command -v node >/dev/null; then
    "$here/../images/prepare.sh" >&2 || say "no image is usable yet; run infra/images/prepare.sh when images can be pulled"
    return
  fi
  while read -r image; do
    if docker image inspect "$image" >/dev/null 2>&1 || { say "pulling $image" && docker pull --quiet "$image" >/dev/null; }; then
      pulled=$((pulled + 1))
    else
      missing+=("$image")
    fi
  done < <(sed -n 's/.*"image": *"\([^"]*\)".*/\1/p' "$catalogue")
  say "$pulled images of the catalogue are here"
  [[ ${#missing[@]} -eq 0 ]] || say "these images could not be pulled and cannot be leased: ${missing[*]}; run 'docker pull' later"
}

# --- main -----------------------------------------------------------------------------------

read_options "$@"
check_machine
choose_address
choose_gvisor
check_options
umask 022
if [[ -z $files_only ]]; then
  check_engine_in_use
  install_packages
fi
write_scripts
write_firewall
write_limits
changed=
place_certificate
write_docker
engine_changed=$changed
write_certificate_units
write_updates
changed=
write_guard
guard_changed=$changed
if [[ -n $files_only ]]; then
  say "only wrote the files; nothing is installed or started"
  exit
fi
start_engine
start_others
[[ -z $pull ]] || pull_images
"$SCRIPTS/certificates.sh" expiry "$TLS" >&2 || true
if [[ ${#names[@]} -gt 0 ]]; then
  say "the certificates are in $MADE_HERE: copy the folder client to the program that makes leases, and move the folder ca, which has the signing key, off this machine"
fi
say "this machine is a Docker host for leases: DOCKER_HOST=tcp://THIS-MACHINE:$PORT"
