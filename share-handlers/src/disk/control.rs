//! Control codes that a disk understands: sparse files, zeroing, allocated ranges, object ids.

use bytes::Bytes;
use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::Errno;
use server::share::Controlled;
use wire::NtStatus;
use wire::fscc::{FileAttributes, Fsctl};

use super::errno::status;
use super::file::Opening;

impl Opening {
    /// Carries out a control code.
    pub(super) fn control_now(
        &self,
        code: Fsctl,
        input: &[u8],
        room_bytes: usize,
    ) -> Result<Controlled, NtStatus> {
        match code {
            Fsctl::SET_SPARSE => self.set_sparse(input).map(Into::into),
            Fsctl::SET_ZERO_DATA => self.set_zero_data(input).map(Into::into),
            Fsctl::QUERY_ALLOCATED_RANGES => self.allocated_ranges(input, room_bytes),
            Fsctl::CREATE_OR_GET_OBJECT_ID => self.object_id_buffer(room_bytes).map(Into::into),
            _ => Err(NtStatus::INVALID_DEVICE_REQUEST),
        }
    }

    /// [MS-FSA] 2.1.5.10.38
    fn set_sparse(&self, input: &[u8]) -> Result<Bytes, NtStatus> {
        if self.file.directory || self.stream.is_some() {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let sparse = input.first().is_none_or(|flag| *flag != 0);
        self.change_dos_attributes(|kept| {
            kept.attributes = kept.attributes.without(FileAttributes::SPARSE_FILE);
            if sparse {
                kept.attributes |= FileAttributes::SPARSE_FILE;
            }
        })?;
        Ok(Bytes::new())
    }

    /// [MS-FSA] 2.1.5.10.39
    fn set_zero_data(&self, input: &[u8]) -> Result<Bytes, NtStatus> {
        let (from, behind) = pair(input)?;
        if from > behind || self.file.directory || self.stream.is_some() {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let behind = behind.min(self.file.stat()?.stx_size);
        let Some(length) = behind.checked_sub(from).filter(|length| *length > 0) else {
            return Ok(Bytes::new());
        };
        let first = if self.is_sparse()? {
            FallocateFlags::PUNCH_HOLE
        } else {
            FallocateFlags::ZERO_RANGE
        };
        for how in [first, FallocateFlags::PUNCH_HOLE] {
            let flags = how | FallocateFlags::KEEP_SIZE;
            match rustix::fs::fallocate(&self.file, flags, from, length) {
                Err(Errno::OPNOTSUPP) => {}
                result => return result.map(|()| Bytes::new()).map_err(status),
            }
        }
        self.write_zeros(from, behind)?;
        Ok(Bytes::new())
    }

    fn write_zeros(&self, mut at: u64, behind: u64) -> Result<(), NtStatus> {
        let zeros = [0; 64 << 10];
        while at < behind {
            let length = zeros
                .len()
                .min(usize::try_from(behind - at).unwrap_or(usize::MAX));
            match rustix::io::pwrite(&self.file, &zeros[..length], at) {
                Ok(0) => return Err(NtStatus::DISK_FULL),
                Ok(written) => at += written as u64,
                Err(Errno::INTR) => {}
                Err(error) => return Err(status(error)),
            }
        }
        Ok(())
    }

    /// [MS-FSA] 2.1.5.10.22
    fn allocated_ranges(&self, input: &[u8], room_bytes: usize) -> Result<Controlled, NtStatus> {
        let (from, length) = pair(input)?;
        let behind = from
            .checked_add(length)
            .filter(|end| *end <= i64::MAX.unsigned_abs());
        let behind = behind.ok_or(NtStatus::INVALID_PARAMETER)?;
        if self.file.directory || self.stream.is_some() {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let behind = behind.min(self.file.stat()?.stx_size);
        // departs [MS-FSA] 2.1.5.10.22: of a file that is not sparse, Windows tells what exists
        if behind <= from {
            return Ok(Bytes::new().into());
        }
        if room_bytes < RANGE_SIZE {
            return Err(NtStatus::BUFFER_TOO_SMALL);
        }
        if !self.is_sparse()? {
            return Ok(range(from, behind).into());
        }
        let mut ranges = Vec::new();
        let (mut at, mut more) = (from, false);
        while at < behind {
            let Some((start, end)) = self.next_data(at, behind)? else {
                break;
            };
            if ranges.len() + RANGE_SIZE > room_bytes {
                more = true;
                break;
            }
            ranges.extend_from_slice(&range(start, end));
            at = end;
        }
        let output = ranges.into();
        Ok(Controlled { output, more })
    }

    /// The next stretch of data at or behind `at`, cut to `behind`.
    fn next_data(&self, at: u64, behind: u64) -> Result<Option<(u64, u64)>, NtStatus> {
        let start = match rustix::fs::seek(&self.file, SeekFrom::Data(at)) {
            Ok(start) if start < behind => start,
            Ok(_) | Err(Errno::NXIO) => return Ok(None),
            Err(error) => return Err(status(error)),
        };
        let end = rustix::fs::seek(&self.file, SeekFrom::Hole(start)).map_err(status)?;
        Ok(Some((start, end.clamp(start + 1, behind))))
    }

    fn is_sparse(&self) -> Result<bool, NtStatus> {
        let kept = self.file.dos_attributes()?.unwrap_or_default();
        Ok(kept.attributes.contains(FileAttributes::SPARSE_FILE))
    }

    /// [MS-FSCC] 2.1.3.1, made of the file's identity: the same as long as the file exists.
    fn object_id_buffer(&self, room_bytes: usize) -> Result<Bytes, NtStatus> {
        if room_bytes < OBJECT_ID_SIZE {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let id = self.object.id;
        let mut buffer = Vec::with_capacity(OBJECT_ID_SIZE);
        for part in [id.volume, id.file, id.volume, 0, id.volume, id.file, 0, 0] {
            buffer.extend_from_slice(&part.to_le_bytes());
        }
        Ok(buffer.into())
    }
}

/// Two 64-bit numbers, neither negative as a signed one.
fn pair(input: &[u8]) -> Result<(u64, u64), NtStatus> {
    let number = |at: usize| {
        let bytes = input.get(at..at + 8)?.try_into().ok()?;
        u64::try_from(i64::from_le_bytes(bytes)).ok()
    };
    number(0).zip(number(8)).ok_or(NtStatus::INVALID_PARAMETER)
}

fn range(start: u64, end: u64) -> Bytes {
    [start.to_le_bytes(), (end - start).to_le_bytes()]
        .concat()
        .into()
}

/// FILE_ALLOCATED_RANGE_BUFFER. [MS-FSCC] 2.3.52
const RANGE_SIZE: usize = 16;
/// FILE_OBJECTID_BUFFER.
const OBJECT_ID_SIZE: usize = 64;

#[cfg(test)]
mod tests {
    use server::share::SetInfo;

    use super::super::testing::{Fixture, read, set, write};
    use super::*;
    use crate::offload::tests::wait;

    fn numbers(numbers: &[u64]) -> Bytes {
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect::<Vec<_>>()
            .into()
    }

    #[test]
    fn ranges_of_a_sparse_file_are_where_something_was_written() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        let ask = |from, length, room| {
            let code = Fsctl::QUERY_ALLOCATED_RANGES;
            wait(file.handle.control(code, numbers(&[from, length]), room))
        };
        assert_eq!(ask(0, 1000, 0), Ok(Bytes::new().into()));
        set(&file, SetInfo::EndOfFile(1 << 20)).unwrap();
        assert_eq!(ask(0, 1 << 30, 16), Ok(numbers(&[0, 1 << 20]).into()));
        wait(file.handle.control(Fsctl::SET_SPARSE, Bytes::new(), 0)).unwrap();
        assert_eq!(ask(0, 1 << 30, 16), Ok(Bytes::new().into()));
        write(&file.handle, 256 << 10, &[7; 64 << 10]).unwrap();
        assert_eq!(
            ask(0, 1 << 30, 16),
            Ok(numbers(&[256 << 10, 64 << 10]).into())
        );
        assert_eq!(ask(0, 1 << 30, 15), Err(NtStatus::BUFFER_TOO_SMALL));
        assert_eq!(ask(u64::MAX, 1, 16), Err(NtStatus::INVALID_PARAMETER));
        wait(
            file.handle
                .control(Fsctl::SET_SPARSE, Bytes::from_static(&[0]), 0),
        )
        .unwrap();
        let attributes = wait(file.handle.stat()).unwrap().attributes;
        assert!(!attributes.contains(FileAttributes::SPARSE_FILE));
    }

    #[test]
    fn zeroing_touches_what_it_names_and_never_the_size() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        write(&file.handle, 0, &[7; 100]).unwrap();
        let zero = |from, behind| {
            wait(
                file.handle
                    .control(Fsctl::SET_ZERO_DATA, numbers(&[from, behind]), 0),
            )
        };
        zero(10, 20).unwrap();
        zero(90, 5_000).unwrap();
        zero(200, 300).unwrap();
        let expected = [&[7; 10][..], &[0; 10], &[7; 70], &[0; 10]].concat();
        assert_eq!(read(&file.handle, 0, 1_000).unwrap(), expected);
        assert_eq!(zero(20, 10), Err(NtStatus::INVALID_PARAMETER));
    }

    #[test]
    fn an_object_id_stays_and_an_unknown_code_is_refused() {
        let fixture = Fixture::new();
        let file = fixture.create("a");
        let code = Fsctl::CREATE_OR_GET_OBJECT_ID;
        let id = wait(file.handle.control(code, Bytes::new(), 64)).unwrap();
        assert_eq!(id.output.len(), 64);
        assert_eq!(wait(file.handle.control(code, Bytes::new(), 64)), Ok(id));
        let unknown = wait(file.handle.control(Fsctl(0x0009_9999), Bytes::new(), 64));
        assert_eq!(unknown, Err(NtStatus::INVALID_DEVICE_REQUEST));
    }
}
