//! What the record of a persistent open says, and its form in the store.
//!
//! A record begins with its version; the fields of [`Record`] follow in their order, little-endian,
//! with nothing between them and nothing behind. Each of the open's byte-range locks is a row of its own: how
//! it is locked, the first byte and the number of bytes. What is of another version, ends early or late,
//! or says what no open can be, is refused whole. Never knows where records are kept.

use std::time::Duration;

use auth::LogonKind;
use bytes::{Bytes, BytesMut};
use wire::create::{CreateAction, CreateOptions, LeaseState, ShareAccess};
use wire::dtyp::{AccessMask, FileTime, Guid};
use wire::fscc::file_info::FileMode;
use wire::{DecodeError, LeaseKey, OplockLevel, Reader, Utf16String, Writer};

use crate::durable::{AppInstance, DurableOwner};
use crate::object_store::{
    Caching, LeaseRequest, LeaseVersion, LockElement, LockKind, LockSequences, Range,
};
use crate::share::Name;

/// The version of the form. A record of another one says nothing here.
const VERSION: u16 = 3;

/// A persistent open, as far as it can be told without the server that it was made on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The name of its share.
    pub(super) share: String,
    /// What it is open on.
    pub(super) file: RecordedFile,
    /// What that has become if a change was under way and is done.
    pub(super) coming: Option<RecordedFile>,
    /// DurableOwner.
    pub(super) owner: DurableOwner,
    /// The user as whom the file is opened again.
    pub(super) user: RecordedUser,
    /// ClientGuid.
    pub(super) client_guid: Guid,
    /// CreateGuid.
    pub(super) create_guid: Guid,
    /// AppInstanceId and its version.
    pub(super) app_instance: Option<AppInstance>,
    /// DesiredAccess.
    pub(super) desired_access: AccessMask,
    /// GrantedAccess.
    pub(super) granted_access: AccessMask,
    /// TreeConnect.MaximalAccess.
    pub(super) maximal_access: AccessMask,
    /// ShareAccess.
    pub(super) share_access: ShareAccess,
    /// CreateOptions.
    pub(super) create_options: CreateOptions,
    /// What CREATE did.
    pub(super) create_action: CreateAction,
    /// Open.Mode of [MS-FSA].
    pub(super) mode: FileMode,
    /// When it was opened.
    pub(super) opened: FileTime,
    /// DurableOpenTimeout.
    pub(super) timeout: Duration,
    /// DurableOpenScavengerTimeout, while it waits for its client.
    pub(super) waits_until: Option<FileTime>,
    /// Its oplock or lease.
    pub(super) caching: Caching,
    /// The client's key of its lease on the folder above, as this open names it: the first under its lease may have
    /// named another, or none.
    pub(super) parent: Option<LeaseKey>,
    /// The file is to be deleted with this open.
    pub(super) delete_on_close: bool,
    /// The file is to be deleted with its last open.
    pub(super) delete_pending: bool,
    /// LockSequenceArray.
    pub(super) lock_sequences: LockSequences,
}

/// What an open is on: its name, and what another file that has come to that name has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedFile {
    /// The name below the share's root, with the stream.
    pub(super) name: Name,
    /// The number of the volume, as long as the host is not started again.
    pub(super) volume: u64,
    /// The number of the file on its volume.
    pub(super) number: u64,
    /// When the file was made.
    pub(super) creation_time: FileTime,
}

/// Who has opened the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordedUser {
    pub(super) name: String,
    pub(super) domain: String,
    pub(super) kind: LogonKind,
}

