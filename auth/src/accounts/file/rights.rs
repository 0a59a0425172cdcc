//! Rights in the account file: one line for each user or group that has been granted some, by identifier.
//!
//! Owns what becomes of a line when rights change. What administrators hold where no line says so is
//! [`Rights::by_default`]; they are always known, so that their line stays when nothing is left on it.

use wire::dtyp::Sid;

use super::super::rights::{Emptied, Rights, RightsChange};
use super::text::Wrong;
use super::{AccountFile, AccountFileError, Line};

impl AccountFile {
    /// Everybody who is known to hold rights, perhaps none: administrators first, then in the order of the file.
    #[must_use]
    pub fn holders(&self) -> Vec<(Sid, Rights)> {
        let administrators = self.held_by(&Sid::ADMINISTRATORS).unwrap_or_default();
        let others = self.lines.iter().filter_map(|line| match line {
            Line::Rights(holder, rights) if *holder != Sid::ADMINISTRATORS => {
                Some((*holder, *rights))
            }
            _ => None,
        });
        std::iter::once((Sid::ADMINISTRATORS, administrators))
            .chain(others)
            .collect()
    }

    /// What a user or group holds; none if it is not known.
    #[must_use]
    pub fn held_by(&self, holder: &Sid) -> Option<Rights> {
        let line = self.index.get(&rights_key(holder));
        match line.and_then(|at| self.lines.get(*at)) {
            Some(Line::Rights(_, rights)) => Some(*rights),
            _ => Rights::by_default(holder),
        }
    }

    /// Changes what a user or group holds.
    ///
    /// # Errors
    /// The holder is known already, or is not, or would be one too many; then nothing is changed.
    // [MS-LSAD] 3.1.1.3
    pub fn change_rights(
        &mut self,
        holder: Sid,
        change: RightsChange,
    ) -> Result<(), AccountFileError> {
        let held = self.held_by(&holder);
        let known = held.ok_or(AccountFileError::HolderMissing(holder));
        let left = match change {
            RightsChange::Create if held.is_some() => {
                return Err(AccountFileError::HolderExists(holder));
            }
            RightsChange::Create => Some(Rights::NONE),
            RightsChange::Delete => known.map(|_| None)?,
            RightsChange::Grant(rights) => Some(held.unwrap_or_default().with(rights)),
            RightsChange::Revoke { rights, emptied } => {
                let left = known?.without(rights);
                (emptied == Emptied::Stays || !left.is_empty()).then_some(left)
            }
            RightsChange::SetAccess(access) => Some(known?.with_access_of(access)),
        };
        let always_known = || Rights::by_default(&holder).map(|_| Rights::NONE);
        match left.or_else(always_known) {
            Some(rights) => self.write_rights(holder, rights),
            None => {
                self.remove_line(&rights_key(&holder));
                Ok(())
            }
        }
    }

    /// Reads the line of a holder behind its `+`.
    pub(super) fn read_rights(&mut self, line: &str) -> Result<(), Wrong> {
        let (holder, rights) = parse_rights(line)?;
        if self.index.contains_key(&rights_key(&holder)) {
            return Err(Wrong::new(
                format!("a second line for {holder}"),
                "one line for each",
            ));
        }
        if self.has_no_room() {
            let wrong = format!("more than {MOST_HOLDERS} lines for rights");
            return Err(Wrong::new(
                wrong,
                "rights of groups in place of those of users",
            ));
        }
        self.append(rights_key(&holder), Line::Rights(holder, rights));
        Ok(())
    }

    fn write_rights(&mut self, holder: Sid, rights: Rights) -> Result<(), AccountFileError> {
        let line = Line::Rights(holder, rights);
        match self.index.get(&rights_key(&holder)).copied() {
            Some(at) => self.replace_line(at, line),
            None if self.has_no_room() => return Err(AccountFileError::TooManyHolders),
            None => self.append(rights_key(&holder), line),
        }
        Ok(())
    }

    fn has_no_room(&self) -> bool {
        let lines = self.lines.iter();
        lines
            .filter(|line| matches!(line, Line::Rights(..)))
            .count()
            >= MOST_HOLDERS
    }

    /// Forgets what the account or group with this number held: who gets the number after it does not get its rights.
    pub(super) fn forget_rights(&mut self, number: u32) {
        let holders = self.holders().into_iter();
        for (holder, _) in
            holders.filter(|(holder, _)| relative_to_a_domain(holder) == Some(number))
        {
            self.remove_line(&rights_key(&holder));
        }
    }
}

/// The most lines: who holds rights is told in one answer, and looked for at each connect.
const MOST_HOLDERS: usize = 1000;

/// The number of an account or group of a machine or domain.
fn relative_to_a_domain(holder: &Sid) -> Option<u32> {
    match holder.sub_authorities() {
        [21, _, _, _, number] if holder.authority() == [0, 0, 0, 0, 0, 5] => Some(*number),
        _ => None,
    }
}

fn parse_rights(line: &str) -> Result<(Sid, Rights), Wrong> {
    const RIGHT: &str = "`+`, an identifier such as S-1-5-32-544, `:` and names of rights such as \
                         SeBackupPrivilege, separated by `,`";
    let (holder, names) = line.split_once(':').unwrap_or((line, ""));
    let holder = holder.trim().parse::<Sid>();
    let holder = holder.map_err(|error| Wrong::new(format!("{error}"), RIGHT))?;
    let names = names.split(',').map(str::trim);
    let mut rights = Rights::NONE;
    for name in names.filter(|name| !name.is_empty()) {
        let unknown = || Wrong::new(format!("there is no right `{name}`"), RIGHT);
        rights = rights.with(Rights::named(name).ok_or_else(unknown)?);
    }
    Ok((holder, rights))
}

