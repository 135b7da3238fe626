#!/usr/bin/env bash
# Tests the setup of setup.sh on a separate engine: a second dockerd that reads the files that setup.sh
# writes. It runs in its own namespaces for network, mounts and processes, so that the machine's own
# engine, rules and files stay unchanged. A second network namespace is the outside world, with a
# metadata service.
#
# usage: test.sh          as root; it ends with a line "N passed, N failed"
#
# environment:
#   DOCKER_HOST                     an engine that provides the image of alpine
#   CARGO_TARGET_DIR                the folder with the guard's binary (target)
#   CONTAINERLEASE_EMULATOR_VENV    as for infra/emulator/venv.sh: MiniStack provides Secrets Manager
# shellcheck disable=SC2317  # Most functions here are called by succeeds and fails.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
passed=0
failed=0
work=
machine=
world=

say() { printf '==> %s\n' "$*" >&2; }
finish() {
  printf '%s passed, %s failed\n' "$passed" "$failed"
  [[ $failed -eq 0 ]] || exit 1
  exit 0
}
skip() {
  say "not tested here: $*"
  finish
}

# When process 1 of a namespace ends, all of it ends: dockerd, containers, servers.
clean_up() {
  local pid
  [[ -z $machine ]] || in_machine sh -c 'docker ps --all --quiet | xargs -r docker rm --force --volumes' >/dev/null 2>&1 || true
  for pid in $machine $world; do
    kill -KILL "$pid" 2>/dev/null || true
  done
  wait 2>/dev/null || true
  [[ -z $work ]] || rm -rf "$work" 2>/dev/null || { sleep 1; rm -rf "$work" || true; }
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- counting -------------------------------------------------------------------------------

succeeds() { # SENTENCE COMMAND…
  local sentence=$1
  shift
  if "$@" >"$work/output" 2>&1; then
    passed=$((passed + 1))
    printf 'ok      %s\n' "$sentence"
  else
    failed=$((failed + 1))
    printf 'FAILED  %s\n' "$sentence"
    sed 's/^/        /' "$work/output" | tail -n 15
  fi
}
not() { ! "$@"; }
fails() { # SENTENCE COMMAND…
  succeeds "$1" not "${@:2}"
}
# Checks that the command fails with these words.
fails_with() { # WORDS COMMAND…
  local said
  if said=$("${@:2}" 2>&1); then
    printf 'it did not fail: %s\n' "$said"
    return 1
  fi
  printf '%s\n' "$said"
  [[ $said == *"$1"* ]]
}
# Whether the server refused curl: in the handshake, or at the first write or read. If curl did not
# trust the server, the code would be another.
refused() { # CURL…
  local code=0
  "$@" || code=$?
  printf 'curl ended with %s\n' "$code"
  [[ $code -eq 35 || $code -eq 55 || $code -eq 56 ]]
}
prints() { # TEXT COMMAND…
  local said
  said=$("${@:2}")
  printf 'wanted %s, got %s\n' "$1" "$said"
  [[ $said == "$1" ]]
}

# --- the two namespaces ---------------------------------------------------------------------

in_machine() { nsenter --target "$machine" --mount --net --pid -- "$@"; }
in_world() { nsenter --target "$world" --net --pid -- "$@"; }

# Its own /run, /etc, /usr/local and /var/lib/docker, and a /sys that shows its own network.
# shellcheck disable=SC2016  # The dollar signs are the inner shell's.
readonly MACHINE='
  set -e
  work=$1
  mount --make-rprivate /
  mkdir -p "$work/memory" "$work/cgroup" "$work/data"
  mount -t tmpfs tmpfs "$work/memory"
  for folder in etc usr/local; do
    mkdir -p "$work/memory/$folder/upper" "$work/memory/$folder/work"
    mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$work/memory/$folder/upper,workdir=$work/memory/$folder/work" "/$folder"
  done
  mount --rbind /sys/fs/cgroup "$work/cgroup"
  mount -t sysfs sysfs /sys
  mount --rbind "$work/cgroup" /sys/fs/cgroup
  mount -t tmpfs tmpfs /run
  mkdir -p /var/lib/docker
  mount --bind "$work/data" /var/lib/docker
  rm -f /etc/docker/daemon.json
  ip link set lo up
  touch "$work/ready"
  # As process 1 of its namespace, it adopts orphaned processes.
  trap : CHLD
  while :; do sleep 1 & wait; done
'

start_namespaces() {
  local outer
  unshare --net --pid --fork --kill-child -- sleep infinity >"$work/namespaces.log" 2>&1 &
  outer=$!
  eventually 10 child_of "$outer" || return 1
  world=$(child_of "$outer")
  unshare --mount --net --pid --fork --kill-child --mount-proc -- bash -c "$MACHINE" machine "$work" >"$work/namespaces.log" 2>&1 &
  outer=$!
  eventually 10 test -e "$work/ready" || return 1
  machine=$(child_of "$outer")
}

child_of() { # PID
  local children
  children=$(cat "/proc/$1/task/$1/children" 2>/dev/null)
  [[ -n $children ]] && printf '%s\n' "${children%% *}"
}

# The machine's uplink is a bridge with a name like Docker's, which the rules must not match. Addresses
# are from the documentation ranges.
connect_them() {
  ip link add "vw$$" type veth peer name "vm$$"
  ip link set "vw$$" netns "$world" name uplink
  ip link set "vm$$" netns "$machine" name port
  in_world sh -c '
    ip link set lo up && ip link set uplink up
    ip addr add 192.0.2.254/24 dev uplink && ip addr add 2001:db8::254/64 dev uplink nodad
    ip addr add 198.51.100.10/32 dev lo && ip addr add 198.51.100.11/32 dev lo
    ip addr add 169.254.169.254/32 dev lo && ip -6 addr add fd00:ec2::254/128 dev lo
    ip route add 172.16.0.0/12 via 192.0.2.1 && ip -6 route add fd77::/64 via 2001:db8::1
    ip -6 route add fd78::/64 via 2001:db8::1'
  in_machine sh -c '
    ip link add br-lan type bridge && ip link set port master br-lan && ip link set port up && ip link set br-lan up
    ip addr add 192.0.2.1/24 dev br-lan && ip addr add 2001:db8::1/64 dev br-lan nodad
    ip route add default via 192.0.2.254 && ip -6 route add default via 2001:db8::254
    ip addr add 169.254.170.2/32 dev lo
    sysctl -q -w net.ipv6.conf.all.forwarding=1'
}

# Answers every request on the ports 80 and 8080, at all addresses. At documentation addresses it also
# answers UDP and the name server's port.
readonly SERVER='
import http.server, socket, socketserver, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "6"); self.end_headers(); self.wfile.write(b"secret")
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    request_queue_size = 128
    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()
