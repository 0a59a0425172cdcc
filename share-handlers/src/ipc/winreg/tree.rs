//! The registry's keys and values: what the server knows of itself, put where clients of Windows look for it.

use std::sync::Arc;

use server::share::ServerSnapshot;
use wire::fscc::upcase::eq_ignore_case;
use wire::{Utf16String, dtyp::FileTime};

use super::super::VERSION;

/// A key, and what is below it as it was when the root was opened.
#[derive(Debug)]
pub(super) struct Key {
    pub name: Utf16String,
    pub keys: Vec<Arc<Key>>,
    pub values: Vec<Value>,
    pub write_time: FileTime,
}

/// A value of a key.
#[derive(Debug)]
pub(super) struct Value {
    pub name: Utf16String,
    /// REG_VALUE_TYPE.
    pub kind: u32,
    pub data: Vec<u8>,
}

impl Key {
    /// The key that `path`, components separated by `\`, leads to from here; an empty path leads nowhere else.
    pub(super) fn find(self: &Arc<Self>, path: &[u16]) -> Option<Arc<Self>> {
        if path.is_empty() {
            return Some(Arc::clone(self));
        }
        let mut key = self;
        for component in path.split(|unit| *unit == u16::from(b'\\')) {
            let is_called = |key: &&Arc<Self>| eq_ignore_case(key.name.as_units(), component);
            key = key.keys.iter().find(is_called)?;
        }
        Some(Arc::clone(key))
    }

    /// The value of that name; an empty name is the default value's.
    pub(super) fn value(&self, name: &[u16]) -> Option<&Value> {
        let is_called = |value: &&Value| eq_ignore_case(value.name.as_units(), name);
        self.values.iter().find(is_called)
    }
}

/// HKEY_LOCAL_MACHINE.
// [MS-RRP] 3.1.1.7
pub(super) fn local_machine(facts: &ServerSnapshot) -> Arc<Key> {
    let new = Maker(facts.start_time);
    let (major, minor) = VERSION;
    let version = new.key(
        "CurrentVersion",
        vec![
            text("ProductName", "SMB server"),
            text("CurrentVersion", &format!("{major}.{minor}")),
            number("CurrentMajorVersionNumber", major),
            number("CurrentMinorVersionNumber", minor),
            text("InstallationType", "Server"),
        ],
        vec![],
    );
    let microsoft = new.path("Microsoft", vec![new.path("Windows NT", vec![version])]);
    new.path(
        "",
        vec![
            new.path("SOFTWARE", vec![microsoft]),
            new.path("SYSTEM", vec![new.control_set(facts)]),
        ],
    )
}

/// HKEY_CLASSES_ROOT, where nothing is registered.
pub(super) fn classes_root(facts: &ServerSnapshot) -> Arc<Key> {
    Maker(facts.start_time).path("", vec![])
}

/// HKEY_USERS: the profile of those who have none.
pub(super) fn users(facts: &ServerSnapshot) -> Arc<Key> {
    let new = Maker(facts.start_time);
    new.path("", vec![new.path(".DEFAULT", vec![])])
}

/// Makes keys of one time.
struct Maker(FileTime);

impl Maker {
    fn key(&self, name: &str, values: Vec<Value>, keys: Vec<Arc<Key>>) -> Arc<Key> {
        Arc::new(Key {
            name: name.into(),
            keys,
            values,
            write_time: self.0,
        })
    }

    fn path(&self, name: &str, keys: Vec<Arc<Key>>) -> Arc<Key> {
        self.key(name, vec![], keys)
    }

    fn control_set(&self, facts: &ServerSnapshot) -> Arc<Key> {
        let leaf = |name, values| self.key(name, values, vec![]);
        let name = || vec![text("ComputerName", &facts.name)];
        let computer = vec![
            leaf("ActiveComputerName", name()),
            leaf("ComputerName", name()),
        ];
        let product = vec![text("ProductType", "ServerNT")];
        let logs = ["Application", "Security", "System"];
        let logs = logs.map(|log| leaf(log, vec![]));
        let parameters = vec![text("srvcomment", &facts.comment)];
        let network = vec![text("Hostname", &facts.name), text("Domain", "")];
        let control = vec![
            self.path("ComputerName", computer),
            leaf("ProductOptions", product),
        ];
        let services = vec![
            self.path("Eventlog", logs.into()),
            self.path("LanmanServer", vec![leaf("Parameters", parameters)]),
            self.path("Tcpip", vec![leaf("Parameters", network)]),
        ];
        let both = vec![
            self.path("Control", control),
            self.path("Services", services),
        ];
        self.path("CurrentControlSet", both)
    }
}

fn text(name: &str, data: &str) -> Value {
    let units = data.encode_utf16().chain([0]);
    Value {
        name: name.into(),
        kind: SZ,
        data: units.flat_map(u16::to_le_bytes).collect(),
    }
}

fn number(name: &str, data: u32) -> Value {
    Value {
        name: name.into(),
        kind: DWORD,
        data: data.to_le_bytes().to_vec(),
    }
}

// [MS-RRP] 3.1.1.5
const SZ: u32 = 1;
const DWORD: u32 = 4;
