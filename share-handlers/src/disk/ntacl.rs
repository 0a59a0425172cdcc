//! The extended attribute in which security descriptors are kept, in Samba's format.
//!
//! Owns the bytes of `security.NTACL`: NDR of a version, the version's structure, and last the
//! descriptor, whose offsets count from the start of the attribute. Versions 1 to 4 are read; the
//! hashes in them, by which Samba notices changes of the host's permissions, are not looked at.
//! Written is version 1, which holds the descriptor alone and which Samba takes as it is.

use bytes::BytesMut;
use wire::Writer;
use wire::dtyp::SecurityDescriptor;

/// Reads the attribute; none for what is no such attribute.
pub(super) fn decode(bytes: &[u8]) -> Option<SecurityDescriptor> {
    let version = u16::from_le_bytes(bytes.get(..2)?.try_into().ok()?);
    let start = match version {
        // A version twice, and a pointer.
        1 => HEAD,
        // Another pointer, then a hash of 16 bytes.
        2 => HEAD + 4 + 16,
        // The kind of hash and 64 bytes of it.
        3 => HEAD + 4 + 2 + HASH + 2,
        // The same, a text, a time and a second hash.
        4 => {
            let text = HEAD + 4 + 2 + HASH;
            let length = bytes.get(text..)?.iter().position(|byte| *byte == 0)?;
            (text + length + 1).next_multiple_of(4) + 8 + HASH
        }
        _ => return None,
    };
    let mut descriptor = bytes.get(start..)?.to_vec();
    move_offsets(&mut descriptor, |offset| {
        offset.checked_sub(u32::try_from(start).ok()?)
    })?;
    SecurityDescriptor::decode(&descriptor).ok()
}

/// The bytes to store.
pub(super) fn encode(descriptor: &SecurityDescriptor) -> Vec<u8> {
    let mut encoded = BytesMut::new();
    descriptor.encode(&mut Writer::new(&mut encoded));
    let mut encoded = encoded.to_vec();
    // What has just been encoded has its offsets where they belong, and they are small.
    let _ = move_offsets(&mut encoded, |offset| offset.checked_add(HEAD as u32));
    [&[1, 0, 1, 0, 0, 0, 2, 0][..], &encoded].concat()
}

/// Changes the four offsets at the start of a descriptor; those that are 0 say that there is
/// nothing.
fn move_offsets(descriptor: &mut [u8], to: impl Fn(u32) -> Option<u32>) -> Option<()> {
    let (offsets, _) = descriptor.get_mut(4..20)?.as_chunks_mut::<4>();
    for bytes in offsets {
        let offset = u32::from_le_bytes(*bytes);
        if offset != 0 {
            *bytes = to(offset)?.to_le_bytes();
        }
    }
    Some(())
}

const HEAD: usize = 8;
const HASH: usize = 64;

#[cfg(test)]
mod tests {
    use wire::dtyp::{AccessMask, Ace, AceFlags, Acl, AclSlot, SecurityControl, Sid};

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
        text.as_bytes()
            .chunks(2)
            .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
            .collect()
    }

    /// As Samba 4.17 wrote it for a file.
    const SAMBA: &str = concat!(
        "04000400000002000400020001009a892a700be7f91ae860444fa3cc92a601b4ab193444a820a658afdde880",
        "0f2b0000000000000000000000000000000000000000000000000000000000000000706f7369785f61636c00",
        "8a2e94a24e79dd015dd2b193e43b4dc35157ee98c7526c731dd3e007cf250e67358da2c7ca90748e00000000",
        "00000000000000000000000000000000000000000000000000000000",
        "01000480b4000000d000000000000000ec000000",
        "01050000000000051500000033c7ac122af9a9f9e84fc45df5010000",
        "01050000000000051500000033c7ac122af9a9f9e84fc45d02020000",
        "020064000300000000002400ff011f0001050000000000051500000033c7ac122af9a9f9e84fc45df5010000",
        "00002400a900120001050000000000051500000033c7ac122af9a9f9e84fc45d02020000",
        "00001400a9001200010100000000000100000000",
    );

    #[test]
    fn sambas_attribute_is_read() {
        let descriptor = decode(&hex(SAMBA)).unwrap();
        let owner = "S-1-5-21-313313075-4188666154-1573146600-501"
            .parse()
            .unwrap();
        assert_eq!(descriptor.owner, Some(owner));
        let AclSlot::List(list) = &descriptor.dacl else {
            panic!("no list")
        };
        let read = AccessMask::FILE_GENERIC_READ | AccessMask::FILE_GENERIC_EXECUTE;
        assert_eq!(list.aces().len(), 3);
        assert_eq!(
            list.aces()[2],
            Ace::allowed(Sid::EVERYONE, read, AceFlags::NONE)
        );
    }

    #[test]
    fn what_is_written_is_read_and_has_offsets_from_the_start() {
        let descriptor = SecurityDescriptor {
            control: SecurityControl::SELF_RELATIVE | SecurityControl::DACL_PRESENT,
            owner: Some(Sid::unix_user(1000)),
            dacl: AclSlot::List(Acl::new()),
            ..SecurityDescriptor::default()
        };
        let bytes = encode(&descriptor);
        assert_eq!(decode(&bytes), Some(descriptor));
        let owner = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
        assert_eq!(bytes[owner..owner + 2], [1, 2]);
    }

    #[test]
    fn garbage_is_no_descriptor() {
        let samba = hex(SAMBA);
        for length in 0..samba.len() {
            assert_eq!(decode(&samba[..length]), None, "{length}");
        }
        for version in [0, 5, 255] {
            let mut bytes = samba.clone();
            bytes[0] = version;
            assert_eq!(decode(&bytes), None);
        }
    }
}
