//! Import of the `smbpasswd` file that Samba keeps.
//!
//! ```text
//! name:uid:LM hash:NT hash:[flags     ]:LCT-time of last change:
//! ```

use super::{Account, AccountFile, AccountFileError, Mistake, NtHash};

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Import {
    /// Names of the accounts that were added.
    pub added: Vec<String>,
    /// Names of the accounts that were there and now have the imported password, uid and flags.
    pub updated: Vec<String>,
    /// Lines that were left out, and why.
    pub skipped: Vec<Mistake>,
}

impl AccountFile {
    /// Takes over the users of an `smbpasswd` file; computers and trusts are left out.
    ///
    /// Accounts that are there keep their groups, comment and other attributes.
    pub fn import_smbpasswd(&mut self, text: &str) -> Import {
        let mut import = Import::default();
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            let taken = parse(line).and_then(|account| self.take(&account, &mut import));
            if let Err((what, right)) = taken {
                import.skipped.push(Mistake {
                    line: number.saturating_add(1),
                    what,
                    right,
                });
            }
        }
        import
    }

    fn take(&mut self, account: &Account, import: &mut Import) -> Result<(), (String, String)> {
        let name = account.name.clone();
        match self.add(account.clone()) {
            Ok(()) => {
                import.added.push(name);
                Ok(())
            }
            Err(AccountFileError::Exists(_)) => {
                let updated = self.update(&name, |old| {
                    old.nt_hash.clone_from(&account.nt_hash);
                    old.uid = account.uid;
                    old.disabled = account.disabled;
                    old.locked = account.locked;
                });
                updated.map_err(|error| (error.to_string(), RIGHT.to_owned()))?;
                import.updated.push(name);
                Ok(())
            }
            Err(error) => Err((error.to_string(), RIGHT.to_owned())),
        }
    }
}

fn parse(line: &str) -> Result<Account, (String, String)> {
    let wrong = |what: &str, right: &str| (what.to_owned(), right.to_owned());
    let mut fields = line.split(':');
    let mut field = || fields.next().ok_or_else(|| wrong("too few fields", RIGHT));
    let (name, uid, _lm, nt, flags) = (field()?, field()?, field()?, field()?, field()?);
    let flags = flags
        .strip_prefix('[')
        .and_then(|flags| flags.strip_suffix(']'))
        .ok_or_else(|| {
            wrong(
                "the flags are not in brackets",
                "flags such as `[U          ]`",
            )
        })?;
    if !flags.contains('U') {
        return Err(wrong("not a user's account", "an account with the flag U"));
    }
    let mut account = Account::new(name, NtHash::from_bytes([0; 16]));
    account.uid = Some(
        uid.parse()
            .map_err(|_| wrong("the uid is not a number", RIGHT))?,
    );
    account.disabled = flags.contains('D');
    account.locked = flags.contains('L');
    account.nt_hash = match NtHash::from_hex(nt) {
        Some(hash) => Some(hash),
        None if nt.starts_with("XXXX") || nt.starts_with("NO PASSWORD") => None,
        None => {
            return Err(wrong(
                "the NT hash is not readable",
                "32 hexadecimal digits or X",
            ));
        }
    };
    Ok(account)
}

const RIGHT: &str = "name:uid:LM hash:NT hash:[flags]:LCT-time:";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::AccountStore as _;

    #[test]
    fn users_of_samba_are_taken_over() {
        let text = "\
# SMB password file.
alice:1000:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:8846F7EAEE8FB117AD06BDD830B7586C:[U          ]:LCT-63A1B2C3:
bob:1001:NO PASSWORDXXXXXXXXXXXXXXXXXXXXX:NO PASSWORDXXXXXXXXXXXXXXXXXXXXX:[NDU        ]:LCT-00000000:
pc$:1002:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:8846F7EAEE8FB117AD06BDD830B7586C:[W          ]:LCT-63A1B2C3:
broken:1003
eve:x:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:8846F7EAEE8FB117AD06BDD830B7586C:[U          ]:LCT-63A1B2C3:
";
        let mut file = AccountFile::parse("Alice:-:groups=staff\n").unwrap();
        let import = file.import_smbpasswd(text);
        assert_eq!(import.added, ["bob"]);
        assert_eq!(import.updated, ["alice"]);
        let lines: Vec<usize> = import.skipped.iter().map(|mistake| mistake.line).collect();
        assert_eq!(lines, [4, 5, 6]);
        let alice = file.find("alice").unwrap();
        assert_eq!(alice.nt_hash, Some(NtHash::of_password("password")));
        assert_eq!(
            (alice.uid, alice.groups.as_slice()),
            (Some(1000), &["staff".to_owned()][..])
        );
        let bob = file.find("bob").unwrap();
        assert!(bob.disabled && bob.nt_hash.is_none());
    }

    #[test]
    fn a_uid_whose_number_is_a_groups_is_left_out_and_the_file_stays_readable() {
        let text = "Alice:-:groups=staff\n@crew:rid=3000\n";
        let mut file = AccountFile::parse(text).unwrap();
        let before = file.find("alice");
        let import = file.import_smbpasswd(
            "alice:1000:X:8846F7EAEE8FB117AD06BDD830B7586C:[U          ]:LCT-63A1B2C3:\n",
        );
        assert_eq!((import.added.len(), import.updated.len()), (0, 0));
        assert_eq!(import.skipped.len(), 1);
        assert_eq!(file.find("alice"), before);
        assert!(AccountFile::parse(&file.render()).is_ok());
    }
}
