//! Every decoder of `wire`: no panic, and what decodes is encoded to bytes that decode to the same.

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use server::share::Name;
use wire::compression::{ChainedPayloadHeader, CompressionHeader, PatternPayloadV1};
use wire::dtyp::{Acl, SecurityDescriptor, Sid};
use wire::error::SymbolicLinkError;
use wire::fscc::directory_info::decode_listing;
use wire::fscc::file_info::{FullEa, StreamInformation, decode_ea_names};
use wire::fscc::fsctl_data::{
    AllocatedRange, CopyChunkRequest, DuplicateExtents, DuplicateExtentsEx, NetworkInterface,
    PipePeekResponse, PipeWaitRequest, ResiliencyRequest, ResumeKeyResponse,
    SetIntegrityInformation, SnapshotArray, TrimRequest, ValidateNegotiateRequest,
    ValidateNegotiateResponse, ZeroData, decode_set_sparse,
};
use wire::fscc::{
    CaseRule, FileInfoClass, FileInformation, FileNotifyInformation, FsInfoClass, FsInformation,
    Pattern, ReparseBuffer, SetFileInformation,
};
use wire::smb1::Smb1NegotiateRequest;
use wire::transform::TransformHeader;
use wire::{
    Command, CommandCode, Encode, Header, NtStatus, Reader, Request, Response, Utf16String, Writer,
};

/// The first byte chooses the decoder, the second its parameter.
pub fn decoders(input: &[u8]) {
    let [decoder, parameter, data @ ..] = input else {
        return;
    };
    match decoder % 12 {
        0 | 1 => request(*parameter, data),
        2 | 3 => response(*parameter, data),
        4 => headers(data),
        5 => file_information(FileInfoClass(*parameter), data),
        6 => volume_information(FsInfoClass(*parameter), data),
        7 => security(data),
        8 => lists(data),
        9 => control_data(data),
        10 => expression(*parameter, data),
        _ => names(data),
    }
}

fn request(code: u8, message: &[u8]) {
    let Ok(command) = Command::try_from(u16::from(code % 19)) else {
        return;
    };
    let decode = |bytes: &Bytes| Request::decode(command, bytes);
    if let Ok(value) = decode(&Bytes::copy_from_slice(message)) {
        let again = decode(&encoded(&value));
        assert_eq!(again.as_ref(), Ok(&value));
    }
}

fn response(code: u8, message: &[u8]) {
    let command = CommandCode(u16::from(code % 20));
    // [MS-SMB2] 3.3.4.4
    // Some statuses come with the body of a success.
    for status in [
        NtStatus::SUCCESS,
        NtStatus::BUFFER_OVERFLOW,
        NtStatus::ACCESS_DENIED,
    ] {
        let decode = |bytes: &Bytes| Response::decode(command, status, bytes);
        if let Ok(value) = decode(&Bytes::copy_from_slice(message)) {
            let again = decode(&encoded(&value));
            assert_eq!(again.as_ref(), Ok(&value));
        }
    }
}

/// A whole message: an empty header and the body.
fn encoded(body: &impl Encode) -> Bytes {
    let mut message = BytesMut::new();
    let mut out = Writer::new(&mut message);
    out.zeros(Header::SIZE);
    body.encode(&mut out);
    message.freeze()
}

fn headers(data: &[u8]) {
    if let Ok(header) = Header::decode(data) {
        let mut bytes = BytesMut::new();
        header.encode(&mut Writer::new(&mut bytes));
        let again = Header::decode(&bytes).expect("was encoded");
        // Words that no version of the protocol gives a meaning are not kept.
        assert_eq!(again.message_id, header.message_id);
        assert_eq!(again.next_command, header.next_command);
    }
    if let Ok(header) = TransformHeader::decode(data) {
        assert_eq!(TransformHeader::decode(&header.to_bytes()), Ok(header));
    }
    round_trip(data, CompressionHeader::decode, CompressionHeader::encode);
    round_trip(
        data,
        ChainedPayloadHeader::decode,
        ChainedPayloadHeader::encode,
    );
    round_trip(data, PatternPayloadV1::decode, PatternPayloadV1::encode);
    let _ = Smb1NegotiateRequest::decode(data);
}

fn file_information(class: FileInfoClass, data: &[u8]) {
    if let Some(Ok(value)) = FileInformation::decode(class, data) {
        let mut bytes = BytesMut::new();
        let fit = value.encode(&mut Writer::new(&mut bytes), ROOM);
        assert!(fit.is_ok(), "{value:?}");
        let again = FileInformation::decode(class, &bytes);
        assert_eq!(again, Some(Ok(value)));
    }
    if let Ok(value) = SetFileInformation::decode(class, data) {
        let mut bytes = BytesMut::new();
        value.encode(&mut Writer::new(&mut bytes));
        assert_eq!(SetFileInformation::decode(class, &bytes), Ok(value));
    }
    let _ = decode_listing(class, data);
}

