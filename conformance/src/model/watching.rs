//! Who watches the root, and what each has not been told of yet.

use wire::NtStatus;
use wire::fscc::FileAction;

use super::files::Model;
use super::folders::SEPARATOR;

/// The watch of one client.
#[derive(Debug, Clone, Hash)]
pub(super) struct Watch {
    /// What may be kept between two requests, in bytes.
    capacity: u32,
    hears_of_folders: bool,
    untold: Vec<Told>,
    /// What happened before the client was told to look for itself: the end of it may come all the same.
    doubtful: Vec<Told>,
}

type Told = (FileAction, String);

impl Model {
    /// A client's CHANGE_NOTIFY has reached the server; the first says how much is kept, and of what.
    pub(super) fn watch(&mut self, client: usize, room: u32, hears_of_folders: bool) {
        self.watches.entry(client).or_insert(Watch {
            capacity: room,
            hears_of_folders,
            untold: Vec::new(),
            doubtful: Vec::new(),
        });
    }

    /// Whether there is something that this client has not been told of. Once it had to look for itself,
    /// that is uncertain: of two equal changes, either may be the one that it was told of.
    #[must_use]
    pub fn has_news(&self, client: usize) -> bool {
        let watch = self.watches.get(&client);
        watch.is_some_and(|watch| watch.doubtful.is_empty() && !watch.untold.is_empty())
    }

    /// Names of files, or of folders, have changed together. Who watches the root hears of those in it.
    pub(super) fn report(&mut self, is_folder: bool, changes: &[(FileAction, &str)]) {
        for watch in self.watches.values_mut() {
            if is_folder && !watch.hears_of_folders {
                continue;
            }
            let named = changes.iter();
            let named = named.filter(|(_, name)| !name.contains(SEPARATOR));
            let named = named.map(|(action, name)| (*action, (*name).to_owned()));
            watch.untold.extend(named);
        }
    }

    /// The right answers to a CHANGE_NOTIFY.
    // [MS-SMB2] 3.3.5.19
    pub(super) fn allowed_watch(&self, client: usize, room: u32) -> Vec<NtStatus> {
        let Some(watch) = self.watches.get(&client) else {
            return Vec::new();
        };
        let happened = [&watch.doubtful[..], &watch.untold[..]].concat();
        if happened.is_empty() {
            Vec::new()
        } else if size(&happened) > room.min(watch.capacity) {
            // What happened first may have fitted.
            vec![NtStatus::SUCCESS, NtStatus::NOTIFY_ENUM_DIR]
        } else {
            vec![NtStatus::SUCCESS]
        }
    }

    /// A client was told to look for itself.
    pub(super) fn forget_news(&mut self, client: usize) {
        if let Some(watch) = self.watches.get_mut(&client) {
            watch.doubtful.append(&mut watch.untold);
        }
    }

    /// A client was told of changes. Of those that the loss of one connection makes, no order is the
    /// right one.
    pub(super) fn tell(&mut self, client: usize, told: &[Told]) -> Result<(), String> {
        let Some(watch) = self.watches.get_mut(&client) else {
            return Err(format!("client {client} does not watch"));
        };
        for change in told {
            if !take(&mut watch.untold, change) && !take(&mut watch.doubtful, change) {
                let untold = &watch.untold;
                return Err(format!("client {client} was told {told:?} of {untold:?}"));
            }
        }
        Ok(())
    }
}

/// Takes the first that is equal; false if there is none.
fn take(changes: &mut Vec<Told>, change: &Told) -> bool {
    let place = changes.iter().position(|one| one == change);
    place.map(|place| changes.remove(place)).is_some()
}

/// How many bytes a list of changes takes.
// [MS-FSCC] 2.7.1
fn size(changes: &[Told]) -> u32 {
    changes.iter().fold(0, |size: u32, (_, name)| {
        let units = u32::try_from(name.encode_utf16().count()).unwrap_or(u32::MAX);
        size.next_multiple_of(4) + 12 + 2 * units
    })
}