impl Record {
    /// The record in its form.
    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        let mut out = Writer::new(&mut bytes);
        out.u16(VERSION);
        text(&mut out, &self.share);
        self.file.encode(&mut out);
        out.u8(self.coming.is_some().into());
        if let Some(coming) = &self.coming {
            coming.encode(&mut out);
        }
        text(&mut out, &self.owner.to_string());
        self.user.encode(&mut out);
        out.bytes(&self.client_guid.0);
        out.bytes(&self.create_guid.0);
        encode_app_instance(self.app_instance, &mut out);
        out.u32(self.desired_access.bits());
        out.u32(self.granted_access.bits());
        out.u32(self.maximal_access.bits());
        out.u32(self.share_access.bits());
        out.u32(self.create_options.bits());
        out.u32(self.create_action.0);
        out.u32(self.mode.bits());
        out.u64(self.opened.0);
        out.u32(u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX));
        out.u64(self.waits_until.unwrap_or_default().0);
        encode_caching(&self.caching, &mut out);
        encode_parent(self.parent, &mut out);
        out.u8(self.delete_on_close.into());
        out.u8(self.delete_pending.into());
        let sequences: Vec<_> = self.lock_sequences.fields().collect();
        out.size32(sequences.len());
        for field in sequences {
            out.u32(field);
        }
        bytes.freeze()
    }

    /// Reads a record.
    ///
    /// # Errors
    /// It is none of this version, or a broken one.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut from = Reader::new("record of a persistent open", bytes);
        if from.u16()? != VERSION {
            return Err(from.error());
        }
        let share = read_text(&mut from)?;
        let file = RecordedFile::decode(&mut from)?;
        let coming = if read_bool(&mut from)? {
            Some(RecordedFile::decode(&mut from)?)
        } else {
            None
        };
        let owner = DurableOwner::recorded(&read_text(&mut from)?);
        let user = RecordedUser::decode(&mut from)?;
        let client_guid = Guid(from.array()?);
        let record = Self {
            share,
            file,
            coming,
            owner,
            user,
            client_guid,
            create_guid: Guid(from.array()?),
            app_instance: decode_app_instance(&mut from)?,
            desired_access: AccessMask::from_bits(from.u32()?),
            granted_access: AccessMask::from_bits(from.u32()?),
            maximal_access: AccessMask::from_bits(from.u32()?),
            share_access: ShareAccess::from_bits(from.u32()?),
            create_options: CreateOptions::from_bits(from.u32()?),
            create_action: CreateAction(from.u32()?),
            mode: FileMode::from_bits(from.u32()?),
            opened: FileTime(from.u64()?),
            timeout: Duration::from_millis(from.u32()?.into()),
            waits_until: Some(FileTime(from.u64()?)).filter(|time| !time.is_zero()),
            caching: decode_caching(&mut from, client_guid)?,
            parent: decode_parent(&mut from)?,
            delete_on_close: read_bool(&mut from)?,
            delete_pending: read_bool(&mut from)?,
            lock_sequences: decode_sequences(&mut from)?,
        };
        if from.remaining() > 0 {
            return Err(from.error());
        }
        Ok(record)
    }
}

impl RecordedFile {
    fn encode(&self, out: &mut Writer<'_>) {
        let name = self.name.to_utf16();
        out.size32(name.as_units().len());
        name.encode(out);
        out.u64(self.volume);
        out.u64(self.number);
        out.u64(self.creation_time.0);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let units = from.size32()?;
        let bytes = from.bytes(units.checked_mul(2).ok_or(from.error())?)?;
        let written = Utf16String::decode(bytes)?;
        let name = Name::parse(&written).map_err(|_| from.error())?;
        if name.to_utf16() != written {
            return Err(from.error());
        }
        Ok(Self {
            name,
            volume: from.u64()?,
            number: from.u64()?,
            creation_time: FileTime(from.u64()?),
        })
    }
}

impl RecordedUser {
    fn encode(&self, out: &mut Writer<'_>) {
        text(out, &self.name);
        text(out, &self.domain);
        out.u8(match self.kind {
            LogonKind::User => 0,
            LogonKind::Guest => 1,
            LogonKind::Anonymous => 2,
        });
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            name: read_text(from)?,
            domain: read_text(from)?,
            kind: match from.u8()? {
                0 => LogonKind::User,
                1 => LogonKind::Guest,
                2 => LogonKind::Anonymous,
                _ => return Err(from.error()),
            },
        })
    }
}

fn encode_app_instance(instance: Option<AppInstance>, out: &mut Writer<'_>) {
    let Some(instance) = instance else {
        return out.u8(0);
    };
    out.u8(if instance.version.is_some() { 2 } else { 1 });
    out.bytes(&instance.id.0);
    if let Some((high, low)) = instance.version {
        out.u64(high);
        out.u64(low);
    }
}