fn volume_information(class: FsInfoClass, data: &[u8]) {
    if let Some(Ok(value)) = FsInformation::decode(class, data) {
        let mut bytes = BytesMut::new();
        let _ = value.encode(&mut Writer::new(&mut bytes), ROOM);
        assert_eq!(FsInformation::decode(class, &bytes), Some(Ok(value)));
    }
    let _ = FsInformation::decode_set(class, data);
}

fn security(data: &[u8]) {
    if let Ok(value) = SecurityDescriptor::decode(data) {
        let mut bytes = BytesMut::new();
        value.encode(&mut Writer::new(&mut bytes));
        assert_eq!(bytes.len(), value.size());
        assert_eq!(SecurityDescriptor::decode(&bytes), Ok(value));
    }
    let _ = Acl::decode(&mut Reader::new("fuzz", data));
    if let Ok(sid) = Sid::decode(&mut Reader::new("fuzz", data)) {
        assert_eq!(sid.to_string().parse(), Ok(sid));
    }
}

fn lists(data: &[u8]) {
    if let Ok(list) = FullEa::decode_list(data) {
        let mut bytes = BytesMut::new();
        FullEa::encode_list(&list, &mut Writer::new(&mut bytes), ROOM);
        assert_eq!(FullEa::decode_list(&bytes), Ok(list));
    }
    let _ = decode_ea_names(data);
    let _ = StreamInformation::decode_list(data);
    if let Ok(list) = FileNotifyInformation::decode_list(data) {
        let mut bytes = BytesMut::new();
        let fits = FileNotifyInformation::encode_list(&list, &mut Writer::new(&mut bytes), ROOM);
        assert!(fits, "{list:?}");
        assert_eq!(FileNotifyInformation::decode_list(&bytes), Ok(list));
    }
}

fn control_data(data: &[u8]) {
    if let Ok(value) = ReparseBuffer::decode(data) {
        let mut bytes = BytesMut::new();
        value.encode(&mut Writer::new(&mut bytes));
        assert_eq!(ReparseBuffer::decode(&bytes), Ok(value));
    }
    let _ = SymbolicLinkError::from_bytes(data);
    let _ = decode_set_sparse(data);
    let _ = SnapshotArray::decode(data);
    let _ = AllocatedRange::decode(data);
    let _ = ResiliencyRequest::decode(data);
    let _ = ZeroData::decode(data);
    let _ = SetIntegrityInformation::decode(data);
    let _ = TrimRequest::decode(data);
    let _ = CopyChunkRequest::decode(data);
    let _ = ResumeKeyResponse::decode(data);
    let _ = DuplicateExtents::decode(data);
    let _ = DuplicateExtentsEx::decode(data);
    let _ = ValidateNegotiateRequest::decode(data);
    let _ = ValidateNegotiateResponse::decode(data);
    let _ = NetworkInterface::decode_list(data);
    let _ = PipeWaitRequest::decode(data);
    let _ = PipePeekResponse::decode(&Bytes::copy_from_slice(data));
}

fn expression(split: u8, data: &[u8]) {
    let units: Vec<u16> = data
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let (expression, name) = units.split_at(usize::from(split).min(units.len()));
    let exact = Pattern::new(expression, CaseRule::Respect);
    let folded = Pattern::new(expression, CaseRule::Ignore);
    assert!(
        !exact.matches(name) || folded.matches(name),
        "folding loses no match"
    );
    assert_eq!(Pattern::any().matches(name), !name.is_empty());
}

fn names(data: &[u8]) {
    if let Ok(text) = Utf16String::decode(data)
        && let Ok(name) = Name::parse(&text)
    {
        for component in name.components() {
            assert!(!component.as_units().is_empty());
            assert!(!component.as_units().contains(&0));
        }
    }
}

fn round_trip<T: PartialEq + Debug, E>(
    data: &[u8],
    decode: impl Fn(&mut Reader<'_>) -> Result<T, E>,
    encode: impl Fn(&T, &mut Writer<'_>),
) {
    if let Ok(value) = decode(&mut Reader::new("fuzz", data)) {
        let mut bytes = BytesMut::new();
        encode(&value, &mut Writer::new(&mut bytes));
        // A header is never the end of a message: some decoders look at what follows.
        let follows = data.get(bytes.len()..).unwrap_or_default();
        bytes.extend_from_slice(follows.get(..16).unwrap_or(follows));
        let again = decode(&mut Reader::new("fuzz", &bytes)).ok();
        assert_eq!(again, Some(value));
    }
}

/// Room for any answer, in bytes.
const ROOM: usize = 1 << 20;
