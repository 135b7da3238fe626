#!/usr/bin/env bash
# The tests of firewall.sh, with the engine and helpers of test.sh. test.sh sources this file, which
# does nothing by itself.
# shellcheck disable=SC2317  # Most functions here are called by succeeds and fails.
# shellcheck disable=SC2154  # test.sh sets the variables that are not set here.

readonly RULES=/usr/local/lib/containerlease/firewall.sh
# Entries that include targets which must stay closed: other containers, the host, the metadata service.
readonly WEB='web=198.51.100.10:80,198.51.100.10:9000/udp,[2001:db8::254]:80,dns=198.51.100.11,172.16.0.0/12,192.0.2.0/24,169.254.0.0/16'
readonly DB='db=198.51.100.11'
# The bridges of a list are named after the SHA-256 of its name.
readonly WEB_BRIDGE=cl4b5e-00000001
readonly DB_BRIDGE=cl7bdc-00000001
readonly NOBODYS_BRIDGE=cl0123-00000001
readonly LATER_BRIDGE=cl0123-00000002

# Speaks TCP and UDP in a container's network namespace, because the image has no such program.
readonly CALLER='
import socket, sys, time
def call(protocol, address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    caller = socket.socket(family, socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM)
    caller.settimeout(2)
    return caller, (address, int(port))
def ask(protocol, address, port):
    caller, peer = call(protocol, address, port)
    caller.connect(peer)
    caller.sendall(b"hello\n\n")
    assert caller.recv(64)
def hold(protocol, address, port, count, seconds):
    held = []
    for _ in range(int(count)):
        caller, peer = call(protocol, address, port)
        caller.setblocking(False)
        caller.connect_ex(peer)
        if protocol == "udp":
            caller.send(b"hello")
        held.append(caller)
    time.sleep(float(seconds))
def close(address, port, count, seconds):
    end = time.monotonic() + float(seconds)
    for _ in range(int(count)):
        caller, peer = call("tcp", address, port)
        caller.settimeout(0.5)
        try:
            caller.connect(peer)
            caller.shutdown(socket.SHUT_WR)
            caller.recv(64)
        except OSError:
            pass
        caller.close()
        if time.monotonic() > end:
            return
def stream(address, port, count):
    caller, peer = call("udp", address, port)
    for _ in range(int(count)):
        caller.sendto(b"hello", peer)
        time.sleep(0.005)
def receive(port, count):
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("", int(port)))
    receiver.settimeout(3)
    for _ in range(int(count)):
        receiver.recv(64)
def listen(port, seconds):
    server = socket.create_server(("", int(port)), backlog=128)
    time.sleep(float(seconds))
globals()[sys.argv[1]](*sys.argv[2:])
'

inside() { # CONTAINER COMMAND…
  local pid
  pid=$(docker_in inspect --format '{{.State.Pid}}' "$1")
  in_machine nsenter --target "$pid" --net -- "${@:2}"
}
calls() { # CONTAINER FUNCTION ARGUMENTS…
  inside "$1" python3 -c "$CALLER" "${@:2}"
}

start_listed() {
  # Docker itself does not isolate containers on these networks.
  docker_in network create --ipv6 --subnet fd78::/64 --opt "com.docker.network.bridge.name=$WEB_BRIDGE" web >/dev/null
  docker_in network create --opt "com.docker.network.bridge.name=$DB_BRIDGE" db >/dev/null
  docker_in network create --opt "com.docker.network.bridge.name=$NOBODYS_BRIDGE" nobodys >/dev/null
  run web --network web "$alpine" sleep 600
  run near --network web --publish 192.0.2.1:8006:80 "$alpine" "${serve[@]}"
  run db --network db "$alpine" sleep 600
  run nobodys --network nobodys "$alpine" sleep 600
}

# Each container has its own address, because connections are counted by address.
start_greedy() {
  local name
  for name in by-tcp by-udp by-closing by-stream other; do
    run "$name" "$alpine" sleep 600
  done
  run by-ipv6 --network six "$alpine" sleep 600
  run asked --publish 192.0.2.1:8004:81 --publish 192.0.2.1:8005:9000/udp "$alpine" sleep 600
}