/// Writes the line of a holder.
pub(super) fn render_rights(holder: &Sid, rights: Rights, text: &mut String) {
    text.push('+');
    text.push_str(&holder.to_string());
    if !rights.is_empty() {
        text.push(':');
        text.push_str(&rights.to_string());
    }
}

/// The key of a holder in the index; no account's name begins with `+`.
fn rights_key(holder: &Sid) -> String {
    format!("+{holder}")
}

#[cfg(test)]
mod tests {
    use super::super::super::AccountStore as _;
    use super::*;

    const ALICE: &str = "S-1-5-21-1-2-3-1001";
    const SAMPLE: &str = "\
# people
alice:-:rid=1001
+S-1-5-21-1-2-3-1001:SeBackupPrivilege,SeDenyNetworkLogonRight
+S-1-5-32-545
";

    fn sample() -> AccountFile {
        AccountFile::parse(SAMPLE).unwrap()
    }

    fn right(name: &str) -> Rights {
        Rights::named(name).unwrap()
    }

    #[test]
    fn rights_are_read_and_written_as_they_were() {
        let file = sample();
        assert_eq!(file.render(), SAMPLE);
        let alice: Sid = ALICE.parse().unwrap();
        let held = file.held_by(&alice).unwrap();
        assert!(held.contains(right("SeBackupPrivilege")) && held.denies_network());
        assert_eq!(file.rights(&alice), held);
        let holders = file.holders();
        assert_eq!(
            holders,
            [
                (Sid::ADMINISTRATORS, Rights::OF_ADMINISTRATORS),
                (alice, held),
                (Sid::USERS, Rights::NONE),
            ]
        );
        assert_eq!(file.held_by(&Sid::GUESTS), None);
    }

    #[test]
    fn a_line_that_grants_nothing_known_is_refused_with_what_would_be_right() {
        for line in [
            "+",
            "+alice:SeBackupPrivilege",
            "+S-1-1-0:SeNothing",
            "+S-1-5-32-545",
        ] {
            let mistakes = AccountFile::parse(&format!("{SAMPLE}{line}\n")).unwrap_err();
            let [mistake] = &mistakes[..] else {
                panic!("{line}: {mistakes:?}");
            };
            assert_eq!(mistake.line, 5, "{line}");
        }
    }

    #[test]
    fn no_more_holders_than_the_most_are_read_or_added() {
        let lines = |count: usize| (0..count).map(|number| format!("+S-1-5-21-1-2-3-{number}\n"));
        let mut full = AccountFile::parse(&lines(MOST_HOLDERS).collect::<String>()).unwrap();
        let before = full.render();
        let refused = Err(AccountFileError::TooManyHolders);
        let create = full.change_rights(Sid::GUESTS, RightsChange::Create);
        assert_eq!(create, refused);
        assert_eq!(full.render(), before);
        let known: Sid = "S-1-5-21-1-2-3-7".parse().unwrap();
        let grant = RightsChange::Grant(right("SeBackupPrivilege"));
        full.change_rights(known, grant).unwrap();
        let mistakes = AccountFile::parse(&lines(MOST_HOLDERS + 1).collect::<String>());
        assert_eq!(mistakes.unwrap_err()[0].line, MOST_HOLDERS + 1);
    }

    // test [MS-LSAD] 3.1.4.5.12
    #[test]
    fn a_holder_comes_with_its_first_right_and_goes_with_its_last() {
        let mut file = sample();
        let (guests, security) = (Sid::GUESTS, right("SeSecurityPrivilege"));
        file.change_rights(guests, RightsChange::Grant(security))
            .unwrap();
        assert_eq!(file.held_by(&guests), Some(security));
        let exists = Err(AccountFileError::HolderExists(guests));
        assert_eq!(file.change_rights(guests, RightsChange::Create), exists);
        let revoke = |emptied| RightsChange::Revoke {
            rights: security,
            emptied,
        };
        file.change_rights(guests, revoke(Emptied::Stays)).unwrap();
        assert_eq!(file.held_by(&guests), Some(Rights::NONE));
        file.change_rights(guests, revoke(Emptied::Goes)).unwrap();
        let missing = Err(AccountFileError::HolderMissing(guests));
        for change in [
            RightsChange::Delete,
            revoke(Emptied::Goes),
            RightsChange::SetAccess(Rights::NONE),
        ] {
            assert_eq!(file.change_rights(guests, change), missing);
        }
        assert_eq!(file.render(), SAMPLE);
    }

    #[test]
    fn ways_to_log_on_are_replaced_and_privileges_stay() {
        let mut file = sample();
        let alice: Sid = ALICE.parse().unwrap();
        let access = Rights::access(2).unwrap();
        file.change_rights(alice, RightsChange::SetAccess(access))
            .unwrap();
        let held = file.held_by(&alice).unwrap();
        assert_eq!(held.to_string(), "SeBackupPrivilege,SeNetworkLogonRight");
    }

    #[test]
    fn administrators_who_lost_everything_do_not_get_it_back_by_default() {
        let mut file = AccountFile::default();
        file.change_rights(Sid::ADMINISTRATORS, RightsChange::Delete)
            .unwrap();
        assert!(file.render().ends_with("\n+S-1-5-32-544\n"));
        let file = AccountFile::parse(&file.render()).unwrap();
        assert_eq!(file.holders(), [(Sid::ADMINISTRATORS, Rights::NONE)]);
    }

    #[test]
    fn who_gets_the_number_of_another_does_not_get_its_rights() {
        let mut file = sample();
        file.remove("alice").unwrap();
        assert_eq!(file.held_by(&ALICE.parse().unwrap()), None);
        assert_eq!(file.held_by(&Sid::USERS), Some(Rights::NONE));
    }
}
