//! Why a connection ends: one variant per cause, each counted and logged.

use std::fmt;

/// The cause of a disconnect that the server decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DisconnectReason {
    /// The first four bytes name no protocol that is spoken here. [MS-SMB2] 3.3.5.2
    UnknownProtocol,
    /// A message is shorter than its header. [MS-SMB2] 3.3.5.2.6
    TooShort,
    /// A message is longer than the dialect allows. [MS-SMB2] 3.3.5.2
    TooLong,
    /// The command code is none. [MS-SMB2] 3.3.5.2.6
    UnknownCommand,
    /// A compound's NextCommand leaves the message or its alignment. [MS-SMB2] 3.3.5.2.7
    MalformedCompound,
    /// A command came before NEGOTIATE. [MS-SMB2] 3.3.5.2.2
    NotNegotiated,
    /// NEGOTIATE came again. [MS-SMB2] 3.3.5.4
    NegotiatedTwice,
    /// An SMB1 client offers no dialect of SMB2. [MS-SMB2] 3.3.5.3.2
    OnlySmb1,
    /// The message id is outside the window. [MS-SMB2] 3.3.5.2.3
    SequenceWindow,
    /// A transform header that cannot be: wrong session, flags or size. [MS-SMB2] 3.3.5.2.1.1
    MalformedTransform,
    /// An encrypted message whose tag does not fit. [MS-SMB2] 3.3.5.2.1.1
    TamperedMessage,
    /// A compressed message where compression was not negotiated. [MS-SMB2] 3.3.5.2.1.2
    UnexpectedCompression,
    /// VALIDATE_NEGOTIATE_INFO shows that somebody changed the negotiation. [MS-SMB2] 3.3.5.15.12
    DowngradeDetected,
    /// TREE_CONNECT of 3.1.1 came neither signed nor encrypted. [MS-SMB2] 3.3.5.7
    UnprotectedTreeConnect,
    /// No session stood within the authentication timeout.
    AuthenticationTimeout,
    /// Nothing was heard within the idle timeout. [MS-SMB2] 3.3.6.5 (in spirit)
    IdleTimeout,
    /// More requests wait than the limit allows.
    TooManyRequests,
    /// The client's transport does not acknowledge what it was sent. [MS-SMB2] 3.3.4.6
    Unreachable,
    /// An administrator closed the session.
    ClosedByAdministrator,
    /// A job failed where it must not: a bug.
    JobFailed,
    /// The server stops.
    ServerStops,
}

impl DisconnectReason {
    /// Every cause, in a fixed order, for counters.
    pub const ALL: [Self; 21] = [
        Self::UnknownProtocol,
        Self::TooShort,
        Self::TooLong,
        Self::UnknownCommand,
        Self::MalformedCompound,
        Self::NotNegotiated,
        Self::NegotiatedTwice,
        Self::OnlySmb1,
        Self::SequenceWindow,
        Self::MalformedTransform,
        Self::TamperedMessage,
        Self::UnexpectedCompression,
        Self::DowngradeDetected,
        Self::UnprotectedTreeConnect,
        Self::AuthenticationTimeout,
        Self::IdleTimeout,
        Self::TooManyRequests,
        Self::Unreachable,
        Self::ClosedByAdministrator,
        Self::JobFailed,
        Self::ServerStops,
    ];

    /// The cause in a few words, for logs.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::UnknownProtocol => "the bytes are no SMB message",
            Self::TooShort => "a message is shorter than its header",
            Self::TooLong => "a message is longer than allowed",
            Self::UnknownCommand => "the command does not exist",
            Self::MalformedCompound => "a compound is malformed",
            Self::NotNegotiated => "a command came before NEGOTIATE",
            Self::NegotiatedTwice => "NEGOTIATE came twice",
            Self::OnlySmb1 => "the client speaks SMB1 only",
            Self::SequenceWindow => "a message id is outside the window",
            Self::MalformedTransform => "a transform header is malformed",
            Self::TamperedMessage => "an encrypted message was tampered with",
            Self::UnexpectedCompression => "compression was not negotiated",
            Self::DowngradeDetected => "the negotiation was tampered with",
            Self::UnprotectedTreeConnect => "TREE_CONNECT came unprotected",
            Self::AuthenticationTimeout => "nobody logged on in time",
            Self::IdleTimeout => "the connection was idle for too long",
            Self::TooManyRequests => "too many requests wait",
            Self::Unreachable => "the client does not take what it is sent",
            Self::ClosedByAdministrator => "an administrator closed it",
            Self::JobFailed => "a request failed inside the server",
            Self::ServerStops => "the server stops",
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
