//! Listing directories.

use std::collections::BTreeSet;

use server::share::{Entry, ListFrom};
use wire::NtStatus;
use wire::fscc::Pattern;

use super::rules;
use super::volume::{Volume, pattern};

rules![
    dots_come_first_and_every_entry_once,
    a_listing_resumes_behind_any_entry,
    patterns_select_names,
    a_name_without_wildcards_is_looked_up,
    little_room_still_gives_an_entry,
    ten_thousand_entries_are_listed_once_each,
    changes_meanwhile_lose_nothing_else,
    entries_tell_what_the_objects_tell,
    only_directories_are_listed,
];

fn text(entry: &Entry) -> String {
    entry.name.to_string_lossy()
}

fn texts(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(text).collect()
}

fn dots_come_first_and_every_entry_once(volume: &Volume) {
    volume.folder("folder");
    for number in 0..50 {
        volume.file(&format!("folder\\{number}"), b"");
    }
    for folder in ["folder", ""] {
        let listed = texts(&volume.look(folder).unwrap().list_all(&Pattern::any()));
        assert_eq!(listed[..2], [".", ".."]);
        let distinct: BTreeSet<_> = listed.iter().collect();
        assert_eq!(distinct.len(), listed.len());
    }
    assert_eq!(volume.names("folder").len(), 50);
    assert_eq!(volume.names(""), ["folder"]);
}

fn a_listing_resumes_behind_any_entry(volume: &Volume) {
    for number in 0..30 {
        volume.file(&format!("file {number}"), b"");
    }
    let root = volume.look("").unwrap();
    let all = root.list_all(&Pattern::any());
    assert_eq!(all.len(), 32);
    // Forward, backward, and through another open, which knows nothing of this one's cursor.
    for at in (0..32).chain((0..32).rev()) {
        let from = ListFrom::After(all[at].position);
        let rest = root.list(from, &Pattern::any(), 1 << 20).unwrap();
        assert_eq!(texts(&rest), texts(&all[at + 1..]), "behind entry {at}");
    }
    let other = volume.look("").unwrap();
    let rest = other
        .list(ListFrom::After(all[10].position), &Pattern::any(), 1 << 20)
        .unwrap();
    assert_eq!(texts(&rest), texts(&all[11..]));
    let again = root
        .list(ListFrom::Start, &Pattern::any(), 1 << 20)
        .unwrap();
    assert_eq!(texts(&again), texts(&all), "and from the start again");
}

// test [MS-FSA] 2.1.4.4
fn patterns_select_names(volume: &Volume) {
    for name in ["One.txt", "two.TXT", "three.doc", "four"] {
        volume.file(name, b"");
    }
    let root = volume.look("").unwrap();
    let select = |text: &str| {
        let mut names = texts(&root.list_all(&pattern(text)));
        names.sort();
        names
    };
    assert_eq!(select("*.txt"), ["One.txt", "two.TXT"]);
    assert_eq!(select("T*"), ["three.doc", "two.TXT"]);
    assert_eq!(select("?our"), ["four"]);
    assert_eq!(select("*.zip"), [] as [&str; 0]);
    assert_eq!(select("*").len(), 6);
    assert_eq!(select("<.doc"), ["three.doc"]);
}

fn a_name_without_wildcards_is_looked_up(volume: &Volume) {
    volume.file("One.txt", b"123");
    let root = volume.look("").unwrap();
    let found = root.list_all(&pattern("ONE.TXT"));
    assert_eq!(texts(&found), ["One.txt"]);
    assert_eq!(found[0].stat.end_of_file, 3);
    assert_eq!(texts(&root.list_all(&pattern("none"))), [] as [&str; 0]);
    let from = ListFrom::After(found[0].position);
    assert_eq!(root.list(from, &pattern("one.txt"), 4096), Ok(vec![]));
}

fn little_room_still_gives_an_entry(volume: &Volume) {
    volume.file("a name of some length", b"");
    let root = volume.look("").unwrap();
    let mut from = ListFrom::Start;
    for expected in [".", "..", "a name of some length"] {
        let entries = root.list(from, &Pattern::any(), 1).unwrap();
        assert!(!entries.is_empty() && entries.len() <= 2);
        assert_eq!(text(&entries[0]), expected);
        from = ListFrom::After(entries[0].position);
    }
    assert_eq!(root.list(from, &Pattern::any(), 1), Ok(vec![]));
}

fn ten_thousand_entries_are_listed_once_each(volume: &Volume) {
    const COUNT: usize = 10_000;
    let folder = volume.folder("folder");
    for number in 0..COUNT {
        volume.file(&format!("folder\\entry {number:05}"), b"");
    }
    let listed = folder.list_all(&Pattern::any());
    assert_eq!(listed.len(), COUNT + 2);
    let distinct: BTreeSet<_> = listed.iter().map(text).collect();
    assert_eq!(distinct.len(), COUNT + 2);
    let room = 64 << 10;
    let first = folder.list(ListFrom::Start, &Pattern::any(), room).unwrap();
    assert!(
        (100..4000).contains(&first.len()),
        "{} entries for {room} bytes",
        first.len()
    );
    assert_eq!(texts(&folder.list_all(&pattern("*9999"))), ["entry 09999"]);
    assert!(volume.exists("folder\\ENTRY 07777"));
}

fn changes_meanwhile_lose_nothing_else(volume: &Volume) {
    let files: Vec<_> = (0..40)
        .map(|number| volume.file(&format!("old {number}"), b""))
        .collect();
    let root = volume.look("").unwrap();
    let mut seen = root.list(ListFrom::Start, &Pattern::any(), 2000).unwrap();
    assert!((3..40).contains(&seen.len()), "{}", seen.len());
    // Names already listed go, and new ones come.
    let listed: BTreeSet<_> = seen.iter().map(text).collect();
    let gone = files
        .iter()
        .filter(|file| listed.contains(&file.name()))
        .take(2);
    for file in gone {
        file.delete().unwrap();
    }
    for number in 0..5 {
        volume.file(&format!("new {number}"), b"");
    }
    while let Some(last) = seen.last() {
        let more = root
            .list(ListFrom::After(last.position), &Pattern::any(), 2000)
            .unwrap();
        if more.is_empty() {
            break;
        }
        seen.extend(more);
    }
    let names: Vec<_> = seen
        .iter()
        .map(text)
        .filter(|name| name.starts_with("old"))
        .collect();
    let distinct: BTreeSet<_> = names.iter().collect();
    assert_eq!((names.len(), distinct.len()), (40, 40));
}

fn entries_tell_what_the_objects_tell(volume: &Volume) {
    volume.file("file", b"12345");
    volume.folder("folder");
    let listed = volume.look("").unwrap().list_all(&Pattern::any());
    for name in ["file", "folder"] {
        let entry = listed.iter().find(|entry| text(entry) == name).unwrap();
        let stat = volume.look(name).unwrap().stat();
        assert_eq!(entry.stat, stat, "{name}");
    }
    assert_eq!(
        listed[0].stat.file_id,
        volume.look("").unwrap().stat().file_id
    );
}

fn only_directories_are_listed(volume: &Volume) {
    let file = volume.file("file", b"");
    let listed = file.list(ListFrom::Start, &Pattern::any(), 4096);
    assert_eq!(listed, Err(NtStatus::INVALID_PARAMETER));
}
