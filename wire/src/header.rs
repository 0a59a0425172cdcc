//! The SMB2 packet header, [MS-SMB2] 2.2.1, and the four protocols a first byte can announce.
//!
//! This module owns the 64 bytes; it never checks a flag against a dialect or an id against a table.

use bytes::BufMut;

use crate::flags::{wire_flags, wire_values};
use crate::{
    AsyncId, DecodeError, MessageId, NtStatus, ProcessId, Reader, SessionId, TreeId, Writer,
};

/// The header of every SMB2 request and response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many credits the request consumes; reserved in 2.0.2.
    pub credit_charge: u16,
    /// The result, in a response. In a request of 3.x see [`Header::channel_sequence`].
    pub status: NtStatus,
    /// What is asked or answered.
    pub command: CommandCode,
    /// Credits asked for in a request, granted in a response.
    pub credits: u16,
    /// How to process the message. `ASYNC_COMMAND` follows from `id` when a header is written.
    pub flags: HeaderFlags,
    /// Offset of the next header of a compound from this one, in bytes; 0 in the last.
    pub next_command: u32,
    /// Pairs request and response.
    pub message_id: MessageId,
    /// Where it belongs: a tree connect, or a request answered later.
    pub id: HeaderId,
    /// The session.
    pub session_id: SessionId,
    /// The signature, zeros in a message that is not signed.
    pub signature: [u8; 16],
}

/// The eight bytes that a synchronous and an asynchronous header use differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderId {
    /// [MS-SMB2] 2.2.1.2.
    Sync {
        /// Reserved; whatever the client put there.
        process_id: ProcessId,
        /// The tree connect.
        tree_id: TreeId,
    },
    /// [MS-SMB2] 2.2.1.1.
    Async(AsyncId),
}

impl Header {
    /// Size of the header, in bytes.
    pub const SIZE: usize = 64;
    /// Where the flags lie.
    pub const FLAGS_OFFSET: usize = 16;
    /// Where NextCommand lies.
    pub const NEXT_COMMAND_OFFSET: usize = 20;
    /// Where the signature begins.
    pub const SIGNATURE_OFFSET: usize = 48;
    /// Behind the signature.
    pub const SIGNATURE_END: usize = 64;

    /// Reads a header from the front of `bytes`.
    ///
    /// # Errors
    /// Fewer than 64 bytes, another ProtocolId, or a StructureSize other than 64. An unknown command is
    /// no error here.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("SMB2 header", bytes);
        if reader.array()? != ProtocolId::Smb2.bytes() {
            return Err(DecodeError {
                what: "ProtocolId",
                at: 0,
            });
        }
        reader.structure_size(STRUCTURE_SIZE)?;
        let credit_charge = reader.u16()?;
        let status = NtStatus(reader.u32()?);
        let command = CommandCode(reader.u16()?);
        let credits = reader.u16()?;
        let flags = HeaderFlags::from_bits(reader.u32()?);
        let next_command = reader.u32()?;
        let message_id = MessageId(reader.u64()?);
        // [MS-SMB2] 2.2.1
        let id = if flags.contains(HeaderFlags::ASYNC_COMMAND) {
            HeaderId::Async(AsyncId(reader.u64()?))
        } else {
            HeaderId::Sync {
                process_id: ProcessId(reader.u32()?),
                tree_id: TreeId(reader.u32()?),
            }
        };
        let session_id = SessionId(reader.u64()?);
        let signature = reader.array()?;
        Ok(Self {
            credit_charge,
            status,
            command,
            credits,
            flags,
            next_command,
            message_id,
            id,
            session_id,
            signature,
        })
    }

    /// Appends the header.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.bytes(&self.to_bytes());
    }

    /// The header as an array, to be put into room reserved for it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let mut room = bytes.as_mut_slice();
        room.put_slice(&ProtocolId::Smb2.bytes());
        room.put_u16_le(STRUCTURE_SIZE);
        room.put_u16_le(self.credit_charge);
        room.put_u32_le(self.status.0);
        room.put_u16_le(self.command.0);
        room.put_u16_le(self.credits);
        let flags = match self.id {
            HeaderId::Async(_) => self.flags.with(HeaderFlags::ASYNC_COMMAND),
            HeaderId::Sync { .. } => self.flags.without(HeaderFlags::ASYNC_COMMAND),
        };
        room.put_u32_le(flags.bits());
        room.put_u32_le(self.next_command);
        room.put_u64_le(self.message_id.0);
        match self.id {
            HeaderId::Async(id) => room.put_u64_le(id.0),
            HeaderId::Sync {
                process_id,
                tree_id,
            } => {
                room.put_u32_le(process_id.0);
                room.put_u32_le(tree_id.0);
            }
        }
        room.put_u64_le(self.session_id.0);
        room.put_slice(&self.signature);
        bytes
    }

    /// The command, if it is one of the nineteen a client may send.
    #[must_use]
    pub fn command(&self) -> Option<Command> {
        self.command.command()
    }

    /// The ChannelSequence of a request of 3.x: the low half of the field that is the status in a response.
    #[must_use]
    pub const fn channel_sequence(&self) -> u16 {
        let [low, high, ..] = self.status.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// The tree connect; `None` in an asynchronous header.
    #[must_use]
    pub const fn tree_id(&self) -> Option<TreeId> {
        match self.id {
            HeaderId::Sync { tree_id, .. } => Some(tree_id),
            HeaderId::Async(_) => None,
        }
    }

    /// Whether this answers a request.
    #[must_use]
    pub const fn is_response(&self) -> bool {
        self.flags.contains(HeaderFlags::SERVER_TO_REDIR)
    }
}

