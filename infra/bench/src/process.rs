//! The resources that a process uses, as the kernel counts them: CPU time, memory, connections.

use std::{collections::HashSet, fs, path::PathBuf, time::Duration};

use crate::{Fallible, Problem};

/// The kernel's unit of CPU time.
const TICK: Duration = Duration::from_millis(10);

/// A process, whether or not it is ours.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pid: u32,
}

impl Process {
    /// The process of that id.
    pub fn of(pid: u32) -> Self {
        Self { pid }
    }

    /// The only process of that name; `None` if there is none, or more than one.
    pub fn the_only(name: &str) -> Option<Self> {
        let entries = fs::read_dir("/proc").ok()?.flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mut named = pids.filter(|pid| {
            let is = fs::read_to_string(format!("/proc/{pid}/comm"));
            is.is_ok_and(|is| is.trim_end() == name)
        });
        let pid = named.next()?;
        named.next().is_none().then_some(Self { pid })
    }

    /// The CPU time of all its threads since its start, to ten milliseconds.
    pub fn cpu(self) -> Fallible<Duration> {
        let cpu = cpu_time(&self.read("stat")?);
        cpu.ok_or_else(|| self.unreadable("CPU time"))
    }

    /// The resident memory now, in MiB.
    pub fn memory(self) -> Fallible<f64> {
        self.mebibytes("VmRSS")
    }

    /// The peak resident memory since its start or since [`reset_peak`](Self::reset_peak), in
    /// MiB.
    pub fn peak_memory(self) -> Fallible<f64> {
        self.mebibytes("VmHWM")
    }

    /// Starts a new peak.
    pub fn reset_peak(self) -> Fallible<()> {
        Ok(fs::write(self.file("clear_refs"), "5")?)
    }

    /// Number of its open unix socket connections. This includes its internal socket pairs, so
    /// only differences mean something.
    pub fn unix_connections(self) -> Fallible<usize> {
        let listed = self.read("net/unix")?;
        let connected: HashSet<_> = listed.lines().filter_map(connected_inode).collect();
        let open = fs::read_dir(self.file("fd"))?.flatten().filter(|open| {
            let socket = fs::read_link(open.path()).unwrap_or_default();
            let socket = socket
                .to_str()
                .and_then(|name| name.strip_prefix("socket:["));
            let inode = socket.and_then(|name| name.strip_suffix(']'));
            inode.is_some_and(|inode| connected.contains(inode))
        });
        Ok(open.count())
    }

    fn mebibytes(self, name: &str) -> Fallible<f64> {
        let kibibytes = kibibytes(&self.read("status")?, name);
        Ok(kibibytes.ok_or_else(|| self.unreadable(name))? / 1024.0)
    }

    fn read(self, file: &str) -> Fallible<String> {
        Ok(fs::read_to_string(self.file(file))?)
    }

    fn file(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }

    fn unreadable(self, what: &str) -> Problem {
        format!(
            "the kernel does not tell the {what} of process {}",
            self.pid
        )
        .into()
    }
}

/// User and system time from `/proc/PID/stat`. The second field is the program's name in
/// brackets, and the name may contain spaces and brackets.
fn cpu_time(stat: &str) -> Option<Duration> {
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some(TICK * (ticks()? + ticks()?))
}

fn kibibytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let value = line.strip_prefix(':')?.trim().strip_suffix("kB")?;
    value.trim().parse().ok()
}

/// The inode of a connected socket in a line of `/proc/net/unix`.
fn connected_inode(line: &str) -> Option<&str> {
    const CONNECTED: &str = "03";
    let mut fields = line.split_whitespace().skip(5);
    let state = fields.next()?;
    fields.next().filter(|_| state == CONNECTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let stat = "15851 (a (b) c) S 1 15851 15851 0 -1 4194560 9 8 7 6 120 30 5 4 20 0 19 0";
        assert_eq!(cpu_time(stat), Some(Duration::from_millis(1_500)));
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(kibibytes(status, "VmHWM"), Some(2048.0));
        assert_eq!(kibibytes(status, "VmSwap"), None);
        let unix = "0000000000000000: 00000003 00000000 00000000 0001 03 94251 /run/docker.sock";
        assert_eq!(connected_inode(unix), Some("94251"));
        let listens = "0000000000000000: 00000002 00000000 00010000 0001 01 11 /run/docker.sock";
        assert_eq!(connected_inode(listens), None);
    }

    #[test]
    fn a_process_has_cpu_time_memory_and_connections() {
        let process = Process::of(std::process::id());
        process.reset_peak().expect("a process may do that");
        let memory = process.memory().expect("it is there");
        assert!(memory > 0.1 && process.peak_memory().expect("it is there") > 0.1);
        assert!(process.cpu().expect("it is there") < Duration::from_secs(3_600));
        let pair = std::os::unix::net::UnixStream::pair().expect("there are sockets");
        assert!(process.unix_connections().expect("it is there") >= 2);
        drop(pair);
    }
}