fn decode_app_instance(from: &mut Reader<'_>) -> Result<Option<AppInstance>, DecodeError> {
    let kind = from.u8()?;
    if kind == 0 {
        return Ok(None);
    }
    let id = Guid(from.array()?);
    let version = match kind {
        1 => None,
        2 => Some((from.u64()?, from.u64()?)),
        _ => return Err(from.error()),
    };
    Ok(Some(AppInstance { id, version }))
}

fn encode_caching(caching: &Caching, out: &mut Writer<'_>) {
    match caching {
        Caching::None => out.u8(0),
        Caching::Oplock(level) => {
            out.u8(1);
            out.u8(level.0);
        }
        Caching::Lease(lease) => {
            out.u8(match lease.version {
                LeaseVersion::V1 => 2,
                LeaseVersion::V2 => 3,
            });
            out.bytes(&lease.key.0);
            out.u32(lease.state.bits());
            out.u16(lease.epoch);
            encode_parent(lease.parent, out);
        }
    }
}

/// The client that holds a lease is the one whose open it is.
fn decode_caching(from: &mut Reader<'_>, client: Guid) -> Result<Caching, DecodeError> {
    let version = match from.u8()? {
        0 => return Ok(Caching::None),
        1 => return decode_oplock(from),
        2 => LeaseVersion::V1,
        3 => LeaseVersion::V2,
        _ => return Err(from.error()),
    };
    let key = LeaseKey(from.array()?);
    let state = LeaseState::from_bits(from.u32()?);
    if !state.unknown().is_empty() {
        return Err(from.error());
    }
    let epoch = from.u16()?;
    let parent = decode_parent(from)?;
    Ok(Caching::Lease(LeaseRequest {
        client,
        key,
        parent,
        state,
        version,
        epoch,
    }))
}

fn encode_parent(parent: Option<LeaseKey>, out: &mut Writer<'_>) {
    out.u8(parent.is_some().into());
    out.bytes(&parent.unwrap_or_default().0);
}

fn decode_parent(from: &mut Reader<'_>) -> Result<Option<LeaseKey>, DecodeError> {
    let has_parent = read_bool(from)?;
    let parent = LeaseKey(from.array()?);
    Ok(has_parent.then_some(parent))
}

fn decode_oplock(from: &mut Reader<'_>) -> Result<Caching, DecodeError> {
    match OplockLevel(from.u8()?) {
        level @ (OplockLevel::II | OplockLevel::EXCLUSIVE | OplockLevel::BATCH) => {
            Ok(Caching::Oplock(level))
        }
        _ => Err(from.error()),
    }
}

/// A lock in its form.
pub(super) fn encode_lock(lock: &LockElement) -> Bytes {
    let mut bytes = BytesMut::new();
    let mut out = Writer::new(&mut bytes);
    out.u8(match lock.kind {
        LockKind::Shared => 0,
        LockKind::Exclusive => 1,
    });
    out.u64(lock.range.offset);
    out.u64(lock.range.length);
    bytes.freeze()
}

/// Reads a lock.
///
/// # Errors
/// It is a broken one.
pub(super) fn decode_lock(bytes: &[u8]) -> Result<LockElement, DecodeError> {
    let mut from = Reader::new("lock of a persistent open", bytes);
    let kind = match from.u8()? {
        0 => LockKind::Shared,
        1 => LockKind::Exclusive,
        _ => return Err(from.error()),
    };
    let range = Range {
        offset: from.u64()?,
        length: from.u64()?,
    };
    if from.remaining() > 0 {
        return Err(from.error());
    }
    Ok(LockElement { range, kind })
}

fn decode_sequences(from: &mut Reader<'_>) -> Result<LockSequences, DecodeError> {
    let mut sequences = LockSequences::default();
    for _ in 0..from.u32()? {
        sequences.record(from.u32()?);
    }
    Ok(sequences)
}

fn text(out: &mut Writer<'_>, text: &str) {
    out.size32(text.len());
    out.bytes(text.as_bytes());
}

fn read_text(from: &mut Reader<'_>) -> Result<String, DecodeError> {
    let length = from.size32()?;
    let bytes = from.bytes(length)?.to_vec();
    String::from_utf8(bytes).map_err(|_| from.error())
}

