#!/bin/sh
# Files, devices, and the kernel's interfaces. Runs with tools.sh; its head says how.
# The functions are called by name, and code in single quotes is for another language.
# shellcheck disable=SC2317,SC2329,SC2016

#: mount file systems: proc, tmpfs, a folder elsewhere, cgroups for writing
mounts() {
  need mount
  mkdir -p "$WORK/m"
  refused mount -t proc proc "$WORK/m"
  refused mount -t tmpfs tmpfs "$WORK/m"
  refused mount -o bind / "$WORK/m"
  refused mount -o remount,rw /sys/fs/cgroup
  refused mount -o remount,rw /proc/sys
  held
}

#: make a node of each disk of the host, and read it
disks() {
  need mknod dd
  [ -z "$(find /dev -type b 2>/dev/null)" ] || through "there are disks in /dev"
  [ "$(wc -l </proc/partitions)" -gt 2 ] || unclear "the kernel names no disk"
  while read -r major minor _ name; do
    case $major in [0-9]*) ;; *) continue ;; esac
    refused mknod "$WORK/$name" b "$major" "$minor"
    ! dd if="$WORK/$name" bs=512 count=1 >/dev/null 2>&1 || through "$name was read"
  done </proc/partitions
  refused mknod "$WORK/mem" c 1 1
  held
}

#: read the memory of the kernel and of devices, its log and its keys
kernel_memory() {
  need dd
  for file in /proc/kcore /dev/mem /dev/kmem /dev/port /dev/kmsg /proc/kmsg /proc/keys /proc/timer_list \
    /proc/sched_debug /proc/acpi/* /proc/scsi/* /sys/firmware/*/*; do
    [ -f "$file" ] || [ -c "$file" ] || continue
    [ "$(timeout 2 dd if="$file" bs=64 count=1 2>/dev/null | wc -c)" -eq 0 ] || through "$file was read"
  done
  [ -z "$(grep -v '^0* ' /proc/kallsyms 2>/dev/null | head -n 1)" ] || through "the kernel's addresses can be read"
  if has dmesg; then
    [ -z "$(dmesg 2>/dev/null)" ] || through "dmesg"
  fi
  held
}

#: write the kernel's settings: core_pattern, modprobe, sysrq, binfmt_misc
kernel_settings() {
  unwritable /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hotplug \
    /proc/sys/kernel/sysrq /proc/sysrq-trigger /proc/sys/vm/drop_caches /proc/sys/vm/panic_on_oom \
    /proc/sys/fs/binfmt_misc/register /proc/irq/*/smp_affinity /proc/bus/pci/*/* /proc/fs/*/* /proc/mtrr
  [ -e /proc/sys/kernel/core_pattern ] || unclear "there is no core_pattern"
  # The container's own settings are read-only, too.
  unwritable_below /proc/sys
  held
}

#: write to /sys: uevent_helper, a cgroup's release_agent, its limits, its members
system_files() {
  [ -d /sys/fs/cgroup ] || unclear "there are no cgroups"
  # The cgroup folder itself may be in memory, for this container alone.
  unwritable /sys/kernel/uevent_helper /sys/power/state /sys/kernel/mm/transparent_hugepage/enabled \
    /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/*/tasks \
    /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/memory.max
  unwritable_below /sys
  for folder in /sys/fs/cgroup /sys/fs/cgroup/*; do
    [ ! -e "$folder/cgroup.procs" ] || refused mkdir "$folder/from-inside"
  done
  held
}

#: open files of the host by each way that might lead out of the container
host_files() {
  for file in $CANARY_FILES; do
    for way in "" /proc/1/root /proc/1/cwd/../../../.. /proc/self/root/../../../..; do
      ! grep -qsF "$CANARY" "$way$file" || through "$way$file"
    done
    # A descriptor that the runtime forgot to close leads out of the container (CVE-2024-21626).
    for open in /proc/self/fd/* /proc/1/fd/*; do
      for up in ../../../../../.. ../../..; do
        ! grep -qsF "$CANARY" "$open/$up$file" || through "$open/$up$file"
      done
    done
  done
  held
}

#: find the engine's socket, or that of containerd
engine_socket() {
  for file in /var/run/docker.sock /run/docker.sock /run/containerd/containerd.sock /run/containerd/*/*; do
    [ ! -e "$file" ] || through "$file"
  done
  found=$(find / -xdev -type s 2>/dev/null | grep -E 'docker|containerd')
  [ -z "$found" ] || through "$found"
  ! grep -E 'docker|containerd' /proc/net/unix || through "a socket without a file"
  held
}

#: overwrite the program that the host has put there as process 1
process_one() {
  found=
  for file in /sbin/docker-init /dev/init /proc/1/exe; do
    [ ! -e "$file" ] || found=$file
    unwritable "$file"
  done
  [ -n "$found" ] || unclear "there is no such program"
  held
}
