//! Long names that were found by their short ones a moment ago.
//!
//! A program that knows a file by its 8.3 name alone may save it by deleting it and making it anew. The
//! file then gets its long name back. Owns those names, and nothing of files.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use wire::Utf16String;
use wire::dtyp::FileTime;

use super::{ObjectId, is_short_name_of};

/// The long names of a volume that somebody may make anew by their short ones.
// [MS-FSA] 2.1.1.2
// departs [MS-FSA] 2.1.5.5: a name is noted when it is found by its short one, not when it goes; and times of
// creation are not handed on
#[derive(Debug, Default)]
pub struct TunnelCache(Mutex<VecDeque<Entry>>);

#[derive(Debug)]
struct Entry {
    folder: ObjectId,
    name: Utf16String,
    at: FileTime,
}

impl TunnelCache {
    /// Notes that `name` in `folder` was found by its short name.
    pub fn found(&self, folder: ObjectId, name: &[u16], now: FileTime) {
        let mut entries = self.0.lock();
        entries.retain(|entry| {
            let is_it = entry.folder == folder && entry.name.as_units() == name;
            !is_it && entry.is_fresh(now)
        });
        if entries.len() >= MOST {
            entries.pop_front();
        }
        entries.push_back(Entry {
            folder,
            name: Utf16String::from_units(name.to_vec()),
            at: now,
        });
    }

    /// The long name of what is made in `folder` under the name `short`, if it is to have one.
    // [MS-FSA] 2.1.5.1.1
    #[must_use]
    pub fn long_name(&self, folder: ObjectId, short: &[u16], now: FileTime) -> Option<Utf16String> {
        let entries = self.0.lock();
        let is_it = |entry: &&Entry| {
            entry.folder == folder
                && entry.is_fresh(now)
                && is_short_name_of(short, entry.name.as_units())
        };
        entries.iter().rev().find(is_it).map(|it| it.name.clone())
    }
}

impl Entry {
    fn is_fresh(&self, now: FileTime) -> bool {
        let age = now.0.saturating_sub(self.at.0);
        u128::from(age).saturating_mul(100) < LIFETIME.as_nanos()
    }
}

/// How long a name is kept.
// [MS-FSA] 2.1.1.2
const LIFETIME: Duration = Duration::from_secs(15);
/// How many names are kept.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::short_name;
    use super::*;

    // test [MS-FSA] 2.1.5.1.1
    #[test]
    fn a_name_comes_back_in_its_folder_and_in_time() {
        let cache = TunnelCache::default();
        let [folder, other] = [1, 2].map(|file| ObjectId { volume: 1, file });
        let long = Utf16String::from("A long name.text");
        let short = short_name(long.as_units()).unwrap();
        let at = |seconds: u64| FileTime(seconds * 10_000_000);
        cache.found(folder, long.as_units(), at(1));
        let asked = |folder, now| cache.long_name(folder, short.as_units(), now);
        assert_eq!(asked(folder, at(15)), Some(long.clone()));
        assert_eq!(asked(other, at(2)), None);
        assert_eq!(asked(folder, at(16)), None);
        for number in 0..2 * MOST {
            let name = Utf16String::from(format!("name number {number}").as_str());
            cache.found(folder, name.as_units(), at(2));
        }
        assert_eq!(cache.0.lock().len(), MOST);
        assert_eq!(asked(folder, at(2)), None);
    }
}
