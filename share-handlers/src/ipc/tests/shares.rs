//! Changes of shares, as the program is asked for them.

use config::{Caching, Oplocks, Permissions};
use parking_lot::Mutex;
use server::accounts::{Account, Group};
use server::share::{AccountChange, MachineId, NewShare, ShareChange};

use wire::Writer;
use wire::dtyp::{Ace, AceFlags, Acl, AclSlot, SecurityDescriptor};

use super::*;

/// Keeps what is asked for, and lets all of it happen.
#[derive(Default)]
struct Recorder(Mutex<Vec<ShareChange>>);

impl Administration for Recorder {
    fn machine(&self) -> MachineId {
        [1, 2, 3]
    }

    fn accounts(&self) -> Vec<Arc<Account>> {
        Vec::new()
    }

    fn groups(&self) -> Vec<Arc<Group>> {
        Vec::new()
    }

    fn host_user(&self, _: u32) -> Option<String> {
        None
    }

    fn host_group(&self, _: u32) -> Option<String> {
        None
    }

    fn change_account(&self, _: AccountChange) -> Answer<'static, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn change_share(&self, change: ShareChange) -> Answer<'static, ()> {
        self.0.lock().push(change);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Has the share called `Shared` set at a level; gives the error and what the program was asked for.
fn set(groups: &[Sid], level: u32, info: &[u8]) -> (u32, Option<NewShare>) {
    let recorder = Arc::new(Recorder::default());
    let handler = IpcHandler::new(Arc::new(Lab), recorder.clone(), Arc::new(Inline));
    let how = OpenHow::to_look(AccessMask::FILE_GENERIC_READ);
    let name = Name::parse_text("srvsvc").unwrap();
    let pipe = now(handler.open(&caller(groups), &name, &how))
        .unwrap()
        .handle;
    assert_eq!(transact(&*pipe, &bytes(MACOS_BIND)).data[2], 12);
    let mut stub = numbers(&[0, 7, 0, 7]);
    stub.extend("Shared\0".encode_utf16().flat_map(u16::to_le_bytes));
    stub.resize(stub.len().next_multiple_of(4), 0);
    stub.extend(numbers(&[level, level, 1]));
    stub.extend(info);
    stub.resize(stub.len().next_multiple_of(4), 0);
    stub.extend(numbers(&[0]));
    let error = last_number(&call(&*pipe, 17, &stub));
    let mut asked = std::mem::take(&mut *recorder.0.lock());
    assert!(asked.len() <= 1);
    let share = asked.pop().map(|change| match change {
        ShareChange::Set(share) => share,
        other => panic!("{other:?}"),
    });
    (error, share)
}

/// A descriptor at level 1501.
fn with_descriptor(descriptor: &SecurityDescriptor) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    descriptor.encode(&mut Writer::new(&mut bytes));
    let length = bytes.len() as u32;
    let mut info = numbers(&[length, 1, length]);
    info.extend_from_slice(&bytes);
    info
}

fn readers() -> Permissions {
    "D:(A;;FR;;;WD)".parse().unwrap()
}

const ADMINISTRATORS: &[Sid] = &[Sid::ADMINISTRATORS];

// test [MS-SRVS] 3.1.4.11
#[test]
fn administrators_set_the_permissions_of_a_share_and_nothing_else_with_them() {
    let descriptor = SecurityDescriptor {
        dacl: AclSlot::List(readers().list().clone()),
        ..SecurityDescriptor::default()
    };
    let (error, share) = set(ADMINISTRATORS, 1501, &with_descriptor(&descriptor));
    let share = share.unwrap();
    assert_eq!((error, share.permissions), (0, Some(readers())));
    assert_eq!(share.comment, "Shared Folder");
    assert_eq!(set(&[], 1501, &with_descriptor(&descriptor)), (5, None));
    let all = SecurityDescriptor {
        dacl: AclSlot::Null,
        ..descriptor
    };
    let (error, share) = set(ADMINISTRATORS, 1501, &with_descriptor(&all));
    assert_eq!((error, share.unwrap().permissions), (0, None));
    assert_eq!(
        set(ADMINISTRATORS, 1501, &numbers(&[2, 1, 2, 0])),
        (87, None)
    );
}

#[test]
fn an_entry_that_permissions_cannot_hold_is_refused() {
    let audit = Ace::audit(
        Sid::EVERYONE,
        AccessMask::FILE_ALL_ACCESS,
        AceFlags::default(),
    );
    let descriptor = SecurityDescriptor {
        dacl: AclSlot::List(Acl::from_aces([audit]).unwrap()),
        ..SecurityDescriptor::default()
    };
    assert_eq!(
        set(ADMINISTRATORS, 1501, &with_descriptor(&descriptor)),
        (87, None)
    );
}

// test [MS-SRVS] 2.2.4.29
#[test]
fn flags_are_set_as_far_as_the_server_carries_them_out() {
    let (error, share) = set(ADMINISTRATORS, 1005, &numbers(&[0xd831]));
    let share = share.unwrap();
    assert_eq!((error, share.caching), (0, Caching::Never));
    assert_eq!(share.oplocks, Oplocks::Reading);
    assert!(share.encrypted && share.access_based_enumeration);
    assert!(share.continuous_availability);
    let (error, share) = set(ADMINISTRATORS, 1005, &numbers(&[0x10]));
    let share = share.unwrap();
    assert_eq!((error, share.caching), (0, Caching::Documents));
    assert_eq!(share.oplocks, Oplocks::All);
    assert!(!share.encrypted && !share.access_based_enumeration);
    assert!(!share.continuous_availability);
    for unknown in [0x0100, 0x0200, 0x0400, 0x2000, 0x0010_0000] {
        let refused = set(ADMINISTRATORS, 1005, &numbers(&[unknown]));
        assert_eq!(refused, (50, None), "{unknown:#x}");
    }
    assert_eq!(set(&[], 1005, &numbers(&[0])), (5, None));
}

#[test]
fn comment_and_limit_are_set_and_levels_for_asking_are_refused() {
    let mut info = numbers(&[1, 3, 0, 3]);
    info.extend("hi\0".encode_utf16().flat_map(u16::to_le_bytes));
    let (error, share) = set(ADMINISTRATORS, 1004, &info);
    assert_eq!((error, share.unwrap().comment), (0, "hi".to_owned()));
    let (error, share) = set(ADMINISTRATORS, 1006, &numbers(&[9]));
    assert_eq!((error, share.unwrap().max_uses), (0, Some(9)));
    let (error, share) = set(ADMINISTRATORS, 1006, &numbers(&[u32::MAX]));
    assert_eq!((error, share.unwrap().max_uses), (0, None));
    assert_eq!(set(ADMINISTRATORS, 1007, &numbers(&[0, 0])), (124, None));
    let (error, share) = set(ADMINISTRATORS, 1004, &numbers(&[0]));
    assert_eq!(
        (error, share.unwrap().comment),
        (0, "Shared Folder".to_owned())
    );
}
