//! The tables of caching: each operation against each oplock and lease, each request beside each, each
//! acknowledgment of each break. A table's first row names its columns.

use super::World;

// test [MS-FSA] 2.1.4.12
// test [MS-SMB2] 3.3.1.4
#[test]
fn each_operation_takes_from_others_what_the_table_says() {
    check(include_str!("breaks.txt"), |operation, held| {
        taken(held, operation)
    });
}

// test [MS-FSA] 2.1.5.18
// test [MS-FSA] 2.1.5.18.1
// test [MS-FSA] 2.1.5.18.2
#[test]
fn each_request_is_granted_what_the_table_says() {
    check(include_str!("grants.txt"), granted);
}

// test [MS-FSA] 2.1.5.18.1
// test [MS-FSA] 2.1.5.18.2
#[test]
fn each_lease_is_promoted_as_the_table_says() {
    check(include_str!("promotions.txt"), promoted);
}

// test [MS-FSA] 2.1.5.19
#[test]
fn each_acknowledgment_leaves_what_the_table_says() {
    check(include_str!("oplock_acknowledgments.txt"), acknowledged);
    check(include_str!("lease_acknowledgments.txt"), acknowledged);
}

/// Compares each cell of a table with what the store does, and prints the table as it should stand.
fn check(table: &str, cell: impl Fn(&str, &str) -> String) {
    let mut columns: Vec<&str> = Vec::new();
    let (mut found, mut is_right) = (String::new(), true);
    for line in table.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if columns.is_empty() {
            columns = line.split_whitespace().collect();
            continue;
        }
        let mut cells = line.split_whitespace();
        let row = cells.next().unwrap();
        let right: Vec<&str> = cells.collect();
        let cells: Vec<String> = columns.iter().map(|column| cell(row, column)).collect();
        is_right &= cells == right;
        found.push_str(&format!("{row:<12}{}\n", cells.join(" ")));
    }
    assert!(is_right, "the store's table is, for {columns:?}:\n{found}");
}

/// Opens the file with an oplock or a lease.
fn hold(world: &mut World, held: &str, share: &str) {
    let granted = world.command(&format!("open 1 f.txt share={share} {}", asking(held, 1)));
    assert_eq!(granted, [format!("granted {held}")]);
}

fn asking(caching: &str, key: u8) -> String {
    match caching {
        "EXCLUSIVE" | "BATCH" | "II" => format!("oplock={caching}"),
        state => format!("lease={key}:{state}"),
    }
}

/// What one operation takes, as a cell of the table.
fn taken(held: &str, operation: &str) -> String {
    let mut world = World::new();
    let share = if operation == "conflict" { "" } else { "rwd" };
    hold(&mut world, held, share);
    let answers = match operation {
        "open" | "conflict" => world.command("open 2 f.txt share=rwd"),
        "attributes" => world.command("open 2 f.txt access=t share=rwd"),
        "control" => world.command("open 2 f.txt access=tc share=rwd"),
        "overwrite" | "supersede" => {
            world.command(&format!("open 2 f.txt access=t share=rwd {operation}"))
        }
        other => match other.strip_prefix("own-") {
            Some(own) => world.command(&command(1, own)),
            None => {
                let opened = world.command("open 2 f.txt access=t share=rwd");
                assert_eq!(opened, ["granted"]);
                world.command(&command(2, other))
            }
        },
    };
    let waits = answers.iter().any(|answer| answer == "waits");
    let notice = answers.iter().find(|answer| answer.starts_with("break "));
    let cell = notice.map_or(".".to_owned(), |notice| {
        let (what, wanted) = match notice.split_once(',') {
            Some((what, _)) => (what, true),
            None => (notice.as_str(), false),
        };
        let left = what.rsplit(' ').next().unwrap();
        let how = match (wanted, waits) {
            (_, true) => "!",
            (true, false) => "+",
            (false, false) => "",
        };
        format!("{left}{how}")
    });
    world.command("close 1");
    world.leave();
    cell
}

/// The script's command for an operation of an open.
fn command(open: u8, operation: &str) -> String {
    match operation {
        "keep" | "close" => format!("{operation} {open}"),
        "link" => format!("link {open} g.txt"),
        operation => format!("do {open} {operation}"),
    }
}

/// What an open for attributes alone, which breaks nothing, gets beside what another has.
fn granted(other: &str, wanted: &str) -> String {
    let mut world = World::new();
    let (held, operation) = other.split_once('>').unwrap_or((other, ""));
    match held {
        "nobody" => {}
        "attributes" => drop(world.command("open 1 f.txt access=t share=rwd")),
        "control" => drop(world.command("open 1 f.txt access=tc share=rwd")),
        "open" => drop(world.command("open 1 f.txt share=rwd")),
        "locked" => {
            world.command("open 1 f.txt share=rwd");
            world.command("lock 1 x 0 1");
        }
        held => hold(&mut world, held, "rwd"),
    }
    if !operation.is_empty() {
        let begun = world.command(&format!(
            "open 2 f.txt access=t share=rwd as=other {operation}"
        ));
        let begun = match begun.as_slice() {
            [answer] if answer == "granted" => world.command(&command(2, operation)),
            _ => begun,
        };
        let is_begun = begun.iter().any(|line| line.starts_with("break "));
        assert!(is_begun, "{other}: {begun:?}");
    }
    let asking = asking(wanted, 3);
    let answer = world.command(&format!("open 3 f.txt access=t share=rwd {asking}"));
    let answer = answer.first().map_or("", String::as_str);
    let state = answer.strip_prefix("granted").map(str::trim);
    let cell = match state {
        Some("" | "-") => ".".to_owned(),
        Some(state) => state.to_owned(),
        None => answer.to_owned(),
    };
    world.command("timeout");
    world.command("timeout");
    world.leave();
    cell
}

/// What a lease has after a second open under its key has asked for more.
fn promoted(held: &str, wanted: &str) -> String {
    let mut world = World::new();
    hold(&mut world, held, "rwd");
    let answer = world.command(&format!("open 2 f.txt share=rwd {}", asking(wanted, 1)));
    let cell = answer[0].replace("granted ", "");
    world.leave();
    cell
}

/// What an acknowledgment leaves of what is being broken for an operation.
fn acknowledged(broken: &str, kept: &str) -> String {
    let mut world = World::new();
    let (held, operation) = broken.split_once('>').unwrap();
    hold(&mut world, held, "rwd");
    world.command("open 2 f.txt access=t share=rwd");
    let begun = match operation {
        "open" => world.command("open 3 f.txt share=rwd"),
        operation => world.command(&command(2, operation)),
    };
    assert!(
        begun.iter().any(|line| line.starts_with("break ")),
        "{broken}"
    );
    let answer = match held {
        "EXCLUSIVE" | "BATCH" | "II" => world.command(&format!("ack 1 {kept}")),
        _ => world.command(&format!("ack lease=1 {kept}")),
    };
    let cell = answer[0].replace("keeps ", "");
    world.command("timeout");
    world.command("timeout");
    world.leave();
    cell
}
