//! How notices of breaks are protected.

use config::Encryption;
use conformance::client::{Received, requests};
use wire::{OplockLevel, SessionId};

use crate::clients::*;

// test [MS-SMB2] 3.3.4.1.4
// test [MS-SMB2] 3.3.4.6
// test [MS-SMB2] 3.3.4.7
#[test]
fn notices_are_never_signed_and_encrypted_where_the_session_is() {
    for encryption in [Encryption::Offered, Encryption::Required] {
        let [first, mut other] = two_clients(&[]);
        change_settings(&first.server, |settings| {
            settings.server.encryption = encryption;
        });
        let mut holder = further_client(&first, 3);
        let session = holder.scope.session;
        let create = with_oplock(requests::open_or_create("one"), OplockLevel::BATCH);
        opened(&send(&mut holder, create)[0]);
        let create = with_lease(requests::open_or_create("two"), 2, RWH);
        opened(&send(&mut holder, create)[0]);
        send(&mut other, requests::open("one"));
        send(&mut other, requests::open("two"));
        let [oplock, lease] = &received(&mut holder)[..] else {
            panic!("two notices");
        };
        let expected = match encryption {
            Encryption::Required => Received::Sealed(session),
            _ => Received::Plain,
        };
        assert_eq!([oplock.received, lease.received], [expected; 2]);
        assert_eq!(broken_oplock(oplock).oplock_level, OplockLevel::II);
        assert_eq!(oplock.header.session_id, session);
        assert_eq!(broken_lease(lease).new_lease_state, RH);
        assert_eq!(lease.header.session_id, SessionId(0));
        holder.end.close(None);
        finish([first, other]);
    }
}
