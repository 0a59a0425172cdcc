//! The section `[log]`: what is logged, by area, and in which form.

use std::str::FromStr;

use crate::{
    schema::{Section, Visitor, fixed, live},
    value::{Choice, Value},
};

/// The section `[log]`. An area without a level of its own has the general one.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// The form of each line.
    pub format: LogFormat,
    /// The general level.
    pub level: Level,
    /// Listening, connections, frames, start and stop.
    pub connections: Option<Level>,
    /// Requests and their answers: one line each at `debug`.
    pub requests: Option<Level>,
    /// Log-ons.
    pub authentication: Option<Level>,
    /// Share modes, locks, leases and change notification.
    pub object_store: Option<Level>,
    /// What share handlers do on disk.
    pub shares: Option<Level>,
    /// What users do on shares with an audit log: `debug` tells names of files too.
    pub audit: Option<Level>,
}

/// The form of each line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The least important message that is still logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Off,
    /// What failed and needs somebody's attention.
    Error,
    /// What is odd but handled.
    Warn,
    /// What an administrator wants to know of a healthy server.
    Info,
    /// One line per request.
    Debug,
    /// Everything.
    Trace,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: Level::Info,
            connections: None,
            requests: None,
            authentication: None,
            object_store: None,
            shares: None,
            audit: None,
        }
    }
}

impl Section for Log {
    fn settings(&mut self, visitor: &mut impl Visitor) {
        visitor.visit(fixed("format"), &mut self.format);
        visitor.visit(live("level"), &mut self.level);
        visitor.visit(live("connections"), &mut self.connections);
        visitor.visit(live("requests"), &mut self.requests);
        visitor.visit(live("authentication"), &mut self.authentication);
        visitor.visit(live("object_store"), &mut self.object_store);
        visitor.visit(live("shares"), &mut self.shares);
        visitor.visit(live("audit"), &mut self.audit);
    }
}

impl Choice for LogFormat {
    const CHOICES: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

impl Choice for Level {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("off", Self::Off),
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

/// The word of the configuration file.
impl FromStr for LogFormat {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        choose(word)
    }
}

/// The word of the configuration file.
impl FromStr for Level {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        choose(word)
    }
}

/// What a word stands for, or what would be right.
fn choose<T: Choice>(word: &str) -> Result<T, String> {
    let found = T::CHOICES.iter().find(|(known, _)| *known == word);
    found
        .map(|(_, choice)| *choice)
        .ok_or_else(|| format!("give {}", T::expects()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_formats_are_read_from_their_words() {
        assert_eq!("debug".parse(), Ok(Level::Debug));
        assert_eq!("json".parse(), Ok(LogFormat::Json));
        let error = "xml".parse::<LogFormat>().unwrap_err();
        assert_eq!(error, "give \"text\" or \"json\"");
    }
}
