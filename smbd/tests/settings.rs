//! No setting is dead: each one that can be written into a configuration file is read by the code
//! that it is about.

use std::{fs, path::Path};

use config::Configuration;

/// The sources outside `config` in which settings take effect.
const CRATES: &[&str] = &["server", "share-handlers", "smbd"];

#[test]
fn every_setting_is_read_outside_its_own_crate() {
    let mut sources = String::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for name in CRATES {
        collect(&root.join(name).join("src"), &mut sources);
    }
    // A setting that a crate reads through a method of `config`, or through a part of the settings that has a name of its
    // own, counts by that name.
    let methods = [
        ("users", "access("),
        ("denied_users", "access("),
        ("read_only_users", "access("),
        // Those of a print queue have their own struct.
        ("print_timeout", "timeout"),
    ];
    let dead: Vec<String> = Configuration::settings()
        .into_iter()
        .map(|(setting, _)| setting)
        .filter(|setting| {
            let name = setting.rsplit('.').next().unwrap();
            let method = methods.iter().find(|(of, _)| *of == name);
            let reads = match method {
                Some((_, method)) => vec![format!(".settings.{method}")],
                None => vec![
                    format!(".{name}"),
                    format!(".{}", name.replacen('_', ".", 1)),
                ],
            };
            !reads.iter().any(|read| {
                let mut found = sources.match_indices(read.as_str());
                found.any(|(at, _)| ends_word(&sources[at + read.len()..]))
            })
        })
        .collect();
    assert_eq!(dead, [""; 0], "settings that nothing reads");
}

fn ends_word(rest: &str) -> bool {
    !rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_')
}

fn collect(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}
