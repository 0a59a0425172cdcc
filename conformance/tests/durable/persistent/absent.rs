//! Servers that are started before the volume of a share, or the share, is there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use conformance::client::requests;
use conformance::fuzz::rig::{Rig, leftovers};
use conformance::sim::Virtual;
use conformance::sim::world::{Estate, SHARE, accounts};
use server::object_store::ShareId;
use server::persistence::{self, Restored};
use server::share::Share;
use server::{Environment, Settings, ShareList};
use share_handlers::memory::{MemoryHandler, MemoryOptions};
use share_handlers::wrappers::faulty::{Fault, Faults, Faulty};
use wire::dtyp::FileTime;
use wire::fscc::SetFileInformation;
use wire::fscc::file_info::{RenameFlags, RenameInformation};
use wire::lock::LockFlags;
use wire::{CreateRequest, FileId, NtStatus, SetInfoRequest};

use super::estate::*;
use super::only_open;
use super::replayed::repeat;
use crate::scene::*;

const ABSENT: Restored = Restored {
    opens: 0,
    absent: 1,
    expired: 0,
    refused: 0,
    unreadable: 0,
};

/// A server that is started while the volume of its share is not mounted, and the shares that it would
/// have had otherwise.
struct Early {
    world: World,
    whole: ShareList,
    file_id: FileId,
}

impl Early {
    /// One open with a lock has been left.
    fn new(down: Duration) -> (Self, Restored) {
        let world = World::new();
        let mut client = world.client(1);
        let file_id = opened(&send(&mut client, persistent("file"))).file_id;
        let exclusive = LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY;
        let lock = requests::lock(file_id, 7, 1, exclusive);
        assert_eq!(status(&mut client, lock), NtStatus::SUCCESS);
        let World { scene, estate } = world;
        let whole = estate.server(&scene.environment).settings().shares.clone();
        let options = MemoryOptions::new("underneath");
        let volume = MemoryHandler::new(options, Arc::new(|| FileTime(1)));
        let underneath = Estate {
            volume: Arc::new(volume.expect("an empty volume fits")),
            records: estate.records.clone(),
            permissions: None,
            disconnected_opens_per_user: 8,
        };
        let world = World {
            scene,
            estate: underneath,
        };
        let (world, restored) = world.killed(down);
        let early = Self {
            world,
            whole,
            file_id,
        };
        (early, restored)
    }

    /// What the share shows from now on.
    fn show(&self, shares: ShareList) {
        let server = &self.world.scene.server;
        let now = server.settings();
        server.reload(Settings {
            configuration: now.configuration.clone(),
            shares,
            mechanism: now.mechanism.clone(),
            negotiate_token: now.negotiate_token.clone(),
        });
    }

    fn retry(&self) -> Restored {
        let server = self.world.scene.server.clone();
        let retry = async move { persistence::retry(&server, &accounts()).await };
        run(&self.world.scene.environment, retry)
    }

    fn returning(&self) -> CreateRequest {
        returning("file", self.file_id)
    }
}

/// Renames a new file over another.
fn replacing(client: &mut Rig, target: &str) -> SetInfoRequest {
    let deleting = deleting("new");
    let new = opened(&send(client, deleting)).file_id;
    let rename = SetFileInformation::Rename(RenameInformation {
        flags: RenameFlags::REPLACE_IF_EXISTS,
        root_directory: 0,
        file_name: target.into(),
    });
    requests::set_file(new, &rename)
}

