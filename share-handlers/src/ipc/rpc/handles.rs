//! What clients hold: values by context handle, kept by the association group that made them.
//!
//! Owns the numbers of groups and who may join one. A handle carries the rights that were granted when it was made, so
//! a group is for one user at one machine, and a handle for the user who made it: who logs on inside a pipe may be
//! another one than who opened it.

use std::any::Any;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, MutexGuard};
use server::accounts::LogonKind;
use server::share::Caller;
use wire::dtyp::Sid;

use super::super::ndr::Handle;
use super::Fault;

/// The association groups of a server. One lives as long as an association is in it.
#[derive(Default)]
pub(in crate::ipc) struct Groups {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    groups: BTreeMap<u32, Weak<Group>>,
    last: u32,
}

/// Associations that have their handles in common.
pub(in crate::ipc) struct Group {
    number: u32,
    member: Member,
    handles: Mutex<Handles>,
    all: Weak<Groups>,
}

/// Who may join a group: a user, and the machine that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    user: User,
    address: Option<IpAddr>,
}

impl Member {
    fn of(caller: &Caller) -> Self {
        Self {
            user: User::of(caller),
            address: caller.log_on.as_ref().and_then(|facts| facts.address),
        }
    }
}

/// Somebody to whom a handle belongs. One user of the host may stand for several accounts, and for all of them if they
/// are no users of the host: so it takes the account, too.
#[derive(Debug, Clone, PartialEq, Eq)]
struct User {
    served_as: Sid,
    account: Option<(LogonKind, String)>,
}

impl User {
    fn of(caller: &Caller) -> Self {
        let identity = caller.log_on.as_ref().map(|facts| &facts.identity);
        Self {
            served_as: *caller.token.user(),
            account: identity.map(|identity| (identity.kind, identity.user.to_lowercase())),
        }
    }
}

impl Groups {
    /// A group of its own for `caller`.
    pub(in crate::ipc) fn found(self: &Arc<Self>, caller: &Caller) -> Arc<Group> {
        let mut table = self.table.lock();
        let number = table.free_number();
        let group = Arc::new(Group {
            number,
            member: Member::of(caller),
            handles: Mutex::new(Handles::new(number)),
            all: Arc::downgrade(self),
        });
        table.groups.insert(number, Arc::downgrade(&group));
        group
    }

    /// The group with this number, if `caller` may join it.
    // [MS-RPCE] 3.3.1.5.7
    pub(in crate::ipc) fn join(&self, number: u32, caller: &Caller) -> Option<Arc<Group>> {
        let group = self.table.lock().groups.get(&number)?.upgrade()?;
        (group.member == Member::of(caller)).then_some(group)
    }
}

impl Table {
    /// 0 stands for no group.
    fn free_number(&mut self) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1);
            if self.last != 0 && !self.groups.contains_key(&self.last) {
                return self.last;
            }
        }
    }
}

impl Group {
    /// The number that clients know the group by.
    pub(in crate::ipc) fn number(&self) -> u32 {
        self.number
    }

    /// What the group holds, for a call of `caller`'s.
    pub(in crate::ipc) fn handles(&self, caller: &Caller) -> MutexGuard<'_, Handles> {
        let mut handles = self.handles.lock();
        handles.user = Some(User::of(caller));
        handles
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(all) = self.all.upgrade() {
            all.table.lock().groups.remove(&self.number);
        }
    }
}

/// Values by handle.
pub(in crate::ipc) struct Handles {
    group: u32,
    values: BTreeMap<u64, Held>,
    last: u64,
    /// Whose call it is; none in tests that do not say.
    user: Option<User>,
}

/// A value behind a handle.
struct Held {
    /// Who made it.
    user: Option<User>,
    value: Box<dyn Any + Send>,
    has_ended: Arc<AtomicBool>,
}

impl Held {
    fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }
}

/// Closes a handle when the call that it is about has been carried out, which may be after the call's turn.
pub(in crate::ipc) struct Ending(Arc<AtomicBool>);

