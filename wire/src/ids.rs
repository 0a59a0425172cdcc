//! The identifiers that messages carry, each its own type so that none is taken for another.

use std::fmt;

use crate::{DecodeError, Reader, Writer};

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident: $int:ty;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    )*};
}

ids! {
    /// A session; 0 where there is none yet, as in NEGOTIATE.
    SessionId: u64;
    /// A tree connect of a session.
    TreeId: u32;
    /// A request and its response, unique for the connection.
    MessageId: u64;
    /// A request that is answered later; chosen by the server.
    AsyncId: u64;
    /// The reserved field of a synchronous header, where clients put the number of a process.
    ProcessId: u32;
}

impl MessageId {
    /// The id of what the server sends unasked: break and other notifications.
    // [MS-SMB2] 3.3.4.6
    pub const UNSOLICITED: Self = Self(u64::MAX);
}

impl SessionId {
    /// The id in a related compounded request: that of the request before.
    // [MS-SMB2] 3.2.4.1.4
    pub const RELATED: Self = Self(u64::MAX);
}

impl TreeId {
    /// The id in a related compounded request: that of the request before.
    // [MS-SMB2] 3.2.4.1.4
    pub const RELATED: Self = Self(u32::MAX);
}

/// An open, [MS-SMB2] 2.2.14.1.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// Stays the same when the open is reconnected.
    pub persistent: u64,
    /// Unique within the session; changes when the open is reconnected.
    pub volatile: u64,
}

impl FileId {
    /// Size on the wire, in bytes.
    pub const SIZE: usize = 16;

    /// No open: what a request carries that needs none, or that means the open of the request before.
    // [MS-SMB2] 3.2.4.1.4
    pub const NONE: Self = Self {
        persistent: u64::MAX,
        volatile: u64::MAX,
    };

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            persistent: reader.u64()?,
            volatile: reader.u64()?,
        })
    }

    #[inline]
    pub(crate) fn write(self, out: &mut Writer<'_>) {
        out.u64(self.persistent);
        out.u64(self.volatile);
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileId({self})")
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}:{:#x}", self.persistent, self.volatile)
    }
}

/// The client's key of a lease.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseKey(pub [u8; 16]);

impl fmt::Debug for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeaseKey({self})")
    }
}

impl fmt::Display for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}
