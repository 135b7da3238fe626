#!/bin/sh
# What a program may do, and to whom. Runs with tools.sh; its head says how.
# The functions are called by name, and code in single quotes is for another language. Both shells
# know ulimit.
# shellcheck disable=SC2317,SC2329,SC2016,SC3045

#: make namespaces of its own
namespaces() {
  need unshare
  refused unshare -U true
  refused unshare -m true
  refused unshare -n true
  held
}

#: change the root folder
root_folder() {
  need chroot
  refused chroot / true
  held
}

#: make kernel calls: namespaces, clocks, modules, keyrings, mounts, tracing, BPF, io_uring, handles of files, swap
kernel_calls() {
  calls_refused EPERM <<EOF
mount 165 40 none / tmpfs 0 0
umount2 166 39 / 0
pivot_root 155 41 / /
chroot 161 51 /
open_tree 428 428 -100 / 0
move_mount 429 429 -1 / -1 / 0
fsopen 430 430 tmpfs 0
mount_setattr 442 442 -1 / 0 0 0
open_by_handle_at 304 265 -100 0 0
name_to_handle_at 303 264 -100 / 0 0 0
init_module 175 105 0 0 x
finit_module 313 273 -1 x 0
delete_module 176 106 x 0
kexec_load 246 104 0 0 0 0
reboot 169 142 0xfee1dead 672274793 0 0
swapon 167 224 / 0
swapoff 168 225 /
acct 163 89 /
quotactl 179 60 0 0 0 0
add_key 248 217 user x x 1 -3
request_key 249 218 user x 0 -3
keyctl 250 219 0 -3 0
bpf 321 280 0 0 0
perf_event_open 298 241 0 0 -1 -1 0
userfaultfd 323 282 0
io_uring_setup 425 425 8 0
fanotify_init 300 262 0 0
syslog 103 116 3 0 0
kcmp 312 272 1 1 0 0 0
iopl 172 - 3
ioperm 173 - 0x80 1 1
move_pages 279 239 1 0 0 0 0 0
lookup_dcookie 212 18 0 0 0
vhangup 153 58
unshare-user 272 97 0x10000000
unshare-mount 272 97 0x20000
setns 308 268 -1 0
clone-user 56 220 0x10000011 0 0 0 0
settimeofday 164 170 0 0
clock_settime 227 112 0 0
sethostname 170 161 x 1
setdomainname 171 162 x 1
EOF
  held
}

#: load a module
modules() {
  need insmod
  printf '\177ELF' >"$WORK/module.ko"
  refused insmod "$WORK/module.ko"
  held
}

#: set the clock
clock() {
  refused date -s "@$(date +%s)"
  held
}

#: restart the machine
restart() {
  need reboot
  refused reboot -f
  held
}

#: change the name of the machine
machine_name() {
  need hostname
  refused hostname from-inside
  held
}

#: get rights by a program that runs as its owner, root
set_user_id() {
  grep -q '^NoNewPrivs:[[:space:]]*1$' /proc/self/status || through "new rights may be had"
  bound=$(awk '$1 == "CapBnd:" { print $2 }' /proc/self/status)
  # CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID: the ones that image types may list.
  [ $((0x$bound & ~0xEB)) -eq 0 ] || through "capabilities $bound"
  # busybox's setpriv drops its rights by itself.
  /usr/bin/setpriv --help 2>&1 | grep -q reuid || missing "setpriv of util-linux"
  [ "$(id -u)" = 0 ] || missing root
  cp /usr/bin/setpriv /from-inside
  chmod 4755 /from-inside
  [ -u /from-inside ] || unclear "it does not run as its owner"
  users=$(/usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups /from-inside -d 2>&1)
  case $(echo "$users" | awk '$1 == "euid:" { print $2 }') in
    65534) held ;;
    0) through "$users" ;;
    *) unclear "$users" ;;
  esac
}

#: raise its own limits, and be killed last
limits() {
  (ulimit -Hn 1000000) 2>/dev/null && through "more descriptors"
  (ulimit -Hc unlimited) 2>/dev/null && through "core dumps"
  (ulimit -Hf unlimited) 2>/dev/null && through "larger files"
  (echo -1000 >/proc/self/oom_score_adj) 2>/dev/null && through "it would be killed last"
  (echo "0 0 4294967295" >/proc/self/uid_map) 2>/dev/null && through "a map of users"
  if has chrt; then refused chrt -f 50 true; fi
  need renice
  refused renice -n -20 -p $$
  held
}

#: see, signal and trace processes of the host
processes() {
  [ -n "$HOST_PIDS" ] || unclear "no process of the host is named"
  seen=$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ')
  case $seen in *dockerd* | *"containerlease serve"* | *containerd-shim*) through "the host's processes are seen" ;; esac
  for pid in $HOST_PIDS; do
    # A process of this lease may have the same number.
    [ ! -d "/proc/$pid" ] || continue
    kill -9 "$pid" 2>/dev/null && through "process $pid of the host was signalled"
    if has python3 || has perl; then
      calls_refused ESRCH <<EOF
ptrace-attach 101 117 16 $pid 0 0
EOF
    fi
  done
  held
}