class Datagram(socketserver.BaseRequestHandler):
    def handle(self): self.request[1].sendto(self.request[0], self.client_address)
class Stream(socketserver.BaseRequestHandler):
    def handle(self): self.request.sendall(self.request.recv(64))
def serve(server): threading.Thread(target=server.serve_forever).start()
for port in (80, 8080): serve(Server(("::", port), Handler))
for address in ("198.51.100.10", "198.51.100.11"):
    try:
        for port in (53, 9000, 9001): serve(socketserver.UDPServer((address, port), Datagram))
        serve(socketserver.TCPServer((address, 53), Stream))
    except OSError: pass
'

# --- the engine -----------------------------------------------------------------------------

readonly CLIENT=(curl --silent --show-error --max-time 5 --noproxy '*')

with_certificate() { # FOLDER URL
  in_world "${CLIENT[@]}" --cacert "$1/ca.pem" --cert "$1/cert.pem" --key "$1/key.pem" "$2"
}

docker_in() { in_machine docker --host unix:///var/run/docker.sock "$@"; }

engine_pid() { in_machine cat /run/docker.pid; }

# No flags: everything is in /etc/docker/daemon.json.
start_engine() {
  local deadline=$((SECONDS + 30))
  in_machine setsid dockerd >>"$work/dockerd.log" 2>&1 </dev/null &
  until in_machine "${CLIENT[@]}" --unix-socket /var/run/docker.sock http://docker/_ping >/dev/null 2>&1; do
    ((SECONDS < deadline)) || { tail -n 15 "$work/dockerd.log" >&2; return 1; }
    sleep 0.2
  done
}

stop_engine() {
  local pid deadline=$((SECONDS + 20))
  pid=$(engine_pid)
  in_machine kill -TERM "$pid"
  while in_machine test -d "/proc/$pid"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

restart_engine() { stop_engine && start_engine; }

install_certificate() { # FOLDER; what the operator does, by setup.sh
  in_machine "$here/setup.sh" --files-only --certificates "$1" && restart_engine
}

load_image() {
  local image
  for image in containerlease/stand-in-alpine:1 alpine:3; do
    if docker image inspect "$image" >/dev/null 2>&1; then
      docker save "$image" | docker_in load >/dev/null
      alpine=$image
      return
    fi
  done
  return 1
}

run() { # NAME OPTIONS… -- COMMAND…
  docker_in run --detach --init --name "$@" >/dev/null
}
fetch() { # CONTAINER URL
  docker_in exec "$1" timeout 2 wget -q -O - "$2"
}
connect() { # CONTAINER ADDRESS PORT
  docker_in exec "$1" timeout 3 nc -w 2 "$2" "$3" </dev/null
}

# shellcheck source=infra/docker-host/test-firewall.sh
. "$here/test-firewall.sh"

# --- tests ----------------------------------------------------------------------------------

settings() {
  say "the files that setup.sh writes"
  local certificates=$work/certificates
  "$here/certificates.sh" "$certificates" IP:192.0.2.1 >/dev/null 2>&1
  succeeds "without a certificate it says which options give it one" fails_with "give --certificates DIR" \
    in_machine "$here/setup.sh" --files-only
  succeeds "it says which certificate cannot be used" fails_with "is not a server's certificate" \
    in_machine "$here/setup.sh" --files-only --certificates "$certificates/client"
  succeeds "it writes its files" in_machine "$here/setup.sh" --files-only --certificates "$certificates" \
    --listen 192.0.2.1 --deny 203.0.113.0/24 --egress-list "$WEB" --egress-list "$DB" --reboot-at 04:30
  succeeds "a second run changes nothing, also what it does not name" silent_setup
  succeeds "what it names it changes" in_machine "$here/setup.sh" --files-only --listen 0.0.0.0
  succeeds "and nothing else" holds_settings
  bad_lists
  succeeds "gVisor takes the place of mapped users" gvisor_is_there --gvisor /usr/bin/env
  succeeds "and keeps it in a run that does not name it" gvisor_is_there
  succeeds "a path that is no program is refused" fails_with "is not a program" \
    in_machine "$here/setup.sh" --files-only --gvisor /etc/passwd
  succeeds "none takes it out again" in_machine "$here/setup.sh" --files-only --gvisor none
  succeeds "and maps users" in_machine grep -q '"userns-remap": "default"' /etc/docker/daemon.json
  succeeds "what is written by hand into the firewall's settings stays" keeps_by_hand
  succeeds "the machine is given all process ids that there are" \
    in_machine grep -qx 'kernel.pid_max = 4194304' /etc/sysctl.d/60-containerlease.conf
  succeeds "and as many threads at the least as 1,000 leases may have" \
    in_machine grep -qx 'kernel.threads-max = 524288' /etc/sysctl.d/60-containerlease.conf
  succeeds "the key is root's alone" prints "600 root" in_machine stat -c '%a %U' /etc/containerlease/docker-tls/key.pem
  succeeds "the drop-in takes -H away from the unit's command" \
    in_machine sh -c 'grep -q "^ExecStart=/.*dockerd" /etc/systemd/system/docker.service.d/containerlease.conf &&
      ! grep -q "fd://" /etc/systemd/system/docker.service.d/containerlease.conf'
}

holds_settings() {
  in_machine grep -q 'tcp://0.0.0.0:2376' /etc/docker/daemon.json &&
    in_machine grep -q '203.0.113.0/24' /etc/containerlease/firewall.env &&
    in_machine grep -qF "LISTS=\"$WEB;$DB\"" /etc/containerlease/firewall.env &&
    in_machine grep -qF '"containerlease.firewall=closes-egress", "containerlease.firewall.lists=web@198.51.100.11,db"' /etc/docker/daemon.json &&
    in_machine grep -q '04:30' /etc/apt/apt.conf.d/60containerlease
}

gvisor_is_there() { # OPTION…
  in_machine "$here/setup.sh" --files-only "$@" &&
    in_machine python3 -c '
import json
settings = json.load(open("/etc/docker/daemon.json"))
assert settings["runtimes"] == {"runsc": {"path": "/usr/bin/env"}} and "userns-remap" not in settings, settings'
}

keeps_by_hand() {
  in_machine sh -c 'echo CONTAINERLEASE_FIREWALL_CONNECTIONS=5000 >>/etc/containerlease/firewall.env' &&
    in_machine "$here/setup.sh" --files-only --deny 203.0.113.0/24 &&
    in_machine grep -qx CONTAINERLEASE_FIREWALL_CONNECTIONS=5000 /etc/containerlease/firewall.env &&
    holds_settings
}

silent_setup() {
  local said
  said=$(in_machine "$here/setup.sh" --files-only --certificates "$work/certificates" 2>&1)
  printf '%s\n' "$said"
  [[ $said != *wrote\ /* ]]
}

mutual_tls() {
  say "mutual TLS"
  local url=https://192.0.2.1:2376/_ping client=$work/certificates/client stranger=$work/stranger
  "$here/certificates.sh" "$stranger" IP:192.0.2.1 >/dev/null 2>&1
  cp "$client/ca.pem" "$stranger/client/ca.pem"
  succeeds "a client with its certificate is let in" prints OK with_certificate "$client" "$url"
  succeeds "one without is refused" refused in_world "${CLIENT[@]}" --cacert "$client/ca.pem" "$url"
  succeeds "one of another authority is refused" refused with_certificate "$stranger/client" "$url"
  succeeds "and so is one without TLS" fails_with "HTTP request to an HTTPS server" \
    in_world "${CLIENT[@]}" --fail-with-body http://192.0.2.1:2376/_ping
}

engine_settings() {
  say "the engine's settings"
  local info pid
  info=$(docker_in info --format '{{json .}}')
  succeeds "live-restore is on" grep -q '"LiveRestoreEnabled":true' <<<"$info"
  succeeds "it says which lists the firewall has" grep -q '"containerlease.firewall.lists=web@198.51.100.11,db"' <<<"$info"
  succeeds "and that it has one" grep -q '"containerlease.firewall=closes-egress"' <<<"$info"
  succeeds "user namespaces are used" grep -q '"name=userns"' <<<"$info"
  succeeds "no-new-privileges is the default" docker_in exec plain grep -q '^NoNewPrivs:.*1' /proc/1/status
  succeeds "logs are rotated" prints '{json-file map[max-file:2 max-size:10m]}' \
    docker_in inspect --format '{{.HostConfig.LogConfig}}' plain
  # shellcheck disable=SC2016  # The dollar signs are the container's.
  succeeds "files are limited and core dumps are off" prints "16384 0" docker_in exec plain sh -c 'echo "$(ulimit -n) $(ulimit -c)"'
  pid=$(docker_in inspect --format '{{.State.Pid}}' plain)
  fails "root in a container is not the host's" in_machine grep -q '^Uid:\s*0\s' "/proc/$pid/status"
  fails "a published port costs no process" in_machine pgrep docker-proxy
  succeeds "a published port is reached from outside" in_world nc_reads 192.0.2.1 8001
  succeeds "and one on loopback from the host" in_machine nc_reads 127.0.0.1 8002
  fails "but not from outside" in_world nc_reads 192.0.2.1 8002
}

live_restore() {
  say "live-restore"
  local before after
  before=$(docker_in inspect --format '{{.State.Pid}} {{.State.StartedAt}}' lease)
  stop_engine
  succeeds "containers run on without the engine" in_machine test -d "/proc/${before%% *}"
  start_engine
  after=$(docker_in inspect --format '{{.State.Pid}} {{.State.StartedAt}}' lease)
  succeeds "and it knows them when it is back" test "$before" = "$after"
}

rotation() {
  say "renewing certificates, and their authority, under a running engine"
  local certificates=$work/certificates make=$here/certificates.sh url=https://192.0.2.1:2376/_ping
  local serial
  cp -r "$certificates/client" "$work/client-0"
  succeeds "expiry finds all good for 30 days" "$make" expiry "$certificates"
  fails "and not for 400" "$make" expiry "$certificates" 400
  serial=$(openssl x509 -in "$certificates/client/cert.pem" -noout -serial)
  succeeds "certificates can be renewed before their time" "$make" renew "$certificates"
  fails "they are others then" prints "$serial" openssl x509 -in "$certificates/client/cert.pem" -noout -serial
  succeeds "the engine's name stays" test "$(openssl x509 -in "$certificates/server/cert.pem" -noout -ext subjectAltName | tail -n 1 | tr -d ' ')" = IPAddress:192.0.2.1
  succeeds "the engine takes the new one" install_certificate "$certificates"
  succeeds "the client before is let in still" prints OK with_certificate "$work/client-0" "$url"
  succeeds "and so is the new one" prints OK with_certificate "$certificates/client" "$url"

  cp -r "$certificates/client" "$work/client-1"
  succeeds "a new authority can be made beside the present one" "$make" new-authority "$certificates"
  succeeds "and is not made twice" fails_with "being replaced already" "$make" new-authority "$certificates"
  cp -r "$certificates/client" "$work/client-2"
  succeeds "an engine that trusts both takes its place" install_certificate "$certificates"
  succeeds "the client before is let in still" prints OK with_certificate "$work/client-1" "$url"
  succeeds "the authority before cannot be retired yet" fails_with "renew" "$make" retire-authority "$certificates"
  succeeds "then certificates are renewed" "$make" renew "$certificates"
  succeeds "a client of the new authority is let in by the engine as it is" prints OK with_certificate "$certificates/client" "$url"
  succeeds "the engine gets its own of the new authority" install_certificate "$certificates"
  succeeds "a client that trusts both is let in still" prints OK with_certificate "$work/client-2" "$url"
  succeeds "the authority before can be retired" "$make" retire-authority "$certificates"
  succeeds "and the engine forgets it" install_certificate "$certificates"
  succeeds "a client of the authority before is refused now" refused with_certificate "$work/client-2" "$url"
  succeeds "the new one is let in" prints OK with_certificate "$certificates/client" "$url"
  succeeds "leases have lived through all of it" prints true docker_in inspect --format '{{.State.Running}}' lease
}

guard() {
  local binary=${CARGO_TARGET_DIR:-$repository/target}/debug/containerlease-guard group
  if [[ ! -x $binary ]]; then
    say "the guard is not built, and not tried on this engine"
    return
  fi
  say "the guard, as a user of its own in the group docker, without a network"
  run overdue --label containerlease.deployment=test \
    --label "containerlease.hard-deadline=$(date -u -d '-1 minute' +%FT%TZ)" "$alpine" sleep 600
  run stranger --label "containerlease.hard-deadline=$(date -u -d '-1 minute' +%FT%TZ)" "$alpine" sleep 600
  group=$(in_machine stat -c %g /run/docker.sock)
  cp "$binary" "$work/guard"
  chmod 755 "$work" "$work/guard"
  in_machine unshare --net setpriv --reuid 65533 --regid 65533 --groups "$group" --bounding-set -all --no-new-privs \
    env -i "$work/guard" >"$work/guard.log" 2>&1 &
  succeeds "what is past its hard deadline goes" eventually 20 not docker_in inspect overdue
  succeeds "what is not ours stays" prints true docker_in inspect --format '{{.State.Running}}' stranger
}

eventually() { # SECONDS COMMAND…
  local deadline=$((SECONDS + $1))
  until "${@:2}" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}

secrets() {
  local venv certificates=$work/certificates make=$here/certificates.sh url=http://127.0.0.1:4566
  if ! venv=$("$repository/infra/emulator/venv.sh"); then
    say "the emulator cannot be had, and uploading is not tried"
    return
  fi
  say "the secret in Secrets Manager"
  in_machine env PATH="$venv/bin:$PATH" BIND_HOST=127.0.0.1 GATEWAY_PORT=4566 TMPDIR="$work" \
    DOCKER_HOST="unix://$work/none" "$venv/bin/ministack" >"$work/ministack.log" 2>&1 &
  eventually 20 in_machine "${CLIENT[@]}" "$url/_ministack/health" || { failed=$((failed + 1)); return; }
  cloud() {
    in_machine env -u AWS_PROFILE PATH="$venv/bin:$PATH" AWS_ENDPOINT_URL="$url" AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \
      AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1 AWS_PAGER='' NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 "$@"
  }
  local arn tls=$work/tls
  succeeds "upload makes the secret and prints its ARN" keep arn cloud "$make" upload "$certificates" containerlease/docker-certificate
  arn=$(cat "$work/arn")
  succeeds "which is one" test "${arn#arn:aws:secretsmanager:eu-central-1:}" != "$arn"
  succeeds "it holds what the folder holds" holds "$certificates/client" "$arn"
  "$make" renew "$certificates" >/dev/null 2>&1
  succeeds "a second upload makes a new version of the same" prints "$arn" cloud "$make" upload "$certificates/client" "$arn"
  succeeds "it holds the new one" holds "$certificates/client" "$arn"
  cp -r "$certificates/client" "$work/odd"
  cp "$certificates/server/key.pem" "$work/odd/key.pem"
  succeeds "a key of another certificate is not uploaded" fails_with "is not the key of" cloud "$make" upload "$work/odd" "$arn"

  succeeds "the server's goes into one of its own" keep arn cloud "$make" upload "$certificates/server" containerlease/docker-host
  arn=$(cat "$work/arn")
  refresh() { cloud CONTAINERLEASE_DOCKER_TLS="$tls" CONTAINERLEASE_SERVER_SECRET="$1" "$here/refresh-certificate.sh"; }
  succeeds "a host fetches it" refresh "$arn"
  succeeds "and has what was uploaded" diff -r "$tls" "$certificates/server"
  succeeds "a client's certificate is not put in its place" fails_with "is not a server's certificate" refresh containerlease/docker-certificate
  succeeds "nor is anything when the secret is not there" fails_with "ResourceNotFoundException" refresh containerlease/none
  succeeds "and it still has what it had" diff -r "$tls" "$certificates/server"
  fails "no key was left behind in a file" grep -rlqs "$(sed -n 2p "$certificates/client/key.pem")" /tmp --include='*.json' --include='tmp*'
}

keep() { # NAME COMMAND…
  "${@:2}" | tee "$work/$1"
  [[ -s $work/$1 ]]
}

holds() { # FOLDER SECRET
  local name
  cloud aws secretsmanager get-secret-value --secret-id "$2" --query SecretString --output text >"$work/secret.json"
  for name in ca cert key; do
    python3 -c 'import json, sys; sys.stdout.write(json.load(open(sys.argv[1]))[sys.argv[2]])' "$work/secret.json" "$name" |
      cmp - "$1/$name.pem" || return 1
  done
  rm -f "$work/secret.json"
}

# --- main -----------------------------------------------------------------------------------

[[ $# -eq 0 ]] || { printf 'test.sh: it takes no arguments.\n' >&2; exit 1; }
[[ $EUID -eq 0 ]] || skip "an engine in namespaces of its own takes root"
for command in dockerd docker unshare nsenter ip iptables curl openssl python3 setpriv; do
  command -v "$command" >/dev/null || skip "$command is missing"
done
work=$(mktemp -d)
chmod 755 "$work"
start_namespaces || skip "namespaces cannot be made here: $(tail -n 1 "$work/namespaces.log")"
connect_them
# A program that reads a line from a port.
cat >"$work/nc_reads" <<'READS'
#!/usr/bin/env bash
exec 3<>"/dev/tcp/$1/$2" && read -r -t 3 line <&3 && [[ $line == hello ]]
READS
chmod 755 "$work/nc_reads"
PATH=$work:$PATH

settings
[[ $failed -eq 0 ]] || finish
if ! start_engine; then
  failed=$((failed + 1))
  printf 'FAILED  the engine starts with the settings that setup.sh writes\n'
  finish
fi
passed=$((passed + 1))
printf 'ok      the engine starts with the settings that setup.sh writes\n'
load_image || skip "the engine of DOCKER_HOST has no image of alpine; infra/images/prepare.sh brings it"
in_world python3 -c "$SERVER" >"$work/world.log" 2>&1 &
in_machine python3 -c "$SERVER" >"$work/server.log" 2>&1 &
docker_in network create --opt com.docker.network.bridge.enable_icc=false leases >/dev/null
docker_in network create --ipv6 --subnet fd77::/64 six >/dev/null
serve=(sh -c 'while :; do echo hello | nc -l -p 80; done')
run lease --network leases "$alpine" sleep 600
run neighbour --network leases --publish 192.0.2.1:8001:80 "$alpine" "${serve[@]}"
run local --network leases --publish 127.0.0.1:8002:80 "$alpine" "${serve[@]}"
run plain "$alpine" sleep 600
docker_in network create --opt com.docker.network.bridge.name=clc-test closed >/dev/null
run closed --network closed --dns 192.0.2.1 --publish 192.0.2.1:8003:80 "$alpine" "${serve[@]}"
run six --network six "$alpine" sleep 600
start_listed
start_greedy

mutual_tls
engine_settings
firewall
bounds
lists
live_restore
rotation
guard
secrets
finish
