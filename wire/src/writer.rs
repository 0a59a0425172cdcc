//! Appends little-endian fields to the buffer in which a reply is built.
//!
//! Lengths that do not fit their field saturate: the limits of the server keep that from happening, and
//! no value that came from a peer can make an encoder panic.

use bytes::{BufMut, BytesMut};

/// A message that is being appended to a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut BytesMut,
    start: usize,
}

impl<'a> Writer<'a> {
    /// Begins a message at the end of `out`: there may be other messages, or room for a transform
    /// header, in front of it.
    #[inline]
    #[must_use]
    pub fn new(out: &'a mut BytesMut) -> Self {
        let start = out.len();
        Self { out, start }
    }

    /// Goes on with the message whose header lies at `start` in `out`.
    #[inline]
    #[must_use]
    pub fn resume(out: &'a mut BytesMut, start: usize) -> Self {
        let start = start.min(out.len());
        Self { out, start }
    }

    /// How many bytes the message has so far, counted from the start of its header.
    #[inline]
    #[must_use]
    pub fn position(&self) -> usize {
        self.out.len().saturating_sub(self.start)
    }

    /// Appends one byte.
    #[inline]
    pub fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    /// Appends two bytes.
    #[inline]
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends four bytes.
    #[inline]
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends eight bytes.
    #[inline]
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends an offset or a length as two bytes, 0xffff if it is larger.
    #[inline]
    pub fn size16(&mut self, value: usize) {
        self.u16(saturate_u16(value));
    }

    /// Appends an offset or a length as four bytes, 0xffff_ffff if it is larger.
    #[inline]
    pub fn size32(&mut self, value: usize) {
        self.u32(saturate_u32(value));
    }

    /// Appends bytes as they are.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Appends `count` zero bytes.
    #[inline]
    pub fn zeros(&mut self, count: usize) {
        self.out.put_bytes(0, count);
    }

    /// Appends zeros up to the next multiple of `alignment`, counted from the start of the header.
    #[inline]
    pub fn pad_to(&mut self, alignment: usize) {
        let position = self.position();
        let aligned = position
            .checked_next_multiple_of(alignment)
            .unwrap_or(position);
        self.zeros(aligned.saturating_sub(position));
    }

    /// Takes back what was appended behind `position`.
    #[inline]
    pub fn truncate(&mut self, position: usize) {
        self.out.truncate(self.start.saturating_add(position));
    }

    /// Makes room for two bytes to be patched later; returns their position.
    #[inline]
    pub fn reserve_u16(&mut self) -> usize {
        let at = self.position();
        self.u16(0);
        at
    }

    /// Makes room for four bytes to be patched later; returns their position.
    #[inline]
    pub fn reserve_u32(&mut self) -> usize {
        let at = self.position();
        self.u32(0);
        at
    }

    /// Overwrites two bytes at `at`, counted from the start of the header.
    #[inline]
    pub fn patch_u16(&mut self, at: usize, value: u16) {
        self.patch(at, value.to_le_bytes());
    }

    /// Overwrites four bytes at `at`, counted from the start of the header.
    #[inline]
    pub fn patch_u32(&mut self, at: usize, value: u32) {
        self.patch(at, value.to_le_bytes());
    }

    /// Overwrites a two-byte offset or length at `at`, 0xffff if it is larger.
    #[inline]
    pub fn patch_size16(&mut self, at: usize, value: usize) {
        self.patch_u16(at, saturate_u16(value));
    }

    /// Overwrites a four-byte offset or length at `at`, 0xffff_ffff if it is larger.
    #[inline]
    pub fn patch_size32(&mut self, at: usize, value: usize) {
        self.patch_u32(at, saturate_u32(value));
    }

    #[inline]
    fn patch<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        let message = self.out.get_mut(self.start..).unwrap_or_default();
        let room = message
            .get_mut(at..)
            .and_then(|rest| rest.first_chunk_mut::<N>());
        debug_assert!(
            room.is_some(),
            "patch at {at} behind the end of the message"
        );
        if let Some(room) = room {
            *room = value;
        }
    }
}

/// `value` as 16 bits, or the largest such number.
#[must_use]
pub fn saturate_u16(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

/// `value` as 32 bits, or the largest such number.
#[must_use]
pub fn saturate_u32(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_the_header_not_from_the_buffer() {
        let mut out = BytesMut::from(&[9; 52][..]);
        let mut writer = Writer::new(&mut out);
        assert_eq!(writer.position(), 0);
        let at = writer.reserve_u32();
        writer.u8(7);
        writer.pad_to(8);
        assert_eq!(writer.position(), 8);
        writer.patch_u32(at, 0x0403_0201);
        assert_eq!(&out[52..], &[1, 2, 3, 4, 7, 0, 0, 0]);
    }

    #[test]
    fn a_writer_can_be_resumed() {
        let mut out = BytesMut::from(&[9; 4][..]);
        Writer::new(&mut out).u16(0);
        let mut writer = Writer::resume(&mut out, 4);
        assert_eq!(writer.position(), 2);
        writer.patch_u16(0, 5);
        assert_eq!(&out[..], &[9, 9, 9, 9, 5, 0]);
    }

    #[test]
    fn sizes_saturate() {
        let mut out = BytesMut::new();
        let mut writer = Writer::new(&mut out);
        writer.size16(0x1_0000);
        writer.size32(usize::MAX);
        assert_eq!(&out[..], &[0xff; 6]);
    }
}
