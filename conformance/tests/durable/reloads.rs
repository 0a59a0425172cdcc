//! Opens that wait while the settings change.

use std::sync::Arc;

use auth::{Account, AccountFile, NtHash};
use conformance::client::requests;
use conformance::sim::world::{PASSWORD, USER};
use server::{Environment, Settings, ShareList};
use wire::NtStatus;

use crate::scene::*;

#[test]
fn an_open_waits_only_as_long_as_its_user_could_still_have_it() {
    let mut known = AccountFile::default();
    let account = Account::new(USER, NtHash::of_password(PASSWORD));
    known.add(account).expect("a new account");
    let known = Arc::new(known);
    let nobody = Arc::new(AccountFile::default());
    for (accounts, keeps_share, expected) in [
        (known.clone(), true, NtStatus::SUCCESS),
        (nobody, true, NtStatus::OBJECT_NAME_NOT_FOUND),
        (known, false, NtStatus::OBJECT_NAME_NOT_FOUND),
    ] {
        let scene = Scene::new();
        let mut client = scene.client(1);
        let file_id = opened(&send(&mut client, durable("file"))).file_id;
        assert_eq!(
            status(&mut client, requests::resilient(file_id, 60_000)),
            NtStatus::SUCCESS
        );
        scene.cut(client);
        let shares = scene.server.settings().shares.clone();
        if !keeps_share {
            reload(&scene, ShareList::default());
        }
        enforce(&scene, accounts);
        let is_kept = expected == NtStatus::SUCCESS;
        assert_eq!(scene.server.open_count(), usize::from(is_kept));
        // What comes back is another's: an account of the same name, or a share that is offered again.
        reload(&scene, shares);
        let mut client = scene.client(1);
        assert_eq!(status(&mut client, reconnecting(file_id, GUID)), expected);
        client.finish();
    }
}

fn reload(scene: &Scene, shares: ShareList) {
    let now = scene.server.settings();
    scene.server.reload(Settings {
        configuration: now.configuration.clone(),
        shares,
        mechanism: now.mechanism.clone(),
        negotiate_token: now.negotiate_token.clone(),
    });
}

fn enforce(scene: &Scene, accounts: Arc<AccountFile>) {
    let server = scene.server.clone();
    scene.environment.spawn(Box::pin(async move {
        server::entitlement::enforce(&server, &*accounts).await;
    }));
    scene.environment.run();
}
