//! Who caches what, and when that is safe: nobody may rely on what another has changed, nobody may use a
//! file whose holder has not written back, and no handle may be in the way that its holder would give up.

use std::collections::BTreeSet;
use std::time::Duration;

use wire::create::LeaseState;

use super::files::{Model, Open};
use super::operation::{Access, Holder};

/// One oplock or lease, as its holder was told of it.
#[derive(Debug, Clone, Hash)]
pub(super) struct Cache {
    pub(super) file: u64,
    /// What the holder has until the break in progress is over.
    pub(super) state: LeaseState,
    pub(super) breaking: Option<Breaking>,
    /// What was there when the holder began to cache reads, and what it has done to it since.
    view: View,
    pub(super) opens: BTreeSet<u64>,
    /// Whether it may be less by now.
    pub(super) doubt: Doubt,
    /// Whether the context of the lease was of version 2.
    pub(super) is_v2: bool,
}

/// What nobody but the server knows of a cache whose client is away, until it comes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Doubt {
    /// Nothing: it is as it was.
    #[default]
    None,
    /// Whether it is being broken. Its holder has all of it until it is told, but for what needs no acknowledgment.
    Broken,
    /// Whether anything is left of it: it was being broken, or may have been, when the server was killed or while its
    /// opens were resilient.
    Lost,
}

/// A break that the holder was told of, and has not acknowledged.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct Breaking {
    pub(super) to: LeaseState,
    since: Duration,
}

/// What can be cached: the bytes of a file, or the names in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum View {
    Bytes(Vec<u8>),
    Names(Vec<String>),
}

/// A notice of a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// Whose caching is broken.
    pub holder: Holder,
    /// What may be kept.
    pub to: LeaseState,
}

impl Model {
    /// The holder of an oplock or lease is told of a break. Of one that has ended with its last open, a
    /// notice may come late.
    pub fn notice(&mut self, notice: Notice) {
        let since = self.now;
        let Some(cache) = self.caches.get_mut(&notice.holder) else {
            return;
        };
        let to = notice.to;
        // [MS-SMB2] 3.3.4.6
        // [MS-SMB2] 3.3.4.7
        if cache.state == LeaseState::READ_CACHING {
            cache.state = to;
        } else {
            cache.breaking = Some(Breaking { to, since });
        }
    }

    /// Time has passed: breaks that nobody has acknowledged are over, and nothing is left to cache.
    // [MS-SMB2] 3.3.6.1
    // [MS-SMB2] 3.3.6.5
    pub fn pass(&mut self, now: Duration) {
        self.now = now;
        let is_over = |breaking: Breaking| breaking.since + ACKNOWLEDGMENT <= now;
        let over = self.caches.iter();
        let over = over.filter(|(_, cache)| cache.breaking.is_some_and(is_over));
        let over = over.map(|(holder, cache)| (*holder, self.is_absent(cache)));
        for (holder, is_absent) in over.collect::<Vec<_>>() {
            let Some(cache) = self.caches.get_mut(&holder) else {
                continue;
            };
            cache.breaking = None;
            if is_absent {
                // [MS-SMB2] 3.3.4.7
                // Without end for who could not be told; whether that is so, the server alone knows.
                cache.doubt = Doubt::Lost;
            } else {
                cache.state = LeaseState::NONE;
            }
        }
    }

    /// An open has got, or has joined, an oplock or a lease.
    pub(super) fn grant(
        &mut self,
        id: u64,
        open: &Open,
        state: LeaseState,
        is_v2: bool,
    ) -> Result<(), String> {
        let view = self.view(open.file);
        if matches!(open.holder, Holder::Open(_)) && state.is_empty() {
            return Ok(());
        }
        let fresh = Cache {
            file: open.file,
            state: LeaseState::NONE,
            breaking: None,
            view: view.clone(),
            opens: BTreeSet::new(),
            doubt: Doubt::None,
            is_v2,
        };
        // [MS-SMB2] 3.3.5.9.8
        // A key may go to another file while its own is being deleted.
        self.caches
            .retain(|holder, cache| *holder != open.holder || cache.file == open.file);
        let cache = self.caches.entry(open.holder).or_insert(fresh);
        cache.opens.insert(id);
        if std::mem::take(&mut cache.doubt) != Doubt::None {
            (cache.breaking, cache.state) = (None, cache.state & state);
        }
        if !state.contains(cache.state) || cache.breaking.is_some() && state != cache.state {
            return Err(format!("{state:?} was granted to {cache:?}"));
        }
        if !cache.state.contains(LeaseState::READ_CACHING) {
            cache.view = view;
        }
        cache.state = state;
        Ok(())
    }

    /// An open has ended.
    pub(super) fn release(&mut self, id: u64, holder: Holder) {
        if let Some(cache) = self.caches.get_mut(&holder) {
            cache.opens.remove(&id);
            if cache.opens.is_empty() {
                self.caches.remove(&holder);
            }
        }
    }

