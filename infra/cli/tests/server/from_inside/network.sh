#!/bin/sh
# Whom a program can reach. Runs with tools.sh; its head says how.
# The functions are called by name, and code in single quotes is for another language.
# shellcheck disable=SC2317,SC2329,SC2016

#: make packets of its own: raw sockets, ARP, spoofed pings
packets() {
  if has python3; then
    said=$(python3 -c '
import errno, socket
for family, kind, protocol in ((2, 3, 1), (2, 3, 255), (10, 3, 58), (17, 3, 768), (17, 2, 768)):
    try:
        socket.socket(family, kind, protocol)
        print("done", family, kind, protocol)
    except OSError as error:
        print(errno.errorcode[error.errno])')
    case $said in *done*) through "$said" ;; esac
    [ "$(echo "$said" | sort -u)" = EPERM ] || unclear "$said"
    held
  fi
  if has perl; then
    said=$(perl -e 'for ([2, 3, 1], [2, 3, 255], [10, 3, 58], [17, 3, 768], [17, 2, 768]) { print socket(my $s, @$_[0], @$_[1], @$_[2]) ? "done" : $! + 0, "\n" }')
    [ "$(echo "$said" | sort -u)" = 1 ] || through "$said"
    held
  fi
  need arping
  refused arping -c 1 -I eth0 "$GATEWAY"
  held
}

#: change its own address and its way out
own_address() {
  need ip
  refused ip addr add 10.99.99.99/24 dev eth0
  refused ip link set eth0 address 02:42:00:00:00:01
  refused ip link set eth0 promisc on
  refused ip route add 10.98.0.0/16 via "$GATEWAY"
  held
}

#: connect to a program of the host that listens on all addresses, by either address of the host
host_program() {
  # shellcheck disable=SC2046  # They are words.
  unreachable $(for address in $GATEWAY $HOST_ADDRESS; do echo "$address:$HOST_PORT"; done)
  held
}

#: connect to the engine's TLS port, to ssh, and to the server's own port
host_services() {
  # shellcheck disable=SC2046
  unreachable $(for port in "$ENGINE_PORT" 2375 22 "$API_PORT"; do
    for address in $GATEWAY $HOST_ADDRESS; do echo "$address:$port"; done
  done)
  held
}

#: send UDP to the host, and ping it
host_datagrams() {
  if has python3; then
    python3 -c 'import socket, sys; socket.socket(2, 2).sendto(b"from inside", (sys.argv[1], int(sys.argv[2])))' "$GATEWAY" "$HOST_PORT"
  elif has bash; then
    bash -c "echo from inside >/dev/udp/$GATEWAY/$HOST_PORT"
  else
    need ping
  fi
  # The host says whether it arrived.
  if has ping; then
    timeout 3 ping -c 1 -W 1 127.0.0.1 >/dev/null 2>&1 && timeout 3 ping -c 1 -W 2 "$GATEWAY" >/dev/null 2>&1 && through "a ping was answered"
  fi
  held
}

#: ask a cloud's metadata service
metadata() {
  unreachable 169.254.169.254:80 169.254.170.2:80
  held
}

#: connect to each neighbour's ports, redis and postgres among them
neighbours() {
  [ -n "$NEIGHBOURS" ] || unclear "there are no neighbours"
  # shellcheck disable=SC2086
  unreachable $NEIGHBOURS
  held
}

#: connect to the ports that neighbours publish, by the host's addresses
published() {
  [ -n "$PUBLISHED" ] || unclear "there are no published ports"
  # shellcheck disable=SC2046
  unreachable $(for port in $PUBLISHED; do
    for address in $GATEWAY $HOST_ADDRESS; do echo "$address:$port"; done
  done)
  held
}

#: learn a neighbour's name from a name server
names() {
  need nslookup
  for neighbour in $NEIGHBOURS; do
    neighbour=${neighbour%:*}
    case $done in *" $neighbour "*) continue ;; esac
    done="$done $neighbour "
    timeout 2 nslookup "$neighbour" 127.0.0.11 >>"$WORK/names" 2>&1 &
    timeout 2 nslookup "$neighbour" >>"$WORK/names" 2>&1 &
  done
  wait
  ! grep containerlease- "$WORK/names" || through "$(grep containerlease- "$WORK/names" | head -n 3)"
  ! grep containerlease- /etc/hosts || through /etc/hosts
  held
}
