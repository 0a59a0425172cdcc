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

/// A hundred thousand lock requests on one file, of which none can be granted.
// test [MS-SMB2] 3.3.4.2
// test [MS-FSA] 2.1.5.8
#[test]
fn lock_requests_that_wait_are_bounded_hurt_nobody_else_and_leave_nothing() {
    const REQUESTS: u64 = 100_000;
    let limits = Limits::default();
    let store = ObjectStore::new(limits);
    let [holder, crowd, other] = [1, 2, 3].map(|open| open_file(&store, 1, open));
    let elsewhere = open_file(&store, 2, 4);
    let exclusive = |offset, length| {
        let kind = LockKind::Exclusive;
        let range = Range { offset, length };
        [LockElement { range, kind }]
    };
    let lock = |by: &Attachment, offset, length| {
        store.lock(by, &exclusive(offset, length), Blocking::Wait)
    };
    let all = Range {
        offset: 0,
        length: REQUESTS,
    };
    assert!(is_granted(&lock(&holder, all.offset, all.length)));

    let (mut waiters, mut refused) = (Vec::new(), 0);
    for offset in 0..REQUESTS {
        match lock(&crowd, offset, 1).decision {
            Decision::Wait(waiter) => waiters.push(waiter),
            Decision::Deny(NtStatus::INSUFFICIENT_RESOURCES) => refused += 1,
            decision => panic!("{decision:?}"),
        }
    }
    assert_eq!(waiters.len(), limits.waiting_locks);
    assert_eq!(waiters.len() + refused, REQUESTS as usize);

    // Neither other bytes, nor reading, nor another file feels it.
    assert!(is_granted(&lock(&other, REQUESTS, 1)));
    assert!(is_granted(&store.check_read(&other, REQUESTS + 1, 1)));
    assert!(is_granted(&lock(&elsewhere, 0, REQUESTS)));

    // Those that are withdrawn make room; the others are granted when the lock goes, and only they.
    let withdrawn = waiters.split_off(limits.waiting_locks / 2);
    drop(withdrawn);
    let Decision::Wait(late) = lock(&crowd, REQUESTS - 1, 1).decision else {
        panic!("there was room");
    };
    waiters.push(late);
    let unlocked = store.unlock(&holder, &[all]);
    assert_eq!(unlocked.effects.into_iter().count(), waiters.len());
    let held = |offset| store.lock(&other, &exclusive(offset, 1), Blocking::FailImmediately);
    assert!(matches!(
        held(0).decision,
        Decision::Deny(NtStatus::LOCK_NOT_GRANTED)
    ));
    let free = limits.waiting_locks as u64;
    assert!(is_granted(&held(free)));

    drop(waiters);
    for attachment in [&holder, &crowd, &other, &elsewhere] {
        drop(store.close(attachment));
        store.deleted(attachment);
    }
    drop([holder, crowd, other, elsewhere]);
    assert!(store.shared.is_empty());
}

/// A LOCK that a CLOSE or the end of its session has overtaken.
#[test]
fn a_lock_by_an_open_that_has_ended_is_refused_and_leaves_nothing() {
    let store = ObjectStore::new(Limits::default());
    let [ended, other] = [1, 2].map(|open| open_file(&store, 1, open));
    drop(store.close(&ended));
    let kind = LockKind::Exclusive;
    let range = Range {
        offset: 0,
        length: 1,
    };
    for blocking in [Blocking::Wait, Blocking::FailImmediately] {
        let outcome = store.lock(&ended, &[LockElement { range, kind }], blocking);
        assert!(matches!(
            outcome.decision,
            Decision::Deny(NtStatus::FILE_CLOSED)
        ));
    }
    let outcome = store.lock(
        &other,
        &[LockElement { range, kind }],
        Blocking::FailImmediately,
    );
    assert!(is_granted(&outcome));
    drop(store.close(&other));
    drop([ended, other]);
    assert!(store.shared.is_empty());
}

fn is_granted<T>(outcome: &Outcome<(), T>) -> bool {
    matches!(outcome.decision, Decision::Grant(()))
}

fn open_file(store: &ObjectStore, file: u64, open: u64) -> Attachment {
    let name = Name::parse_text(&format!("file{file}")).unwrap();
    let access = AccessMask::FILE_READ_DATA | AccessMask::FILE_WRITE_DATA;
    let request = OpenRequest {
        object: ObjectId { volume: 1, file },
        location: Location {
            share: ShareId(1),
            case: NameCase::Insensitive,
            name: &name,
        },
        kind: StreamKind::Data,
        caller: &words::caller(0),
        arrival: Arrival::Opened,
        desired_access: access,
        granted_access: access,
        share_access: ShareAccess::READ | ShareAccess::WRITE,
        delete_on_close: false,
        caching: Caching::Oplock(OplockLevel::NONE),
        open: OpenId(open),
        looked_up: store.moment(),
    };
    match store.open(&request).decision {
        Decision::Grant(granted) => granted.attachment,
        decision => panic!("{decision:?}"),
    }
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
