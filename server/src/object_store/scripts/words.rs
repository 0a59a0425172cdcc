//! The words of a script: how they are read, and how what the store says is written.

use std::sync::Arc;

use wire::create::ShareAccess;
use wire::dtyp::{AccessMask, Guid, Sid};
use wire::fscc::{CompletionFilter, FileNotifyInformation};
use wire::{LeaseKey, NtStatus, OplockLevel};

use crate::access::{Privileges, SecurityToken};
use crate::object_store::*;
use crate::share::{Caller, Name, ObjectId};

/// The words of a command.
#[derive(Clone)]
pub(crate) struct Words(pub(crate) Vec<String>);

impl Words {
    pub(crate) fn at(&self, place: usize) -> &str {
        self.0.get(place).map_or("", String::as_str)
    }

    pub(crate) fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|word| word == flag)
    }

    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    /// The words after the first two that are neither options nor flags.
    pub(crate) fn operands(&self) -> impl Iterator<Item = &str> {
        let flags = ["wait", "tree", "hold"];
        let is_operand = move |word: &&str| !word.contains('=') && !flags.contains(word);
        self.0.iter().skip(2).map(String::as_str).filter(is_operand)
    }
}

/// A caller that is told apart from others by its number.
pub(crate) fn caller(number: u32) -> Caller {
    let (user, group) = (Sid::unix_user(number), Sid::unix_group(number));
    let token = SecurityToken::new(user, group, Vec::new(), Privileges::NONE);
    Caller {
        user: "user".into(),
        token: Arc::new(token),
        host: None,
        log_on: None,
    }
}

/// Who asked for a deletion, unless it is the caller that all opens have that name none.
pub(crate) fn by(caller: &Caller) -> String {
    let numbers = 1..10;
    let number = numbers
        .into_iter()
        .find(|number| *caller.token.user() == Sid::unix_user(*number));
    number.map_or_else(String::new, |number| format!(" by={number}"))
}

pub(crate) fn granted_text(caching: GrantedCaching) -> String {
    match caching {
        GrantedCaching::Oplock(OplockLevel::NONE) => "granted".to_owned(),
        GrantedCaching::Oplock(level) => format!("granted {level:?}"),
        GrantedCaching::Lease(lease) => {
            let breaking = if lease.breaking { " breaking" } else { "" };
            let epoch = match lease.version {
                LeaseVersion::V1 => String::new(),
                LeaseVersion::V2 => format!(" epoch={}", lease.epoch),
            };
            format!("granted {}{breaking}{epoch}", letters(lease.state))
        }
    }
}

pub(crate) fn denied(status: NtStatus) -> String {
    format!("{status:?}")
}

pub(crate) fn listed(changes: &Changes) -> String {
    let of = |change: &FileNotifyInformation| format!("{:?} {}", change.action, change.file_name);
    changes.iter().map(of).collect::<Vec<_>>().join(", ")
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse_text(text.trim_start_matches('/')).unwrap()
}

pub(crate) fn location(name: &Name) -> Location<'_> {
    Location {
        share: ShareId(1),
        case: NameCase::Insensitive,
        name,
    }
}

pub(crate) fn file_text(name: &Name) -> String {
    name.with_stream(None).to_string().to_lowercase()
}

pub(crate) fn number(text: &str) -> u64 {
    match text.strip_prefix("max") {
        Some("") => u64::MAX,
        Some(less) => u64::MAX - less.trim_start_matches('-').parse::<u64>().unwrap(),
        None => text.parse().unwrap(),
    }
}

pub(crate) fn range(words: &[&str]) -> Range {
    Range {
        offset: number(words[0]),
        length: number(words[1]),
    }
}

pub(crate) fn element(words: &[&str]) -> LockElement {
    let kind = if words[0] == "x" {
        LockKind::Exclusive
    } else {
        LockKind::Shared
    };
    LockElement {
        range: range(&words[1..]),
        kind,
    }
}

pub(crate) fn filter(words: &Words) -> CompletionFilter {
    let bits = words
        .value("filter")
        .map_or(3, |text| u32::from_str_radix(text, 16).unwrap());
    CompletionFilter::from_bits(bits)
}

