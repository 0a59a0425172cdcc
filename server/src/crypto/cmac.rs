//! AES-CMAC ([RFC4493]) and the CBC-MAC chain below it.
//!
//! The chain is serial, so its speed is the latency of one AES block. It therefore runs inside
//! the closure that the `aes` crate compiles for the CPU's AES instructions: 1.6 GB/s measured,
//! where the `cmac` crate had 0.8 and aws-lc, with an allocation per message, 1.5.

use aes::Aes128;
use aes::cipher::consts::U16;
use aes::cipher::{
    Block, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
};
use zeroize::ZeroizeOnDrop;

use super::provider::{Mac, Tag};

/// AES-128-CMAC with its key expanded and its subkeys computed.
#[derive(ZeroizeOnDrop)]
pub(super) struct AesCmac {
    cipher: Aes128,
    /// Subkey for a message that ends with a whole block.
    whole: [u8; 16],
    /// Subkey for a message that has to be padded.
    padded: [u8; 16],
}

impl AesCmac {
    pub(super) fn new(key: &[u8; 16]) -> Self {
        let cipher = Aes128::new(key.into());
        let mut zero = Block::<Aes128>::default();
        cipher.encrypt_block(&mut zero);
        let whole = double(u128::from_be_bytes(zero.into()));
        let padded = double(whole);
        Self {
            cipher,
            whole: whole.to_be_bytes(),
            padded: padded.to_be_bytes(),
        }
    }
}

impl Mac for AesCmac {
    fn tag(&self, parts: &[&[u8]]) -> Tag {
        let mut chain = CbcMac::new(&self.cipher);
        for part in parts {
            chain.update(part);
        }
        chain.finish(&self.whole, &self.padded)
    }
}

/// A CBC-MAC being computed. It always holds the last block back, because what is done to it
/// depends on whether it is the last.
pub(super) struct CbcMac<'k, C> {
    cipher: &'k C,
    state: [u8; 16],
    held: [u8; 16],
    held_length: usize,
}

impl<'k, C: BlockCipherEncrypt<BlockSize = U16>> CbcMac<'k, C> {
    pub(super) fn new(cipher: &'k C) -> Self {
        Self {
            cipher,
            state: [0; 16],
            held: [0; 16],
            held_length: 0,
        }
    }

    /// Appends bytes.
    pub(super) fn update(&mut self, mut data: &[u8]) {
        if self.held_length > 0 {
            data = self.fill(data);
        }
        if data.is_empty() {
            return;
        }
        self.absorb_held();
        let (mut blocks, mut rest) = data.as_chunks::<16>();
        if rest.is_empty()
            && let Some((last, others)) = blocks.split_last()
        {
            blocks = others;
            rest = last;
        }
        self.absorb(blocks);
        self.fill(rest);
    }

    /// Pads what was appended so far with zeros to a whole block.
    pub(super) fn pad(&mut self) {
        self.absorb_held();
    }

    /// The state after everything appended, the last block changed as [RFC4493] 2.4 says.
    fn finish(mut self, whole: &[u8; 16], padded: &[u8; 16]) -> Tag {
        if let Some(first_unused) = self.held.get_mut(self.held_length) {
            *first_unused = 0x80;
            xor(&mut self.held, padded);
        } else {
            xor(&mut self.held, whole);
        }
        self.absorb(&[self.held]);
        self.state
    }

    /// The state after everything appended, padded with zeros.
    pub(super) fn finish_padded(mut self) -> Tag {
        self.absorb_held();
        self.state
    }

    /// Moves bytes into the held block while it has room; returns those left over.
    fn fill<'d>(&mut self, data: &'d [u8]) -> &'d [u8] {
        let room = self.held.get_mut(self.held_length..).unwrap_or_default();
        let taken = room.len().min(data.len());
        let (now, later) = data.split_at_checked(taken).unwrap_or((data, &[]));
        for (to, from) in room.iter_mut().zip(now) {
            *to = *from;
        }
        self.held_length = self.held_length.saturating_add(taken);
        later
    }

    fn absorb_held(&mut self) {
        if self.held_length > 0 {
            self.absorb(&[self.held]);
            self.held = [0; 16];
            self.held_length = 0;
        }
    }

    fn absorb(&mut self, blocks: &[[u8; 16]]) {
        self.cipher.encrypt_with_backend(Absorb {
            blocks,
            state: &mut self.state,
        });
    }
}

/// The loop over whole blocks, to be compiled inside the cipher's own target features.
struct Absorb<'a> {
    blocks: &'a [[u8; 16]],
    state: &'a mut [u8; 16],
}

impl BlockSizeUser for Absorb<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Absorb<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let mut state = Block::<Self>::from(*self.state);
        for block in self.blocks {
            xor(&mut state.0, block);
            backend.encrypt_block((&mut state).into());
        }
        *self.state = state.into();
    }
}

/// Byte by byte, which compiles to one instruction and stays in the vector registers.
#[inline(always)]
fn xor(to: &mut [u8; 16], with: &[u8; 16]) {
    for (to, with) in to.iter_mut().zip(with) {
        *to ^= *with;
    }
}

/// Doubling in GF(2^128), in constant time.
fn double(value: u128) -> u128 {
    // [RFC4493] 2.3
    (value << 1) ^ (value >> 127).wrapping_mul(0x87)
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{hex, hex_array};
    use super::*;

    // test [RFC4493] 4
    #[test]
    fn the_examples_of_the_standard_come_out() {
        let mac = AesCmac::new(&hex_array("2b7e151628aed2a6abf7158809cf4f3c"));
        assert_eq!(mac.whole[..], hex("fbeed618357133667c85e08f7236a8de"));
        assert_eq!(mac.padded[..], hex("f7ddac306ae266ccf90bc11ee46d513b"));
        let message = hex(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51
             30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        );
        for (length, expected) in [
            (0, "bb1d6929e95937287fa37d129b756746"),
            (16, "070a16b46b4d4144f79bdd9dd04a287c"),
            (40, "dfa66747de9ae63030ca32611497c827"),
            (64, "51f0bebf7e3b9d92fc49741779363cfe"),
        ] {
            assert_eq!(mac.tag(&[&message[..length]])[..], hex(expected));
        }
    }

    #[test]
    fn a_message_cut_anywhere_into_three_has_the_same_code() {
        let mac = AesCmac::new(&[7; 16]);
        let message: Vec<u8> = (0..80).collect();
        for length in [15, 16, 17, 32, 47, 64, 80] {
            let message = &message[..length];
            let whole = mac.tag(&[message]);
            for first in 0..=length {
                for second in first..=length {
                    let parts = [
                        &message[..first],
                        &message[first..second],
                        &message[second..],
                    ];
                    assert_eq!(mac.tag(&parts), whole, "{first} {second} {length}");
                }
            }
        }
    }
}
