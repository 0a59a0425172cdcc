//! The bytes of a file or stream: reading, writing, sizes, sparse ranges.

use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use server::share::{Controlled, Place, ReplyRoom};
use wire::fscc::Fsctl;
use wire::fscc::fsctl_data::{AllocatedRange, ZeroData, decode_set_sparse};
use wire::{NtStatus, Writer};

use super::handle::MemoryHandle;
use super::node::{Body, Data, round_up};

impl Data {
    /// Notes that `bytes` are to be reserved.
    pub(super) fn reserve(&mut self, bytes: u64) {
        self.reserved = round_up(bytes);
    }
}

impl MemoryHandle {
    /// Copies into the reply's own buffer.
    // departs [MS-FSA] 2.1.4.20: reading does not move the access time, as on Windows, where that is off by default
    pub(super) fn read_now(&self, at: u64, room: &mut ReplyRoom) -> Result<u32, NtStatus> {
        let body = self.node.body.read();
        let data = body.data(self.stream)?;
        Ok(data.contents.read(at, room.as_mut_slice()) as u32)
    }

    // [MS-FSA] 2.1.5.4
    pub(super) fn write_now(&self, place: Place, bytes: &[u8]) -> Result<u32, NtStatus> {
        let mut body = self.node.body.write();
        let data = body.data_mut(self.stream)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let at = match place {
            Place::Offset(at) => at,
            Place::End => data.contents.size(),
        };
        let end = at.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > LARGEST_FILE) {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        data.contents.write(at, bytes)?;
        self.note_written(&mut body);
        Ok(bytes.len() as u32)
    }