firewall() {
  say "the firewall"
  local rules=$RULES container
  for container in lease plain; do
    succeeds "without the rules $container reaches the metadata service" prints secret fetch "$container" http://169.254.169.254/
    succeeds "and one on the host itself" prints secret fetch "$container" http://169.254.170.2/
    succeeds "and the engine's port" connect "$container" 192.0.2.1 2376
  done
  succeeds "and one without a way out the world" prints secret fetch closed http://198.51.100.10/
  succeeds "also by ICMP" docker_in exec closed ping -c 1 -W 2 198.51.100.10
  # A new bridge may need a moment until its IPv6 address is usable.
  succeeds "and by IPv6" eventually 10 prints secret fetch six 'http://[fd00:ec2::254]/'
  fails "the rules are found missing" in_machine "$rules" status
  succeeds "they can be set" in_machine "$rules" up
  succeeds "and set again" in_machine "$rules" up
  succeeds "they are found to be there" in_machine "$rules" status
  blocked
  succeeds "a restart of the engine leaves them" restart_engine
  succeeds "which is what they are found to be" in_machine "$rules" status
  blocked
  succeeds "more networks can be denied" in_machine env CONTAINERLEASE_FIREWALL_DENY=198.51.100.0/24 "$rules" up
  fails "and are not reached then" fetch lease http://198.51.100.10/
  succeeds "they can be taken away" in_machine "$rules" down
  succeeds "and then all is as before" prints secret fetch lease http://169.254.169.254/
  in_machine "$rules" up
}

blocked() {
  local container bridge
  for container in lease plain; do
    fails "$container does not reach the metadata service" fetch "$container" http://169.254.169.254/
    fails "nor one on the host itself" fetch "$container" http://169.254.170.2/
    fails "nor the engine's port" connect "$container" 192.0.2.1 2376
    bridge=$(docker_in exec "$container" ip route | sed -n 's/^default via \([0-9.]*\).*/\1/p')
    fails "nor by its bridge's address $bridge" connect "$container" "$bridge" 2376
    succeeds "it reaches the world" prints secret fetch "$container" http://198.51.100.10/
  done
  fails "nor by IPv6" fetch six 'http://[fd00:ec2::254]/'
  succeeds "where the world is reached" eventually 10 prints secret fetch six 'http://[2001:db8::254]/'
  fails "one without a way out does not reach the world" fetch closed http://198.51.100.10/
  fails "nor the host" connect closed 192.0.2.1 2376
  fails "nor a published port" connect closed 192.0.2.1 8001
  fails "nor anything by ICMP" docker_in exec closed ping -c 1 -W 2 198.51.100.10
  fails "nor a neighbour" connect closed "$(address_of neighbour)" 80
  succeeds "and is reached at its own" in_world nc_reads 192.0.2.1 8003
  succeeds "also from the host" in_machine nc_reads "$(address_of closed)" 80
  fails "neighbours do not reach each other" connect lease "$(address_of neighbour)" 80
  fails "not by a published port either" connect lease 192.0.2.1 8001
  succeeds "the host reaches its containers" in_machine nc_reads "$(address_of neighbour)" 80
  succeeds "the world reaches the engine over a bridge named br-lan" \
    prints OK with_certificate "$work/certificates/client" https://192.0.2.1:2376/_ping
  succeeds "and a published port" in_world nc_reads 192.0.2.1 8001
}

