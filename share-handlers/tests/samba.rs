//! What this server keeps beside files, Samba reads, and the reverse: a private `smbd` serves the
//! same folder.
//!
//! Needs root, `smbd` with its `acl_xattr` and `streams_xattr` modules, and `smbclient`; without
//! them it says so and is skipped.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use server::access::{LogOn, Privileges, SecurityToken};
use server::share::{
    Answer, Caller, Disposition, Handle, Name, OpenHow, Opened, Place, ReplyRoom, SetInfo,
    ShareHandler, Wanted, WriteAt,
};
use share_handlers::disk::{DiskHandler, DiskOptions};
use share_handlers::offload::Inline;
use wire::dtyp::{
    AccessMask, Ace, AceFlags, Acl, AclSlot, FileTime, SecurityDescriptor, SecurityInformation, Sid,
};
use wire::fscc::file_info::BasicChange;
use wire::fscc::{FileAttributes, TimeChange};

/// Both servers on one folder.
struct Both {
    folder: tempfile::TempDir,
    samba: Child,
    port: u16,
    handler: DiskHandler,
    caller: Caller,
}

impl Drop for Both {
    fn drop(&mut self) {
        let _ = self.samba.kill();
        let _ = self.samba.wait();
    }
}

impl Both {
    fn start() -> Option<Self> {
        let root = fs::read_to_string("/proc/self/status")
            .is_ok_and(|status| status.lines().any(|line| line.starts_with("Uid:\t0\t0\t0")));
        let installed = |program: &str| {
            let version = Command::new(program)
                .arg("--version")
                .stdout(Stdio::null())
                .status();
            version.is_ok_and(|status| status.success())
        };
        if !root || !installed("smbd") || !installed("smbclient") {
            eprintln!("skipped, needs root, smbd and smbclient: samba");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        for name in ["share", "state"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        fs::write(
            folder.path().join("smb.conf"),
            configuration(folder.path(), port),
        )
        .unwrap();
        let samba = Command::new("smbd")
            .args(["--foreground", "--no-process-group", "--configfile"])
            .arg(folder.path().join("smb.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let options = DiskOptions::new(folder.path().join("share"));
        let handler = DiskHandler::new(options, Arc::new(Inline)).unwrap();
        let (user, group) = (Sid::unix_user(0), Sid::unix_group(0));
        let token =
            SecurityToken::for_log_on(LogOn::Authenticated, user, group, vec![], Privileges::NONE);
        let caller = Caller {
            user: "user".into(),
            token: Arc::new(token),
            host: None,
            log_on: None,
        };
        let both = Self {
            folder,
            samba,
            port,
            handler,
            caller,
        };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "smbd does not listen"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(both)
    }

    fn smbclient(&self, command: &str) -> String {
        let output = Command::new("smbclient")
            .args([
                "//127.0.0.1/s",
                "--no-pass",
                "--port",
                &self.port.to_string(),
            ])
            .args([
                "--configfile".as_ref(),
                self.folder.path().join("smb.conf").as_os_str(),
            ])
            .args(["--command", command])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command}: {text}");
        text
    }

    fn open(&self, name: &str, disposition: Disposition) -> Opened {
        let how = OpenHow {
            desired_access: AccessMask::FILE_READ_DATA | AccessMask::FILE_WRITE_DATA,
            disposition,
            overwrite: false,
            wanted: Wanted::Any,
            attributes: FileAttributes::NONE,
            security: None,
            allocation_size: 0,
            extended_attributes: vec![],
            write_through: false,
            open_reparse_point: false,
            backup_intent: false,
            snapshot: None,
        };
        let name = Name::parse_text(name).unwrap();
        now(self.handler.open(&self.caller, &name, &how)).unwrap()
    }

    fn write(&self, name: &str, data: &'static [u8]) -> Opened {
        let opened = self.open(name, Disposition::Either);
        let at = WriteAt {
            place: Place::Offset(0),
            write_through: false,
        };
        now(opened.handle.write(at, Bytes::from_static(data))).unwrap();
        opened
    }
}

fn configuration(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    let state = [
        "private dir",
        "lock directory",
        "state directory",
        "cache directory",
        "pid directory",
        "ncalrpc dir",
    ];
    let state: String = state
        .iter()
        .map(|key| format!("{key} = {folder}/state\n"))
        .collect();
    format!(
        "[global]\nserver role = standalone server\nsmb ports = {port}\ninterfaces = lo\n{state}\
         log file = {folder}/log\nmap to guest = bad user\nguest account = root\n\
         disable spoolss = yes\nload printers = no\n\
         [s]\npath = {folder}/share\nread only = no\nguest ok = yes\nstore dos attributes = yes\n\
         vfs objects = acl_xattr streams_xattr\n"
    )
}

/// What an answer says that is known at its first poll, as all are with an inline pool.
fn now<T>(mut answer: Answer<'_, T>) -> Result<T, wire::NtStatus> {
    match answer
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("the pool works inline"),
    }
}

fn read(handle: &Arc<dyn Handle>) -> Vec<u8> {
    let mut room = ReplyRoom::new(BytesMut::new(), 0, 1000);
    let read = now(handle.read(0, &mut room)).unwrap() as usize;
    room.as_mut_slice()[..read].to_vec()
}

#[test]
fn samba_and_this_server_read_what_the_other_keeps() {
    let Some(both) = Both::start() else { return };
    attributes_of_samba(&both);
    attributes_of_ours(&both);
    streams(&both);
    descriptors(&both);
}

fn attributes_of_samba(both: &Both) {
    let local = both.folder.path().join("local");
    fs::write(&local, "from samba").unwrap();
    both.smbclient(&format!(
        "put {} theirs; setmode theirs +rhs",
        local.display()
    ));
    let theirs = both.open("theirs", Disposition::Existing);
    let expected = FileAttributes::READONLY
        | FileAttributes::HIDDEN
        | FileAttributes::SYSTEM
        | FileAttributes::ARCHIVE;
    assert_eq!(theirs.stat.attributes, expected);
    assert!(theirs.stat.creation_time <= theirs.stat.last_write_time);
    assert_eq!(read(&theirs.handle), b"from samba");
}

fn attributes_of_ours(both: &Both) {
    let ours = both.write("ours", b"from us");
    let change = |creation_time, change_time| {
        let basic = BasicChange {
            creation_time,
            change_time,
            file_attributes: Some(FileAttributes::HIDDEN | FileAttributes::READONLY),
            ..BasicChange::default()
        };
        now(ours.handle.set(SetInfo::Basic(basic))).unwrap();
        both.smbclient("allinfo ours")
    };
    let then = FileTime::from_unix(1_000_000_000, 0);
    // With and without a ChangeTime, which are kept in two versions of the attribute.
    for change_time in [TimeChange::Set(then), TimeChange::Keep] {
        let told = change(TimeChange::Set(then), change_time);
        assert!(told.contains("attributes: RH (3)"), "{told}");
        let created = told
            .lines()
            .find(|line| line.starts_with("create_time:"))
            .unwrap();
        assert!(
            created.contains("Sep  9") && created.contains("2001"),
            "{told}"
        );
    }
}

fn streams(both: &Both) {
    both.write("streams", b"");
    both.write("streams:ours", b"one of ours");
    let told = both.smbclient("allinfo streams");
    assert!(told.contains("[:ours:$DATA], 11 bytes"), "{told}");
    let local = both.folder.path().join("local");
    both.smbclient(&format!("put {} streams:theirs", local.display()));
    let theirs = both.open("streams:THEIRS", Disposition::Existing);
    assert_eq!(read(&theirs.handle), b"from samba");
    let back = both.folder.path().join("back");
    both.smbclient(&format!("get streams:ours {}", back.display()));
    assert_eq!(fs::read(back).unwrap(), b"one of ours");
}

fn descriptors(both: &Both) {
    let ours = both.write("secured", b"");
    let sid: Sid = "S-1-5-21-1-2-3-1104".parse().unwrap();
    let all = Ace::allowed(sid, AccessMask::FILE_GENERIC_READ, AceFlags::NONE);
    let everyone = Ace::allowed(Sid::EVERYONE, AccessMask::FILE_ALL_ACCESS, AceFlags::NONE);
    let descriptor = SecurityDescriptor {
        dacl: AclSlot::List(Acl::from_aces([all, everyone]).unwrap()),
        ..SecurityDescriptor::default()
    };
    now(ours
        .handle
        .set_security(SecurityInformation::DACL, descriptor))
    .unwrap();
    let told = both.smbclient("showacls; ls secured");
    assert!(told.contains("SID: S-1-5-21-1-2-3-1104"), "{told}");
    assert!(told.contains("SID: S-1-1-0"), "{told}");
    let theirs = both.open("theirs", Disposition::Existing);
    let owner = theirs
        .security
        .as_ref()
        .and_then(|descriptor| descriptor.owner)
        .unwrap();
    let told = both.smbclient("showacls; ls theirs");
    assert!(
        told.contains(&format!("Owner SID:\t{owner}")),
        "{owner} is not in {told}"
    );
    assert!(
        owner.as_unix_user().is_none(),
        "the stored descriptor was not read: {owner}"
    );
}
