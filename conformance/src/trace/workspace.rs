//! The files of the workspace, as text.

use std::fs;
use std::path::{Path, PathBuf};

/// One text file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFile {
    /// Its path below the workspace's root, with `/`.
    pub path: String,
    /// Its contents.
    pub text: String,
}

/// The workspace's root folder.
#[must_use]
pub fn root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().unwrap_or(crate_folder).to_path_buf()
}

/// All files below `root` whose names end in one of `endings`, by path. Folders of build products
/// and hidden folders are left out, and so are files that are no text.
#[must_use]
pub fn files(root: &Path, endings: &[&str]) -> Vec<TextFile> {
    let mut found = Vec::new();
    collect(root, "", endings, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(folder: &Path, prefix: &str, endings: &[&str], found: &mut Vec<TextFile>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder {
            if !name.starts_with('.') && !name.starts_with("target") && !SKIPPED.contains(&&*name) {
                collect(&entry.path(), &format!("{path}/"), endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending))
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            found.push(TextFile { path, text });
        }
    }
}

/// Folders that hold no sources: what fuzzing and Python leave behind.
const SKIPPED: &[&str] = &["corpus", "artifacts", "coverage", "__pycache__"];
