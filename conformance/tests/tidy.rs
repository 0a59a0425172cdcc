//! House checks: what the style asks of every file and no compiler checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use conformance::trace::workspace::{self, TextFile};
use conformance::trace::{Report, Specifications};

const LONGEST_FILE: usize = 600;
const LONGEST_FUNCTION: usize = 70;

/// Files that are mostly a table, and may be longer.
const TABLES: &[&str] = &[
    "wire/src/fscc/upcase_table.rs",
    "wire/src/status.rs",
    "config/src/schema.rs",
];

/// Which of our crates each may depend on. Nothing of ours for whoever is not listed.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "smbd",
        &[
            "transport",
            "share-handlers",
            "server",
            "auth",
            "config",
            "wire",
        ],
    ),
    ("share-handlers", &["server", "config", "wire"]),
    ("server", &["auth", "config", "wire"]),
    ("auth", &["wire"]),
    ("config", &["wire"]),
    (
        "conformance",
        &[
            "wire",
            "auth",
            "config",
            "server",
            "share-handlers",
            "transport",
            "smbd",
        ],
    ),
];

/// Crates that are handed time, entropy and bytes, and reach for nothing themselves.
const SANS_IO: &[&str] = &["wire/src/", "auth/src/", "server/src/", "config/src/"];

fn rust() -> Vec<TextFile> {
    workspace::files(&workspace::root(), &[".rs"])
}

fn fail_on(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{} to mend:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn no_file_is_too_long() {
    let is_long = |file: &TextFile| {
        !TABLES.contains(&&*file.path) && file.text.lines().count() > LONGEST_FILE
    };
    let long = rust().into_iter().filter(is_long);
    let show = |file: TextFile| format!("{}: {} lines", file.path, file.text.lines().count());
    fail_on(&long.map(show).collect::<Vec<_>>());
}

#[test]
fn no_function_is_too_long() {
    let mut wrong = Vec::new();
    for file in rust() {
        let lines: Vec<_> = file.text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            if !starts_function(code) {
                continue;
            }
            let indent = &line[..line.len() - code.len()];
            let end = format!("{indent}}}");
            let body = lines[at..].iter().take_while(|line| **line != end);
            let is_code = |line: &&&str| !line.trim().is_empty() && !line.trim().starts_with("//");
            let length = body.filter(is_code).count();
            if !code.ends_with(';') && !code.ends_with('}') && length > LONGEST_FUNCTION + 8 {
                wrong.push(format!("{}:{}: {length} lines", file.path, at + 1));
            }
        }
    }
    fail_on(&wrong);
}

fn starts_function(code: &str) -> bool {
    let modifiers = [
        "pub ",
        "pub(crate) ",
        "pub(super) ",
        "async ",
        "const ",
        "unsafe ",
    ];
    let mut rest = code;
    while let Some(next) = modifiers.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = next;
    }
    rest.starts_with("fn ")
}

#[test]
fn every_citation_has_the_one_form_and_names_a_pinned_section() {
    let pinned = workspace::root().join("docs/specifications.md");
    let text = fs::read_to_string(pinned).expect("docs/specifications.md");
    let report = Report::new(&rust(), Specifications::from_markdown(&text));
    fail_on(&report.malformed);
    fail_on(&report.unpinned);
}

/// Words that say nothing, or speak of where and how something was written.
fn banned_words() -> Vec<String> {
    // In pieces, so that this file does not hold them.
    let pieces: &[&[&str]] = &[
        &["ut", "ils"],
        &["mi", "sc"],
        &["for ", "now"],
        &["place", "holder"],
        &["ha", "ck"],
        &["dum", "my"],
        &["fix", "me"],
        &["xx", "x"],
        &["quick ", "fix"],
        &["temporary ", "solution"],
        &["language ", "model"],
        &["/wo", "rk/"],
        &["/ho", "me/"],
        &["/ro", "ot/"],
        &["crates", ".io"],
        &["pypi", ".org"],
    ];
    pieces.iter().map(|pieces| pieces.concat()).collect()
}

#[test]
fn no_banned_word_is_used() {
    let endings = [".rs", ".md", ".toml", ".py", ".sh", ".service", ".socket"];
    let words = banned_words();
    let mut wrong = Vec::new();
    for file in workspace::files(&workspace::root(), &endings) {
        for (at, line) in file.text.lines().enumerate() {
            let lower = line.to_lowercase();
            for word in words.iter().filter(|word| has_word(&lower, word)) {
                wrong.push(format!("{}:{}: {word}", file.path, at + 1));
            }
        }
    }
    fail_on(&wrong);
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let before = letter(line[..at].chars().next_back());
        let after = letter(line[at + word.len()..].chars().next());
        let is_path = word.starts_with('/');
        !before && (is_path || !after)
    })
}

#[test]
fn crates_depend_only_along_the_arrows() {
    let ours: Vec<_> = ARROWS
        .iter()
        .map(|(name, _)| *name)
        .chain(["wire", "transport"])
        .collect();
    let mut wrong = Vec::new();
    for name in &ours {
        let path = workspace::root().join(name).join("Cargo.toml");
        let manifest = fs::read_to_string(path).expect("a manifest");
        let found = ARROWS.iter().find(|(from, _)| from == name);
        let allowed = found.map_or(&[][..], |(_, to)| to);
        for dependency in dependencies(&manifest) {
            if ours.contains(&&*dependency) && !allowed.contains(&&*dependency) {
                wrong.push(format!("{name} depends on {dependency}"));
            }
        }
    }
    fail_on(&wrong);
}

