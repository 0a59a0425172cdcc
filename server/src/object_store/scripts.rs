//! Runs the scripts of `scripts/*.txt` against a store and compares every line it answers.
//!
//! A line that is not indented is a command; the indented lines below it are all that the store
//! does because of it: the decision, then the effects, then the waits that ended. `#` begins a
//! comment. On a mismatch, the whole transcript is printed as it should stand in the file.
//!
//! ```text
//! open N NAME [access=LETTERS] [share=LETTERS] [new|overwrite|supersede] [dir] [doc]
//!             [oplock=II|EXCLUSIVE|BATCH] [lease=KEY:STATE] [v2] [parent=KEY] [client=N] [by=CALLER]
//! outside NAME     somebody else has the name free: the next one to be opened by it is new
//! close N [hold]   deleted N   delete N   keep N   pending N   path NAME   drop N
//! rename N NAME [over=NAME]    link N NAME    do N OPERATION
//! lock N (s|x OFFSET LENGTH)... [wait]   unlock N (OFFSET LENGTH)...   read|write N OFFSET LENGTH
//! wrote N NAME
//! watch N [tree] [filter=HEX] [room=BYTES] [as=LABEL]   change ACTION NAME... [filter=HEX] [by=N]
//! ack N LEVEL   ack lease=KEY STATE [client=N]   timeout   cancel LABEL   show
//! ```

mod tables;
pub(super) mod words;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use wire::NtStatus;
use wire::fscc::FileAction;

use self::words::*;
use super::*;
use crate::share::{Caller, Name};

macro_rules! scripts {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            run(include_str!(concat!("scripts/", stringify!($name), ".txt")));
        }
    )*};
}

scripts! {
    share_modes
    deletion
    renames
    byte_range_locks
    change_notify
    oplocks
    leases
    lease_breaks
    directory_leases
}

fn run(script: &str) {
    let (mut world, mut transcript) = (World::new(), String::new());
    for line in script.lines() {
        if line.starts_with("  ") {
            continue;
        }
        transcript.push_str(line);
        transcript.push('\n');
        if !line.is_empty() && !line.starts_with('#') {
            for answer in world.command(line) {
                transcript.push_str(&format!("  {answer}\n"));
            }
        }
    }
    assert!(transcript == script, "the store answers:\n{transcript}");
    world.leave();
}

/// A command that may have to be made again when its wait ends.
type Retry = Box<dyn Fn(&mut World) -> Step>;
type Pending = Pin<Box<dyn Future<Output = String>>>;

/// What a command has come to.
enum Step {
    Done(String),
    Again(Waiter<Turn>, Retry),
    Waits(Pending),
}

struct World {
    store: ObjectStore,
    objects: BTreeMap<String, ObjectId>,
    last_object: ObjectId,
    opens: BTreeMap<String, Attachment>,
    again: Vec<(String, Waiter<Turn>, Retry)>,
    waiting: Vec<(String, Pending)>,
    breaks: Vec<BreakId>,
    lines: Vec<String>,
}

impl World {
    fn new() -> Self {
        Self {
            store: ObjectStore::new(Limits {
                waiting_locks: 3,
                ..Limits::default()
            }),
            objects: BTreeMap::new(),
            last_object: ObjectId { volume: 1, file: 0 },
            opens: BTreeMap::new(),
            again: Vec::new(),
            waiting: Vec::new(),
            breaks: Vec::new(),
            lines: Vec::new(),
        }
    }

    fn command(&mut self, line: &str) -> Vec<String> {
        let words = Words(line.split_whitespace().map(str::to_owned).collect());
        let step = self.step(&words);
        let label = words.value("as").unwrap_or(words.at(1)).to_owned();
        let (effects, answer) = (std::mem::take(&mut self.lines), self.begin(&label, step));
        self.lines.extend(answer);
        self.lines.extend(effects);
        self.poll();
        std::mem::take(&mut self.lines)
    }

    /// Takes note of what a command has come to, and says so.
    fn begin(&mut self, label: &str, step: Step) -> Option<String> {
        match step {
            Step::Done(answer) if answer.is_empty() => return None,
            Step::Done(answer) => return Some(answer),
            Step::Again(waiter, retry) => self.again.push((label.to_owned(), waiter, retry)),
            Step::Waits(pending) => self.waiting.push((label.to_owned(), pending)),
        }
        Some("waits".to_owned())
    }

