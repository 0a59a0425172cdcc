//! What stands behind a share: the traits a handler implements and the types they speak.
//!
//! A handler sees names, callers and typed requests; never a packet, a session or a raw path.
//! Share modes, oplocks, leases, byte-range locks and change notification are not its business:
//! the object store arbitrates them by the [`ObjectId`] that the handler reports.

mod administration;
mod figures;
mod handler;
mod link;
mod log_on;
mod name;
mod print_queue;
mod room;
#[expect(
    clippy::module_inception,
    reason = "a share is what this module is about"
)]
mod share;
mod short_name;
mod tunnel;
mod types;
mod view;

pub use administration::{
    AccountChange, AccountUpdate, Administration, MachineId, NewShare, NoAdministration,
    SettingChange, ShareChange,
};
pub use figures::{LockSnapshot, StatisticsSnapshot};
pub use handler::{Answer, Controlled, Handle, ShareHandler, Transacted};
pub use link::ServerLink;
pub use log_on::{LogOn, LogOnStep, PipeUser};
pub(crate) use log_on::{PipeUsers, caller_on_pipes};
pub use name::{Name, NameError, StreamName, StreamType};
pub use print_queue::{JobChange, JobState, NewJob, PrintJob, PrintQueue};
pub use room::{FileRegion, ReplyRoom};
pub use share::Share;
pub use short_name::{is_made_name, is_short_name_of, short_name};
pub use tunnel::TunnelCache;
pub use types::*;
pub use view::{
    OpenSnapshot, Printer, ServerSnapshot, ServerView, SessionSnapshot, ShareSnapshot,
    TreeConnectSnapshot,
};
