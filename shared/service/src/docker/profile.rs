//! The seccomp profile of leased programs. It allows the system calls that programs without
//! capabilities and without hardware access need, and no others.
//!
//! It is an allow-list, and narrower than the engine's own: no `io_uring`, no `AF_VSOCK` or
//! `AF_ALG` sockets, which exposed the kernel's vulnerabilities of recent years, and no x32. A
//! forbidden call fails with `EPERM`, as when the kernel denies a call for lack of a capability, so
//! programs fall back as they do in any container.
//!
//! The names are the kernel's; an engine ignores those that its machine lacks.

use std::sync::LazyLock;

use serde_json::{Value, json};

/// `EPERM`.
const NOT_PERMITTED: u32 = 1;

/// `ENOSYS`: it makes the C library use `clone` instead of `clone3`, whose flags lie in memory that
/// a filter cannot read.
const NOT_THERE: u32 = 38;

/// Files and directories: their use, their attributes, and waiting for them.
const FILES: &str = "access chdir chmod chown chown32 close close_range copy_file_range creat dup \
    dup2 dup3 faccessat faccessat2 fadvise64 fadvise64_64 arm_fadvise64_64 fallocate fchdir fchmod \
    fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock \
    fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 \
    futimesat getcwd getdents getdents64 getxattr inotify_add_watch inotify_init inotify_init1 \
    inotify_rm_watch ioctl lchown lchown32 lgetxattr link linkat listxattr llistxattr _llseek \
    lremovexattr lseek lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat newfstatat open openat \
    openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat \
    readv removexattr rename renameat renameat2 rmdir sendfile sendfile64 setxattr splice stat \
    stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range sync_file_range2 \
    arm_sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat \
    utimensat_time64 utimes vmsplice write writev epoll_create epoll_create1 epoll_ctl epoll_pwait \
    epoll_pwait2 epoll_wait eventfd eventfd2 _newselect pipe pipe2 poll ppoll ppoll_time64 pselect6 \
    pselect6_time64 select signalfd signalfd4 io_cancel io_destroy io_getevents io_pgetevents \
    io_pgetevents_time64 io_setup io_submit landlock_add_rule landlock_create_ruleset \
    landlock_restrict_self";

/// Memory, including shared memory.
const MEMORY: &str = "brk cachestat madvise membarrier memfd_create mincore mlock mlock2 mlockall \
    mmap mmap2 mprotect mremap msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect \
    remap_file_pages ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 \
    mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop \
    semtimedop semtimedop_time64 shmat shmctl shmdt shmget";

/// Processes, threads, signals and identities. `ptrace` and similar calls are for debuggers, which
/// cannot see beyond their container.
const PROCESSES: &str = "alarm arch_prctl capget capset execve execveat exit exit_group fork futex \
    futex_requeue futex_time64 futex_wait futex_waitv futex_wake get_robust_list get_thread_area \
    getcpu getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getpgid \
    getpgrp getpid getppid getpriority getresgid getresgid32 getresuid getresuid32 getrlimit \
    getrusage getsid gettid getuid getuid32 ioprio_get ioprio_set kill pause pidfd_open \
    pidfd_send_signal prctl prlimit64 process_mrelease process_vm_readv process_vm_writev ptrace \
    restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn \
    rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max \
    sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler \
    sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr \
    sched_setparam sched_setscheduler sched_yield seccomp set_robust_list set_thread_area \
    set_tid_address set_tls setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups \
    setgroups32 setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid \
    setresuid32 setreuid setreuid32 setrlimit setsid setuid setuid32 sigaltstack sigprocmask \
    sigreturn tgkill tkill ugetrlimit vfork wait4 waitid waitpid breakpoint cacheflush \
    riscv_flush_icache riscv_hwprobe";

/// Time, and information about the machine.
const TIME_AND_MACHINE: &str = "adjtimex clock_adjtime clock_adjtime64 clock_getres \
    clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 \
    getitimer getrandom gettimeofday nanosleep setitimer sysinfo time timer_create timer_delete \
    timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create \
    timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times uname";

/// Sockets, except their creation, which is limited to certain families. `socketcall` hides its
/// arguments from a filter; when it is refused, programs use `socket`.
const SOCKETS: &str = "accept accept4 bind connect getpeername getsockname getsockopt listen recv \
    recvfrom recvmmsg recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown";

/// `AF_UNIX`, `AF_INET`, `AF_INET6`, and `AF_NETLINK`, which tells a program its addresses.
const FAMILIES: [u32; 4] = [UNIX, 2, 10, 16];
const UNIX: u32 = 1;

/// Plain Linux, with a 32-bit machine name, with an old version number, or with both; and the query
/// for the current value.
const PERSONALITIES: [u32; 5] = [0, 0x0008, 0x2_0000, 0x2_0008, u32::MAX];

/// The flags of `clone` that create a namespace. All of them need a right that no leased program
/// has.
const NEW_NAMESPACES: u32 = 0x7E02_0000;

/// The engine's container option with the profile.
pub(super) fn system_calls() -> String {
    static OPTION: LazyLock<String> = LazyLock::new(|| format!("seccomp={}", profile()));
    OPTION.clone()
}

fn profile() -> Value {
    let groups = [FILES, MEMORY, PROCESSES, TIME_AND_MACHINE, SOCKETS];
    let names: Vec<_> = groups.iter().flat_map(|names| names.split(' ')).collect();
    let mut rules = vec![json!({"names": names, "action": "SCMP_ACT_ALLOW"})];
    rules.extend(FAMILIES.map(|family| where_first("socket", "SCMP_CMP_EQ", family)));
    rules.push(where_first("socketpair", "SCMP_CMP_EQ", UNIX));
    rules.extend(PERSONALITIES.map(|kind| where_first("personality", "SCMP_CMP_EQ", kind)));
    rules.push(where_first("clone", "SCMP_CMP_MASKED_EQ", NEW_NAMESPACES));
    rules.push(json!({
        "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": NOT_THERE,
    }));
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": NOT_PERMITTED,
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
            {"architecture": "SCMP_ARCH_RISCV64", "subArchitectures": []},
        ],
        "syscalls": rules,
    })
}

/// Allows a call whose first argument is `value`, or, if `op` masks, has none of its bits.
fn where_first(name: &str, op: &str, value: u32) -> Value {
    json!({
        "names": [name], "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 0, "value": value, "valueTwo": 0, "op": op}],
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn it_allows_nothing_twice_and_nothing_that_reaches_the_host() {
        let profile = profile();
        let names = profile["syscalls"][0]["names"].as_array().unwrap();
        let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
        let distinct: HashSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        assert!(!distinct.contains(&""), "there are two spaces");
        for refused in [
            "add_key",
            "bpf",
            "chroot",
            "clone",
            "clone3",
            "fanotify_init",
            "finit_module",
            "init_module",
            "io_uring_enter",
            "io_uring_register",
            "io_uring_setup",
            "ioperm",
            "iopl",
            "kcmp",
            "kexec_load",
            "keyctl",
            "mbind",
            "modify_ldt",
            "mount",
            "move_pages",
            "name_to_handle_at",
            "open_by_handle_at",
            "perf_event_open",
            "pivot_root",
            "reboot",
            "request_key",
            "setns",
            "socket",
            "socketcall",
            "swapon",
            "syslog",
            "umount2",
            "unshare",
            "userfaultfd",
            "vm86",
        ] {
            assert!(!distinct.contains(&refused), "{refused}");
        }
    }
}