fn read_bool(from: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match from.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(from.error()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lock(offset: u64, kind: LockKind) -> LockElement {
        let range = Range { offset, length: 7 };
        LockElement { range, kind }
    }

    fn lease(version: LeaseVersion, parent: Option<LeaseKey>) -> Caching {
        Caching::Lease(LeaseRequest {
            client: Guid([1; 16]),
            key: LeaseKey([2; 16]),
            parent,
            state: LeaseState::READ_CACHING.with(LeaseState::HANDLE_CACHING),
            version,
            epoch: 3,
        })
    }

    fn record() -> Record {
        let mut lock_sequences = LockSequences::default();
        lock_sequences.record(5 << 4 | 3);
        lock_sequences.record(64 << 4 | 1);
        Record {
            share: "Bücher".into(),
            file: RecordedFile {
                name: Name::parse_text("folder\\file:stream").unwrap(),
                volume: 11,
                number: 12,
                creation_time: FileTime(34),
            },
            coming: Some(RecordedFile {
                name: Name::parse_text("other").unwrap(),
                volume: 11,
                number: 12,
                creation_time: FileTime(35),
            }),
            owner: DurableOwner::recorded("alice"),
            user: RecordedUser {
                name: "Alice".into(),
                domain: "home".into(),
                kind: LogonKind::User,
            },
            client_guid: Guid([1; 16]),
            create_guid: Guid([4; 16]),
            app_instance: Some(AppInstance {
                id: Guid([5; 16]),
                version: Some((6, 7)),
            }),
            desired_access: AccessMask::MAXIMUM_ALLOWED,
            granted_access: AccessMask::FILE_ALL_ACCESS,
            maximal_access: AccessMask::FILE_ALL_ACCESS,
            share_access: ShareAccess::READ,
            create_options: CreateOptions::WRITE_THROUGH,
            create_action: CreateAction::CREATED,
            mode: FileMode::WRITE_THROUGH,
            opened: FileTime(8),
            timeout: Duration::from_secs(60),
            waits_until: Some(FileTime(9)),
            caching: lease(LeaseVersion::V2, Some(LeaseKey([3; 16]))),
            parent: Some(LeaseKey([6; 16])),
            delete_on_close: true,
            delete_pending: false,
            lock_sequences,
        }
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let other = Record {
            coming: None,
            app_instance: None,
            waits_until: None,
            caching: Caching::Oplock(OplockLevel::BATCH),
            delete_on_close: false,
            delete_pending: true,
            lock_sequences: LockSequences::default(),
            ..record()
        };
        let plain = Record {
            caching: Caching::None,
            ..other.clone()
        };
        let version_1 = Record {
            caching: lease(LeaseVersion::V1, None),
            ..other.clone()
        };
        for record in [record(), other, plain, version_1] {
            assert_eq!(Record::decode(&record.encode()), Ok(record));
        }
    }

    #[test]
    fn a_lock_reads_back_as_it_was_written_and_is_refused_otherwise() {
        for lock in [lock(1, LockKind::Exclusive), lock(2, LockKind::Shared)] {
            let whole = encode_lock(&lock);
            assert_eq!(decode_lock(&whole), Ok(lock));
            assert!(decode_lock(&whole[1..]).is_err());
            assert!(decode_lock(&[&whole[..], &[0]].concat()).is_err());
            assert!(decode_lock(&[&[2], &whole[1..]].concat()).is_err());
        }
    }

    #[test]
    fn a_record_that_is_cut_short_or_goes_on_is_refused() {
        let whole = record().encode();
        for length in 0..whole.len() {
            assert!(Record::decode(&whole[..length]).is_err(), "{length}");
        }
        let longer = [&whole[..], &[0]].concat();
        assert!(Record::decode(&longer).is_err());
    }

    #[test]
    fn a_record_of_another_version_is_refused() {
        let mut other = record().encode().to_vec();
        other[0] += 1;
        assert!(Record::decode(&other).is_err());
    }

    proptest! {
        #[test]
        fn what_is_read_at_all_is_what_was_meant(
            place in any::<prop::sample::Index>(),
            value in any::<u8>(),
        ) {
            let mut bytes = record().encode().to_vec();
            let place = place.index(bytes.len());
            bytes[place] = value;
            if let Ok(read) = Record::decode(&bytes) {
                prop_assert_eq!(Record::decode(&read.encode()), Ok(read));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let versioned = [&VERSION.to_le_bytes()[..], &bytes].concat();
            let _ = Record::decode(&versioned);
        }
    }
}
