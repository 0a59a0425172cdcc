//! Every limit: what a peer could make grow is bounded by a number that stands here.
//!
//! Fields of [`Limits`] can be set in the section `[limits]`; constants are fixed by a
//! specification or by our own formats. Each names its source.

use std::time::Duration;

use crate::{
    schema::{Reader, Section, Setting, Visitor, fixed, live},
    value::{Size, Value},
};

/// The section `[limits]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Connections at once. Ours: about 20 KiB each while idle.
    pub connections: u32,
    /// Connections at once from one address, so that one client cannot take them all. Ours.
    pub connections_per_address: u32,
    /// Sessions on one connection. Ours: a terminal server has one for each of its users.
    pub sessions_per_connection: u32,
    /// Connections that one session may use. 32 in Windows.
    pub channels_per_session: u32,
    /// Tree connects in one session. Ours.
    pub tree_connects_per_session: u32,
    /// Opens in one session. 16,384 is what Windows allows.
    pub opens_per_session: u32,
    /// Opens at once in all. Ours; the process's limit of open files must be greater.
    pub opens: u32,
    /// Opens kept for clients that have lost their connection. Ours.
    pub disconnected_opens: u32,
    /// Opens kept for one user who has lost the connection. Ours: as many as a session may have.
    pub disconnected_opens_per_user: u32,
    /// The longest that a durable open waits for its client; with nothing, none is durable.
    /// [MS-SMB2] 3.3.5.9.10: 300 s.
    pub durable_timeout: Duration,
    /// The longest that a resilient open waits for its client. [MS-SMB2] note 226: 300 s in Windows.
    pub resiliency_timeout: Duration,
    /// Credits that a connection may hold. [MS-SMB2] note 209: Windows grants up to 8,192.
    pub credits: u32,
    /// Requests of one connection that wait at once: change notification, locks. [MS-SMB2] note
    /// 242: 512 in Windows.
    pub async_operations: u32,
    /// The longest READ. [MS-SMB2] note 284: 8 MiB in Windows.
    pub read_size: Size,
    /// The longest WRITE. [MS-SMB2] note 285: 8 MiB in Windows.
    pub write_size: Size,
    /// The longest buffer of QUERY_INFO, SET_INFO, QUERY_DIRECTORY and CHANGE_NOTIFY. [MS-SMB2]
    /// note 283: 8 MiB in Windows.
    pub transact_size: Size,
    /// The longest frame that is received. [MS-SMB2] 2.1: its length has 24 bits.
    pub frame_size: Size,
    /// What may wait to be told to one CHANGE_NOTIFY before the client is told to look for itself.
    /// 64 KiB in Windows.
    pub notify_buffer: Size,
    /// Byte-range locks on one file. Ours.
    pub locks_per_file: u32,
    /// Failed log-ons of one account from one address after which answers are delayed. Ours.
    pub logon_failures: u32,
    /// Failed log-ons of all accounts from one address after which answers are delayed. Ours.
    pub logon_failures_per_address: u32,
    /// The longest delay of an answer to a failed log-on; delays double up to it. Ours.
    pub logon_delay: Duration,
    /// Threads for file operations that may block. Ours.
    pub blocking_threads: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 1_000,
            sessions_per_connection: 1_024,
            channels_per_session: 32,
            tree_connects_per_session: 1_024,
            opens_per_session: 16_384,
            opens: 1_000_000,
            disconnected_opens: 100_000,
            disconnected_opens_per_user: 16_384,
            durable_timeout: Duration::from_mins(5),
            resiliency_timeout: Duration::from_mins(5),
            credits: 8_192,
            async_operations: 512,
            read_size: Size::mib(8),
            write_size: Size::mib(8),
            transact_size: Size::mib(8),
            frame_size: Size::bytes(LONGEST_FRAME),
            notify_buffer: Size::kib(64),
            locks_per_file: 65_536,
            logon_failures: 3,
            logon_failures_per_address: 20,
            logon_delay: Duration::from_secs(10),
            blocking_threads: 32,
        }
    }
}

