//! The structures of the print system that come in NDR, in the order of [MS-RPRN] 2.2.1.

use super::super::calendar::SystemTime;
use super::super::ndr::{Array, Wide, ndr_struct, ndr_union};
use super::Text;

ndr_struct! {
    /// DEVMODE_CONTAINER, which is for drivers.
    // [MS-RPRN] 2.2.1.2.1
    pub(super) struct DevMode {
        pub size: u32,
        pub data: Option<Array<u8>>,
    }

    /// DOC_INFO_1.
    // [MS-RPRN] 2.2.1.4
    pub(super) struct Document {
        pub name: Text,
        pub output_file: Text,
        pub datatype: Text,
    }

    /// DOC_INFO_CONTAINER.
    // [MS-RPRN] 2.2.1.2.2
    pub(super) struct DocumentContainer {
        pub level: u32,
        pub document: DocumentInfo,
    }

    /// JOB_CONTAINER.
    // [MS-RPRN] 2.2.1.2.5
    pub(super) struct JobContainer {
        level: u32,
        info: JobInfo,
    }

    /// JOB_INFO_1.
    // [MS-RPRN] 2.2.1.7.1
    pub(super) struct Job1 {
        id: u32,
        names: [Text; 5],
        status_text: Text,
        status: [u32; 5],
        submitted: SystemTime,
    }

    /// JOB_INFO_2.
    // [MS-RPRN] 2.2.1.7.2
    pub(super) struct Job2 {
        id: u32,
        names: [Text; 9],
        devmode: Wide,
        status_text: Text,
        descriptor: Wide,
        status: [u32; 7],
        submitted: SystemTime,
        time: u32,
        pages_printed: u32,
    }

    /// JOB_INFO_3.
    // [MS-RPRN] 2.2.1.7.3
    pub(super) struct Job3 {
        id: u32,
        next: u32,
        reserved: u32,
    }

    /// JOB_INFO_4.
    // [MS-RPRN] 2.2.1.7.4
    pub(super) struct Job4 {
        id: u32,
        names: [Text; 9],
        devmode: Wide,
        status_text: Text,
        descriptor: Wide,
        status: [u32; 7],
        submitted: SystemTime,
        time: u32,
        pages_printed: u32,
        size_high: u32,
    }

    /// SPLCLIENT_CONTAINER.
    // [MS-RPRN] 2.2.1.2.14
    pub(super) struct ClientContainer {
        level: u32,
        pub client: ClientInfo,
    }

    /// SPLCLIENT_INFO_1.
    // [MS-RPRN] 2.2.1.11.1
    pub(super) struct Client {
        size: u32,
        machine: Text,
        user: Text,
        build: u32,
        major: u32,
        minor: u32,
        architecture: u16,
    }
}

ndr_union! {
    pub(super) enum DocumentInfo(u32) {
        1 => Level1(Option<Document>),
        _ => Other,
    }

    pub(super) enum JobInfo(u32) {
        1 => Level1(Option<Job1>),
        2 => Level2(Option<Job2>),
        3 => Level3(Option<Job3>),
        4 => Level4(Option<Job4>),
    }

    pub(super) enum ClientInfo(u32) {
        1 => Level1(Option<Client>),
        _ => Other,
    }
}
