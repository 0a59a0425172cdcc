//! Lists that a client reads in parts: which entries an answer carries, and where the next one begins.

use super::ndr::{Malformed, NdrReader, NdrWriter, Row, row_size};
use super::win32;

/// The arguments that all procedures that enumerate have in common.
// [MS-SRVS] 3.1.4.8
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Enumeration {
    /// InfoStruct.Level.
    pub level: u32,
    /// PreferedMaximumLength in bytes.
    pub room: u32,
    /// ResumeHandle: how many entries the client has; none if it cannot take a list in parts.
    pub resume: Option<u32>,
}

impl Enumeration {
    /// Reads InfoStruct, PreferedMaximumLength and ResumeHandle.
    pub(super) fn decode(reader: &mut NdrReader<'_>) -> Result<Self, Malformed> {
        let level = reader.u32()?;
        let selected = reader.u32()?;
        if selected != level {
            return Err(Malformed);
        }
        // What clients send in the place of the entries is no more than an empty array.
        if reader.pointer()? {
            let entries = reader.u32()?;
            let is_empty = !reader.pointer()? || reader.u32()? == 0;
            if entries != 0 || !is_empty {
                return Err(Malformed);
            }
        }
        Ok(Self {
            level,
            room: reader.u32()?,
            resume: reader.unique_u32()?,
        })
    }

    /// The answer that carries as many of `rows` as fit, from where the client was on.
    pub(super) fn answer(&self, rows: &[Row]) -> NdrWriter {
        let start = self.resume.unwrap_or(0);
        let first = usize::try_from(start).unwrap_or(usize::MAX).min(rows.len());
        let left = rows.get(first..).unwrap_or_default();
        let mut used = 0_usize;
        let room = usize::try_from(self.room).unwrap_or(usize::MAX);
        let fitting = left.iter().take_while(|row| {
            used += row_size(row);
            self.room == MAX_PREFERRED_LENGTH || used <= room
        });
        let now = left.get(..fitting.count()).unwrap_or_default();
        let is_all = now.len() == left.len();
        let mut out = NdrWriter::default();
        out.u32(self.level);
        out.u32(self.level);
        out.referent();
        out.u32(count(now.len()));
        if now.is_empty() {
            out.null();
        } else {
            out.referent();
            out.u32(count(now.len()));
            out.rows(now);
        }
        out.u32(count(left.len()));
        let next = if is_all { 0 } else { count(first + now.len()) };
        out.unique_u32(self.resume.map(|_| next));
        out.u32(if is_all {
            win32::SUCCESS
        } else {
            win32::MORE_DATA
        });
        out
    }

    /// The answer that carries nothing but why; `is_level` tells whether the level is one of the procedure's.
    pub(super) fn refuse(&self, error: u32, is_level: bool) -> NdrWriter {
        let mut out = NdrWriter::default();
        out.u32(self.level);
        out.u32(self.level);
        // The default arm of the union is empty.
        if is_level {
            out.null();
        }
        out.u32(0);
        out.unique_u32(self.resume);
        out.u32(error);
        out
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// [MS-SRVS] 2.2.2.2
const MAX_PREFERRED_LENGTH: u32 = u32::MAX;
