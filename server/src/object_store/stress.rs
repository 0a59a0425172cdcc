//! Many threads on one store: whatever order their calls take, all end and nothing is left.

use wire::OplockLevel;
use wire::create::ShareAccess;
use wire::dtyp::AccessMask;
use wire::fscc::{CompletionFilter, FileAction};

use super::scripts::words;
use super::*;
use crate::share::Name;

const FILTER: CompletionFilter = CompletionFilter::FILE_NAME;

#[test]
fn threads_that_open_rename_watch_and_lock_at_once_end_and_leave_nothing() {
    let store = ObjectStore::new(Limits::default());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || (0..300).for_each(|round| one_open(store, thread, round)));
        }
    });
    assert!(store.shared.is_empty());
}

fn one_open(store: &ObjectStore, thread: u64, round: u64) {
    let text = format!("dir{}\\file{}", round % 3, (round + thread) % 5);
    let file = Name::parse_text(&text).unwrap();
    let directory = file.parent().unwrap();
    let location = |name| Location {
        share: ShareId(1),
        case: NameCase::Insensitive,
        name,
    };
    let (kind, name) = match thread {
        0 => (StreamKind::Directory, &directory),
        _ => (StreamKind::Data, &file),
    };
    let access = AccessMask::FILE_READ_DATA | AccessMask::FILE_WRITE_DATA | AccessMask::DELETE;
    let request = OpenRequest {
        object: ObjectId {
            volume: 1,
            file: round % 3 + 10 * thread.min(1),
        },
        location: location(name),
        kind,
        caller: &words::caller(0),
        arrival: Arrival::Opened,
        desired_access: access,
        granted_access: access,
        share_access: ShareAccess::READ | ShareAccess::WRITE | ShareAccess::DELETE,
        delete_on_close: round.is_multiple_of(7),
        caching: Caching::Oplock(OplockLevel::BATCH),
        open: OpenId(round),
        looked_up: store.moment(),
    };
    let outcome = store.open(&request);
    for effect in outcome.effects {
        if let Effect::OplockBreak(OplockBreak { id, .. }) = effect {
            drop(store.give_up(id));
        }
    }
    if let Decision::Grant(granted) = outcome.decision {
        use_and_close(store, &granted.attachment, location(&file), round);
    }
}

fn use_and_close(store: &ObjectStore, attachment: &Attachment, at: Location<'_>, round: u64) {
    let watch = WatchRequest {
        filter: FILTER,
        scope: WatchScope::Tree,
        room_bytes: 99,
    };
    let watching = store.watch(attachment, &watch);
    let range = Range {
        offset: round % 20,
        length: 10,
    };
    let element = LockElement {
        range,
        kind: LockKind::Exclusive,
    };
    let locking = store.lock(attachment, &[element], Blocking::Wait);
    let change = Change {
        location: at,
        action: FileAction::ADDED,
        filter: FILTER,
    };
    drop(store.report(&[change], Some(attachment)));
    let rename = Rename {
        target: at,
        replaces: None,
        kind: RenameKind::Rename,
    };
    drop(store.check_rename(attachment, &rename));
    if attachment.kind == StreamKind::Data {
        store.renamed(attachment, &at);
    }
    drop(locking);
    let closed = store.close(attachment);
    drop((watching, closed));
    store.deleted(attachment);
}
