//! Attributes, times, extended attributes, identity, and the volume.

use server::share::SetInfo;
use wire::NtStatus;
use wire::dtyp::FileTime;
use wire::fscc::file_info::{BasicChange, FullEa};
use wire::fscc::{FileAttributes, Pattern, TimeChange};

use super::rules;
use super::volume::{File, Volume};
use crate::offload::tests::wait;

rules![
    attributes_are_replaced_and_seen_everywhere,
    the_roots_attributes_can_be_asked_for_and_not_hidden,
    times_are_set_and_kept,
    a_time_that_was_set_is_not_moved_through_the_same_open,
    freezing_keeps_and_thawing_frees_the_write_time,
    writing_moves_the_write_time_and_not_the_creation_time,
    a_write_is_seen_in_the_write_time_at_the_next_flush,
    extended_attributes_are_set_replaced_and_removed,
    extended_attributes_with_bad_names_are_refused_whole,
    identities_are_equal_only_for_the_same_object,
    the_volume_tells_the_same_each_time,
];

// test [MS-FSA] 2.1.5.15.2
fn attributes_are_replaced_and_seen_everywhere(volume: &Volume) {
    let file = volume.file("file", b"x");
    let folder = volume.folder("folder");
    let some = FileAttributes::READONLY | FileAttributes::HIDDEN | FileAttributes::SYSTEM;
    file.set_attributes(some);
    folder.set_attributes(some | FileAttributes::DIRECTORY);
    assert_eq!(file.attributes(), some);
    assert_eq!(volume.look("file").unwrap().0.stat.attributes, some);
    assert_eq!(
        volume.look("folder").unwrap().attributes(),
        some | FileAttributes::DIRECTORY
    );
    let listed = volume.look("").unwrap().list_all(&Pattern::any());
    let of = |name: &str| {
        let entry = listed
            .iter()
            .find(|entry| entry.name.to_string_lossy() == name);
        entry.unwrap().stat.attributes
    };
    assert_eq!(
        (of("file"), of("folder")),
        (some, some | FileAttributes::DIRECTORY)
    );
    // Nothing else is left.
    file.set_attributes(FileAttributes::NORMAL);
    folder.set_attributes(FileAttributes::NORMAL);
    assert_eq!(file.attributes(), FileAttributes::NORMAL);
    assert_eq!(folder.attributes(), FileAttributes::DIRECTORY);
    // What cannot be set is ignored.
    file.set_attributes(FileAttributes::COMPRESSED | FileAttributes::HIDDEN);
    assert_eq!(file.attributes(), FileAttributes::HIDDEN);
}

fn the_roots_attributes_can_be_asked_for_and_not_hidden(volume: &Volume) {
    let root = volume.look("").unwrap();
    root.set_attributes(FileAttributes::HIDDEN | FileAttributes::SYSTEM);
    assert_eq!(root.attributes(), FileAttributes::DIRECTORY);
}

fn times(file: &File) -> [FileTime; 4] {
    let stat = wait(file.0.handle.final_stat()).unwrap();
    [
        stat.creation_time,
        stat.last_access_time,
        stat.last_write_time,
        stat.change_time,
    ]
}

/// Days in 2020.
fn day(number: i64) -> FileTime {
    FileTime::from_unix(1_577_836_800 + number * 86_400, 123_400)
}

// test [MS-FSA] 2.1.5.15.2
fn times_are_set_and_kept(volume: &Volume) {
    for file in [volume.file("file", b"x"), volume.folder("folder")] {
        let set = [day(1), day(2), day(3), day(4)];
        file.set_basic(BasicChange {
            creation_time: TimeChange::Set(set[0]),
            last_access_time: TimeChange::Set(set[1]),
            last_write_time: TimeChange::Set(set[2]),
            change_time: TimeChange::Set(set[3]),
            file_attributes: None,
        });
        assert_eq!(times(&file), set);
        file.set_basic(BasicChange::default());
        assert_eq!(times(&file), set, "keeping changes nothing");
        let name = file.name();
        file.close();
        let again = volume.look(&name).unwrap();
        assert_eq!(times(&again), set, "another open sees the same");
        again.set_basic(BasicChange {
            creation_time: TimeChange::Set(day(9)),
            ..BasicChange::default()
        });
        assert_eq!(
            times(&again)[..3],
            [day(9), day(2), day(3)],
            "one is set alone"
        );
    }
}

fn a_time_that_was_set_is_not_moved_through_the_same_open(volume: &Volume) {
    let file = volume.file("file", b"x");
    file.set_basic(BasicChange {
        last_write_time: TimeChange::Set(day(1)),
        ..BasicChange::default()
    });
    file.write(0, b"y").unwrap();
    file.set(SetInfo::EndOfFile(0)).unwrap();
    assert_eq!(times(&file)[2], day(1));
    file.close();
    let other = volume.look("file").unwrap();
    assert_eq!(times(&other)[2], day(1));
    other.write(0, b"z").unwrap();
    assert!(times(&other)[2] > day(1), "another open moves it");
}

