//! What a process and all that it started use.
//!
//! CPU time comes from a control group of their own, which counts in microseconds and forgets
//! nobody; where none can be made, from `/proc`, which counts in ticks and may miss processes that
//! ended. Memory comes from `/proc`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A process and all that it started.
#[derive(Debug)]
pub struct Processes {
    root: u32,
    group: Option<PathBuf>,
}

impl Processes {
    /// The processes that `root`, just started, is going to start; `name` is for people.
    pub fn of(root: u32, name: &str) -> Self {
        let name = format!("smb-bench-{}-{name}", std::process::id());
        let group = HIERARCHIES
            .iter()
            .map(Path::new)
            .filter(|hierarchy| hierarchy.join("cgroup.controllers").exists())
            .map(|hierarchy| hierarchy.join(&name))
            .find(|group| enter(group, root).is_ok());
        Self { root, group }
    }

    /// CPU time so far.
    pub fn cpu(&self) -> Duration {
        let counted = self.group.as_deref().and_then(usage);
        counted.unwrap_or_else(|| cpu(self.root))
    }

    /// Memory, each shared page counted in parts, in bytes.
    pub fn memory(&self) -> u64 {
        memory(self.root)
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            // It may stay behind, empty, where a process takes its time to end.
            let _ = std::fs::remove_dir(group);
        }
    }
}

/// Makes a control group with a process and its descendants in it.
fn enter(group: &Path, root: u32) -> std::io::Result<()> {
    std::fs::create_dir(group)?;
    let members = group.join("cgroup.procs");
    std::fs::write(&members, root.to_string())?;
    for process in tree(root) {
        // It may have ended meanwhile.
        let _ = std::fs::write(&members, process.to_string());
    }
    Ok(())
}

/// CPU time of a control group.
fn usage(group: &Path) -> Option<Duration> {
    let statistics = std::fs::read_to_string(group.join("cpu.stat")).ok()?;
    let mut lines = statistics.lines();
    let usage = lines.find_map(|line| line.strip_prefix("usage_usec "))?;
    Some(Duration::from_micros(usage.parse().ok()?))
}

/// CPU time of a process and its descendants, of those that ended and were waited for too.
fn cpu(root: u32) -> Duration {
    let ticks: u64 = tree(root)
        .iter()
        .filter_map(|&process| ticks(process))
        .sum();
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_secs_f64(ticks as f64 / per_second as f64)
}

/// Memory of a process and its descendants, each shared page counted in parts, in bytes.
fn memory(root: u32) -> u64 {
    tree(root)
        .iter()
        .filter_map(|&process| share(process))
        .sum()
}

/// A process and its descendants.
fn tree(root: u32) -> Vec<u32> {
    let mut parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|process| Some((process, field(process, PARENT)? as u32)))
        .collect();
    // A child's number need not be greater than its parent's: look until nothing new is found.
    let mut found = vec![root];
    let mut known = HashSet::from([root]);
    loop {
        let before = found.len();
        parents.retain(|&(process, parent)| {
            let is_new = known.contains(&parent) && known.insert(process);
            if is_new {
                found.push(process);
            }
            !is_new
        });
        if found.len() == before {
            return found;
        }
    }
}

/// User and system time of a process and of its children that it waited for.
fn ticks(process: u32) -> Option<u64> {
    let times = [
        USER_TIME,
        SYSTEM_TIME,
        CHILDREN_USER_TIME,
        CHILDREN_SYSTEM_TIME,
    ];
    times.into_iter().map(|index| field(process, index)).sum()
}

/// A number of `/proc/PID/stat`, counted from the field behind the name.
fn field(process: u32, index: usize) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name is in parentheses and may contain anything.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(index)?.parse().ok()
}

fn share(process: u32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Where control groups of the second version are.
const HIERARCHIES: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
const PARENT: usize = 1;
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;
const CHILDREN_USER_TIME: usize = 13;
const CHILDREN_SYSTEM_TIME: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_uses_time_and_memory() {
        let own = std::process::id();
        let before = cpu(own);
        // Until the kernel's clock has ticked, however busy the machine is.
        while cpu(own) <= before {
            std::hint::black_box(ticks(own));
        }
        assert!(memory(own) > 100_000);
        assert!(tree(own).contains(&own));
    }
}
