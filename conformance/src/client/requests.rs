//! The requests that nearly every test sends, with the fields that it does not care about filled in.

use bytes::{Bytes, BytesMut};
use wire::close::CloseFlags;
use wire::create::{
    CreateContexts, CreateDisposition, CreateOptions, ImpersonationLevel, ShareAccess,
};
use wire::dtyp::AccessMask;
use wire::fscc::fsctl_data::ResiliencyRequest;
use wire::fscc::{FileAttributes, FileInfoClass, Fsctl, SetFileInformation};
use wire::ioctl::IoctlFlags;
use wire::lock::{LockElement, LockFlags, LockSequence};
use wire::query_directory::QueryDirectoryFlags;
use wire::query_info::{InfoClass, InfoType, QueryInfoFlags};
use wire::read::{Channel, ReadFlags};
use wire::tree_connect::TreeConnectFlags;
use wire::write::WriteFlags;
use wire::{
    CloseRequest, CreateRequest, FileId, IoctlRequest, LockRequest, OplockLevel,
    QueryDirectoryRequest, QueryInfoRequest, ReadRequest, Request, SetInfoRequest,
    TreeConnectRequest, Utf16String, WriteRequest, Writer,
};

/// Connects to `path`, which is `\\server\share`.
#[must_use]
pub fn tree_connect(path: &str) -> TreeConnectRequest {
    TreeConnectRequest {
        flags: TreeConnectFlags::NONE,
        path: path.into(),
        contexts: Vec::new(),
    }
}

/// Opens an existing file to read, sharing everything.
#[must_use]
pub fn open(name: &str) -> CreateRequest {
    CreateRequest {
        requested_oplock_level: OplockLevel::NONE,
        impersonation_level: ImpersonationLevel::IMPERSONATION,
        desired_access: AccessMask::FILE_GENERIC_READ,
        file_attributes: FileAttributes::NONE,
        share_access: ShareAccess::READ | ShareAccess::WRITE | ShareAccess::DELETE,
        create_disposition: CreateDisposition::OPEN,
        create_options: CreateOptions::NONE,
        name: name.into(),
        contexts: CreateContexts::default(),
    }
}

/// Opens a file to read and write, or creates it.
#[must_use]
pub fn open_or_create(name: &str) -> CreateRequest {
    CreateRequest {
        desired_access: AccessMask::FILE_GENERIC_READ
            | AccessMask::FILE_GENERIC_WRITE
            | AccessMask::DELETE,
        create_disposition: CreateDisposition::OPEN_IF,
        create_options: CreateOptions::NON_DIRECTORY_FILE,
        ..open(name)
    }
}

/// Opens an existing directory to list it; the share's root if `name` is empty.
#[must_use]
pub fn open_directory(name: &str) -> CreateRequest {
    CreateRequest {
        create_options: CreateOptions::DIRECTORY_FILE,
        ..open(name)
    }
}

/// Closes an open.
#[must_use]
pub fn close(file_id: FileId) -> CloseRequest {
    CloseRequest {
        flags: CloseFlags::NONE,
        file_id,
    }
}

/// Reads `length` bytes at `offset`.
#[must_use]
pub fn read(file_id: FileId, offset: u64, length: u32) -> ReadRequest {
    ReadRequest {
        padding: wire::ReadResponse::DATA_OFFSET,
        flags: ReadFlags::NONE,
        length,
        offset,
        file_id,
        minimum_count: 0,
        channel: Channel::NONE,
        remaining_bytes: 0,
        channel_info: Bytes::new(),
    }
}

/// Writes `data` at `offset`.
#[must_use]
pub fn write(file_id: FileId, offset: u64, data: Bytes) -> WriteRequest {
    WriteRequest {
        offset,
        file_id,
        channel: Channel::NONE,
        remaining_bytes: 0,
        channel_info: Bytes::new(),
        flags: WriteFlags::NONE,
        data,
    }
}

/// Locks or unlocks one range of bytes.
#[must_use]
pub fn lock(file_id: FileId, offset: u64, length: u64, flags: LockFlags) -> LockRequest {
    LockRequest {
        lock_sequence: LockSequence::default(),
        file_id,
        locks: vec![LockElement {
            offset,
            length,
            flags,
        }],
    }
}

/// Goes on with a listing of everything, at most `room` bytes of it.
#[must_use]
pub fn list(file_id: FileId, room: u32) -> QueryDirectoryRequest {
    QueryDirectoryRequest {
        file_information_class: FileInfoClass::ID_BOTH_DIRECTORY,
        flags: QueryDirectoryFlags::NONE,
        file_index: 0,
        file_id,
        output_buffer_length: room,
        file_name: Utf16String::from("*"),
    }
}

/// Asks for one information class about a file.
#[must_use]
pub fn query_file(file_id: FileId, class: FileInfoClass) -> QueryInfoRequest {
    QueryInfoRequest {
        info_type: InfoType::FILE,
        file_info_class: InfoClass(class.0),
        output_buffer_length: 4096,
        additional_information: 0,
        flags: QueryInfoFlags::NONE,
        file_id,
        input: Bytes::new(),
    }
}

/// Makes one change of a file.
#[must_use]
pub fn set_file(file_id: FileId, change: &SetFileInformation) -> SetInfoRequest {
    let mut buffer = BytesMut::new();
    change.encode(&mut Writer::new(&mut buffer));
    SetInfoRequest {
        info_type: InfoType::FILE,
        file_info_class: InfoClass(change.class().0),
        additional_information: 0,
        file_id,
        buffer: buffer.freeze(),
    }
}

/// Asks for an open to be kept for its client for so long.
#[must_use]
pub fn resilient(file_id: FileId, timeout_ms: u32) -> IoctlRequest {
    let mut input = BytesMut::new();
    ResiliencyRequest { timeout_ms }.encode(&mut Writer::new(&mut input));
    IoctlRequest {
        ctl_code: Fsctl::LMR_REQUEST_RESILIENCY,
        file_id,
        max_input_response: 0,
        max_output_response: 0,
        flags: IoctlFlags::IS_FSCTL,
        input: input.freeze(),
    }
}

/// How many bytes a request carries or asks for: what its credits have to pay.
// [MS-SMB2] 3.1.5.2
#[must_use]
pub fn payload_size(request: &Request) -> u64 {
    let (sent, asked) = match request {
        Request::Read(read) => (0, read.length),
        Request::Write(write) => (write.data.len(), write.remaining_bytes),
        Request::Ioctl(ioctl) => (
            ioctl.input.len(),
            ioctl
                .max_output_response
                .saturating_add(ioctl.max_input_response),
        ),
        Request::QueryDirectory(query) => (0, query.output_buffer_length),
        Request::ChangeNotify(notify) => (0, notify.output_buffer_length),
        Request::QueryInfo(query) => (query.input.len(), query.output_buffer_length),
        Request::SetInfo(set) => (set.buffer.len(), 0),
        _ => (0, 0),
    };
    u64::from(asked).max(sent as u64)
}
