//! `cargo trace`: lists every cited section with its code and its tests.
//!
//! `--write FOLDER` pins the cited sections anew from the documents in FOLDER.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use conformance::trace::{Report, Specifications, workspace};

fn main() -> ExitCode {
    let root = workspace::root();
    let pinned = root.join("docs/specifications.md");
    let sources = workspace::files(&root, &[".rs"]);
    let titles = Specifications::from_markdown(&fs::read_to_string(&pinned).unwrap_or_default());
    let mut report = Report::new(&sources, titles);
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => println!("{report}"),
        (Some("--write"), Some(folder)) => {
            if let Err(wrong) = write(&mut report, Path::new(&folder), &pinned) {
                eprintln!("{wrong}");
                return ExitCode::FAILURE;
            }
            report = Report::new(&sources, pinned_titles(&pinned));
        }
        _ => {
            eprintln!("usage: cargo trace [-- --write FOLDER]");
            return ExitCode::FAILURE;
        }
    }
    let wrong: Vec<_> = report.malformed.iter().chain(&report.unpinned).collect();
    for line in &wrong {
        eprintln!("{line}");
    }
    if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn write(report: &mut Report, folder: &Path, pinned: &Path) -> std::io::Result<()> {
    let mut all = Specifications::from_documents(folder, &report.documents())?;
    all.keep(&report.sections());
    fs::write(pinned, all.to_markdown())?;
    report.pin(all);
    Ok(())
}

fn pinned_titles(pinned: &Path) -> Specifications {
    Specifications::from_markdown(&fs::read_to_string(pinned).unwrap_or_default())
}
