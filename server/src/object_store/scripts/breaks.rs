//! The table of breaks: each operation against each oplock and lease.

use super::World;

// test [MS-FSA] 2.1.4.12
// test [MS-SMB2] 3.3.1.4
#[test]
fn each_operation_takes_from_others_what_the_table_says() {
    let table = include_str!("breaks.txt");
    let mut rows = table
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let held: Vec<&str> = rows.next().unwrap().split_whitespace().collect();
    for row in rows {
        let mut cells = row.split_whitespace();
        let operation = cells.next().unwrap();
        let cells: Vec<&str> = cells.collect();
        assert_eq!(cells.len(), held.len(), "{operation}");
        for (held, cell) in held.iter().zip(cells) {
            assert_eq!(taken(held, operation), cell, "{operation} against {held}");
        }
    }
}

/// What one operation takes, as a cell of the table.
fn taken(held: &str, operation: &str) -> String {
    let mut world = World::new();
    let caching = match held {
        "EXCLUSIVE" | "BATCH" | "II" => format!("oplock={held}"),
        state => format!("lease=1:{state}"),
    };
    let granted = world.command(&format!("open 1 f.txt share=rwd {caching}"));
    assert_eq!(granted, [format!("granted {held}")]);
    let answers = match operation {
        "open" => world.command("open 2 f.txt share=rwd"),
        "attributes" => world.command("open 2 f.txt access=t share=rwd"),
        "control" => world.command("open 2 f.txt access=tc share=rwd"),
        "overwrite" | "supersede" => {
            world.command(&format!("open 2 f.txt access=t share=rwd {operation}"))
        }
        other => {
            assert_eq!(
                world.command("open 2 f.txt access=t share=rwd"),
                ["granted"]
            );
            world.command(&format!("do 2 {other}"))
        }
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
