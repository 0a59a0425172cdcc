//! Who may do what on a share: the list that clients show and edit as a share's permissions, in the text form of
//! security descriptors.

use std::fmt;
use std::str::FromStr;

use toml::{Spanned, de::DeValue};
use wire::dtyp::{AccessMask, Ace, AceFlags, AceType, Acl, Sid};

use crate::value::{Unfit, Value};

/// A discretionary list of entries that allow or deny, each to everything on the share at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions(Acl);

impl Permissions {
    /// The permissions that a list stands for; none if it has entries that say more than allow or deny. Whether an
    /// entry would be inherited means nothing here and is forgotten.
    #[must_use]
    pub fn new(list: &Acl) -> Option<Self> {
        let entries = list.aces().iter().map(|ace| {
            let (sid, mask) = ace.principal()?;
            entry(ace.ace_type(), *sid, mask)
        });
        let entries: Option<Vec<Ace>> = entries.collect();
        Acl::from_aces(entries?).ok().map(Self)
    }

    /// The list.
    #[must_use]
    pub const fn list(&self) -> &Acl {
        &self.0
    }
}

/// An entry of one of the two kinds; none for other kinds.
fn entry(kind: AceType, sid: Sid, mask: AccessMask) -> Option<Ace> {
    match kind {
        AceType::ACCESS_ALLOWED => Some(Ace::allowed(sid, mask, AceFlags::NONE)),
        AceType::ACCESS_DENIED => Some(Ace::denied(sid, mask, AceFlags::NONE)),
        _ => None,
    }
}

impl fmt::Display for Permissions {
    // [MS-DTYP] 2.5.1.1
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("D:")?;
        for ace in self.0.aces() {
            let kind = if ace.ace_type() == AceType::ACCESS_DENIED {
                "D"
            } else {
                "A"
            };
            let Some((sid, mask)) = ace.principal() else {
                continue;
            };
            match RIGHTS.iter().find(|(_, rights)| *rights == mask) {
                Some((word, _)) => write!(f, "({kind};;{word};;;")?,
                None => write!(f, "({kind};;0x{:x};;;", mask.bits())?,
            }
            match SIDS.iter().find(|(_, known)| known == sid) {
                Some((word, _)) => write!(f, "{word})")?,
                None => write!(f, "{sid})")?,
            }
        }
        Ok(())
    }
}

/// The text is not a list of permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsePermissionsError;

impl FromStr for Permissions {
    type Err = ParsePermissionsError;

    // [MS-DTYP] 2.5.1.1
    fn from_str(text: &str) -> Result<Self, ParsePermissionsError> {
        let mut rest = text.strip_prefix("D:").ok_or(ParsePermissionsError)?;
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let inner = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
            let (inner, later) = inner.ok_or(ParsePermissionsError)?;
            entries.push(parse_entry(inner).ok_or(ParsePermissionsError)?);
            rest = later;
        }
        let list = Acl::from_aces(entries);
        list.map(Self).map_err(|_| ParsePermissionsError)
    }
}

fn parse_entry(text: &str) -> Option<Ace> {
    let mut fields = text.split(';');
    let kind = match fields.next()? {
        "A" => AceType::ACCESS_ALLOWED,
        "D" => AceType::ACCESS_DENIED,
        _ => return None,
    };
    let (flags, rights) = (fields.next()?, fields.next()?);
    let (object, inherited, sid) = (fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() || !(flags.is_empty() && object.is_empty() && inherited.is_empty()) {
        return None;
    }
    let mask = match rights.strip_prefix("0x") {
        Some(hexadecimal) => AccessMask::from_bits(u32::from_str_radix(hexadecimal, 16).ok()?),
        None => RIGHTS.iter().find(|(word, _)| *word == rights)?.1,
    };
    let known = SIDS.iter().find(|(word, _)| *word == sid);
    entry(
        kind,
        known.map_or_else(|| sid.parse().ok(), |(_, sid)| Some(*sid))?,
        mask,
    )
}

impl Value for Permissions {
    fn expects() -> String {
        "permissions such as \"D:(A;;FA;;;BA)(A;;FR;;;WD)\"".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Unfit> {
        let text = value.get_ref().as_str().unwrap_or_default();
        text.parse().map_err(|_| Unfit::new(value))
    }

    fn write(&self) -> toml::Value {
        self.to_string().into()
    }
}

/// Words for rights.
// [MS-DTYP] 2.5.1.1
const RIGHTS: &[(&str, AccessMask)] = &[
    ("FA", AccessMask::FILE_ALL_ACCESS),
    ("FR", AccessMask::FILE_GENERIC_READ),
    ("FW", AccessMask::FILE_GENERIC_WRITE),
    ("FX", AccessMask::FILE_GENERIC_EXECUTE),
];

/// Words for groups that every machine has.
// [MS-DTYP] 2.5.1.1
const SIDS: &[(&str, Sid)] = &[
    ("WD", Sid::EVERYONE),
    ("AU", Sid::AUTHENTICATED_USERS),
    ("AN", Sid::ANONYMOUS),
    ("BA", Sid::ADMINISTRATORS),
    ("BU", Sid::USERS),
    ("BG", Sid::GUESTS),
];

#[cfg(test)]
mod tests {
    use super::*;

    // test [MS-DTYP] 2.5.1.1
    #[test]
    fn permissions_are_read_as_they_were_written() {
        for text in [
            "D:",
            "D:(A;;FA;;;WD)",
            "D:(D;;0x1301bf;;;S-1-5-21-1-2-3-1001)(A;;FR;;;AU)(A;;FA;;;BA)",
        ] {
            assert_eq!(text.parse::<Permissions>().unwrap().to_string(), text);
        }
        let permissions: Permissions = "D:(A;;0x1f01ff;;;S-1-1-0)".parse().unwrap();
        assert_eq!(permissions.to_string(), "D:(A;;FA;;;WD)");
        assert_eq!(Permissions::new(permissions.list()), Some(permissions));
    }

    #[test]
    fn what_says_more_than_allow_or_deny_is_no_permission() {
        for text in [
            "",
            "O:BA",
            "D:P(A;;FA;;;WD)",
            "D:(A;;FA;;;WD",
            "D:(A;;FA;;;WD)x",
            "D:(AU;;FA;;;WD)",
            "D:(A;OICI;FA;;;WD)",
            "D:(A;;all;;;WD)",
            "D:(A;;FA;;;alice)",
            "D:(A;;FA;;;WD;x)",
        ] {
            assert_eq!(
                text.parse::<Permissions>(),
                Err(ParsePermissionsError),
                "{text}"
            );
        }
        let audit = Ace::audit(Sid::EVERYONE, AccessMask::FILE_ALL_ACCESS, AceFlags::NONE);
        assert_eq!(Permissions::new(&Acl::from_aces([audit]).unwrap()), None);
    }
}
