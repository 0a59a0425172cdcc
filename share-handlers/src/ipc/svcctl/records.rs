//! The services that this server amounts to. All of them run as long as it does.

use server::share::ShareKind;

use super::super::infos::{Info, Member};
use super::super::ndr::ndr_struct;
use super::super::rpc::Call;
use super::Text;

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// What programs call it.
    pub name: &'static str,
    /// What people call it.
    pub display_name: &'static str,
    /// What it does, for people.
    pub description: &'static str,
    /// The kinds of service that it is one of.
    pub kind: u32,
}

/// The services that run on this server, by name.
pub(super) fn all(call: &Call<'_>) -> Vec<Record> {
    let mut records = vec![Record {
        name: "LanmanServer",
        display_name: "Server",
        description: "Serves files and named pipes to the network.",
        kind: SHARES_PROCESS,
    }];
    let shares = call.services.view.shares();
    if shares.iter().any(|share| share.kind == ShareKind::Print) {
        records.push(Record {
            name: "Spooler",
            display_name: "Print Spooler",
            description: "Keeps print jobs and hands them to printers.",
            kind: SHARES_PROCESS,
        });
    }
    records
}

ndr_struct! {
    /// SERVICE_STATUS.
    // [MS-SCMR] 2.2.47
    pub(super) struct Status {
        kind: u32,
        state: u32,
        controls_accepted: u32,
        exit_code: u32,
        specific_exit_code: u32,
        check_point: u32,
        wait_hint: u32,
    }

    /// QUERY_SERVICE_CONFIGW.
    // [MS-SCMR] 2.2.15
    pub(super) struct Config {
        kind: u32,
        start: u32,
        error_control: u32,
        pub program: Text,
        group: Text,
        tag: u32,
        dependencies: Text,
        start_name: Text,
        pub display_name: Text,
    }
}

impl Status {
    /// Of no service.
    pub(super) const NONE: Self = Self {
        kind: 0,
        state: 0,
        controls_accepted: 0,
        exit_code: 0,
        specific_exit_code: 0,
        check_point: 0,
        wait_hint: 0,
    };
}

impl Config {
    /// Of no service.
    pub(super) const NONE: Self = Self {
        kind: 0,
        start: 0,
        error_control: 0,
        program: None,
        group: None,
        tag: 0,
        dependencies: None,
        start_name: None,
        display_name: None,
    };

    /// The bytes that a client needs for it.
    pub(super) fn size(&self) -> u32 {
        const FIXED: usize = 36;
        let texts = [
            &self.program,
            &self.group,
            &self.dependencies,
            &self.start_name,
            &self.display_name,
        ];
        let texts = texts.into_iter().flatten().map(|text| text.len_bytes() + 2);
        u32::try_from(FIXED + texts.sum::<usize>()).unwrap_or(u32::MAX)
    }
}

impl Record {
    /// Running, and listening to no controls.
    pub(super) fn status(&self) -> Status {
        const RUNNING: u32 = 4;
        Status {
            kind: self.kind,
            state: RUNNING,
            ..Status::NONE
        }
    }

    /// How it is started, as far as this server knows: not as whom, and not what was before it.
    pub(super) fn config(&self) -> Config {
        const AUTOMATIC: u32 = 2;
        const NORMAL: u32 = 1;
        let empty = || Some("".into());
        Config {
            kind: self.kind,
            start: AUTOMATIC,
            error_control: NORMAL,
            program: Some("smbd".into()),
            group: empty(),
            tag: 0,
            dependencies: empty(),
            start_name: empty(),
            display_name: Some(self.display_name.into()),
        }
    }

    /// The two names, as lists have them.
    // [MS-SCMR] 2.2.11
    // [MS-SCMR] 2.2.13
    pub(super) fn names(&self) -> Info {
        vec![Member::text(self.name), Member::text(self.display_name)]
    }

    /// [`Record::status`] in a buffer.
    pub(super) fn status_members(&self) -> Info {
        let status = self.status();
        let numbers = [
            status.kind,
            status.state,
            status.controls_accepted,
            status.exit_code,
            status.specific_exit_code,
            status.check_point,
            status.wait_hint,
        ];
        numbers.map(Member::Number).to_vec()
    }

    /// SERVICE_STATUS_PROCESS.
    // [MS-SCMR] 2.2.49
    pub(super) fn process_status(&self) -> Info {
        let mut members = self.status_members();
        members.extend([std::process::id(), 0].map(Member::Number));
        members
    }
}

/// SERVICE_WIN32_SHARE_PROCESS.
// [MS-SCMR] 2.2.15
const SHARES_PROCESS: u32 = 0x20;
