//! `processes`: a file for each process of a compartment, by which it is ended and moved.
//!
//! A process is held by a descriptor from when its file is opened, so that another one which gets its number
//! is neither ended nor moved in its place. A signal is sent only while the process is in the compartments.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};
use server::share::Answer;
use wire::dtyp::AccessMask;
use wire::{NtStatus, Utf16String};

use super::cgroup::Group;
use super::compartments::Compartments;
use super::items::{File, Folder, Item, Kind, Listed, access, id_of, is_called};
use super::statistics::harmless;
use crate::disk::errno::control_group_status as status;

/// The folder of one compartment.
pub(super) struct Processes {
    shared: Arc<Compartments>,
    group: Arc<Group>,
}

/// What the folder is called.
pub(super) const NAME: &str = "processes";

impl Processes {
    /// The processes of `group`.
    pub(super) fn new(shared: Arc<Compartments>, group: Arc<Group>) -> Self {
        Self { shared, group }
    }
}

impl Folder for Processes {
    fn id(&self) -> u64 {
        id_of((NAME, self.group.id()))
    }

    fn entries(&self) -> Result<Vec<Listed>, NtStatus> {
        let numbers = self.group.processes()?.into_iter();
        // One that has ended since is in the list no more.
        let listed = numbers.filter_map(|number| {
            Some(Listed {
                name: file_name(number)?.as_str().into(),
                id: process_id(number)?,
                kind: Kind::File,
            })
        });
        Ok(listed.collect())
    }

    fn find(&self, name: &Utf16String) -> Result<Option<(Utf16String, Item)>, NtStatus> {
        let text = name.to_string_lossy();
        let number = text.rsplit_once('.').map(|(_, number)| number);
        let Some(number) = number.and_then(|number| number.parse::<i32>().ok()) else {
            return Ok(None);
        };
        let Some(own) = file_name(number).filter(|own| is_called(own, name)) else {
            return Ok(None);
        };
        let process = Process::in_group(&self.shared, &self.group, number)?;
        Ok(process.map(|process| (own.as_str().into(), Item::File(Arc::new(process)))))
    }

    fn group_of_processes(&self) -> Option<&Arc<Group>> {
        Some(&self.group)
    }
}

/// A process.
#[derive(Clone)]
struct Process {
    shared: Arc<Compartments>,
    group: Arc<Group>,
    number: i32,
    id: u64,
    descriptor: Arc<OwnedFd>,
}

impl Process {
    /// The process of this number, if it is in the group.
    fn in_group(
        shared: &Arc<Compartments>,
        group: &Arc<Group>,
        number: i32,
    ) -> Result<Option<Self>, NtStatus> {
        let Some(pid) = Pid::from_raw(number).filter(|_| number > 0) else {
            return Ok(None);
        };
        let Ok(descriptor) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else {
            return Ok(None);
        };
        let Some(id) = process_id(number) else {
            return Ok(None);
        };
        let process = Self {
            shared: Arc::clone(shared),
            group: Arc::clone(group),
            number,
            id,
            descriptor: Arc::new(descriptor),
        };
        // The number is this process's as long as it lives: asked in this order, the answer is about it.
        let is_in = group.processes()?.contains(&number) && !process.has_ended();
        Ok(is_in.then_some(process))
    }

    fn has_ended(&self) -> bool {
        let mut descriptors = [PollFd::from_borrowed_fd(
            self.descriptor.as_fd(),
            PollFlags::IN,
        )];
        let at_once = Timespec::default();
        rustix::event::poll(&mut descriptors, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }

    /// Sends a signal, unless the process has ended.
    ///
    /// # Errors
    /// `ACCESS_DENIED` when the process is in no compartment any more.
    fn signal(&self, signal: Signal) -> Result<(), NtStatus> {
        let is_ours = self.shared.root.holds(self.number);
        if self.has_ended() {
            return Ok(());
        }
        if !is_ours {
            return Err(NtStatus::ACCESS_DENIED);
        }
        match rustix::process::pidfd_send_signal(&*self.descriptor, signal) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            sent => sent.map_err(status),
        }
    }

    async fn send(&self, signal: Signal) -> Result<(), NtStatus> {
        let process = self.clone();
        self.shared
            .worker
            .work(move || process.signal(signal))
            .await
    }

    /// Waits until it has ended, but no longer than this; tells whether it has.
    async fn ends_within(&self, patience: Duration) -> bool {
        let mut waited = Duration::ZERO;
        while !self.has_ended() {
            if waited >= patience {
                return false;
            }
            self.shared.environment.sleep(TICK).await;
            waited += TICK;
        }
        true
    }

    /// Tells it to end, and kills it if it does not. Whoever asked waits a moment for that; after it, the
    /// rest happens by itself.
    async fn end(self) -> Result<(), NtStatus> {
        self.send(Signal::TERM).await?;
        let patience = self.shared.end_after;
        if self.ends_within(patience.min(MOMENT)).await {
            return Ok(());
        }
        let Some(rest) = patience.checked_sub(MOMENT) else {
            self.send(Signal::KILL).await?;
            self.ends_within(MOMENT).await;
            return Ok(());
        };
        let environment = Arc::clone(&self.shared.environment);
        environment.spawn(Box::pin(async move {
            if !self.ends_within(rest).await
                && let Err(status) = self.send(Signal::KILL).await
            {
                let process = self.number;
                tracing::warn!(target: "smb::share", process, %status, "a process was not killed");
            }
        }));
        Ok(())
    }
}

impl File for Process {
    fn id(&self) -> u64 {
        self.id
    }

    fn access(&self) -> AccessMask {
        access::PROCESS
    }

    fn check_delete(&self) -> Result<(), NtStatus> {
        Ok(())
    }

    fn delete(&self) -> Answer<'static, ()> {
        Box::pin(self.clone().end())
    }

    fn move_to(&self, group: &Arc<Group>) -> Result<(), NtStatus> {
        let is_here = self.group.processes()?.contains(&self.number);
        if !is_here || self.has_ended() {
            return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
        }
        group.take_in(self.number)
    }
}

/// What a process's file is called: its program and its number. None if it has ended.
fn file_name(number: i32) -> Option<String> {
    let program = std::fs::read(facts(number).join("comm")).ok()?;
    let program = String::from_utf8_lossy(&program);
    let program = harmless(program.trim_end_matches('\n'));
    let program = if program.is_empty() { "_" } else { &program };
    Some(format!("{program}.{number}"))
}

/// What tells a process apart from every other one: its number, and when it started.
fn process_id(number: i32) -> Option<u64> {
    let stat = std::fs::read(facts(number).join("stat")).ok()?;
    // The program's name is in brackets, and may hold anything.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = str::from_utf8(stat.get(end + 1..)?).ok()?;
    let started = fields.split_ascii_whitespace().nth(STARTED)?;
    Some(id_of(("process", number, started)))
}

fn facts(number: i32) -> PathBuf {
    PathBuf::from(format!("/proc/{number}"))
}

/// The place of the time of start among the fields behind the program's name.
const STARTED: usize = 19;
/// How often a process that shall end is looked at.
const TICK: Duration = Duration::from_millis(20);
/// How long whoever ends a process waits for it.
const MOMENT: Duration = Duration::from_secs(1);
