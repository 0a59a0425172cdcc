//! The log: which area at which level, as text or JSON, changed on reload without a restart.

use std::io;

use config::{Level, Log, LogFormat};
use tracing_subscriber::{
    Layer, Registry, filter::LevelFilter, filter::Targets, fmt, layer::SubscriberExt, reload,
    util::SubscriberInitExt,
};

/// The running log; clones are of the same.
#[derive(Clone, Debug)]
pub(crate) struct Logging {
    filter: reload::Handle<Targets, Registry>,
}

impl Logging {
    /// Starts the log. Lines go to standard error.
    pub(crate) fn start(log: &Log) -> Self {
        let (filter, handle) = reload::Layer::new(targets(log));
        let lines = fmt::layer().with_writer(io::stderr);
        let lines = match log.format {
            LogFormat::Text => lines
                .with_ansi(rustix::termios::isatty(io::stderr()))
                .boxed(),
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
        };
        let subscriber = tracing_subscriber::registry().with(filter).with(lines);
        // A second start in one process is a test's; the first one's log stays.
        let _ = subscriber.try_init();
        Self { filter: handle }
    }

    /// Takes over new levels.
    pub(crate) fn reload(&self, log: &Log) {
        if let Err(error) = self.filter.reload(targets(log)) {
            tracing::warn!(%error, "cannot change the levels of the log");
        }
    }
}

/// The level of each target, as the levels of areas say. What the server core logs of its own
/// accord names its area as target, `smb::request` and the like; everything else has its module as
/// target.
fn targets(log: &Log) -> Targets {
    let areas: [(Option<Level>, &[&str]); 6] = [
        (log.connections, &["smb::connection", "smbd", "transport"]),
        (log.requests, &["smb::request", "server"]),
        (log.authentication, &["smb::authentication", "auth"]),
        (
            log.object_store,
            &["smb::object_store", "server::object_store"],
        ),
        (log.shares, &["smb::share", "share_handlers"]),
        (log.audit, &["smb::audit"]),
    ];
    let mut targets = Targets::new().with_default(filter(log.level));
    for (level, modules) in areas {
        let level = filter(level.unwrap_or(log.level));
        targets = targets.with_targets(modules.iter().map(|module| (*module, level)));
    }
    targets
}

const fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_has_its_own_level_or_the_general_one() {
        let log = Log {
            level: Level::Warn,
            requests: Some(Level::Debug),
            object_store: Some(Level::Off),
            ..Log::default()
        };
        let targets = targets(&log);
        let enabled = |module, level| targets.would_enable(module, &level);
        assert!(enabled("smb::request", tracing::Level::DEBUG));
        assert!(enabled("server::commands::read", tracing::Level::DEBUG));
        assert!(!enabled("smb::authentication", tracing::Level::INFO));
        assert!(!enabled(
            "server::object_store::lease",
            tracing::Level::ERROR
        ));
        assert!(enabled("smbd::driver", tracing::Level::WARN));
        assert!(!enabled("smbd::driver", tracing::Level::INFO));
        assert!(enabled("another_crate", tracing::Level::WARN));
    }
}