// test [MS-SMB2] 3.3.5.9.12
#[test]
fn an_open_waits_for_its_volume_and_its_client_is_told_to_ask_again() {
    let (early, restored) = Early::new(Duration::ZERO);
    assert_eq!(restored, ABSENT);
    let mut client = early.world.client(1);
    let expected = NtStatus::FILE_NOT_AVAILABLE;
    assert_eq!(status(&mut client, early.returning()), expected);
    let replayed = repeat(&mut client, persistent("file"));
    assert_eq!(replayed.status(), expected);
    assert_eq!(early.retry(), ABSENT);
    client.end.close(None);
    early.show(early.whole.clone());
    let mut other = early.world.client(2);
    let expected = NtStatus::FILE_NOT_AVAILABLE;
    let request = requests::open("file");
    assert_eq!(status(&mut other, request), expected, "it is not free");
    let over = replacing(&mut other, "file");
    assert_eq!(status(&mut other, over), expected, "nor to be replaced");
    assert_eq!(early.retry(), only_open());
    assert_eq!(early.retry(), Restored::default());
    other.end.close(None);
    let mut client = early.world.client(1);
    let again = opened(&send(&mut client, early.returning())).file_id;
    let exclusive = LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY;
    let lock = requests::lock(again, 7, 1, exclusive);
    let expected = NtStatus::LOCK_NOT_GRANTED;
    assert_eq!(status(&mut client, lock), expected, "it has its lock");
    client.finish();
}

#[test]
fn an_open_waits_for_its_share() {
    let (early, _) = Early::new(Duration::ZERO);
    early.show(ShareList::default());
    assert_eq!(early.retry(), ABSENT);
    early.show(early.whole.clone());
    assert_eq!(early.retry(), only_open());
}

#[test]
fn an_open_waits_for_its_volume_no_longer_than_for_its_client() {
    for down in [Duration::ZERO, Duration::from_secs(3_600)] {
        let (early, restored) = Early::new(down);
        let expired = Restored {
            expired: 1,
            absent: 0,
            ..ABSENT
        };
        // When the server that was killed had begun to wait nobody knows.
        assert_eq!(restored, ABSENT);
        assert_eq!(early.world.estate.records.all().len(), 2);
        let environment = &early.world.scene.environment;
        environment.advance(environment.elapsed() + Duration::from_secs(3_600));
        assert_eq!(early.retry(), expired);
        assert_eq!(early.world.estate.records.all(), []);
        assert_eq!(leftovers(&early.world.scene.server), None);
        let mut client = early.world.client(1);
        let expected = NtStatus::OBJECT_NAME_NOT_FOUND;
        assert_eq!(status(&mut client, early.returning()), expected);
        client.finish();
    }
}

/// Has each call wait for a second.
struct Late(Virtual);

impl Faults for Late {
    fn next(&self, _: &'static str) -> Fault {
        Fault {
            delay: Some(self.0.sleep(Duration::from_secs(1))),
            ..Fault::default()
        }
    }
}

#[test]
fn of_two_who_look_at_once_for_what_opens_wait_for_none_takes_the_others_away() {
    let (early, _) = Early::new(Duration::ZERO);
    let scene = &early.world.scene;
    let whole = early.whole.find(SHARE).expect("there is one");
    let late = Faulty::over(
        whole.handler.clone(),
        Arc::new(Late(scene.environment.clone())),
    );
    let share = Share::new(ShareId(1), whole.settings.clone(), late);
    early.show([Arc::new(share)].into_iter().collect());
    let told = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..2 {
        let (server, told) = (scene.server.clone(), told.clone());
        scene.environment.spawn(Box::pin(async move {
            let restored = persistence::retry(&server, &accounts()).await;
            told.lock().expect("one thread").push(restored);
        }));
    }
    scene.environment.run();
    scene.pass(Duration::from_secs(10));
    assert_eq!(*told.lock().expect("one thread"), [ABSENT, only_open()]);
    assert_eq!(scene.server.open_count(), 1);
    assert_eq!(early.world.estate.records.all().len(), 2);
}

// test [MS-SMB2] 3.3.5.9.12
#[test]
fn nobody_is_told_of_an_open_of_another_user_that_waits_for_its_volume() {
    let (early, _) = Early::new(Duration::ZERO);
    let mut client = early.world.scene.client_of_another_user(1);
    let expected = NtStatus::OBJECT_NAME_NOT_FOUND;
    assert_eq!(status(&mut client, early.returning()), expected);
    client.end.close(None);
}