// test [MS-FSA] 2.1.5.15.2
fn freezing_keeps_and_thawing_frees_the_write_time(volume: &Volume) {
    volume.file("file", b"x").set_basic(BasicChange {
        last_write_time: TimeChange::Set(day(1)),
        ..BasicChange::default()
    });
    let file = volume.look("file").unwrap();
    let change = |last_write_time| BasicChange {
        last_write_time,
        ..BasicChange::default()
    };
    file.set_basic(change(TimeChange::Freeze));
    file.write(0, b"y").unwrap();
    assert_eq!(times(&file)[2], day(1));
    file.set_basic(change(TimeChange::Thaw));
    file.write(0, b"z").unwrap();
    assert!(times(&file)[2] > day(1));
}

fn writing_moves_the_write_time_and_not_the_creation_time(volume: &Volume) {
    let made = volume.file("file", b"x");
    let created = times(&made)[0];
    made.set_basic(BasicChange {
        last_write_time: TimeChange::Set(day(1)),
        ..BasicChange::default()
    });
    made.set_attributes(FileAttributes::NORMAL);
    made.close();
    let file = volume.look("file").unwrap();
    file.write(0, b"y").unwrap();
    file.close();
    let after = volume.look("file").unwrap();
    assert_eq!(times(&after)[0], created);
    assert!(times(&after)[2] >= created);
    assert_eq!(
        after.attributes(),
        FileAttributes::ARCHIVE,
        "to be archived again"
    );
}

fn a_write_is_seen_in_the_write_time_at_the_next_flush(volume: &Volume) {
    let made = volume.file("file", b"x");
    made.set_basic(BasicChange {
        last_write_time: TimeChange::Set(day(1)),
        ..BasicChange::default()
    });
    made.close();
    let file = volume.look("file").unwrap();
    let other = volume.look("file").unwrap();
    let seen = || file.stat().last_write_time;
    file.write(0, b"y").unwrap();
    assert_eq!(seen(), day(1), "not at once");
    assert_eq!(other.stat().last_write_time, day(1));
    wait(file.0.handle.flush()).unwrap();
    let flushed = seen();
    assert!(flushed > day(1));
    file.write(0, b"z").unwrap();
    assert_eq!(seen(), flushed, "not again");
    file.set(SetInfo::EndOfFile(5)).unwrap();
    assert!(seen() >= flushed);
}

fn attribute(name: &str, value: &str) -> FullEa {
    FullEa {
        name: name.as_bytes().to_vec(),
        value: value.as_bytes().to_vec(),
        ..FullEa::default()
    }
}

fn attributes_of(file: &File) -> Vec<(String, String)> {
    let list = wait(file.0.handle.extended_attributes()).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_uppercase();
    let mut list: Vec<_> = list
        .iter()
        .map(|ea| (text(&ea.name), text(&ea.value)))
        .collect();
    list.sort();
    list
}

// test [MS-FSA] 2.1.5.15.6
fn extended_attributes_are_set_replaced_and_removed(volume: &Volume) {
    for file in [volume.file("file", b""), volume.folder("folder")] {
        let set = |list| file.set(SetInfo::ExtendedAttributes(list));
        assert_eq!(attributes_of(&file), []);
        assert_eq!(file.stat().ea_size, 0);
        set(vec![attribute("ONE", "A"), attribute("Two", "BB")]).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(attributes_of(&file), [pair("ONE", "A"), pair("TWO", "BB")]);
        assert!(file.stat().ea_size > 0);
        set(vec![attribute("one", "CCC"), attribute("TWO", "")]).unwrap();
        assert_eq!(attributes_of(&file), [pair("ONE", "CCC")]);
        set(vec![attribute("none", "")]).unwrap();
        set(vec![attribute("ONE", "")]).unwrap();
        assert_eq!(attributes_of(&file), []);
        assert_eq!(file.stat().ea_size, 0);
    }
}

// test [MS-FSA] 2.1.5.15.6
fn extended_attributes_with_bad_names_are_refused_whole(volume: &Volume) {
    let file = volume.file("file", b"");
    for name in ["", "a:b", "a*", "x\u{1}"] {
        let list = vec![attribute("GOOD", "1"), attribute(name, "1")];
        let refused = file.set(SetInfo::ExtendedAttributes(list));
        assert_eq!(refused, Err(NtStatus::INVALID_EA_NAME), "{name:?}");
        assert_eq!(attributes_of(&file), [], "{name:?}");
    }
}

fn identities_are_equal_only_for_the_same_object(volume: &Volume) {
    let one = volume.file("one", b"");
    let two = volume.file("two", b"");
    let folder = volume.folder("folder");
    let root = volume.look("").unwrap();
    let ids = [&one, &two, &folder, &root].map(File::object);
    for (index, id) in ids.iter().enumerate() {
        assert_eq!(ids.iter().position(|other| other == id), Some(index));
        assert_eq!(id.volume, ids[0].volume);
    }
    assert_eq!(volume.look("ONE").unwrap().object(), one.object());
    assert_eq!(one.stat().file_id, one.object().file);
}

fn the_volume_tells_the_same_each_time(volume: &Volume) {
    let before = wait(volume.handler().volume()).unwrap();
    volume.file("file", &[0; 4096]);
    let after = wait(volume.handler().volume()).unwrap();
    assert_eq!(before.serial_number, after.serial_number);
    assert_eq!(before.object_id, after.object_id);
    assert_eq!(
        (&before.label, before.creation_time),
        (&after.label, after.creation_time)
    );
    assert!(before.free_units <= before.total_units && before.total_units > 0);
    assert!(before.bytes_per_sector >= 512 && before.sectors_per_unit > 0);
    assert_eq!(before.longest_name, 255);
}