impl Ending {
    /// There is nothing behind the handle from now on.
    pub(in crate::ipc) fn end(self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Handles {
    /// No handles yet, of the group with this number.
    pub(in crate::ipc) fn new(group: u32) -> Self {
        Self {
            group,
            values: BTreeMap::new(),
            last: 0,
            user: None,
        }
    }

    /// Keeps a value until its handle is closed.
    ///
    /// # Errors
    /// [`Fault::NO_MEMORY`]: the client holds too many.
    pub(in crate::ipc) fn open<T: Send + 'static>(&mut self, value: T) -> Result<Handle, Fault> {
        self.values.retain(|_, held| !held.has_ended());
        if self.values.len() >= MOST_HANDLES {
            return Err(Fault::NO_MEMORY);
        }
        self.last += 1;
        let held = Held {
            user: self.user.clone(),
            value: Box::new(value),
            has_ended: Arc::default(),
        };
        self.values.insert(self.last, held);
        let mut id = [0; 16];
        let parts = [
            &self.last.to_le_bytes()[..],
            &self.group.to_le_bytes(),
            MARK,
        ];
        let bytes = parts.iter().flat_map(|part| part.iter());
        id.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Ok(Handle { attributes: 0, id })
    }

    /// The value behind a handle.
    ///
    /// # Errors
    /// [`Fault::CONTEXT_MISMATCH`]: there is none, or one of another kind or user.
    pub(in crate::ipc) fn find<T: 'static>(&self, handle: &Handle) -> Result<&T, Fault> {
        let value = self.held(handle)?.value.downcast_ref();
        value.ok_or(Fault::CONTEXT_MISMATCH)
    }

    /// Drops what is behind a handle; gives the handle that the client is left with: none.
    ///
    /// # Errors
    /// [`Fault::CONTEXT_MISMATCH`]: there is nothing of this user's.
    pub(in crate::ipc) fn close(&mut self, handle: &Handle) -> Result<Handle, Fault> {
        self.held(handle)?;
        self.values.remove(&self.number(handle)?);
        Ok(Handle::NULL)
    }

    /// Something to close a handle with later.
    ///
    /// # Errors
    /// [`Fault::CONTEXT_MISMATCH`]: there is nothing of this user's.
    pub(in crate::ipc) fn ending(&self, handle: &Handle) -> Result<Ending, Fault> {
        Ok(Ending(Arc::clone(&self.held(handle)?.has_ended)))
    }

    fn held(&self, handle: &Handle) -> Result<&Held, Fault> {
        let held = self.values.get(&self.number(handle)?);
        let held = held.filter(|held| held.user == self.user && !held.has_ended());
        held.ok_or(Fault::CONTEXT_MISMATCH)
    }

    /// The number in a handle of this group.
    fn number(&self, handle: &Handle) -> Result<u64, Fault> {
        let [a, b, c, d, e, f, g, h, i, j, k, l, mark @ ..] = handle.id;
        let is_ours = u32::from_le_bytes([i, j, k, l]) == self.group && mark == *MARK;
        if handle.attributes != 0 || !is_ours {
            return Err(Fault::CONTEXT_MISMATCH);
        }
        Ok(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }
}

/// What our handles end with.
pub(in crate::ipc) const MARK: &[u8; 4] = b"pipe";
/// The most handles that a group may hold.
const MOST_HANDLES: usize = 512;

#[cfg(test)]
mod tests {
    use server::access::{Privileges, SecurityToken};
    use server::accounts::Identity;
    use server::share::LogOnFacts;

    use super::*;

    fn caller(user: Sid) -> Caller {
        let token = SecurityToken::new(user, user, Vec::new(), Privileges::NONE);
        Caller {
            user: "".into(),
            token: Arc::new(token),
            host: None,
            log_on: None,
        }
    }

    // test [MS-RPCE] 3.3.1.5.7
    #[test]
    fn only_the_user_who_founded_a_group_joins_it() {
        let groups = Arc::new(Groups::default());
        let founder = caller(Sid::SYSTEM);
        let group = groups.found(&founder);
        let handle = group.handles(&founder).open(7_u8).unwrap();
        let joined = groups.join(group.number(), &founder).unwrap();
        assert_eq!(joined.handles(&founder).find::<u8>(&handle), Ok(&7));
        assert!(
            groups
                .join(group.number(), &caller(Sid::ADMINISTRATORS))
                .is_none()
        );
        assert!(groups.join(group.number() + 1, &founder).is_none());
    }