    /// The holder keeps what it says.
    pub(super) fn settle(&mut self, holder: Holder, kept: LeaseState) {
        if let Some(cache) = self.caches.get_mut(&holder) {
            cache.breaking = None;
            cache.state = kept;
        }
    }

    /// Who changes what it caches knows of the change.
    pub(super) fn renew_view(&mut self, holder: Option<Holder>, file: u64) {
        let view = self.view(file);
        let cache = holder.and_then(|holder| self.caches.get_mut(&holder));
        if let Some(cache) = cache.filter(|cache| cache.file == file) {
            cache.view = view;
        }
    }

    /// Whether somebody else than `holder` keeps a handle of the file that it would give up.
    pub(super) fn others_keep_handles(&self, file: u64, holder: Holder) -> bool {
        self.caches
            .iter()
            .any(|(other, cache)| *other != holder && cache.file == file && cache.keeps_handle())
    }

    /// The same of leases alone.
    pub(super) fn others_keep_leased_handles(&self, file: u64, holder: Holder) -> bool {
        self.caches.iter().any(|(other, cache)| {
            let is_lease = matches!(other, Holder::Lease { .. });
            is_lease && *other != holder && cache.file == file && cache.keeps_handle()
        })
    }

    /// Whether the holder of this open would give its handle up.
    pub(super) fn keeps_handle(&self, open: &Open) -> bool {
        self.caches
            .get(&open.holder)
            .is_some_and(Cache::keeps_handle)
    }

    /// Whether it has one to give up for all that its client and this model know.
    pub(super) fn may_keep_handle(&self, open: &Open) -> bool {
        let cache = self.caches.get(&open.holder);
        cache.is_some_and(|cache| cache.state.contains(LeaseState::HANDLE_CACHING))
    }

    /// Whether the key of this open's lease has gone to another file, as its own is being deleted: then
    /// nobody but the server knows what is left of the lease.
    pub(super) fn has_lost_lease(&self, open: &Open) -> bool {
        let cache = self.caches.get(&open.holder);
        let is_lease = matches!(open.holder, Holder::Lease { .. });
        is_lease && cache.is_none_or(|cache| cache.file != open.file)
    }

    /// Whether nobody relies on what is not so.
    pub(super) fn check_caches(&self) -> Result<(), String> {
        for (holder, cache) in &self.caches {
            let is_told_later = cache.doubt != Doubt::None && self.is_absent(cache);
            let reads = !is_told_later
                && cache.breaking.is_none()
                && cache.state.contains(LeaseState::READ_CACHING);
            if reads && cache.view != self.view(cache.file) {
                return Err(format!("{holder:?} relies on what is stale: {cache:?}"));
            }
            let is_lost = cache.doubt == Doubt::Lost && self.is_unheard(cache);
            if is_lost || !cache.state.contains(LeaseState::WRITE_CACHING) {
                continue;
            }
            let uses = |open: &Open| open.access.uses_contents() && open.holder != *holder;
            let mut opens = self.opens.iter();
            if let Some((id, _)) = opens.find(|(_, open)| open.file == cache.file && uses(open)) {
                return Err(format!(
                    "{holder:?} caches writes beside open {id}: {cache:?}"
                ));
            }
        }
        Ok(())
    }

    /// Who keeps a view that is stale, and has not acknowledged yet that it loses the rest: of what is
    /// changed meanwhile, it is told when it does.
    pub(super) fn stale(&self) -> BTreeSet<Holder> {
        let is_stale = |cache: &Cache| {
            let keeps = |breaking: Breaking| breaking.to.contains(LeaseState::READ_CACHING);
            cache.breaking.is_some_and(keeps) && cache.view != self.view(cache.file)
        };
        let stale = self.caches.iter().filter(|(_, cache)| is_stale(cache));
        stale.map(|(holder, _)| *holder).collect()
    }

    fn view(&self, file: u64) -> View {
        match self.files.get(&file) {
            Some(found) if found.is_folder => View::Names(self.names_in(file)),
            Some(found) => View::Bytes(found.contents.clone()),
            None => View::Bytes(Vec::new()),
        }
    }
}

impl Cache {
    /// Whether its holder has a handle that it would give up, beyond doubt.
    fn keeps_handle(&self) -> bool {
        self.doubt != Doubt::Lost && self.state.contains(LeaseState::HANDLE_CACHING)
    }
}

impl Access {
    /// Whether this is more than attributes.
    // [MS-FSA] 2.1.4.12
    pub(super) fn uses_contents(self) -> bool {
        self.read || self.write || self.delete
    }
}

/// The number of the share's root among the files.
pub(super) const ROOT: u64 = 0;

/// How long the server waits for an acknowledgment.
const ACKNOWLEDGMENT: Duration = Duration::from_secs(35);
