//! The deframer: whatever the cuts, a stream gives the same packets.

use bytes::BufMut;
use transport::{BufferPool, Deframer, Framing, Packet};

const LARGEST: usize = 4096;

/// The first byte chooses the framing, the second how the stream is cut.
pub fn deframer(input: &[u8]) {
    let [framing, cut, stream @ ..] = input else {
        return;
    };
    let framing = match framing % 3 {
        0 => Framing::DirectTcp,
        1 => Framing::Netbios,
        _ => Framing::Detect,
    };
    let whole = packets(framing, stream, usize::MAX);
    let pieces = packets(framing, stream, usize::from(*cut).max(1));
    assert_eq!(whole, pieces);
}

/// The packets' texts; an error is the last of them.
fn packets(framing: Framing, mut stream: &[u8], piece: usize) -> Vec<String> {
    let mut deframer = Deframer::new(framing, LARGEST, BufferPool::new(1 << 16));
    let mut found = Vec::new();
    loop {
        match deframer.next_packet() {
            Ok(Some(packet)) => found.push(shown(&packet)),
            Ok(None) if stream.is_empty() => return found,
            Ok(None) => {
                let mut room = deframer.room();
                let length = room.remaining_mut().min(piece).min(stream.len());
                assert!(length > 0, "there is always room");
                let (now, later) = stream.split_at(length);
                room.put_slice(now);
                stream = later;
            }
            Err(error) => {
                found.push(error.to_string());
                return found;
            }
        }
    }
}

fn shown(packet: &Packet) -> String {
    format!("{packet:?}")
}
