//! Names as the store sees them: a share, a stored name, and the key that stands for both.
//!
//! Owns folding and hashing of paths; keeps no table.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use wire::fscc::upcase::{hash_ignore_case, upcase};

use super::ShareId;
use crate::share::Name;

/// Where an object is: its name as stored, below the root of its share.
#[derive(Debug, Clone, Copy)]
pub struct Location<'a> {
    /// The share.
    pub share: ShareId,
    /// How the share tells names apart.
    pub case: NameCase,
    /// The name below the share's root, with the stream if there is one.
    pub name: &'a Name,
}

/// How a share tells names apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameCase {
    /// `a` and `A` are two names.
    Sensitive,
    /// `a` and `A` are one name.
    Insensitive,
}

/// A share and a path in it, as one number.
///
/// The hash is keyed anew in every store, so that no client can choose names that collide. Were two
/// to collide by chance, one might be refused a rename, or hear of the other's changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct PathKey(u64);

impl Hash for PathKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

impl Location<'_> {
    /// The keys of the share's root, of each directory on the way, and of the object itself.
    pub(super) fn keys(&self, state: &RandomState) -> Vec<PathKey> {
        let components = self.name.components();
        let mut keys = Vec::with_capacity(components.len().saturating_add(1));
        let mut hasher = state.build_hasher();
        hasher.write_u32(self.share.0);
        keys.push(PathKey(hasher.finish()));
        for component in components {
            self.case.hash(component.as_units(), &mut hasher);
            keys.push(PathKey(hasher.finish()));
        }
        keys
    }
}

impl NameCase {
    fn hash<H: Hasher>(self, name: &[u16], state: &mut H) {
        match self {
            Self::Insensitive => hash_ignore_case(name, state),
            Self::Sensitive => name.hash(state),
        }
    }

    /// The one form of all spellings of a name.
    pub(super) fn fold(self, name: &[u16]) -> Box<[u16]> {
        match self {
            Self::Insensitive => name.iter().map(|unit| upcase(*unit)).collect(),
            Self::Sensitive => name.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(state: &RandomState, share: u32, case: NameCase, name: &str) -> Vec<PathKey> {
        let name = Name::parse_text(name).unwrap();
        Location {
            share: ShareId(share),
            case,
            name: &name,
        }
        .keys(state)
    }

    #[test]
    fn a_path_has_a_key_for_itself_and_each_directory_above() {
        let state = RandomState::new();
        let deep = keys(&state, 1, NameCase::Insensitive, "a\\b\\c");
        assert_eq!(deep.len(), 4);
        assert_eq!(deep[..3], keys(&state, 1, NameCase::Insensitive, "A\\B"));
        assert_eq!(deep[..1], keys(&state, 1, NameCase::Insensitive, ""));
        assert_ne!(
            deep[3],
            keys(&state, 2, NameCase::Insensitive, "a\\b\\c")[3]
        );
        assert_ne!(deep[1], keys(&state, 1, NameCase::Insensitive, "ab")[1]);
    }

    #[test]
    fn case_matters_only_where_the_share_says_so() {
        let state = RandomState::new();
        let of = |case, name| keys(&state, 1, case, name);
        assert_eq!(
            of(NameCase::Insensitive, "a"),
            of(NameCase::Insensitive, "A")
        );
        assert_ne!(of(NameCase::Sensitive, "a"), of(NameCase::Sensitive, "A"));
    }

    #[test]
    fn a_stream_has_the_key_of_its_file() {
        let state = RandomState::new();
        let of = |name| keys(&state, 1, NameCase::Insensitive, name);
        assert_eq!(of("a:s"), of("a"));
    }
}
