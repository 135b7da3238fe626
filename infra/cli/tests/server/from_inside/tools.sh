#!/bin/sh
# The files beside this one hold the attempts of a hostile program in a lease, each a function under
# a line `#: its goal`; this file holds what they share. The test (from_inside.rs) runs them one by
# one inside a container, through the API:
#
#   cat tools.sh kernel.sh … | sh -c 'script=$(cat); exec </dev/null; eval "$script"; "$1"' attempts FUNCTION
#
# An attempt prints one line: `held`; `got through: …`; `cannot be tried here (no TOOL)`; or
# `unclear: …` if it failed for another reason than a refusal. Unclear attempts fail the test: one
# that fails because it is written wrongly proves nothing. The shell is dash or busybox's.
#
# Requests that would harm the host are made in a harmless form: kernel files are opened but not
# written, clocks are set to their present time.
#
# environment:
#   GATEWAY NEIGHBOURS PUBLISHED HOST_ADDRESS HOST_PORT API_PORT ENGINE_PORT   whom to connect to
#   CANARY CANARY_FILES    what stands in files of the host, and where
#   HOST_PIDS              processes of the host
#   DISK_MB MEMORY_MB PROCESSES   what this lease may use
# Other files call these functions, and code in single quotes is for another language.
# shellcheck disable=SC2317,SC2329,SC2016

WORK=/tmp/from-inside
mkdir -p "$WORK"

has() { command -v "$1" >/dev/null 2>&1; }
held() { echo held; exit; }
through() { echo "got through: $*"; exit; }
unclear() { echo "unclear: $*"; exit; }
missing() { echo "cannot be tried here (no $*)"; exit; }
need() { for tool in "$@"; do has "$tool" || missing "$tool"; done; }

# Runs a command that must be refused, and checks its error message: busybox's date exits with
# success even if it may not set the clock.
refused() {
  said=$("$@" 2>&1 >/dev/null) && ended=0 || ended=$?
  echo "$said" | grep -qiE 'permi|denied|read-only|superuser|must be root' && return
  [ "$ended" != 0 ] || through "$*"
  unclear "$*: $said"
}

# Opens files for writing, without writing. Missing files are no way out.
unwritable() {
  for file in "$@"; do
    [ -e "$file" ] || continue
    (: >>"$file") 2>/dev/null && through "$file can be written"
  done
}

unwritable_below() { # FOLDER
  files=$(find "$1" -type f -perm -200 2>/dev/null | head -n 2000)
  # shellcheck disable=SC2086  # No such name has a space.
  unwritable $files
}

# Each line is NAME NUMBER NUMBER-ON-ARM ARGUMENTS; every call must fail so.
calls_refused() { # ERROR
  error=$1
  case $(uname -m) in x86_64) column=2 ;; aarch64) column=3 ;; *) missing "numbers of calls" ;; esac
  wanted=$(grep -v '^$' | awk -v column=$column '$column != "-" { printf "%s %s", $1, $column; for (i = 4; i <= NF; i++) printf " %s", $i; print "" }')
  if has python3; then
    said=$(echo "$wanted" | python3 -c '
import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
for line in sys.stdin:
    name, *numbers = line.split()
    ctypes.set_errno(0)
    number, *given = [ctypes.c_long(int(n, 0)) if n[0] in "-0123456789" else n.encode() for n in numbers]
    got = libc.syscall(number, *given)
    print(name, "done" if got >= 0 else errno.errorcode[ctypes.get_errno()])')
  elif has perl; then
    said=$(echo "$wanted" | perl -MErrno -ne '
($name, @given) = split;
@given = map { /^-?[0-9]/ ? (/^0x/ ? hex : int) : "$_\0" } @given;
$number = shift @given;
$! = 0;
$got = syscall($number, @given);
%names = map { Errno->can($_) ? (Errno->can($_)->() => $_) : () } @Errno::EXPORT_OK unless %names;
print "$name ", $got >= 0 ? "done" : $names{$! + 0}, "\n"')
  else
    missing "python3 or perl"
  fi
  [ "$(echo "$said" | grep -c .)" = "$(echo "$wanted" | grep -c .)" ] || unclear "$said"
  came=$(echo "$said" | grep -v " $error\$")
  case $came in
    "") ;;
    *" done"*) through "$came" ;;
    *) unclear "$came" ;;
  esac
}

# Whether a connection can be opened within a second: all targets are near.
reaches() { # ADDRESS PORT
  if has python3; then
    python3 -c 'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)' "$1" "$2" >/dev/null 2>&1
  elif has bash; then
    timeout 1 bash -c ": <>/dev/tcp/$1/$2" >/dev/null 2>&1
  elif has nc; then
    # Without a program it would wait for input.
    nc -w 1 "$1" "$2" -e true </dev/null >/dev/null 2>&1
  else
    missing "python3, bash or nc"
  fi
}

# Tries ADDRESS:PORT… in parallel, after checking that it can see an open port at all.
unreachable() {
  listen
  rm -f "$WORK/reached"
  until reaches 127.0.0.1 7999; do
    tries=$((tries + 1))
    [ $tries -lt 30 ] || unclear "it does not even reach itself"
    sleep 0.1
  done
  kill $listener 2>/dev/null
  connecting=
  for target in "$@"; do
    { ! reaches "${target%:*}" "${target##*:}" || echo "$target" >>"$WORK/reached"; } &
    connecting="$connecting $!"
  done
  # shellcheck disable=SC2086  # They are many.
  wait $connecting
  [ ! -s "$WORK/reached" ] || through "$(tr '\n' ' ' <"$WORK/reached")"
}

listen() {
  if has python3; then
    timeout 9 python3 -c 'import socket, time; l = socket.create_server(("", 7999)); time.sleep(9)' >/dev/null 2>&1 &
  elif has perl; then
    timeout 9 perl -MIO::Socket::INET -e '$l = IO::Socket::INET->new(LocalPort => 7999, Listen => 9, ReuseAddr => 1); sleep 9' >/dev/null 2>&1 &
  elif has nc; then
    timeout 9 nc -l -p 7999 >/dev/null 2>&1 &
  else
    missing "python3, perl or nc"
  fi
  listener=$!
}
