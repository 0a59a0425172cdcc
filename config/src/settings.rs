//! A running configuration setting by setting: for who looks at it, and changes it, from elsewhere.
//!
//! What a setting may be changed to is what the file may say: a change is the whole configuration, read
//! anew with another value in one place.

use toml::de::DeTable;

use crate::{
    file::Configuration,
    mistake::Mistakes,
    schema::{Effect, Entry},
};

/// A setting and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownSetting {
    /// What it belongs to: a section such as `server`, or a share such as `share public`.
    pub section: String,
    /// What it is called there.
    pub name: &'static str,
    /// Its value as the file would say it.
    pub value: String,
    /// What it takes, in words that follow "give".
    pub expects: String,
    /// Whether it can be changed while the server runs, by somebody who is not at the machine.
    pub is_live: bool,
}

/// Why a setting was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unchanged {
    /// There is none of this name.
    #[error("there is no such setting")]
    Unknown,
    /// It can only be changed in the configuration file.
    #[error("it can only be changed in the configuration file")]
    Fixed,
    /// The configuration would not be right.
    #[error("{}", shown(.0))]
    Mistaken(Mistakes),
}

impl Configuration {
    /// Every setting of the sections and of the shares, in the order of the file.
    pub fn shown_settings(&self) -> Vec<ShownSetting> {
        let mut shown = Vec::new();
        for (header, entries) in self.sections() {
            let Some(section) = section_name(&header, &entries) else {
                continue;
            };
            let of = |entry: &Entry| ShownSetting {
                section: section.clone(),
                name: entry.name,
                value: if is_secret(&section, entry.name) {
                    HIDDEN.to_owned()
                } else {
                    entry.value.to_string()
                },
                expects: entry.expects.clone(),
                is_live: self.is_live(&section, entry),
            };
            shown.extend(entries.iter().map(of));
        }
        shown
    }

    /// The configuration as text, without passwords.
    pub fn to_shown_toml(&self) -> String {
        let mut shown = self.clone();
        let password = &mut shown.demo.password;
        *password = password.as_ref().map(|_| HIDDEN.to_owned());
        shown.to_toml()
    }

    /// The configuration with another value of one setting, given as the file would say it; a word that is
    /// no value of a file's is taken as a text.
    ///
    /// # Errors
    /// See [`Unchanged`].
    pub fn with_setting(&self, section: &str, name: &str, text: &str) -> Result<Self, Unchanged> {
        let mut found = None;
        let mut file = String::new();
        for (header, entries) in self.sections() {
            let is_section = section_name(&header, &entries).as_deref() == Some(section);
            file.push_str(&format!("{header}\n"));
            for entry in entries {
                if is_section && entry.name == name {
                    found = Some(self.is_live(section, &entry));
                    file.push_str(&format!("{name} = {}\n", value_of(text)));
                } else {
                    file.push_str(&format!("{} = {}\n", entry.name, entry.value));
                }
            }
        }
        match found {
            None => Err(Unchanged::Unknown),
            Some(false) => Err(Unchanged::Fixed),
            Some(true) => Self::parse(&file, "settings").map_err(Unchanged::Mistaken),
        }
    }

    /// Whether a setting may be changed from elsewhere: not where it takes a restart, decides as whom of
    /// this machine's users files are served, which folder or what program runs, nor what bounds administrators themselves.
    fn is_live(&self, section: &str, entry: &Entry) -> bool {
        let share = section.strip_prefix(SHARE);
        let is_own = share
            .and_then(|name| self.share(name))
            .is_some_and(|share| share.kind == crate::ShareKind::Config);
        let is_fixed = match share {
            Some(_) => FIXED_OF_SHARES.contains(&entry.name),
            None => !OPEN_SECTIONS.contains(&section),
        };
        entry.effect == Effect::Reload && !is_own && !is_fixed
    }
}

/// What the settings below a header belong to; none for what stands below a share.
fn section_name(header: &str, entries: &[Entry]) -> Option<String> {
    let name = header.trim_matches(['[', ']']);
    if name == SHARE.trim_end() {
        let share = entries.iter().find(|entry| entry.name == "name")?;
        return Some(format!("{SHARE}{}", share.value.as_str()?));
    }
    (!name.contains('.')).then(|| name.to_owned())
}

/// A text as a value of TOML.
fn value_of(text: &str) -> String {
    let text = text.trim();
    let line = format!("value = {text}");
    let is_one = DeTable::parse(&line).is_ok_and(|table| table.get_ref().len() == 1);
    if is_one {
        text.to_owned()
    } else {
        toml::Value::from(text).to_string()
    }
}