const STRUCTURE_SIZE: u16 = 64;

wire_flags! {
    /// Flags of the header.
    pub struct HeaderFlags: u32 {
        /// The message is a response.
        const SERVER_TO_REDIR = 0x0000_0001;
        /// The header is the asynchronous one.
        const ASYNC_COMMAND = 0x0000_0002;
        /// The request goes on with session, tree and open of the one before in its compound.
        const RELATED_OPERATIONS = 0x0000_0004;
        /// The message is signed.
        const SIGNED = 0x0000_0008;
        /// The requested priority, 0 to 7; 3.1.1 only.
        const PRIORITY_MASK = 0x0000_0070;
        /// The name of the request is in a namespace of DFS.
        const DFS_OPERATIONS = 0x1000_0000;
        /// The request was sent before, on a channel that broke; 3.x only.
        const REPLAY_OPERATION = 0x2000_0000;
    }
}

wire_values! {
    /// The command of a header as it came, known or not.
    pub struct CommandCode: u16 {
        /// What the server sends unasked in 3.1.1; no client may send it.
        const SERVER_TO_CLIENT_NOTIFICATION = 0x0013;
    }
}

impl CommandCode {
    /// The command, if it is one of the nineteen a client may send.
    #[must_use]
    pub fn command(self) -> Option<Command> {
        Command::try_from(self.0).ok()
    }
}

impl From<Command> for CommandCode {
    fn from(command: Command) -> Self {
        Self(command.code())
    }
}

