//! The classes of named pipes.

use crate::flags::wire_values;
use crate::fscc::layout::{newtype_field, wire_struct};

wire_values! {
    /// Whether a pipe carries bytes or messages.
    // [MS-FSCC] 2.4.38
    pub struct PipeType: u32 {
        /// A stream of bytes.
        const BYTE_STREAM = 0;
        /// Messages.
        const MESSAGE = 1;
    }
}

wire_values! {
    /// How far a pipe is connected.
    // [MS-FSCC] 2.4.38
    pub struct PipeState: u32 {
        /// The other end is gone.
        const DISCONNECTED = 1;
        /// Nobody has connected yet.
        const LISTENING = 2;
        /// Connected.
        const CONNECTED = 3;
        /// The other end was closed; what it sent can still be read.
        const CLOSING = 4;
    }
}

wire_struct! {
    /// FilePipeInformation.
    // [MS-FSCC] 2.4.37
    pub struct PipeInformation {
        /// ReadMode.
        pub read_mode: PipeType,
        /// CompletionMode: 0 waits, 1 completes at once.
        pub completion_mode: u32,
    }
}

wire_struct! {
    /// FilePipeLocalInformation.
    // [MS-FSCC] 2.4.38
    pub struct PipeLocalInformation {
        /// NamedPipeType.
        pub named_pipe_type: PipeType,
        /// NamedPipeConfiguration: 0 inbound, 1 outbound, 2 both.
        pub named_pipe_configuration: u32,
        /// MaximumInstances.
        pub maximum_instances: u32,
        /// CurrentInstances.
        pub current_instances: u32,
        /// InboundQuota in bytes.
        pub inbound_quota: u32,
        /// ReadDataAvailable in bytes.
        pub read_data_available: u32,
        /// OutboundQuota in bytes.
        pub outbound_quota: u32,
        /// WriteQuotaAvailable in bytes.
        pub write_quota_available: u32,
        /// NamedPipeState.
        pub named_pipe_state: PipeState,
        /// NamedPipeEnd: 0 client, 1 server.
        pub named_pipe_end: u32,
    }
}

wire_struct! {
    /// FilePipeRemoteInformation.
    // [MS-FSCC] 2.4.39
    pub struct PipeRemoteInformation {
        /// CollectDataTime in 100 ns.
        pub collect_data_time: u64,
        /// MaximumCollectionCount in bytes.
        pub maximum_collection_count: u32,
    }
}

newtype_field! {
    PipeType: u32, PipeType, u32::from;
    PipeState: u32, PipeState, u32::from;
}