fn is_secret(section: &str, name: &str) -> bool {
    (section, name) == ("demo", "password")
}

/// Mistakes without the lines of a file that nobody has written.
fn shown(mistakes: &Mistakes) -> String {
    let lines = mistakes.0.iter();
    let lines = lines.map(|one| format!("{}: {}; {}", one.key, one.wrong, one.right));
    lines.collect::<Vec<_>>().join("\n")
}

/// What the name of a share's settings begins with.
const SHARE: &str = "share ";
/// What stands for a password.
const HIDDEN: &str = "(hidden)";
/// Sections whose settings may be changed from elsewhere.
const OPEN_SECTIONS: &[&str] = &["server", "log", "limits"];
/// Settings of shares that may not.
const FIXED_OF_SHARES: &[&str] = &[
    "name",
    "kind",
    "path",
    "create_directory",
    "force_user",
    "follow_symlinks",
    "print_command",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration() -> Configuration {
        let text = "[server]\nguest = 'bad-user'\n[demo]\nuser = 'a'\npassword = 'secret'\n\
             [[share]]\nname = 'public'\npath = '/p'\n\
             [[share.wrapper]]\nkind = 'audit'\n\
             [[share]]\nname = 'admin'\nkind = 'config'\n";
        let text = text.replace("[server]", "[server]\nlisten = ['127.0.0.1:445']");
        Configuration::parse(&text, "/f.toml").unwrap()
    }

    #[test]
    fn every_setting_is_shown_with_its_value_and_no_password() {
        let shown = configuration().shown_settings();
        let find = |section: &str, name: &str| {
            let found = shown
                .iter()
                .find(|one| one.section == section && one.name == name);
            found.map(|one| (one.value.as_str(), one.is_live))
        };
        assert_eq!(find("server", "guest"), Some(("\"bad-user\"", true)));
        assert_eq!(
            find("server", "state_dir").map(|(_, live)| live),
            Some(false)
        );
        assert_eq!(find("share public", "path"), Some(("\"/p\"", false)));
        assert_eq!(find("share public", "read_only"), Some(("false", true)));
        assert_eq!(find("share admin", "users"), Some(("[]", false)));
        assert_eq!(find("identity", "force_user"), Some(("\"\"", false)));
        assert!(!shown.iter().any(|one| one.value.contains("secret")));
        assert!(!configuration().to_shown_toml().contains("secret"));
    }

    #[test]
    fn one_setting_is_changed_and_no_other() {
        let old = configuration();
        let new = old.with_setting("limits", "opens", "77\n").unwrap();
        assert_eq!(new.limits.opens, 77);
        let (_, changes) = old.reloaded(new);
        assert_eq!(changes.to_string(), "changed: limits.opens");
        let new = old.with_setting("share public", "users", "[\"a\", \"b\"]");
        assert_eq!(new.unwrap().shares[0].users, ["a", "b"]);
        let new = old.with_setting("server", "comment", "Three plain words");
        assert_eq!(new.unwrap().server.comment, "Three plain words");
        let new = old.with_setting("log", "level", "debug").unwrap();
        assert_eq!(new.log.level, crate::Level::Debug);
    }

    #[test]
    fn what_does_not_fit_is_explained_as_in_the_file() {
        let old = configuration();
        let refused = |section: &str, name: &str, text: &str| {
            let outcome = old.with_setting(section, name, text);
            outcome.unwrap_err().to_string()
        };
        assert_eq!(
            refused("limits", "opens", "0"),
            "limits.opens: 0 does not fit; give a whole number, 1 to 10000000"
        );
        let fixed = "it can only be changed in the configuration file";
        for (section, name) in [
            ("server", "state_dir"),
            ("identity", "force_user"),
            ("share public", "path"),
            ("share admin", "users"),
        ] {
            assert_eq!(refused(section, name, "'/x'"), fixed, "{section}.{name}");
        }
        let unknown = "there is no such setting";
        assert_eq!(refused("server", "nothing", "1"), unknown);
        assert_eq!(refused("share.wrapper", "kind", "'audit'"), unknown);
    }

    #[test]
    fn a_value_brings_no_other_settings_with_it() {
        let old = configuration();
        let text = "'a'\nguest = 'never'\n[identity]\nforce_user = 'root'";
        let refused = old.with_setting("server", "comment", text).unwrap_err();
        assert!(matches!(refused, Unchanged::Mistaken(_)), "{refused:?}");
        let refused = old.with_setting("log", "level", "'a' # comment\nb = 1");
        assert!(refused.is_err());
    }
}
