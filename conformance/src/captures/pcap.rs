//! Capture files: classic pcap and pcapng, of either byte order. Yields link-layer packets.

/// One captured packet.
#[derive(Debug)]
pub struct Packet<'a> {
    /// What kind of packet it is: LINKTYPE_ETHERNET and the like.
    pub link_type: u32,
    /// The captured bytes.
    pub bytes: &'a [u8],
}

/// All packets of a file; none if it is no capture. A file that is cut off ends early.
pub fn packets(file: &[u8]) -> Option<Vec<Packet<'_>>> {
    match u32::from_le_bytes(*file.first_chunk()?) {
        PCAPNG => Some(pcapng(file)),
        0xa1b2_c3d4 | 0xa1b2_3c4d => Some(classic(file, u32::from_le_bytes)),
        0xd4c3_b2a1 | 0x4d3c_b2a1 => Some(classic(file, u32::from_be_bytes)),
        _ => None,
    }
}

fn classic(file: &[u8], number: fn([u8; 4]) -> u32) -> Vec<Packet<'_>> {
    let word = |at: usize| Some(number(*file.get(at..)?.first_chunk()?));
    let link_type = word(20).unwrap_or(0) & 0x0fff_ffff;
    let mut packets = Vec::new();
    let mut at = 24;
    while let Some(length) = word(at + 8) {
        let start = at + 16;
        let Some(bytes) = file.get(start..start + length as usize) else {
            break;
        };
        packets.push(Packet { link_type, bytes });
        at = start + length as usize;
    }
    packets
}

fn pcapng(file: &[u8]) -> Vec<Packet<'_>> {
    let mut number: fn([u8; 4]) -> u32 = u32::from_le_bytes;
    let mut link_types = Vec::new();
    let mut packets = Vec::new();
    let mut rest = file;
    while rest.len() >= 12 {
        let is_section = rest.starts_with(&PCAPNG.to_le_bytes());
        if is_section {
            let is_big = rest[8..12] == [0x1a, 0x2b, 0x3c, 0x4d];
            number = if is_big {
                u32::from_be_bytes
            } else {
                u32::from_le_bytes
            };
            link_types.clear();
        }
        let word = |at: usize| Some(number(*rest.get(at..)?.first_chunk()?));
        let (Some(kind), Some(length)) = (word(0), word(4).map(|length| length as usize)) else {
            break;
        };
        if length < 12 || length > rest.len() {
            break;
        }
        match kind {
            INTERFACE => {
                let both = word(8).unwrap_or(0);
                let is_big = number([0, 0, 0, 1]) == 1;
                link_types.push(if is_big { both >> 16 } else { both & 0xffff });
            }
            ENHANCED_PACKET => {
                let interface = word(8).unwrap_or(0) as usize;
                let captured = word(20).unwrap_or(0) as usize;
                if let Some(bytes) = rest.get(28..28 + captured) {
                    let link_type = link_types.get(interface).copied().unwrap_or(1);
                    packets.push(Packet { link_type, bytes });
                }
            }
            _ => {}
        }
        rest = &rest[length..];
    }
    packets
}

const PCAPNG: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_a_classic_file_are_found_up_to_where_it_is_cut_off() {
        let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1];
        file.extend_from_slice(&[0; 16]);
        file.extend_from_slice(&[1, 0, 0, 0]);
        file.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 7, 8]);
        file.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 7]);
        let found = packets(&file).expect("a capture");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].link_type, found[0].bytes), (1, &[7, 8][..]));
    }
}
