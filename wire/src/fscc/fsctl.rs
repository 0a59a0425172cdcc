//! File-system control codes.
//!
//! Owns the numbers and what they say about themselves. The buffers that they carry are in
//! `fsctl_data`, those of reparse points in `reparse`.

use crate::flags::wire_values;

wire_values! {
    /// A control code.
    // [MS-FSCC] 2.3
    pub struct Fsctl: u32 {
        /// Is this path well-formed?
        const IS_PATHNAME_VALID = 0x0009_002C;
        /// How the file is compressed.
        const GET_COMPRESSION = 0x0009_003C;
        /// The boot sector of a FAT volume.
        const QUERY_FAT_BPB = 0x0009_0058;
        /// Performance counters.
        const FILESYSTEM_GET_STATISTICS = 0x0009_0060;
        /// Facts of an NTFS volume.
        const GET_NTFS_VOLUME_DATA = 0x0009_0064;
        /// Where the file lies on the volume.
        const GET_RETRIEVAL_POINTERS = 0x0009_0073;
        /// Files owned by a user.
        const FIND_FILES_BY_SID = 0x0009_008F;
        /// Set the object id.
        const SET_OBJECT_ID = 0x0009_0098;
        /// The object id.
        const GET_OBJECT_ID = 0x0009_009C;
        /// Remove the object id.
        const DELETE_OBJECT_ID = 0x0009_00A0;
        /// Set the reparse point.
        const SET_REPARSE_POINT = 0x0009_00A4;
        /// The reparse point.
        const GET_REPARSE_POINT = 0x0009_00A8;
        /// Remove the reparse point.
        const DELETE_REPARSE_POINT = 0x0009_00AC;
        /// Set what goes with the object id.
        const SET_OBJECT_ID_EXTENDED = 0x0009_00BC;
        /// The object id, made if there is none.
        const CREATE_OR_GET_OBJECT_ID = 0x0009_00C0;
        /// Make the file sparse, or not.
        const SET_SPARSE = 0x0009_00C4;
        /// Encrypt or decrypt on the volume.
        const SET_ENCRYPTION = 0x0009_00D7;
        /// The file's record in the change journal.
        const READ_FILE_USN_DATA = 0x0009_00EB;
        /// Write a close record to the change journal.
        const WRITE_USN_CLOSE_RECORD = 0x0009_00EF;
        /// Mark the handle for a purpose.
        const MARK_HANDLE = 0x0009_00FC;
        /// Copy as a single-instance file.
        const SIS_COPYFILE = 0x0009_0100;
        /// Fetch from remote storage.
        const RECALL_FILE = 0x0009_0117;
        /// Facts of an optical volume.
        const QUERY_SPARING_INFO = 0x0009_0138;
        /// Facts of an optical volume.
        const QUERY_ON_DISK_VOLUME_INFO = 0x0009_013C;
        /// Zero clusters when they are freed.
        const SET_ZERO_ON_DEALLOCATION = 0x0009_0194;
        /// How integrity is kept.
        const GET_INTEGRITY_INFORMATION = 0x0009_027C;
        /// Which regions hold data.
        const QUERY_FILE_REGIONS = 0x0009_0284;
        /// Facts of a ReFS volume.
        const GET_REFS_VOLUME_DATA = 0x0009_02D8;
        /// Whether shared virtual disks work here.
        const QUERY_SHARED_VIRTUAL_DISK_SUPPORT = 0x0009_0300;
        /// A request for a shared virtual disk.
        const SVHDX_SYNC_TUNNEL_REQUEST = 0x0009_0304;
        /// Storage quality of service.
        const STORAGE_QOS_CONTROL = 0x0009_0350;
        /// A request for a shared virtual disk, answered later.
        const SVHDX_ASYNC_TUNNEL_REQUEST = 0x0009_0364;
        /// Change how integrity is kept.
        const SET_INTEGRITY_INFORMATION_EX = 0x0009_0380;
        /// Where the file lies, and how often each extent is shared.
        const GET_RETRIEVAL_POINTERS_AND_REFCOUNT = 0x0009_03D3;
        /// In how many pieces the file lies.
        const GET_RETRIEVAL_POINTER_COUNT = 0x0009_042B;
        /// Snapshots of a stream.
        const REFS_STREAM_SNAPSHOT_MANAGEMENT = 0x0009_0440;
        /// Which ranges of a sparse file are allocated.
        const QUERY_ALLOCATED_RANGES = 0x0009_40CF;
        /// A token for a range of data.
        const OFFLOAD_READ = 0x0009_4264;
        /// Fill a range with zeros.
        const SET_ZERO_DATA = 0x0009_80C8;
        /// Defects of an optical volume.
        const SET_DEFECT_MANAGEMENT = 0x0009_8134;
        /// Tell the medium that ranges are not needed.
        const FILE_LEVEL_TRIM = 0x0009_8208;
        /// Write the data that a token stands for.
        const OFFLOAD_WRITE = 0x0009_8268;
        /// Share blocks with another file.
        const DUPLICATE_EXTENTS_TO_FILE = 0x0009_8344;
        /// Share blocks with another file, with options.
        const DUPLICATE_EXTENTS_TO_FILE_EX = 0x0009_83E8;
        /// Compress the file, or not.
        const SET_COMPRESSION = 0x0009_C040;
        /// Change how integrity is kept.
        const SET_INTEGRITY_INFORMATION = 0x0009_C280;
        /// DFS referrals.
        const DFS_GET_REFERRALS = 0x0006_0194;
        /// DFS referrals with a site.
        const DFS_GET_REFERRALS_EX = 0x0006_01B0;
        /// Wait for an instance of a pipe.
        const PIPE_WAIT = 0x0011_0018;
        /// What there is to be read from a pipe, left there.
        const PIPE_PEEK = 0x0011_400C;
        /// Write a message to a pipe and read the answer.
        const PIPE_TRANSCEIVE = 0x0011_C017;
        /// A key that lets another open copy from this one.
        const SRV_REQUEST_RESUME_KEY = 0x0014_0078;
        /// Link tracking.
        const LMR_SET_LINK_TRACKING_INFORMATION = 0x0014_00EC;
        /// Keep the open when the connection is lost.
        const LMR_REQUEST_RESILIENCY = 0x0014_01D4;
        /// The server's network interfaces.
        const QUERY_NETWORK_INTERFACE_INFO = 0x0014_01FC;
        /// Was the negotiation tampered with?
        const VALIDATE_NEGOTIATE_INFO = 0x0014_0204;
        /// The previous versions.
        const SRV_ENUMERATE_SNAPSHOTS = 0x0014_4064;
        /// Copy on the server; the target is readable.
        const SRV_COPYCHUNK = 0x0014_40F2;
        /// Hashes for branch caches.
        const SRV_READ_HASH = 0x0014_41BB;
        /// Copy on the server.
        const SRV_COPYCHUNK_WRITE = 0x0014_80F2;
        /// Private to smbtorture: the connection shall behave as if its link were dead.
        const LAB_PLAY_DEAD = 0x8384_8003;
        /// Private to smbtorture: wait for as many milliseconds as the one byte of input says.
        const LAB_PAUSE = 0x8384_8043;
    }
}

impl Fsctl {
    /// Whether the code is private to smbtorture.
    #[must_use]
    pub const fn is_lab_control(self) -> bool {
        matches!(self, Self::LAB_PLAY_DEAD | Self::LAB_PAUSE)
    }

    /// Whether the request needs no open: its FileId is all ones.
    // [MS-SMB2] 3.3.5.15
    #[must_use]
    pub const fn needs_no_open(self) -> bool {
        matches!(
            self,
            Self::DFS_GET_REFERRALS
                | Self::DFS_GET_REFERRALS_EX
                | Self::QUERY_NETWORK_INTERFACE_INFO
                | Self::VALIDATE_NEGOTIATE_INFO
                | Self::PIPE_WAIT
        )
    }
}
