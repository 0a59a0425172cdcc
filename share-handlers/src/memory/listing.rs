//! Listing a directory: `.`, `..`, then entries in the order in which their names were made.

use server::share::{Entry, ListFrom};
use wire::dtyp::FileTime;
use wire::fscc::Pattern;
use wire::{NtStatus, Utf16String};

use super::handle::MemoryHandle;
use super::names::{LAST_RESERVED, Link, LinkId, Names};
use super::node::Node;

impl MemoryHandle {
    /// Lists entries that match, from `from` on, about as many as encode into `room_bytes`.
    pub(super) fn list_now(
        &self,
        from: ListFrom,
        pattern: &Pattern,
        room_bytes: usize,
    ) -> Result<Vec<Entry>, NtStatus> {
        if !self.node.is_directory() || self.stream.is_some() {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let names = self.store.names.read();
        let position = match from {
            ListFrom::Start => 0,
            ListFrom::After(position) => position,
        };
        let mut entries = Entries {
            list: Vec::new(),
            used: 0,
            room_bytes,
            now: self.store.now(),
        };
        self.list_dots(&names, position, pattern, &mut entries)?;
        if let Some(name) = pattern.literal() {
            let found = names.child(&self.node, name);
            let found = found.and_then(|id| Some((id, names.link(id)?)));
            if let Some((id, link)) = found.filter(|(id, _)| id.0 > position) {
                entries.push(id, link)?;
            }
            return Ok(entries.list);
        }
        for (id, link) in names.entries(&self.node, position.max(LAST_RESERVED)) {
            if pattern.matches(link.name.as_units()) && !entries.push(id, link)? {
                break;
            }
        }
        Ok(entries.list)
    }

    fn list_dots(
        &self,
        names: &Names,
        position: u64,
        pattern: &Pattern,
        entries: &mut Entries,
    ) -> Result<(), NtStatus> {
        let nodes = [&*self.node, names.parent_of(&self.node)];
        for (node, dots) in nodes.into_iter().zip(1..=LAST_RESERVED) {
            let name = vec![DOT; dots as usize];
            if dots > position && pattern.matches(&name) {
                entries.add(node, Utf16String::from_units(name), dots)?;
            }
        }
        Ok(())
    }
}

/// Entries found so far, and how much of the room they take.
struct Entries {
    list: Vec<Entry>,
    used: usize,
    room_bytes: usize,
    now: FileTime,
}

impl Entries {
    /// Adds an entry; false when the room is full.
    fn push(&mut self, id: LinkId, link: &Link) -> Result<bool, NtStatus> {
        if self.used >= self.room_bytes && !self.list.is_empty() {
            return Ok(false);
        }
        self.add(&link.node, link.name.clone(), id.0)?;
        Ok(true)
    }

    fn add(&mut self, node: &Node, name: Utf16String, position: u64) -> Result<(), NtStatus> {
        self.used += (ENTRY_SIZE + name.len_bytes()).next_multiple_of(8);
        self.list.push(Entry {
            stat: node.stat(None, || self.now)?,
            name,
            position,
        });
        Ok(())
    }
}

const DOT: u16 = 0x2E;
/// What an entry of the usual information classes takes besides its name.
const ENTRY_SIZE: usize = 104;