    /// Goes on with everything that need not wait any more.
    fn poll(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        for (label, mut pending) in std::mem::take(&mut self.waiting) {
            match pending.as_mut().poll(&mut context) {
                Poll::Ready(answer) => self.lines.push(format!("{label}: {answer}")),
                Poll::Pending => self.waiting.push((label, pending)),
            }
        }
        for (label, mut waiter, retry) in std::mem::take(&mut self.again) {
            let Poll::Ready(turn) = Pin::new(&mut waiter).poll(&mut context) else {
                self.again.push((label, waiter, retry));
                continue;
            };
            let step = retry(self);
            drop(turn);
            if let Some(answer) = self.begin(&label, step) {
                self.lines.push(format!("{label}: {answer}"));
            }
        }
    }

    fn step(&mut self, words: &Words) -> Step {
        let operands: Vec<&str> = words.operands().collect();
        let attachment = self.opens.get(words.at(1)).cloned();
        match (words.at(0), attachment) {
            ("open", _) => self.open(words),
            ("outside", _) => {
                self.objects.remove(&file_text(&name(words.at(1))));
                Step::Done(String::new())
            }
            ("path", _) => {
                let name = name(words.at(1));
                done(
                    self.store
                        .check_path(&location(&name), &Caching::None)
                        .err(),
                )
            }
            ("change", _) => self.change(words),
            ("wrote", _) => {
                let by = self.opens.get(words.at(1)).expect("is open");
                let name = name(words.at(2));
                let effects = self.store.report_written(&location(&name), by);
                self.carry_out(effects);
                Step::Done(String::new())
            }
            ("timeout", _) => {
                for id in std::mem::take(&mut self.breaks) {
                    let effects = self.store.give_up(id);
                    self.carry_out(effects);
                }
                Step::Done(String::new())
            }
            ("ack", None) => {
                let (key, client) = (words.value("lease").unwrap(), client(words));
                let state = words
                    .0
                    .get(2)
                    .map_or(LeaseState::NONE, |text| lease_state(text));
                let (kept, effects) = self.store.acknowledge_lease(client, lease_key(key), state);
                self.carry_out(effects);
                Step::Done(kept.map_or_else(denied, |kept| format!("keeps {}", letters(kept))))
            }
            ("cancel", _) => {
                self.again.retain(|(label, ..)| label != words.at(1));
                self.waiting.retain(|(label, _)| label != words.at(1));
                Step::Done(String::new())
            }
            ("show", _) => {
                self.lines.extend(show(&self.store));
                Step::Done(String::new())
            }
            (_, Some(attachment)) => self.on_open(words, &operands, attachment),
            _ => panic!("no such command or open: {words:?}", words = words.0),
        }
    }

    fn on_open(&mut self, words: &Words, operands: &[&str], attachment: Attachment) -> Step {
        match words.at(0) {
            "close" => self.close(words, &attachment),
            "deleted" => {
                self.store.deleted(&attachment);
                self.opens.remove(words.at(1));
                Step::Done(String::new())
            }
            "drop" => {
                self.opens.remove(words.at(1));
                Step::Done(String::new())
            }
            "delete" | "keep" => {
                let delete = words.at(0) == "delete";
                let to = if delete {
                    Disposition::Delete
                } else {
                    Disposition::Keep
                };
                self.repeat(move |world| world.store.set_delete(&attachment, to))
            }
            "pending" => Step::Done(self.store.is_delete_pending(&attachment).to_string()),
            "rename" | "link" => self.rename(words, attachment),
            "do" => {
                let operation = operation(words.at(2));
                self.repeat(move |world| world.store.prepare(&attachment, operation))
            }
            "read" | "write" | "lock" | "unlock" => self.on_bytes(words, operands, attachment),
            "watch" => {
                let scope = if words.has("tree") {
                    WatchScope::Tree
                } else {
                    WatchScope::Directory
                };
                let room_bytes = words
                    .value("room")
                    .map_or(1000, |text| text.parse().unwrap());
                let request = WatchRequest {
                    filter: filter(words),
                    scope,
                    room_bytes,
                };
                let outcome = self.store.watch(&attachment, &request);
                self.end(outcome, |changes| listed(&changes))
            }
            "ack" => {
                let level = oplock_level(words.at(2));
                let (kept, effects) = self.store.acknowledge_oplock(&attachment, level);
                self.carry_out(effects);
                Step::Done(kept.map_or_else(denied, |kept| format!("keeps {kept:?}")))
            }
            command => panic!("no such command: {command}"),
        }
    }