/// The keys of the dependency tables, those for tests too.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in manifest.lines() {
        if let Some(table) = line.strip_prefix('[') {
            inside = table.trim_end_matches(']').ends_with("dependencies");
        } else if inside && let Some((key, _)) = line.split_once('=') {
            let name = key.split('.').next().unwrap_or(key);
            found.push(name.trim().to_owned());
        }
    }
    found
}

#[test]
fn sans_io_crates_reach_for_nothing() {
    let reached = [
        "std::fs",
        "std::thread",
        "Instant::now",
        "SystemTime",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "UnixStream",
        "File::open",
        "tokio::",
        "std::env",
        "std::process",
    ];
    let mut wrong = Vec::new();
    for file in rust() {
        if !SANS_IO.iter().any(|folder| file.path.starts_with(folder)) || is_test(&file.path) {
            continue;
        }
        let code = file
            .text
            .split("#[cfg(test)]\nmod ")
            .next()
            .unwrap_or_default();
        for (at, line) in code.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            for name in reached
                .iter()
                .filter(|name| !is_comment && line.contains(**name))
            {
                wrong.push(format!("{}:{}: {name}", file.path, at + 1));
            }
        }
    }
    fail_on(&wrong);
}

fn is_test(path: &str) -> bool {
    [
        "/tests/",
        "/tests.rs",
        "/testing.rs",
        "/scripts.rs",
        "/stress.rs",
        "/test_support.rs",
    ]
    .iter()
    .any(|part| path.contains(part))
}

#[test]
fn every_file_is_reached_from_a_crate_root() {
    let files = rust();
    let by_path: BTreeMap<_, _> = files.iter().map(|f| (f.path.as_str(), f)).collect();
    let mut reached = BTreeSet::new();
    let mut open: Vec<String> = files
        .iter()
        .map(|file| file.path.clone())
        .filter(|path| is_root(path))
        .collect();
    while let Some(path) = open.pop() {
        let Some(file) = by_path.get(path.as_str()) else {
            continue;
        };
        if reached.insert(path.clone()) {
            open.extend(children(&path, &file.text));
        }
    }
    let dead = files.iter().filter(|file| !reached.contains(&file.path));
    fail_on(&dead.map(|file| file.path.clone()).collect::<Vec<_>>());
}

fn is_root(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    let tail = parts.get(parts.len().saturating_sub(3)..).unwrap_or(&parts);
    let name = parts.last().copied().unwrap_or_default();
    let folder = parts.iter().rev().nth(1).copied().unwrap_or_default();
    let above = tail.first().copied().unwrap_or_default();
    let in_src = folder == "src" && ["lib.rs", "main.rs"].contains(&name);
    let alone = ["bin", "fuzz_targets", "benches", "examples"].contains(&folder);
    let test = parts.get(1) == Some(&"tests") && (parts.len() == 3 || name == "main.rs");
    in_src || alone || test || above == "bin" && name == "main.rs" || name == "build.rs"
}

/// The files that `mod name;` may mean, and that `#[path]` names.
fn children(path: &str, text: &str) -> Vec<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let own = is_root(path) || name == "mod.rs";
    let base = if own {
        folder.to_owned()
    } else {
        format!("{folder}/{}", name.trim_end_matches(".rs"))
    };
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(other) = line
            .strip_prefix("#[path = \"")
            .and_then(|l| l.strip_suffix("\"]"))
        {
            found.push(format!("{folder}/{other}"));
        }
        let visible = ["pub(crate) ", "pub(super) ", "pub "];
        let line = visible
            .iter()
            .find_map(|word| line.strip_prefix(word))
            .unwrap_or(line);
        if let Some(module) = line.strip_prefix("mod ").and_then(|l| l.strip_suffix(';')) {
            found.push(format!("{base}/{module}.rs"));
            found.push(format!("{base}/{module}/mod.rs"));
        }
    }
    found
}

#[test]
fn every_outside_dependency_has_its_reason() {
    let root = workspace::root();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("the manifest");
    let decisions = workspace::files(&root.join("docs/decisions"), &[".md"]);
    let is_reasoned = |name: &String| {
        let row = format!("| `{name}` |");
        decisions.iter().any(|file| file.text.contains(&row))
    };
    let ours: Vec<_> = ARROWS
        .iter()
        .map(|(name, _)| *name)
        .chain(["wire", "transport"])
        .collect();
    let outside = dependencies(&manifest)
        .into_iter()
        .filter(|name| !ours.contains(&&**name));
    fail_on(
        &outside
            .filter(|name| !is_reasoned(name))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn no_test_is_ignored() {
    let mark = ["#[ign", "ore"].concat();
    let ignored = rust().into_iter().filter(|file| file.text.contains(&mark));
    fail_on(&ignored.map(|file| file.path).collect::<Vec<_>>());
}