    #[test]
    fn a_handle_means_nothing_in_another_group_or_as_another_kind() {
        let groups = Arc::new(Groups::default());
        let user = caller(Sid::SYSTEM);
        let (one, other) = (groups.found(&user), groups.found(&user));
        let handle = one.handles(&user).open(7_u8).unwrap();
        other.handles(&user).open(7_u8).unwrap();
        assert_eq!(
            other.handles(&user).find::<u8>(&handle),
            Err(Fault::CONTEXT_MISMATCH)
        );
        assert_eq!(
            one.handles(&user).find::<u16>(&handle),
            Err(Fault::CONTEXT_MISMATCH)
        );
        assert_eq!(one.handles(&user).close(&handle), Ok(Handle::NULL));
        assert_eq!(
            one.handles(&user).close(&handle),
            Err(Fault::CONTEXT_MISMATCH)
        );
    }

    #[test]
    fn a_handle_that_has_ended_leaves_nothing_behind() {
        let mut handles = Handles::new(1);
        let handle = handles.open(7_u8).unwrap();
        handles.ending(&handle).unwrap().end();
        assert_eq!(handles.find::<u8>(&handle), Err(Fault::CONTEXT_MISMATCH));
        handles.open(8_u8).unwrap();
        assert_eq!(handles.values.len(), 1);
    }

    #[test]
    fn a_handle_is_nobodys_but_whose_call_made_it() {
        let groups = Arc::new(Groups::default());
        let (anonymous, administrator) = (caller(Sid::ANONYMOUS), caller(Sid::ADMINISTRATORS));
        let group = groups.found(&anonymous);
        // An administrator who has logged on inside a pipe of an anonymous user's.
        let handle = group.handles(&administrator).open(7_u8).unwrap();
        let joined = groups.join(group.number(), &anonymous).unwrap();
        let mismatch = Fault::CONTEXT_MISMATCH;
        assert_eq!(
            joined.handles(&anonymous).find::<u8>(&handle),
            Err(mismatch)
        );
        assert_eq!(joined.handles(&anonymous).close(&handle), Err(mismatch));
        assert_eq!(group.handles(&administrator).find::<u8>(&handle), Ok(&7));
    }

    #[test]
    fn accounts_that_are_served_as_the_same_user_of_the_host_share_no_handles() {
        let groups = Arc::new(Groups::default());
        let account = |kind, user: &str| {
            let identity = Identity {
                user: user.into(),
                domain: String::new(),
                workstation: String::new(),
                kind,
                account: None,
                expires: None,
                method: "test",
            };
            let facts = LogOnFacts {
                identity: Arc::new(identity),
                session_key: None,
                address: None,
                encrypted: false,
            };
            Caller {
                log_on: Some(Arc::new(facts)),
                ..caller(Sid::unix_user(65_534))
            }
        };
        let boss = account(LogonKind::User, "boss");
        let group = groups.found(&boss);
        let handle = group.handles(&boss).open(7_u8).unwrap();
        for other in [
            account(LogonKind::User, "alice"),
            account(LogonKind::Guest, "boss"),
            account(LogonKind::Anonymous, ""),
        ] {
            assert!(groups.join(group.number(), &other).is_none());
            let mismatch = Err(Fault::CONTEXT_MISMATCH);
            assert_eq!(group.handles(&other).find::<u8>(&handle), mismatch);
        }
        let again = account(LogonKind::User, "Boss");
        assert!(groups.join(group.number(), &again).is_some());
        assert_eq!(group.handles(&again).find::<u8>(&handle), Ok(&7));
    }

    #[test]
    fn a_group_ends_with_its_last_association() {
        let groups = Arc::new(Groups::default());
        let founder = caller(Sid::SYSTEM);
        let number = groups.found(&founder).number();
        assert!(groups.join(number, &founder).is_none());
        assert!(groups.table.lock().groups.is_empty());
    }

    #[test]
    fn nobody_holds_more_than_the_most() {
        let mut handles = Handles::new(1);
        for _ in 0..MOST_HANDLES {
            handles.open(()).unwrap();
        }
        assert_eq!(handles.open(()), Err(Fault::NO_MEMORY));
    }
}
