#!/bin/sh
# Takes as much as it can of the shared resources. Runs with tools.sh; its head says how.
# The functions are called by name, and code in single quotes is for another language.
# shellcheck disable=SC2317,SC2329,SC2016

#: open files until there are no more
open_files() {
  if has python3; then
    most=$(python3 -c '
held = []
try:
    while len(held) < 40000: held.append(open("/dev/null"))
except OSError: pass
print(len(held))')
  else
    need perl
    most=$(perl -e 'while (@held < 40000 && open(my $f, "<", "/dev/null")) { push @held, $f } print scalar @held')
  fi
  [ "$most" -gt 1000 ] || unclear "only $most"
  [ "$most" -le 16384 ] || through "$most"
  held
}

#: make one file larger than its disk may be, with nothing in it
large_file() {
  need dd
  dd if=/dev/zero of="$WORK/large" bs=1M count=1 seek="$((DISK_MB + 1))" >/dev/null 2>&1
  size=$(wc -c <"$WORK/large")
  rm -f "$WORK/large"
  [ "$size" -le $((DISK_MB * 1048576)) ] || through "$size bytes"
  held
}

#: make the files larger than its disk that the engine has put there, which are the host's
engine_files() {
  need dd
  for file in /etc/hosts /etc/hostname /etc/resolv.conf; do
    (: >>"$file") 2>/dev/null || continue
    was=$(cat "$file")
    dd if=/dev/zero of="$file" bs=1M count=1 seek="$((DISK_MB + 1))" >/dev/null 2>&1
    size=$(wc -c <"$file")
    echo "$was" >"$file"
    [ "$size" -le $((DISK_MB * 1048576)) ] || through "$size bytes in $file"
  done
  held
}

#: fill the memory that is mounted as a file system
shared_memory() {
  need dd df
  [ -w /dev/shm ] || unclear "there is no /dev/shm"
  for folder in /dev/shm /dev /dev/mqueue /run /tmp /sys/fs/cgroup; do
    case $(df "$folder" 2>/dev/null | tail -n 1) in tmpfs* | shm*) ;; *) continue ;; esac
    (: >"$folder/fill") 2>/dev/null || continue
    # If the folder has no limit of its own it is killed: this counts as its memory.
    dd if=/dev/zero of="$folder/fill" bs=1M count=$((MEMORY_MB + 64)) >/dev/null 2>&1
    size=$(wc -c <"$folder/fill")
    rm -f "$folder/fill"
    [ "$size" -le $((MEMORY_MB * 1048576)) ] || through "$size bytes in $folder"
  done
  held
}

#: take twice the memory that it may have
memory() {
  need dd
  # It fills a block of that size, and is killed before it finishes.
  dd if=/dev/zero of=/dev/null bs="$((MEMORY_MB * 2))M" count=1 >/dev/null 2>"$WORK/said"
  ended=$?
  [ "$ended" -ne 0 ] || through "twice its memory"
  [ "$ended" -eq 137 ] || unclear "$ended: $(cat "$WORK/said")"
  held
}

#: use all processors, as 8 processes, for some seconds
processors() {
  for _ in 1 2 3 4 5 6 7 8; do
    timeout 4 sh -c 'while :; do :; done' &
  done
  wait
  held
}

#: write a million lines to its log
log() {
  (: >>/proc/1/fd/1) 2>/dev/null || missing "log of its own"
  timeout 4 sh -c 'yes "from inside: a line that nobody wants to read" | head -n 1000000 >/proc/1/fd/1'
  held
}

#: send 5,000 datagrams and open 500 connections to outside
outside() {
  if has python3; then
    made=$(python3 -c '
import socket
udp = socket.socket(2, 2)
for n in range(5000):
    try: udp.sendto(b"x" * 64, ("198.51.100.%d" % (n % 250 + 1), 1024 + n))
    except OSError: pass
held = []
for n in range(500):
    tcp = socket.socket(); tcp.setblocking(False); tcp.connect_ex(("198.51.100.%d" % (n % 250 + 1), 9)); held.append(tcp)
print(len(held))')
  else
    need perl
    made=$(perl -MSocket -MIO::Handle -e '
socket($udp, AF_INET, SOCK_DGRAM, 0);
send($udp, "x" x 64, 0, pack_sockaddr_in(1024 + $_, inet_aton("198.51.100." . ($_ % 250 + 1)))) for 0 .. 4999;
for (0 .. 499) { socket(my $tcp, AF_INET, SOCK_STREAM, 0); $tcp->blocking(0); connect($tcp, pack_sockaddr_in(9, inet_aton("198.51.100." . ($_ % 250 + 1)))); push @held, $tcp }
print scalar @held')
  fi
  [ "$made" = 500 ] || unclear "it made ${made:-none} of 500"
  held
}

#: make processes without end
fork_bomb() {
  most=0
  looks=0
  set -- /proc/[0-9]*
  before=$#
  sh -c 'bomb() { bomb & bomb & sleep 3; }; bomb' >/dev/null 2>&1 &
  # Uses only shell builtins: there is no room for another process.
  while [ $looks -lt 3000 ] && [ "$most" -lt $((PROCESSES - 9)) ]; do
    looks=$((looks + 1))
    set -- /proc/[0-9]*
    [ $# -le "$most" ] || most=$#
  done
  set -- /proc/[0-9]*
  [ $# -le "$PROCESSES" ] || through "$# processes"
  [ "$most" -ge $((PROCESSES / 2)) ] || unclear "only $most processes"
  # It dies of itself, since a process that cannot be made makes no more. While some are left they
  # can take the room of the next attempt.
  until [ $# -le "$before" ]; do set -- /proc/[0-9]*; done
  held
}
