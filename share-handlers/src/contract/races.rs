//! Several clients at once.

use std::sync::Barrier;
use std::thread;

use server::share::{Disposition, Replace, Wanted};
use wire::NtStatus;

use super::rules;
use super::volume::{Volume, how};
use crate::offload::tests::wait;

rules![
    of_many_creators_exactly_one_creates,
    of_many_renames_to_one_name_all_but_one_are_refused,
    appends_do_not_overwrite_each_other,
];

const CLIENTS: usize = 4;

/// Lets several threads do the same at once, each with its number.
fn at_once<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(CLIENTS);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (work, barrier) = (&work, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    work(number)
                })
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect()
    })
}

fn of_many_creators_exactly_one_creates(volume: &Volume) {
    let (handler, owner) = (volume.handler(), volume.owner());
    for round in 0..20 {
        let names = [format!("name {round}"), format!("NAME {round}")];
        let opened = at_once(|number| {
            let name = server::share::Name::parse_text(&names[number % 2]).unwrap();
            let wanted = if round % 2 == 0 {
                Wanted::File
            } else {
                Wanted::Directory
            };
            let opened =
                wait(handler.open(owner, &name, &how(Disposition::Either, wanted))).unwrap();
            (opened.created, opened.handle.object())
        });
        assert_eq!(
            opened.iter().filter(|(created, _)| *created).count(),
            1,
            "{opened:?}"
        );
        assert!(
            opened.iter().all(|(_, object)| *object == opened[0].1),
            "{opened:?}"
        );
        let refused = at_once(|_| {
            let name = server::share::Name::parse_text(&names[0]).unwrap();
            let new = how(Disposition::New, Wanted::Any);
            wait(handler.open(owner, &name, &new)).map(drop)
        });
        assert!(
            refused
                .iter()
                .all(|each| *each == Err(NtStatus::OBJECT_NAME_COLLISION))
        );
    }
    assert_eq!(volume.names("").len(), 20);
}

fn of_many_renames_to_one_name_all_but_one_are_refused(volume: &Volume) {
    for round in 0..10 {
        let files: Vec<_> = (0..CLIENTS)
            .map(|number| {
                volume
                    .file(&format!("{round} {number}"), &[number as u8])
                    .0
                    .handle
            })
            .collect();
        let target = server::share::Name::parse_text(&format!("target {round}")).unwrap();
        let results = at_once(|number| {
            let rename = server::share::SetInfo::Rename {
                target: target.clone(),
                replace: Replace::Never,
            };
            wait(files[number].set(rename))
        });
        let winner = results.iter().position(Result::is_ok).unwrap();
        let losers = results
            .iter()
            .filter(|each| **each == Err(NtStatus::OBJECT_NAME_COLLISION));
        assert_eq!(losers.count(), CLIENTS - 1, "{results:?}");
        assert_eq!(volume.contents(&format!("target {round}")), [winner as u8]);
    }
}

fn appends_do_not_overwrite_each_other(volume: &Volume) {
    let handle = volume.file("log", b"").0.handle;
    at_once(|number| {
        for _ in 0..50 {
            let at = server::share::WriteAt {
                place: server::share::Place::End,
                write_through: false,
            };
            wait(handle.write(at, vec![b'0' + number as u8; 100].into())).unwrap();
        }
    });
    let contents = volume.contents("log");
    assert_eq!(contents.len(), CLIENTS * 50 * 100);
    assert!(
        contents
            .chunks(100)
            .all(|record| record.iter().all(|byte| *byte == record[0]))
    );
}
