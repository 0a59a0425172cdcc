//! Fuzz targets: plain functions of bytes that must neither panic, nor hang, nor keep memory.
//!
//! They are called by the mutator in this module (`cargo fuzz`), by libFuzzer (the project in
//! `conformance/fuzz`), and by the tests, which replay the corpora.

pub mod connection;
pub mod corpus;
mod decoders;
mod deframer;
pub mod mutate;
pub mod rig;
pub mod run;

/// A function of bytes, by name.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The target's name, and the name of its corpus.
    pub name: &'static str,
    /// What it does with an input. Panics are findings.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "deframer",
        run: deframer::deframer,
    },
    Target {
        name: "decoders",
        run: decoders::decoders,
    },
    Target {
        name: "tokens",
        run: tokens,
    },
    Target {
        name: "connection",
        run: connection::connection,
    },
    Target {
        name: "rpc_packets",
        run: share_handlers::ipc::fuzzing::packets,
    },
    Target {
        name: "rpc_stubs",
        run: share_handlers::ipc::fuzzing::stubs,
    },
    Target {
        name: "config",
        run: config,
    },
];

/// The target with this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// The authentication layer: the first byte says whose part the rest plays.
fn tokens(input: &[u8]) {
    let Some((role, rest)) = input.split_first() else {
        return;
    };
    match role % 4 {
        0 => auth::fuzzing::accept(rest),
        1 => auth::fuzzing::authenticate(rest),
        2 => auth::fuzzing::connect(rest),
        _ => auth::fuzzing::account_file(rest),
    }
}

/// The configuration file: what can be read is written and read to the same.
fn config(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(configuration) = config::Configuration::parse(&text, "fuzz.toml") {
        let again = config::Configuration::parse(&configuration.to_toml(), "again.toml");
        assert!(again.is_ok_and(|again| again == configuration), "{text}");
    }
}
