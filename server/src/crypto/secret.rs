//! Key material that cleans up after itself.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// `N` secret bytes: wiped when dropped and never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>([u8; N]);

impl<const N: usize> Secret<N> {
    /// Takes the bytes over; the caller's own copy is the caller's to wipe.
    #[must_use]
    pub fn new(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// The first `N` bytes of `source`, filled up with zeros where it is shorter.
    #[must_use]
    pub fn from_prefix(source: &[u8]) -> Self {
        let mut bytes = [0; N];
        for (to, from) in bytes.iter_mut().zip(source) {
            *to = *from;
        }
        Self(bytes)
    }

    /// The bytes themselves.
    #[must_use]
    pub fn bytes(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({N} bytes)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_a_secret_shows_only_its_length() {
        assert_eq!(format!("{:?}", Secret::new([0x5a; 16])), "Secret(16 bytes)");
    }

    #[test]
    fn a_short_source_is_filled_up_with_zeros_and_a_long_one_is_cut() {
        assert_eq!(Secret::<4>::from_prefix(&[1, 2]).bytes(), &[1, 2, 0, 0]);
        assert_eq!(Secret::<2>::from_prefix(&[1, 2, 3]).bytes(), &[1, 2]);
    }
}