    // [MS-FSA] 2.1.5.15.5
    pub(super) fn set_end_of_file(&self, size: u64) -> Result<(), NtStatus> {
        let mut body = self.node.body.write();
        let data = body.data_mut(self.stream).map_err(not_for_directories)?;
        if size > LARGEST_FILE {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        data.contents.resize(size);
        data.reserved = 0;
        self.note_resized(&mut body);
        Ok(())
    }

    // [MS-FSA] 2.1.5.15.1
    pub(super) fn set_allocation(&self, size: u64) -> Result<(), NtStatus> {
        let mut body = self.node.body.write();
        let data = body.data_mut(self.stream).map_err(not_for_directories)?;
        if size > LARGEST_FILE {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        self.store.budget.check(round_up(size))?;
        let cut = size < data.contents.size();
        if cut {
            data.contents
                .resize(round_up(size).min(data.contents.size()));
        }
        data.reserve(size);
        if cut {
            self.note_resized(&mut body);
        } else {
            body.note_changed(self.user_set(), self.store.now());
        }
        Ok(())
    }

    fn note_written(&self, body: &mut Body) {
        self.wrote.store(true, Ordering::Relaxed);
        body.note_written(self.user_set(), self.store.now());
    }

    pub(super) fn note_resized(&self, body: &mut Body) {
        self.wrote.store(true, Ordering::Relaxed);
        body.note_resized(self.user_set(), self.store.now());
    }

    /// Ends the open: what was reserved behind the end of the file is given up.
    // [MS-FSA] 2.1.5.5
    pub(super) fn close_now(&self) {
        self.end_writing();
        if let Ok(data) = self.node.body.write().data_mut(self.stream) {
            data.reserved = 0;
        }
    }

    /// What this handle wrote is what is seen from now on.
    pub(super) fn end_writing(&self) {
        if self.wrote.swap(false, Ordering::Relaxed) {
            self.node.body.write().times.write.end();
        }
    }

    /// There is no storage more stable than this.
    pub(super) fn flush_now(&self) {
        self.node.body.write().times.write.release();
    }

    /// Carries out a control code.
    pub(super) fn control_now(
        &self,
        code: Fsctl,
        input: &[u8],
        room_bytes: usize,
    ) -> Result<Controlled, NtStatus> {
        match code {
            Fsctl::SET_SPARSE => self.set_sparse(decode_set_sparse(input)).map(Into::into),
            Fsctl::SET_ZERO_DATA => self.set_zero_data(input).map(Into::into),
            Fsctl::QUERY_ALLOCATED_RANGES => self.allocated_ranges(input, room_bytes),
            _ => Err(NtStatus::INVALID_DEVICE_REQUEST),
        }
    }

    // [MS-FSA] 2.1.5.10.38
    fn set_sparse(&self, is_sparse: bool) -> Result<Bytes, NtStatus> {
        let mut body = self.node.body.write();
        body.data_mut(self.stream)
            .map_err(not_for_directories)?
            .is_sparse = is_sparse;
        Ok(Bytes::new())
    }

    // [MS-FSA] 2.1.5.10.39
    fn set_zero_data(&self, input: &[u8]) -> Result<Bytes, NtStatus> {
        let zero = ZeroData::decode(input).map_err(|_| NtStatus::INVALID_PARAMETER)?;
        let (from, to) = (offset(zero.file_offset)?, offset(zero.beyond_final_zero)?);
        if from > to {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let mut body = self.node.body.write();
        let data = body.data_mut(self.stream).map_err(not_for_directories)?;
        if from < to.min(data.contents.size()) {
            data.contents.zero(from, to);
            self.note_written(&mut body);
        }
        Ok(Bytes::new())
    }

    // [MS-FSA] 2.1.5.10.22
    fn allocated_ranges(&self, input: &[u8], room_bytes: usize) -> Result<Controlled, NtStatus> {
        let body = self.node.body.read();
        let data = body.data(self.stream).map_err(not_for_directories)?;
        let asked = AllocatedRange::decode(input).map_err(|_| NtStatus::INVALID_PARAMETER)?;
        let (from, length) = (offset(asked.file_offset)?, offset(asked.length)?);
        let to = from
            .checked_add(length)
            .filter(|to| *to <= i64::MAX.unsigned_abs());
        let to = to.ok_or(NtStatus::INVALID_PARAMETER)?;
        if length == 0 {
            return Ok(Bytes::new().into());
        }
        let ranges = if data.is_sparse {
            data.contents.ranges(from, to)
        } else {
            // departs [MS-FSA] 2.1.5.10.22: Windows tells nothing that lies behind the end of the file
            let to = to.min(data.contents.size());
            Vec::from_iter((from < to).then_some((from, to)))
        };
        // departs [MS-FSA] 2.1.5.10.22: Windows needs no room to tell that there is nothing
        if room_bytes < AllocatedRange::SIZE && !ranges.is_empty() {
            return Err(NtStatus::BUFFER_TOO_SMALL);
        }
        let fit = ranges.len().min(room_bytes / AllocatedRange::SIZE);
        let more = fit < ranges.len();
        let mut out = BytesMut::with_capacity(fit * AllocatedRange::SIZE);
        let mut writer = Writer::new(&mut out);
        for (start, end) in ranges.into_iter().take(fit) {
            let range = AllocatedRange {
                file_offset: start as i64,
                length: (end - start) as i64,
            };
            range.encode(&mut writer);
        }
        let output = out.freeze();
        Ok(Controlled { output, more })
    }
}

/// What has no bytes cannot have so many of them.
pub(super) fn not_for_directories(status: NtStatus) -> NtStatus {
    match status {
        NtStatus::INVALID_DEVICE_REQUEST => NtStatus::INVALID_PARAMETER,
        status => status,
    }
}

fn offset(signed: i64) -> Result<u64, NtStatus> {
    u64::try_from(signed).map_err(|_| NtStatus::INVALID_PARAMETER)
}

/// The largest file of an NTFS volume with the usual clusters: 16 TiB less 64 KiB.
const LARGEST_FILE: u64 = 0x0FFF_FFFF_0000;