impl Section for Limits {
    fn settings(&mut self, visitor: &mut impl Visitor) {
        visitor.visit(number("connections", 1, 1_000_000), &mut self.connections);
        visitor.visit(
            number("connections_per_address", 1, 1_000_000),
            &mut self.connections_per_address,
        );
        visitor.visit(
            number("sessions_per_connection", 1, 65_536),
            &mut self.sessions_per_connection,
        );
        visitor.visit(
            number("channels_per_session", 1, 1_024),
            &mut self.channels_per_session,
        );
        visitor.visit(
            number("tree_connects_per_session", 1, 65_536),
            &mut self.tree_connects_per_session,
        );
        visitor.visit(
            number("opens_per_session", 1, 1_000_000),
            &mut self.opens_per_session,
        );
        visitor.visit(number("opens", 1, 10_000_000), &mut self.opens);
        visitor.visit(
            number("disconnected_opens", 0, 10_000_000),
            &mut self.disconnected_opens,
        );
        visitor.visit(
            number("disconnected_opens_per_user", 0, 1_000_000),
            &mut self.disconnected_opens_per_user,
        );
        for (name, field) in [
            ("durable_timeout", &mut self.durable_timeout),
            ("resiliency_timeout", &mut self.resiliency_timeout),
        ] {
            let timeout = live(name).within(Duration::ZERO..=Duration::from_hours(1));
            visitor.visit(timeout, field);
        }
        visitor.visit(number("credits", 128, 32_768), &mut self.credits);
        visitor.visit(
            number("async_operations", 1, 32_768),
            &mut self.async_operations,
        );
        // [MS-SMB2] 3.3.5.4
        for (name, field) in [
            ("read_size", &mut self.read_size),
            ("write_size", &mut self.write_size),
            ("transact_size", &mut self.transact_size),
        ] {
            visitor.visit(live(name).within(Size::kib(64)..=Size::mib(8)), field);
        }
        let frame_size = live("frame_size").within(Size::kib(128)..=Size::bytes(LONGEST_FRAME));
        visitor.visit(frame_size, &mut self.frame_size);
        let notify_buffer = fixed("notify_buffer").within(Size::kib(4)..=Size::mib(1));
        visitor.visit(notify_buffer, &mut self.notify_buffer);
        visitor.visit(
            fixed("locks_per_file").within(1..=1_000_000),
            &mut self.locks_per_file,
        );
        visitor.visit(
            fixed("logon_failures").within(1..=1_000),
            &mut self.logon_failures,
        );
        let per_address = fixed("logon_failures_per_address").within(1..=10_000);
        visitor.visit(per_address, &mut self.logon_failures_per_address);
        let logon_delay = fixed("logon_delay").within(Duration::ZERO..=Duration::from_mins(1));
        visitor.visit(logon_delay, &mut self.logon_delay);
        let blocking_threads = fixed("blocking_threads").within(1..=1_024);
        visitor.visit(blocking_threads, &mut self.blocking_threads);
    }
}

impl Limits {
    /// Notes what does not go together.
    pub(crate) fn check(&self, reader: &mut Reader<'_>) {
        let longest = self.read_size.max(self.write_size).max(self.transact_size);
        let needed = longest.to_u32().saturating_add(FRAME_OVERHEAD.to_u32());
        if self.frame_size.to_u32() < needed {
            let wrong = "it has no room for the longest READ, WRITE or transaction and its headers";
            reader.mistake("frame_size", wrong, &format!("give at least {needed}"));
        }
        if self.connections_per_address > self.connections {
            let wrong = "it is greater than limits.connections";
            let right = format!("give at most {}", self.connections.write());
            reader.mistake("connections_per_address", wrong, &right);
        }
    }
}

/// A number that takes effect on reload.
fn number(name: &'static str, least: u32, greatest: u32) -> Setting<u32> {
    live(name).within(least..=greatest)
}

/// The longest frame of direct TCP: its length has 24 bits. [MS-SMB2] 2.1.
pub const LONGEST_FRAME: u32 = 0x00ff_ffff;

/// What a frame holds besides the payload: transform header, SMB2 header, body and compounded small
/// requests.
const FRAME_OVERHEAD: Size = Size::kib(64);