    fn on_bytes(&mut self, words: &Words, operands: &[&str], attachment: Attachment) -> Step {
        match words.at(0) {
            "read" | "write" => {
                let (offset, length) = (number(operands[0]), number(operands[1]));
                let is_read = words.at(0) == "read";
                self.repeat(move |world| match is_read {
                    true => world.store.check_read(&attachment, offset, length),
                    false => world.store.check_write(&attachment, offset, length),
                })
            }
            "lock" => {
                let elements: Vec<_> = operands.chunks(3).map(element).collect();
                let wait = if words.has("wait") {
                    Blocking::Wait
                } else {
                    Blocking::FailImmediately
                };
                let outcome = self.store.lock(&attachment, &elements, wait);
                self.end(outcome, |()| "granted".to_owned())
            }
            _ => {
                let ranges: Vec<_> = operands.chunks(2).map(range).collect();
                let outcome = self.store.unlock(&attachment, &ranges);
                self.carry_out(outcome.effects);
                match outcome.decision {
                    Decision::Deny(status) => Step::Done(denied(status)),
                    _ => Step::Done("unlocked".to_owned()),
                }
            }
        }
    }

    fn open(&mut self, words: &Words) -> Step {
        let name = name(words.at(2));
        let (location, caching) = (location(&name), caching(words));
        match self.store.check_path(&location, &caching) {
            Ok(()) => self.arbitrate(words),
            Err(status) => Step::Done(denied(status)),
        }
    }

    fn arbitrate(&mut self, words: &Words) -> Step {
        let name = name(words.at(2));
        let (location, caching) = (location(&name), caching(words));
        let caller = caller(words.value("by").map_or(0, |by| by.parse().unwrap()));
        let request = self.request(words, location, &caller, caching);
        let outcome = self.store.open(&request);
        self.carry_out(outcome.effects);
        match outcome.decision {
            Decision::Grant(granted) => {
                self.opens
                    .insert(words.at(1).to_owned(), granted.attachment);
                Step::Done(granted_text(granted.caching))
            }
            Decision::Deny(status) => Step::Done(denied(status)),
            Decision::Wait(waiter) => {
                let words = words.clone();
                Step::Again(waiter, Box::new(move |world| world.arbitrate(&words)))
            }
        }
    }

