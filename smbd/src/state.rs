//! What must survive a restart: the server's GUID, by which clients know it again.

use std::path::Path;

use wire::dtyp::Guid;

use crate::{
    failure::Failure,
    files::{lock_folder_of, read_private, replace_private},
};

/// The server's GUID from the state folder, made on the first start.
///
/// # Errors
///
/// The folder cannot be used, or the file in it holds something else.
pub(crate) fn server_guid(state_dir: &Path) -> Result<Guid, Failure> {
    let path = state_dir.join(GUID_FILE);
    let _lock = lock_folder_of(&path)?;
    if let Some(text) = read_private(&path)? {
        return text.trim().parse().map_err(|_| {
            let shown = path.display();
            Failure::new(format!("{shown} holds no GUID; remove it to get a new one"))
        });
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::to("draw a random number", error))?;
    let guid = Guid::from(bytes);
    replace_private(&path, &format!("{guid}\n"))?;
    Ok(guid)
}

const GUID_FILE: &str = "server-guid";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guid_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let first = server_guid(folder.path()).unwrap();
        assert_eq!(server_guid(folder.path()).unwrap(), first);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(server_guid(other.path()).unwrap(), first);
    }

    #[test]
    fn a_spoilt_guid_is_not_replaced_silently() {
        let folder = tempfile::tempdir().unwrap();
        replace_private(&folder.path().join(GUID_FILE), "nonsense").unwrap();
        let sentence = server_guid(folder.path()).unwrap_err().to_string();
        assert!(sentence.ends_with("server-guid holds no GUID; remove it to get a new one"));
    }
}