pub(crate) fn access(text: &str) -> AccessMask {
    text.chars().fold(AccessMask::NONE, |access, letter| {
        access.with(match letter {
            'r' => AccessMask::FILE_READ_DATA,
            'w' => AccessMask::FILE_WRITE_DATA,
            'a' => AccessMask::FILE_APPEND_DATA,
            'x' => AccessMask::FILE_EXECUTE,
            'd' => AccessMask::DELETE,
            't' => AccessMask::FILE_READ_ATTRIBUTES,
            'c' => AccessMask::READ_CONTROL,
            'e' => AccessMask::FILE_READ_EA,
            letter => panic!("no such access: {letter}"),
        })
    })
}

pub(crate) fn share(text: &str) -> ShareAccess {
    text.chars().fold(ShareAccess::NONE, |share, letter| {
        share.with(match letter {
            'r' => ShareAccess::READ,
            'w' => ShareAccess::WRITE,
            'd' => ShareAccess::DELETE,
            letter => panic!("no such share: {letter}"),
        })
    })
}

pub(crate) fn caching(words: &Words) -> Caching {
    if let Some(level) = words.value("oplock") {
        return Caching::Oplock(oplock_level(level));
    }
    let Some((key, state)) = words.value("lease").and_then(|lease| lease.split_once(':')) else {
        return Caching::None;
    };
    Caching::Lease(LeaseRequest {
        client: client(words),
        key: lease_key(key),
        parent: words.value("parent").map(lease_key),
        state: lease_state(state),
        version: if words.has("v2") {
            LeaseVersion::V2
        } else {
            LeaseVersion::V1
        },
        epoch: 0,
    })
}

pub(crate) fn client(words: &Words) -> Guid {
    Guid(
        [words
            .value("client")
            .map_or(1, |text| text.parse().unwrap()); 16],
    )
}

pub(crate) fn lease_key(text: &str) -> LeaseKey {
    LeaseKey(u128::from(number(text)).to_be_bytes())
}

pub(crate) fn lease_state(text: &str) -> LeaseState {
    text.chars().fold(LeaseState::NONE, |state, letter| {
        state.with(match letter {
            'R' => LeaseState::READ_CACHING,
            'W' => LeaseState::WRITE_CACHING,
            'H' => LeaseState::HANDLE_CACHING,
            _ => LeaseState::NONE,
        })
    })
}

pub(crate) fn letters(state: LeaseState) -> String {
    let known = [
        (LeaseState::READ_CACHING, 'R'),
        (LeaseState::WRITE_CACHING, 'W'),
        (LeaseState::HANDLE_CACHING, 'H'),
    ];
    let text: String = known
        .iter()
        .filter(|(bit, _)| state.contains(*bit))
        .map(|(_, c)| c)
        .collect();
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

pub(crate) fn oplock_level(text: &str) -> OplockLevel {
    match text {
        "NONE" => OplockLevel::NONE,
        "II" => OplockLevel::II,
        "EXCLUSIVE" => OplockLevel::EXCLUSIVE,
        "BATCH" => OplockLevel::BATCH,
        "LEASE" => OplockLevel::LEASE,
        level => panic!("no such level: {level}"),
    }
}

pub(crate) fn operation(text: &str) -> Operation {
    match text {
        "read" => Operation::Read,
        "write" => Operation::Write,
        "flush" => Operation::Flush,
        "lock" => Operation::Lock,
        "size" => Operation::SetSize,
        "zero" => Operation::ZeroData,
        "rename" => Operation::Rename,
        "delete" => Operation::Delete,
        "security" => Operation::SetSecurity,
        operation => panic!("no such operation: {operation}"),
    }
}

/// Opens what is not there yet: a file if the name ends so, else a directory.
///
/// # Panics
/// The store does not grant it.
pub(crate) fn open_to_read(store: &ObjectStore, text: &str, number: u64) -> Attachment {
    let is_directory = !text.ends_with("file");
    let (name, caller) = (name(text), caller(0));
    let request = OpenRequest {
        object: ObjectId {
            volume: 1,
            file: number,
        },
        location: location(&name),
        kind: if is_directory {
            StreamKind::Directory
        } else {
            StreamKind::Data
        },
        caller: &caller,
        arrival: Arrival::Opened,
        desired_access: AccessMask::FILE_READ_DATA,
        granted_access: AccessMask::FILE_READ_DATA,
        share_access: ShareAccess::READ,
        delete_on_close: false,
        caching: Caching::None,
        open: OpenId(number),
        looked_up: store.moment(),
    };
    match store.open(&request).decision {
        Decision::Grant(granted) => granted.attachment,
        other => panic!("{other:?}"),
    }
}