    fn request<'a>(
        &mut self,
        words: &Words,
        location: Location<'a>,
        caller: &'a Caller,
        caching: Caching,
    ) -> OpenRequest<'a> {
        let arrival = match () {
            () if words.has("new") => Arrival::Created,
            () if words.has("overwrite") => Arrival::Overwritten,
            () if words.has("supersede") => Arrival::Superseded,
            () => Arrival::Opened,
        };
        let access = access(words.value("access").unwrap_or("rw"));
        OpenRequest {
            object: self.object(location.name),
            location,
            kind: if words.has("dir") {
                StreamKind::Directory
            } else {
                StreamKind::Data
            },
            caller,
            arrival,
            desired_access: access,
            granted_access: access,
            share_access: share(words.value("share").unwrap_or("")),
            delete_on_close: words.has("doc"),
            caching,
            open: OpenId(words.at(1).parse().unwrap()),
            looked_up: self.store.moment(),
        }
    }

    /// The object that has a name; a new one if there is none.
    fn object(&mut self, name: &Name) -> ObjectId {
        let last = &mut self.last_object;
        *self.objects.entry(file_text(name)).or_insert_with(|| {
            last.file += 1;
            *last
        })
    }

    fn close(&mut self, words: &Words, attachment: &Attachment) -> Step {
        let closed = self.store.close(attachment);
        self.carry_out(closed.effects);
        if !words.has("hold") {
            self.store.deleted(attachment);
            self.opens.remove(words.at(1));
        }
        Step::Done(match closed.delete {
            Deletion::Nothing => String::new(),
            Deletion::Stream(caller) => format!("delete Stream{}", by(&caller)),
            Deletion::File(caller) => format!("delete File{}", by(&caller)),
        })
    }

    fn rename(&mut self, words: &Words, attachment: Attachment) -> Step {
        let target = name(words.at(2));
        let kind = if words.at(0) == "link" {
            RenameKind::Link
        } else {
            RenameKind::Rename
        };
        let replaces = words.value("over").map(|over| self.object(&name(over)));
        let rename = Rename {
            target: location(&target),
            replaces,
            kind,
        };
        let outcome = self.store.check_rename(&attachment, &rename);
        self.carry_out(outcome.effects);
        match outcome.decision {
            Decision::Grant(()) if kind == RenameKind::Rename => {
                self.store.renamed(&attachment, &rename.target);
                self.objects
                    .retain(|_, object| *object != attachment.object.id);
                self.objects
                    .insert(file_text(&target), attachment.object.id);
                Step::Done("renamed".to_owned())
            }
            Decision::Grant(()) => {
                self.objects
                    .insert(file_text(&target), attachment.object.id);
                Step::Done("linked".to_owned())
            }
            Decision::Deny(status) => Step::Done(denied(status)),
            Decision::Wait(waiter) => {
                let words = words.clone();
                let again = move |world: &mut Self| world.rename(&words, attachment.clone());
                Step::Again(waiter, Box::new(again))
            }
        }
    }

    fn change(&mut self, words: &Words) -> Step {
        let names: Vec<Name> = words.operands().map(name).collect();
        let actions: &[FileAction] = match words.at(1) {
            "added" => &[FileAction::ADDED],
            "removed" => &[FileAction::REMOVED],
            "modified" => &[FileAction::MODIFIED],
            "renamed" => &[FileAction::RENAMED_OLD_NAME, FileAction::RENAMED_NEW_NAME],
            action => panic!("no such action: {action}"),
        };
        let filter = filter(words);
        let changes: Vec<Change<'_>> = names
            .iter()
            .zip(actions)
            .map(|(name, action)| Change {
                location: location(name),
                action: *action,
                filter,
            })
            .collect();
        let by = words.value("by").and_then(|open| self.opens.get(open));
        let effects = self.store.report(&changes, by);
        self.carry_out(effects);
        Step::Done(String::new())
    }

    /// A call that says `granted` or a status, and is made again after a wait.
    fn repeat(&mut self, call: impl Fn(&mut Self) -> Outcome<()> + Clone + 'static) -> Step {
        let outcome = call(self);
        self.carry_out(outcome.effects);
        match outcome.decision {
            Decision::Grant(()) => Step::Done("granted".to_owned()),
            Decision::Deny(status) => Step::Done(denied(status)),
            Decision::Wait(waiter) => {
                Step::Again(waiter, Box::new(move |world| world.repeat(call.clone())))
            }
        }
    }

    /// A call whose wait is its end.
    fn end<T: 'static>(
        &mut self,
        outcome: Outcome<T, Result<T, NtStatus>>,
        text: impl Fn(T) -> String + 'static,
    ) -> Step {
        self.carry_out(outcome.effects);
        match outcome.decision {
            Decision::Grant(value) => Step::Done(text(value)),
            Decision::Deny(status) => Step::Done(denied(status)),
            Decision::Wait(waiter) => {
                Step::Waits(Box::pin(
                    async move { waiter.await.map_or_else(denied, text) },
                ))
            }
        }
    }

    fn carry_out(&mut self, effects: Effects) {
        for effect in effects {
            let (id, acknowledge, text) = match effect {
                Effect::Wake(_) | Effect::BreakEnded(_) => continue,
                Effect::OplockBreak(it) => (
                    it.id,
                    it.acknowledge,
                    format!("break {} to {:?}", it.open.0, it.level),
                ),
                Effect::LeaseBreak(it) => {
                    let (from, to) = (letters(it.current), letters(it.new));
                    let epoch = if it.epoch == 0 {
                        String::new()
                    } else {
                        format!(" epoch={}", it.epoch)
                    };
                    let text = format!("break lease={} {from} to {to}{epoch}", it.key.0[15]);
                    (it.id, it.acknowledge, text)
                }
            };
            if acknowledge {
                self.breaks.push(id);
            }
            self.lines.push(
                text + if acknowledge {
                    ", to be acknowledged"
                } else {
                    ""
                },
            );
        }
    }

    /// Ends everything and checks that nothing stays behind.
    fn leave(mut self) {
        self.again.clear();
        self.waiting.clear();
        for attachment in self.opens.values() {
            let _ = self.store.close(attachment);
            self.store.deleted(attachment);
        }
        assert!(
            self.store.shared.is_empty(),
            "something is left: {:?}",
            show(&self.store)
        );
    }
}

fn show(store: &ObjectStore) -> Vec<String> {
    let mut lines = Vec::new();
    for object in store.shared.objects() {
        let state = object.lock();
        let deleted = if state.links.iter().any(object::Link::is_deleted) {
            " deleted"
        } else {
            ""
        };
        lines.push(format!("object {}{deleted}", object.id.file));
        for stream in &state.streams {
            let name = stream
                .name
                .as_deref()
                .map(String::from_utf16_lossy)
                .unwrap_or_default();
            let deleted = if stream.is_deleted() { " deleted" } else { "" };
            lines.push(format!(
                "  stream \"{name}\" opens={}{deleted}",
                stream.opens
            ));
            lines.extend(stream.locks.show());
            lines.extend(stream.oplocks.show());
        }
    }
    lines
}

fn done(status: Option<NtStatus>) -> Step {
    Step::Done(status.map_or_else(|| "granted".to_owned(), denied))
}
