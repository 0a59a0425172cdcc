//! What differs between two configurations, and what of it can take effect while the server runs.
//!
//! A reload never ends anything by itself: the caller asks again, for each tree connect of a share
//! named in [`Changes`], whether its user may still be there ([`Share::access`]), and closes those
//! that may not.

use std::fmt;

use crate::{
    file::Configuration,
    schema::{Effect, Section, entries, keep_until_restart},
    shares::Share,
    users::same_name,
};

/// What differs between a running configuration and a new one. Settings are named
/// `section.setting`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Settings that take effect at once, for whatever begins from now on.
    pub applied: Vec<String>,
    /// Settings that keep their old value until the server is started again.
    pub needs_restart: Vec<String>,
    /// Shares that the new configuration has and the running one has not.
    pub shares_added: Vec<String>,
    /// Shares that the running configuration has and the new one has not.
    pub shares_removed: Vec<String>,
    /// Shares of both, with the names of the settings that differ.
    pub shares_changed: Vec<(String, Vec<&'static str>)>,
}

impl Configuration {
    /// What to run after a reload: `new`, but with the old value of each setting that takes effect
    /// only at a restart.
    pub fn reloaded(&self, mut new: Self) -> (Self, Changes) {
        let mut changes = Changes::default();
        changes.section("server", &self.server, &mut new.server);
        changes.section("identity", &self.identity, &mut new.identity);
        changes.section("log", &self.log, &mut new.log);
        changes.section("limits", &self.limits, &mut new.limits);
        changes.section("demo", &self.demo, &mut new.demo);
        changes.section("lab", &self.lab, &mut new.lab);
        changes.shares(&self.shares, &new.shares);
        (new, changes)
    }
}

impl Changes {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn section<T: Section + Clone>(&mut self, name: &str, old: &T, new: &mut T) {
        for (old, new) in entries(old).into_iter().zip(entries(new)) {
            if old.value != new.value {
                let list = match new.effect {
                    Effect::Reload => &mut self.applied,
                    Effect::Restart => &mut self.needs_restart,
                };
                list.push(format!("{name}.{}", new.name));
            }
        }
        keep_until_restart(old, new);
    }

    fn shares(&mut self, old: &[Share], new: &[Share]) {
        fn find<'a>(list: &'a [Share], name: &str) -> Option<&'a Share> {
            list.iter().find(|share| same_name(&share.name, name))
        }
        for share in old {
            let Some(after) = find(new, &share.name) else {
                self.shares_removed.push(share.name.clone());
                continue;
            };
            let pairs = entries(share).into_iter().zip(entries(after));
            let differ = pairs.filter(|(before, after)| before.value != after.value);
            let mut settings: Vec<&'static str> = differ.map(|(before, _)| before.name).collect();
            if share.compartments != after.compartments {
                settings.push("compartments");
            }
            if share.programs != after.programs {
                settings.push("program");
            }
            if share.wrappers != after.wrappers {
                settings.push("wrapper");
            }
            if !settings.is_empty() {
                self.shares_changed.push((share.name.clone(), settings));
            }
        }
        let added = new.iter().filter(|share| find(old, &share.name).is_none());
        self.shares_added
            .extend(added.map(|share| share.name.clone()));
    }
}

/// One line for the log.
impl fmt::Display for Changes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return write!(formatter, "nothing changed");
        }
        let changed: Vec<String> = self
            .shares_changed
            .iter()
            .map(|(share, settings)| format!("{share} ({})", settings.join(", ")))
            .collect();
        let parts = [
            ("changed", &self.applied),
            ("need a restart", &self.needs_restart),
            ("shares added", &self.shares_added),
            ("shares removed", &self.shares_removed),
            ("shares changed", &changed),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(title, list)| format!("{title}: {}", list.join(", ")))
            .collect();
        write!(formatter, "{}", parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Configuration {
        Configuration::parse(text, "test.toml").unwrap()
    }

    #[test]
    fn equal_configurations_have_no_changes() {
        let old = parse("[[share]]\nname = 'a'\npath = '/a'\n");
        let (new, changes) = old.reloaded(old.clone());
        assert!(changes.is_empty());
        assert_eq!(new, old);
        assert_eq!(changes.to_string(), "nothing changed");
    }

    #[test]
    fn live_settings_take_effect_and_fixed_ones_keep_their_value() {
        let old = parse("[server]\ncomment = 'old'\nlisten = ['127.0.0.1:1']\n");
        let wanted = parse(
            "[server]\ncomment = 'new'\nlisten = ['127.0.0.1:2']\nstate_dir = '/s'\n\
             [limits]\nopens = 7\nblocking_threads = 3\n",
        );
        let (new, changes) = old.reloaded(wanted);
        assert_eq!(changes.applied, ["server.comment", "limits.opens"]);
        let restart = [
            "server.listen",
            "server.state_dir",
            "limits.blocking_threads",
        ];
        assert_eq!(changes.needs_restart, restart);
        assert_eq!(new.server.comment, "new");
        assert_eq!(new.limits.opens, 7);
        assert_eq!(new.server.listen, old.server.listen);
        assert_eq!(new.server.state_dir, old.server.state_dir);
        assert_eq!(new.limits.blocking_threads, old.limits.blocking_threads);
    }

    #[test]
    fn shares_are_compared_by_name_whatever_their_order_or_case() {
        let old = parse(
            "[[share]]\nname = 'a'\npath = '/a'\n[[share]]\nname = 'b'\npath = '/b'\n\
             [[share]]\nname = 'c'\npath = '/c'\n",
        );
        let wanted = parse(
            "[[share]]\nname = 'd'\npath = '/d'\n[[share]]\nname = 'c'\npath = '/c'\n\
             [[share]]\nname = 'B'\npath = '/b2'\nread_only = true\n",
        );
        let (new, changes) = old.reloaded(wanted);
        assert_eq!(new.shares.len(), 3);
        assert_eq!(changes.shares_removed, ["a"]);
        assert_eq!(changes.shares_added, ["d"]);
        assert_eq!(
            changes.shares_changed,
            [("b".to_owned(), vec!["name", "path", "read_only"])]
        );
        assert_eq!(
            changes.to_string(),
            "shares added: d; shares removed: a; shares changed: b (name, path, read_only)"
        );
    }
}