macro_rules! commands {
    ($($(#[$meta:meta])* $name:ident = $code:expr, $text:expr;)*) => {
        /// The nineteen commands that a client may send.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Command {
            $($(#[$meta])* $name,)*
        }

        impl Command {
            /// All of them, in the order of their codes.
            pub const ALL: [Self; 19] = [$(Self::$name,)*];

            /// The code on the wire.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// The name in the specification, such as `QUERY_INFO`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }

        impl TryFrom<u16> for Command {
            type Error = DecodeError;

            fn try_from(code: u16) -> Result<Self, DecodeError> {
                match code {
                    $($code => Ok(Self::$name),)*
                    _ => Err(DecodeError { what: "Command", at: COMMAND_OFFSET }),
                }
            }
        }
    };
}

const COMMAND_OFFSET: usize = 12;

commands! {
    /// Agrees on a dialect.
    Negotiate = 0x0000, "NEGOTIATE";
    /// Authenticates a session.
    SessionSetup = 0x0001, "SESSION_SETUP";
    /// Ends a session.
    Logoff = 0x0002, "LOGOFF";
    /// Connects to a share.
    TreeConnect = 0x0003, "TREE_CONNECT";
    /// Leaves a share.
    TreeDisconnect = 0x0004, "TREE_DISCONNECT";
    /// Opens or creates a file.
    Create = 0x0005, "CREATE";
    /// Closes an open.
    Close = 0x0006, "CLOSE";
    /// Writes what is cached to the disk.
    Flush = 0x0007, "FLUSH";
    /// Reads data.
    Read = 0x0008, "READ";
    /// Writes data.
    Write = 0x0009, "WRITE";
    /// Locks and unlocks byte ranges.
    Lock = 0x000a, "LOCK";
    /// Sends a control code to a file or to the server.
    Ioctl = 0x000b, "IOCTL";
    /// Ends a request that waits.
    Cancel = 0x000c, "CANCEL";
    /// Asks whether the server is there.
    Echo = 0x000d, "ECHO";
    /// Lists a directory.
    QueryDirectory = 0x000e, "QUERY_DIRECTORY";
    /// Waits for changes in a directory.
    ChangeNotify = 0x000f, "CHANGE_NOTIFY";
    /// Asks about a file, a volume, its security or its quotas.
    QueryInfo = 0x0010, "QUERY_INFO";
    /// Changes what QUERY_INFO tells.
    SetInfo = 0x0011, "SET_INFO";
    /// Acknowledges the break of an oplock or a lease.
    OplockBreak = 0x0012, "OPLOCK_BREAK";
}

/// What a message on the transport is, by its first four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProtocolId {
    /// `\xffSMB`: SMB1, which may only negotiate.
    Smb1,
    /// `\xfeSMB`: an SMB2 header follows.
    Smb2,
    /// `\xfdSMB`: an encrypted message.
    Transform,
    /// `\xfcSMB`: a compressed message.
    Compressed,
}

impl ProtocolId {
    /// Looks at the first four bytes of a message.
    #[must_use]
    pub fn of(message: &[u8]) -> Option<Self> {
        match message.first_chunk()? {
            b"\xffSMB" => Some(Self::Smb1),
            b"\xfeSMB" => Some(Self::Smb2),
            b"\xfdSMB" => Some(Self::Transform),
            b"\xfcSMB" => Some(Self::Compressed),
            _ => None,
        }
    }

    /// The four bytes.
    #[must_use]
    pub const fn bytes(self) -> [u8; 4] {
        match self {
            Self::Smb1 => *b"\xffSMB",
            Self::Smb2 => *b"\xfeSMB",
            Self::Transform => *b"\xfdSMB",
            Self::Compressed => *b"\xfcSMB",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::unhex;

    // test [MS-SMB2] 4.4
    #[test]
    fn a_synchronous_header_is_as_in_the_example() {
        let header = Header {
            credit_charge: 0,
            status: NtStatus::SUCCESS,
            command: Command::Create.into(),
            credits: 111,
            flags: HeaderFlags::NONE,
            next_command: 0,
            message_id: MessageId(9),
            id: HeaderId::Sync {
                process_id: ProcessId(0),
                tree_id: TreeId(1),
            },
            session_id: SessionId(0x0400_0000_000d),
            signature: [0; 16],
        };
        let bytes = unhex(
            "fe534d42 4000 0000 00000000 0500 6f00 00000000 00000000 0900000000000000 00000000 01000000 \
             0d00000000040000 00000000000000000000000000000000",
        );
        assert_eq!(Header::decode(&bytes), Ok(header));
        assert_eq!(header.to_bytes()[..], bytes);
        assert_eq!(header.command(), Some(Command::Create));
        assert_eq!(header.tree_id(), Some(TreeId(1)));
    }

    // test [MS-SMB2] 2.2.1
    #[test]
    fn the_async_flag_makes_one_id_of_two_fields() {
        let bytes = unhex(
            "fe534d42 4000 0100 03010000 0800 0100 03000000 00000000 0900000000000000 0100000002000000 \
             0100000000040000 00000000000000000000000000000000",
        );
        let header = Header::decode(&bytes).unwrap();
        assert_eq!(header.status, NtStatus::PENDING);
        assert_eq!(header.id, HeaderId::Async(AsyncId(0x2_0000_0001)));
        assert_eq!(header.tree_id(), None);
        assert!(header.is_response());
        assert_eq!(header.to_bytes()[..], bytes);
    }

    #[test]
    fn an_unknown_command_decodes_and_says_so() {
        let mut bytes = [0; 64];
        bytes[..6].copy_from_slice(b"\xfeSMB\x40\0");
        bytes[8..14].copy_from_slice(&[0x34, 0x12, 0xff, 0xff, 0x13, 0x00]);
        let header = Header::decode(&bytes).unwrap();
        assert_eq!(header.command(), None);
        assert_eq!(header.command, CommandCode::SERVER_TO_CLIENT_NOTIFICATION);
        assert_eq!(header.channel_sequence(), 0x1234);
    }

    #[test]
    fn a_header_that_is_short_or_of_another_protocol_or_size_is_refused() {
        let mut bytes = [0; 64];
        bytes[..6].copy_from_slice(b"\xfeSMB\x40\0");
        assert!(Header::decode(&bytes).is_ok());
        assert!(Header::decode(&bytes[..63]).is_err());
        bytes[4] = 0x41;
        assert!(Header::decode(&bytes).is_err());
        bytes[4] = 0x40;
        bytes[0] = 0xff;
        assert!(Header::decode(&bytes).is_err());
    }

    #[test]
    fn commands_and_their_codes_are_the_same_thing() {
        for (code, command) in (0_u16..).zip(Command::ALL) {
            assert_eq!(command.code(), code);
            assert_eq!(Command::try_from(code), Ok(command));
        }
        assert!(Command::try_from(0x13).is_err());
        assert_eq!(Command::OplockBreak.name(), "OPLOCK_BREAK");
    }

    #[test]
    fn protocols_are_told_by_their_first_four_bytes() {
        for protocol in [
            ProtocolId::Smb1,
            ProtocolId::Smb2,
            ProtocolId::Transform,
            ProtocolId::Compressed,
        ] {
            assert_eq!(ProtocolId::of(&protocol.bytes()), Some(protocol));
        }
        assert_eq!(ProtocolId::of(b"\xfeSM"), None);
        assert_eq!(ProtocolId::of(b"\xfbSMB"), None);
    }

    proptest! {
        #[test]
        fn every_header_survives_the_wire(mut bytes in prop::array::uniform32(any::<[u8; 2]>())) {
            bytes[0] = *b"\xfeS";
            bytes[1] = *b"MB";
            bytes[2] = [0x40, 0];
            let bytes = bytes.concat();
            let header = Header::decode(&bytes).unwrap();
            prop_assert_eq!(&header.to_bytes()[..], &bytes[..]);
        }
    }
}
