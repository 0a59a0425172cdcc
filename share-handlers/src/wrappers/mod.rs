//! Handlers that stand before another handler and change what it does.
//!
//! Each is one file and goes over any share, in any order. What they have in common, that calls
//! they have no opinion on pass through, is [`layer`]'s; [`configured`] makes them of a share's
//! settings.
//!
//! | wrapper | what it does |
//! |---|---|
//! | [`read_only`] | refuses every change |
//! | [`audit`] | logs who did what, and what came of it |
//! | [`recycle`] | keeps what is deleted in a folder |
//! | [`veto`] | hides names, and lets nobody make them |
//! | [`limit`] | bounds bytes and operations a second |
//! | [`worm`] | lets files be written once and keeps them |
//! | [`faulty`] | fails and dawdles |

pub mod audit;
pub mod configured;
pub mod faulty;
pub mod layer;
pub mod limit;
pub mod read_only;
pub mod recycle;
pub mod veto;
pub mod worm;

#[cfg(test)]
pub(crate) mod testing;

use wire::fscc::Fsctl;

/// Whether a control code changes a file. Codes say so themselves, except for a few that only need
/// to be asked by somebody who could write.
// [MS-FSCC] 2.3
fn changes_file(code: Fsctl) -> bool {
    const NEEDS_WRITE_ACCESS: u32 = 0x8000;
    const CHANGES: [Fsctl; 7] = [
        Fsctl::SET_SPARSE,
        Fsctl::SET_REPARSE_POINT,
        Fsctl::DELETE_REPARSE_POINT,
        Fsctl::SET_OBJECT_ID,
        Fsctl::SET_OBJECT_ID_EXTENDED,
        Fsctl::DELETE_OBJECT_ID,
        Fsctl::SET_ENCRYPTION,
    ];
    code.0 & NEEDS_WRITE_ACCESS != 0 || CHANGES.contains(&code)
}
