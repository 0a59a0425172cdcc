//! Waiting for a pipe and looking into one.

use bytes::Bytes;

use crate::fscc::file_info::PipeState;
use crate::reader::slice;
use crate::{DecodeError, Reader, Utf16String, Writer};

/// PIPE_WAIT request.
// [MS-FSCC] 2.3.49
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PipeWaitRequest {
    /// Timeout in units of 100 milliseconds; none waits for ever.
    pub timeout: Option<i64>,
    /// Name of the pipe, without `\pipe\`.
    pub name: Utf16String,
}

impl PipeWaitRequest {
    /// Reads the request.
    ///
    /// # Errors
    /// Too few bytes, or a name that leaves them.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("FSCTL_PIPE_WAIT", bytes);
        let timeout = i64::from_le_bytes(reader.array()?);
        let name_length = reader.size32()?;
        let [timeout_specified, _padding] = reader.array()?;
        let name = Utf16String::decode(reader.bytes(name_length)?)?;
        Ok(Self {
            timeout: (timeout_specified != 0).then_some(timeout),
            name,
        })
    }

    /// Appends the request.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.bytes(&self.timeout.unwrap_or(0).to_le_bytes());
        out.size32(self.name.len_bytes());
        out.u8(self.timeout.is_some().into());
        out.u8(0);
        self.name.encode(out);
    }
}

/// PIPE_PEEK reply.
// [MS-FSCC] 2.3.46
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PipePeekResponse {
    /// NamedPipeState.
    pub named_pipe_state: PipeState,
    /// ReadDataAvailable in bytes.
    pub read_data_available: u32,
    /// NumberOfMessages in a message pipe.
    pub number_of_messages: u32,
    /// MessageLength of the first message, in bytes.
    pub message_length: u32,
    /// Data, as much as the client has room for.
    pub data: Bytes,
}

impl PipePeekResponse {
    /// Bytes in front of the data.
    pub const FIXED_SIZE: usize = 16;

    /// Reads the reply.
    ///
    /// # Errors
    /// Too few bytes.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("FSCTL_PIPE_PEEK", bytes);
        let named_pipe_state = PipeState(reader.u32()?);
        let read_data_available = reader.u32()?;
        let number_of_messages = reader.u32()?;
        let message_length = reader.u32()?;
        let (at, length) = (reader.position(), reader.remaining());
        let data = slice("FSCTL_PIPE_PEEK", bytes, at, at, length)?;
        Ok(Self {
            named_pipe_state,
            read_data_available,
            number_of_messages,
            message_length,
            data,
        })
    }

    /// Appends the reply.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u32(self.named_pipe_state.0);
        out.u32(self.read_data_available);
        out.u32(self.number_of_messages);
        out.u32(self.message_length);
        out.bytes(&self.data);
    }
}
