//! Fuzz targets: plain functions of bytes that must neither panic, nor hang, nor keep memory.
//!
//! They are called by the mutator in this module (`cargo fuzz`), by libFuzzer (the project in
//! `conformance/fuzz`), and by the tests, which replay the corpora.

mod calls;
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
    /// The interface that a target of remote procedure calls is held to. Its corpus is what `rpc_stubs` has of it.
    pub interface: Option<&'static str>,
}

impl Target {
    const fn new(name: &'static str, run: fn(&[u8])) -> Self {
        Self {
            name,
            run,
            interface: None,
        }
    }

    const fn interface(name: &'static str, interface: &'static str) -> Self {
        Self {
            name,
            run: share_handlers::ipc::fuzzing::stubs,
            interface: Some(interface),
        }
    }
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target::new("deframer", deframer::deframer),
    Target::new("decoders", decoders::decoders),
    Target::new("tokens", tokens),
    Target::new("connection", connection::connection),
    Target::new("config", config),
    Target::new("rpc_packets", share_handlers::ipc::fuzzing::packets),
    Target::new("rpc_stubs", share_handlers::ipc::fuzzing::stubs),
    Target::interface("rpc_dssetup", "dssetup"),
    Target::interface("rpc_epmapper", "epmapper"),
    Target::interface("rpc_initshutdown", "initshutdown"),
    Target::interface("rpc_lsarpc", "lsarpc"),
    Target::interface("rpc_mgmt", "mgmt"),
    Target::interface("rpc_samr", "samr"),
    Target::interface("rpc_spoolss", "spoolss"),
    Target::interface("rpc_srvsvc", "srvsvc"),
    Target::interface("rpc_svcctl", "svcctl"),
    Target::interface("rpc_winreg", "winreg"),
    Target::interface("rpc_wkssvc", "wkssvc"),
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