address_of() { docker_in inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$1"; }

bad_lists() {
  local bad name
  for bad in 'web' 'Web=1.1.1.1' 'open=1.1.1.1' 'none=1.1.1.1' 'a23456789012345678901=1.1.1.1' 'web=1.1.1.1;web=1.1.1.2' 'a122=1.1.1.1;a484=1.1.1.1'; do
    name=${bad##*;}
    succeeds "the list '$bad' is refused by its name" fails_with "'${name%%=*}'" bad_list "$bad"
  done
  for bad in '' 1.1.1.256 1.1.1.1/33 1.1.1.1:0 1.1.1.1:65536 1.1.1.1:53/tcp 1.1.1.1/udp example.org fd00::/129 fd00::1::2 fd00:::1 fd00::/8:443 '[1.1.1.1]:80' dns=1.1.1.0/24 '1.1.1.1 -j ACCEPT'; do
    succeeds "the entry '$bad' is refused by its words" fails_with "'$bad'" bad_list "web=1.1.1.1,$bad"
  done
  succeeds "and so is a second name server" fails_with "'dns=1.1.1.2'" bad_list 'web=dns=1.1.1.1,dns=1.1.1.2'
  succeeds "setup.sh refuses a list in the same words" fails_with "setup.sh: the list 'web' has the entry '1.1.1.256'" \
    in_machine "$here/setup.sh" --files-only --egress-list web=1.1.1.256
  for bad in 0 -1 many 1000001 1e3; do
    succeeds "'$bad' connections are refused" fails_with "'$bad'" env "CONTAINERLEASE_FIREWALL_CONNECTIONS=$bad" "$here/firewall.sh" lists
  done
  succeeds "without a list none is told of" prints '' env CONTAINERLEASE_FIREWALL_LISTS= "$here/firewall.sh" lists
  succeeds "it takes no root to tell of those that there are" prints 'web@fd00::53,db' \
    setpriv --reuid 65534 --clear-groups env CONTAINERLEASE_FIREWALL_LISTS=' web = fd00::/8, [::1]:80/udp ,dns=fd00::53 ; db=0.0.0.0/0; ' bash -c "$(cat "$here/firewall.sh")" firewall.sh lists
}

bad_list() { # LISTS
  env "CONTAINERLEASE_FIREWALL_LISTS=$1" "$here/firewall.sh" lists
}

# --- limit on connections -------------------------------------------------------------------

# Number of a container's entries in the kernel's connection table.
places() { # PROTOCOL ADDRESS
  in_machine grep -c " $1 .*src=$2" /proc/net/nf_conntrack || true
}
# The address in the kernel's notation there.
in_table() { # IPV6 ADDRESS
  python3 -c 'import ipaddress, sys; print(ipaddress.ip_address(sys.argv[1]).exploded)' "$1"
}
# Twenty are allowed at once; far fewer would mean that nothing was tried.
up_to() { # NUMBER PROTOCOL ADDRESS
  local count
  count=$(places "$2" "$3")
  printf 'it has %s places\n' "$count"
  [[ $count -ge 15 && $count -le $1 ]]
}

# Twenty in a burst, and one more each second. Dropped packets are resent for some seconds, in which the
# rate limit alone would let more through.
bounds() {
  say "how many connections a container may have"
  in_machine env CONTAINERLEASE_FIREWALL_CONNECTIONS=20 "$RULES" up
  calls asked listen 81 20 &
  sleep 1
  calls by-tcp hold tcp 198.51.100.10 80 50 10 &
  calls by-ipv6 hold tcp 2001:db8::254 80 50 10 &
  in_world python3 -c "$CALLER" hold tcp 192.0.2.1 8004 50 10 &
  in_world python3 -c "$CALLER" hold udp 192.0.2.1 8005 50 10 &
  sleep 8
  succeeds "by TCP it has as many as it may" up_to 20 tcp "$(address_of by-tcp) "
  succeeds "and so by IPv6" up_to 20 tcp "$(in_table "$(docker_in inspect --format '{{.NetworkSettings.Networks.six.GlobalIPv6Address}}' by-ipv6)") "
  succeeds "the world has as many to one, by TCP and UDP together" up_to 20 '\(tcp\|udp\)' "$(address_of asked) "
  fails "who has all gets no other" fetch by-tcp http://198.51.100.10/
  succeeds "others do" prints secret fetch other http://198.51.100.10/
  for _ in 1 2 3 4; do calls by-udp hold udp 198.51.100.10 9100 50 2; done
  succeeds "by UDP it has as many as it may" up_to 20 udp "$(address_of by-udp) "
  calls by-closing close 198.51.100.10 80 100 8
  succeeds "those that it has closed, which the kernel keeps for two minutes, are bounded too" up_to 35 tcp "$(address_of by-closing) "
  succeeds "a stream by UDP is one, however much is sent and though nobody answers" whole_stream
  succeeds "others still get out" prints secret fetch other http://198.51.100.10/
  in_machine "$RULES" up
}

whole_stream() {
  local receiver
  in_world python3 -c "$CALLER" receive 9002 600 &
  receiver=$!
  sleep 1
  calls by-stream stream 198.51.100.10 9002 600
  wait "$receiver"
}

# --- lists ----------------------------------------------------------------------------------

by_list() { # up|status
  in_machine env "CONTAINERLEASE_FIREWALL_LISTS=$WEB;$DB" "CONTAINERLEASE_FIREWALL_DENY=${deny:-}" "$RULES" "$1"
}

# Targets that are not on the list, each after the container that tries.
readonly OFF_THE_LIST=(
  'web ask udp 198.51.100.10 9001' 'web ask udp 198.51.100.11 9000' 'web ask tcp 198.51.100.10 8080'
  'web ask tcp 198.51.100.11 80' 'web ask tcp 2001:db8::254 8080' 'web ask udp 198.51.100.10 53'
  'web ask tcp 198.51.100.10 53' 'web ask tcp 169.254.169.254 80' 'web ask tcp 192.0.2.1 80'
  'web ask tcp NEAR 80' 'web ask tcp 192.0.2.1 8080'
  'db ask tcp 198.51.100.10 80' 'db ask udp 198.51.100.11 53' 'db ask udp 198.51.100.11 9000'
  'nobodys ask tcp 198.51.100.11 80' 'nobodys ask udp 198.51.100.11 53' 'closed ask udp 198.51.100.10 9000'
  'closed ask udp 198.51.100.11 53'
)

lists() {
  say "lists of where leases may connect to"
  local try deny='' near pids=()
  near=$(address_of near)
  in_machine "$RULES" down
  for try in "${OFF_THE_LIST[@]/NEAR/$near}"; do
    # shellcheck disable=SC2086  # One word each.
    succeeds "without the rules: $try" eventually 10 calls $try
  done
  succeeds "the rules can be set with lists" by_list up
  succeeds "they are found to be there" by_list status
  # The rules are not set again for this container.
  docker_in network create --opt "com.docker.network.bridge.name=$LATER_BRIDGE" later >/dev/null
  run later --network later "$alpine" sleep 600
  for try in 'tcp 198.51.100.11 80' 'udp 198.51.100.11 53' 'tcp 169.254.169.254 80' 'tcp 192.0.2.1 8080'; do
    # shellcheck disable=SC2086  # One word each.
    fails "a bridge that came later, of a list that nobody has named: $try" calls later ask $try
  done
  # All in parallel, because each takes long.
  for try in "${OFF_THE_LIST[@]/NEAR/$near}"; do
    # shellcheck disable=SC2086  # One word each.
    calls $try 2>/dev/null &
    pids+=($!)
  done
  for try in "${OFF_THE_LIST[@]/NEAR/$near}"; do
    fails "with them not: $try" wait "${pids[0]}"
    pids=("${pids[@]:1}")
  done
  fails "nor a port that a neighbour publishes" calls web ask tcp 192.0.2.1 8006
  fails "nor anything by ICMP" docker_in exec web ping -c 1 -W 2 198.51.100.10
  on_the_list
  succeeds "who is behind a list is reached at its port" in_world nc_reads 192.0.2.1 8006
  # The program there restarts its listener for each caller.
  succeeds "and by the host" eventually 5 in_machine nc_reads "$near" 80
  deny=198.51.100.10
  by_list up
  fails "what is denied no list opens" calls web ask tcp 198.51.100.10 80
  fails "also not by UDP" calls web ask udp 198.51.100.10 9000
  succeeds "but the rest stays open" calls web ask udp 198.51.100.11 53
  succeeds "one list can be taken away" in_machine env "CONTAINERLEASE_FIREWALL_LISTS=$DB" "$RULES" up
  fails "who is behind it is let out to nothing" calls web ask udp 198.51.100.11 53
  succeeds "those of others stay" calls db ask tcp 198.51.100.11 80
  fails "nothing is left of it" in_machine sh -c 'iptables -t mangle -S | grep CONTAINERLEASE-4b5e'
  each_rule_counts
  in_machine "$RULES" up
  succeeds "without variables the rules are those of the machine's file" by_file
  in_machine iptables -t mangle -I FORWARD -i clc-+ -j CONTAINERLEASE
  succeeds "all can be taken away, and what an earlier version has set" in_machine "$RULES" down
  fails "and nothing is left" in_machine sh -c 'iptables-save | grep CONTAINERLEASE || ip6tables-save | grep CONTAINERLEASE'
  in_machine "$RULES" up
}

by_file() {
  in_machine sh -c '
    iptables -t raw -S | grep -q 203.0.113.0/24 && iptables -t mangle -S | grep -q "connlimit-above 5000 " &&
      iptables -t mangle -S | grep -q "cl4b5e-+" && iptables -t mangle -S | grep -q "cl7bdc-+"' &&
    in_machine "$RULES" status &&
    not in_machine env CONTAINERLEASE_FIREWALL_CONNECTIONS=20 "$RULES" status
}

on_the_list() {
  succeeds "a port that is listed is reached" calls web ask tcp 198.51.100.10 80
  succeeds "and by IPv6" calls web ask tcp 2001:db8::254 80
  succeeds "and by UDP" calls web ask udp 198.51.100.10 9000
  succeeds "the name server by UDP" calls web ask udp 198.51.100.11 53
  succeeds "and by TCP" calls web ask tcp 198.51.100.11 53
  succeeds "each port of a network that is listed without one" calls web ask tcp 192.0.2.254 8080
  succeeds "another list is another's" calls db ask tcp 198.51.100.11 8080
}

# Removes each rule by itself; status must notice.
each_rule_counts() {
  local table words unnoticed=() count=0
  for table in raw filter mangle; do
    while read -ra words; do
      count=$((count + 1))
      in_machine iptables -t "$table" -D "${words[@]:1}"
      ! in_machine env "CONTAINERLEASE_FIREWALL_LISTS=$DB" "$RULES" status >/dev/null 2>&1 || unnoticed+=("${words[*]}")
      in_machine iptables -t "$table" -A "${words[@]:1}"
    done < <(in_machine iptables -t "$table" -S | grep -- '-j CONTAINERLEASE$\|^-A CONTAINERLEASE' | grep -v br-lan)
  done
  succeeds "each of the $count rules that is missing is found to be" prints '' printf '%s' "${unnoticed[*]-}"
  succeeds "and there were some" test "$count" -gt 60
}
