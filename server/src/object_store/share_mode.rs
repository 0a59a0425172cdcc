//! Share modes: what opens of one stream allow each other.
//!
//! Owns the counts that make the check cost the same however many opens there are. Decides only;
//! who is counted where is the object's business.

use wire::create::ShareAccess;
use wire::dtyp::AccessMask;

/// The access that share modes are about: all other bits never conflict.
// [MS-FSA] 2.1.5.1.2.2
pub(super) const CONTENDED: AccessMask = READS.with(WRITES).with(AccessMask::DELETE);
const READS: AccessMask = AccessMask::FILE_READ_DATA.with(AccessMask::FILE_EXECUTE);
const WRITES: AccessMask = AccessMask::FILE_WRITE_DATA.with(AccessMask::FILE_APPEND_DATA);

/// One open's access and what it lets others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mode {
    pub(super) access: AccessMask,
    pub(super) share: ShareAccess,
}

/// How many opens of a stream read, write and delete, and how many let others do so.
///
/// Opens whose access is not contended are not counted: they neither conflict nor refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ShareCounts {
    opens: u32,
    readers: u32,
    writers: u32,
    deleters: u32,
    sharing_read: u32,
    sharing_write: u32,
    sharing_delete: u32,
}

impl Mode {
    /// Whether share modes concern this open at all.
    pub(super) fn is_contended(self) -> bool {
        self.access.intersects(CONTENDED)
    }

    fn reads(self) -> bool {
        self.access.intersects(READS)
    }

    fn writes(self) -> bool {
        self.access.intersects(WRITES)
    }

    pub(super) fn deletes(self) -> bool {
        self.access.contains(AccessMask::DELETE)
    }

    /// Whether this open keeps others from deleting the object.
    pub(super) fn refuses_delete(self) -> bool {
        self.is_contended() && !self.share.contains(ShareAccess::DELETE)
    }
}

impl ShareCounts {
    /// Whether an open with `mode` and those counted exclude each other.
    // [MS-FSA] 2.1.5.1.2.2
    pub(super) fn conflicts_with(&self, mode: Mode) -> bool {
        if !mode.is_contended() {
            return false;
        }
        let shares = |kind| mode.share.contains(kind);
        (mode.reads() && self.sharing_read < self.opens)
            || (mode.writes() && self.sharing_write < self.opens)
            || (mode.deletes() && self.sharing_delete < self.opens)
            || (!shares(ShareAccess::READ) && self.readers > 0)
            || (!shares(ShareAccess::WRITE) && self.writers > 0)
            || (!shares(ShareAccess::DELETE) && self.deleters > 0)
    }

    /// Counts an open.
    pub(super) fn add(&mut self, mode: Mode) {
        self.change(mode, |count| *count = count.saturating_add(1));
    }

    /// Forgets an open that was counted.
    pub(super) fn remove(&mut self, mode: Mode) {
        self.change(mode, |count| *count = count.saturating_sub(1));
    }

    fn change(&mut self, mode: Mode, step: impl Fn(&mut u32)) {
        if !mode.is_contended() {
            return;
        }
        let shares = |kind| mode.share.contains(kind);
        for (concerned, count) in [
            (true, &mut self.opens),
            (mode.reads(), &mut self.readers),
            (mode.writes(), &mut self.writers),
            (mode.deletes(), &mut self.deleters),
            (shares(ShareAccess::READ), &mut self.sharing_read),
            (shares(ShareAccess::WRITE), &mut self.sharing_write),
            (shares(ShareAccess::DELETE), &mut self.sharing_delete),
        ] {
            if concerned {
                step(count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule as [MS-FSA] 2.1.5.1.2.2 states it, open by open.
    fn excludes(existing: Mode, new: Mode) -> bool {
        let one_way = |user: Mode, other: Mode| {
            (user.reads() && !other.share.contains(ShareAccess::READ))
                || (user.writes() && !other.share.contains(ShareAccess::WRITE))
                || (user.deletes() && !other.share.contains(ShareAccess::DELETE))
        };
        existing.is_contended()
            && new.is_contended()
            && (one_way(existing, new) || one_way(new, existing))
    }

    fn mode() -> impl Strategy<Value = Mode> {
        (any::<u32>(), 0..8_u32).prop_map(|(access, share)| Mode {
            access: AccessMask::from_bits(access & 0x001f_01ff),
            share: ShareAccess::from_bits(share),
        })
    }

    proptest! {
        // test [MS-FSA] 2.1.5.1.2.2
        #[test]
        fn counts_agree_with_comparing_every_pair(
            modes in prop::collection::vec((mode(), any::<bool>()), 0..12),
            new in mode(),
        ) {
            let mut counts = ShareCounts::default();
            for (mode, _) in &modes {
                counts.add(*mode);
            }
            for (mode, stays) in &modes {
                if !stays {
                    counts.remove(*mode);
                }
            }
            let expected = modes.iter().any(|(mode, stays)| *stays && excludes(*mode, new));
            prop_assert_eq!(counts.conflicts_with(new), expected);
        }
    }

    // test [MS-FSA] 2.1.5.1.2.2
    #[test]
    fn each_right_is_refused_by_exactly_the_share_modes_without_it() {
        use AccessMask as A;
        let needs = [
            (A::FILE_READ_DATA, Some(ShareAccess::READ)),
            (A::FILE_EXECUTE, Some(ShareAccess::READ)),
            (A::FILE_WRITE_DATA, Some(ShareAccess::WRITE)),
            (A::FILE_APPEND_DATA, Some(ShareAccess::WRITE)),
            (A::DELETE, Some(ShareAccess::DELETE)),
            (A::FILE_READ_EA, None),
            (A::FILE_WRITE_EA, None),
            (A::FILE_DELETE_CHILD, None),
            (A::FILE_READ_ATTRIBUTES, None),
            (A::FILE_WRITE_ATTRIBUTES, None),
            (A::READ_CONTROL, None),
            (A::WRITE_DAC, None),
            (A::WRITE_OWNER, None),
            (A::SYNCHRONIZE, None),
        ];
        let everything = A::from_bits(0x001f_01ff);
        for share in (0..8).map(ShareAccess::from_bits) {
            for (access, need) in needs {
                let single = Mode {
                    access,
                    share: ShareAccess::from_bits(7),
                };
                let full = Mode {
                    access: everything,
                    share,
                };
                let expected = need.is_some_and(|need| !share.contains(need));
                for (first, second) in [(full, single), (single, full)] {
                    let mut counts = ShareCounts::default();
                    counts.add(first);
                    assert_eq!(
                        counts.conflicts_with(second),
                        expected,
                        "{first:?} {second:?}"
                    );
                }
            }
        }
    }
}
