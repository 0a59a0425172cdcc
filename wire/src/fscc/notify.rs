//! Change notifications: what to watch for and what changed.

use super::layout::{Chain, Entries};
use crate::flags::{wire_flags, wire_values};
use crate::{DecodeError, Reader, Utf16String, Writer};

wire_flags! {
    /// Which changes complete a CHANGE_NOTIFY.
    // [MS-SMB2] 2.2.35
    pub struct CompletionFilter: u32 {
        /// A file's name.
        const FILE_NAME = 0x0000_0001;
        /// A directory's name.
        const DIR_NAME = 0x0000_0002;
        /// Attributes.
        const ATTRIBUTES = 0x0000_0004;
        /// The size of a file.
        const SIZE = 0x0000_0008;
        /// LastWriteTime.
        const LAST_WRITE = 0x0000_0010;
        /// LastAccessTime.
        const LAST_ACCESS = 0x0000_0020;
        /// CreationTime.
        const CREATION = 0x0000_0040;
        /// Extended attributes.
        const EA = 0x0000_0080;
        /// The security descriptor.
        const SECURITY = 0x0000_0100;
        /// A stream's name.
        const STREAM_NAME = 0x0000_0200;
        /// The size of a stream.
        const STREAM_SIZE = 0x0000_0400;
        /// The data of a stream.
        const STREAM_WRITE = 0x0000_0800;
    }
}

wire_values! {
    /// What happened to a file.
    // [MS-FSCC] 2.7.1
    pub struct FileAction: u32 {
        /// It came.
        const ADDED = 0x0000_0001;
        /// It went.
        const REMOVED = 0x0000_0002;
        /// Its data or attributes changed.
        const MODIFIED = 0x0000_0003;
        /// It was renamed in place; this is the old name.
        const RENAMED_OLD_NAME = 0x0000_0004;
        /// It was renamed in place; this is the new name.
        const RENAMED_NEW_NAME = 0x0000_0005;
        /// A stream came.
        const ADDED_STREAM = 0x0000_0006;
        /// A stream went.
        const REMOVED_STREAM = 0x0000_0007;
        /// A stream changed.
        const MODIFIED_STREAM = 0x0000_0008;
        /// An object id went with its file.
        const REMOVED_BY_DELETE = 0x0000_0009;
        /// An object id could not be kept, as it is in use.
        const ID_NOT_TUNNELLED = 0x0000_000A;
        /// An object id could not be kept, as the file has one.
        const TUNNELLED_ID_COLLISION = 0x0000_000B;
    }
}

/// FILE_NOTIFY_INFORMATION: one change.
// [MS-FSCC] 2.7.1
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FileNotifyInformation {
    /// Action.
    pub action: FileAction,
    /// FileName: the path from the watched directory.
    pub file_name: Utf16String,
}

impl FileNotifyInformation {
    const FIXED_SIZE: usize = 12;
    const ALIGNMENT: usize = 4;

    /// Appends all of `list`, or nothing if it takes more than `room` bytes.
    ///
    /// Returns whether it fitted; if not, the answer is NOTIFY_ENUM_DIR: a list with gaps would
    /// mislead the client.
    // [MS-SMB2] 3.3.5.19
    #[must_use]
    pub fn encode_list(list: &[Self], out: &mut Writer<'_>, room: usize) -> bool {
        if Self::list_size(list) > room {
            return false;
        }
        let mut chain = Chain::new(out, usize::MAX, Self::ALIGNMENT);
        for change in list {
            if chain.begin(out, change.size()) {
                out.u32(change.action.0);
                out.size32(change.file_name.len_bytes());
                change.file_name.encode(out);
            }
        }
        true
    }

    /// How many bytes a list takes.
    #[must_use]
    pub fn list_size(list: &[Self]) -> usize {
        list.iter().fold(0, |size: usize, change| {
            let start = size
                .checked_next_multiple_of(Self::ALIGNMENT)
                .unwrap_or(size);
            start.saturating_add(change.size())
        })
    }

    fn size(&self) -> usize {
        self.file_name.len_bytes().saturating_add(Self::FIXED_SIZE)
    }

    /// Reads a list.
    ///
    /// # Errors
    /// An offset or a length that leaves the list.
    pub fn decode_list(bytes: &[u8]) -> Result<Vec<Self>, DecodeError> {
        Entries::new("FILE_NOTIFY_INFORMATION", bytes, Self::ALIGNMENT)
            .map(|entry| Self::decode(&mut entry?))
            .collect()
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let action = FileAction(reader.u32()?);
        let name_length = reader.size32()?;
        let file_name = Utf16String::decode(reader.bytes(name_length)?)?;
        Ok(Self { action, file_name })
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;

    fn change(action: FileAction, name: &str) -> FileNotifyInformation {
        FileNotifyInformation {
            action,
            file_name: name.into(),
        }
    }

    fn encode(list: &[FileNotifyInformation], room: usize) -> Option<BytesMut> {
        let mut bytes = BytesMut::new();
        let fits = FileNotifyInformation::encode_list(list, &mut Writer::new(&mut bytes), room);
        assert!(fits || bytes.is_empty());
        fits.then_some(bytes)
    }

    #[test]
    fn a_rename_is_two_entries_aligned_to_four_bytes() {
        let list = [
            change(FileAction::RENAMED_OLD_NAME, "a"),
            change(FileAction::RENAMED_NEW_NAME, "b"),
        ];
        let first = [16, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, b'a', 0, 0, 0];
        let second = [0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, b'b', 0];
        let bytes = encode(&list, 30).unwrap();
        assert_eq!(&bytes[..], &[&first[..], &second].concat());
        assert_eq!(
            FileNotifyInformation::decode_list(&bytes),
            Ok(list.to_vec())
        );
    }

    #[test]
    fn a_list_that_does_not_fit_is_not_written_at_all() {
        let list = [
            change(FileAction::ADDED, "a"),
            change(FileAction::REMOVED, "b"),
        ];
        assert!(encode(&list, 29).is_none());
        assert!(encode(&[], 0).is_some());
    }

    proptest! {
        #[test]
        fn lists_survive(names in prop::collection::vec(".{1,30}", 0..6)) {
            let modified = |name: &String| change(FileAction::MODIFIED, name);
            let list: Vec<_> = names.iter().map(modified).collect();
            let bytes = encode(&list, 10_000).unwrap();
            prop_assert_eq!(bytes.len(), FileNotifyInformation::list_size(&list));
            prop_assert_eq!(FileNotifyInformation::decode_list(&bytes), Ok(list));
        }

        #[test]
        fn decoding_never_panics(bytes: Vec<u8>) {
            let _ = FileNotifyInformation::decode_list(&bytes);
        }
    }
}
