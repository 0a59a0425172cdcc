//! Structures that lie in a buffer of bytes, in no representation that RPC knows: fixed parts, then what these point to.
//!
//! Owns that form and nothing of what the structures say. Pointers are offsets, texts end with NUL, and what is not
//! there has the offset 0. The print spooler's count from the start of the structure that they are in, those of the
//! service control manager from the start of the buffer.
// [MS-RPRN] 2.2.2.2

use wire::Utf16String;

use super::calendar::SystemTime;
use super::ndr::Array;
use super::win32;

/// A member of a structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Member {
    /// A number.
    Number(u32),
    /// A text.
    Text(Utf16String),
    /// A descriptor.
    Bytes(Vec<u8>),
    /// A pointer to nothing.
    None,
    /// A time.
    Time(SystemTime),
}

impl Member {
    pub(super) fn text(text: impl AsRef<str>) -> Self {
        Self::Text(text.as_ref().into())
    }

    /// The bytes that it takes in the fixed part.
    fn size(&self) -> usize {
        match self {
            Self::Time(_) => 16,
            _ => 4,
        }
    }
}

/// A structure: its members in their order.
pub(super) type Info = Vec<Member>;

/// What a client gives of its buffer, and what it gets: the buffer, the bytes that are needed, how many structures
/// there are, an error.
pub(super) type Filled = (Option<Array<u8>>, u32, u32, u32);

/// The buffer that a client of the print spooler has for structures.
pub(super) struct Room {
    buffer: Option<Array<u8>>,
    size: u32,
}

impl Room {
    /// A buffer as it came, and the size that was told with it.
    pub(super) fn new(buffer: Option<Array<u8>>, size: u32) -> Self {
        Self { buffer, size }
    }

    /// The buffer as it came, and an error.
    pub(super) fn refused(self, error: u32) -> Filled {
        (self.buffer, 0, 0, error)
    }

    /// As [`Room::refused`] for methods that return one structure: without their number.
    pub(super) fn refused_one(self, error: u32) -> (Option<Array<u8>>, u32, u32) {
        (self.buffer, 0, error)
    }

    /// Puts structures into the buffer.
    // [MS-RPRN] 3.1.4.1.9
    pub(super) fn fill(self, infos: &[Info]) -> Filled {
        let mut bytes = encode(infos, Origin::Structure);
        let needed = count(bytes.len());
        if needed > self.size {
            return (self.buffer, needed, 0, win32::INSUFFICIENT_BUFFER);
        }
        let Some(Array(buffer)) = self.buffer else {
            let error = match needed {
                0 => win32::SUCCESS,
                _ => win32::INVALID_USER_BUFFER,
            };
            return (None, needed, 0, error);
        };
        if count(buffer.len()) != self.size {
            return (Some(Array(buffer)), needed, 0, win32::INVALID_USER_BUFFER);
        }
        bytes.resize(buffer.len(), 0);
        (
            Some(Array(bytes)),
            needed,
            count(infos.len()),
            win32::SUCCESS,
        )
    }

    /// As [`Room::fill`] for methods that return one structure: without their number.
    pub(super) fn fill_one(self, info: Info) -> (Option<Array<u8>>, u32, u32) {
        let (buffer, needed, _, error) = self.fill(&[info]);
        (buffer, needed, error)
    }
}

/// Where offsets count from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The structure that they are in.
    Structure,
    /// The first structure.
    Buffer,
}

/// The bytes of structures.
pub(super) fn encode(infos: &[Info], origin: Origin) -> Vec<u8> {
    let size = |info: &Info| info.iter().map(Member::size).sum::<usize>();
    let mut fixed = Vec::new();
    let mut behind: Vec<u8> = Vec::new();
    let fixed_size: usize = infos.iter().map(size).sum();
    for info in infos {
        let start = match origin {
            Origin::Structure => fixed.len(),
            Origin::Buffer => 0,
        };
        for member in info {
            match member {
                Member::Number(number) => fixed.extend(number.to_le_bytes()),
                Member::None => fixed.extend([0; 4]),
                Member::Text(text) => {
                    point(&mut fixed, fixed_size + behind.len() - start);
                    let units = text.as_units().iter().chain(&[0]);
                    behind.extend(units.flat_map(|unit| unit.to_le_bytes()));
                }
                Member::Bytes(bytes) => {
                    behind.resize(behind.len().next_multiple_of(4), 0);
                    point(&mut fixed, fixed_size + behind.len() - start);
                    behind.extend(bytes);
                }
                Member::Time(time) => {
                    fixed.extend(parts(time).iter().flat_map(|part| part.to_le_bytes()));
                }
            }
        }
    }
    fixed.append(&mut behind);
    fixed
}

fn point(fixed: &mut Vec<u8>, offset: usize) {
    fixed.extend(count(offset).to_le_bytes());
}

fn parts(time: &SystemTime) -> [u16; 8] {
    [
        time.year,
        time.month,
        time.weekday,
        time.day,
        time.hour,
        time.minute,
        time.second,
        time.milliseconds,
    ]
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infos() -> Vec<Info> {
        let info =
            |number, text: &str| vec![Member::Number(number), Member::text(text), Member::None];
        vec![info(7, "ab"), info(8, "")]
    }

    // test [MS-RPRN] 2.2.2.2
    #[test]
    fn offsets_count_from_the_start_of_their_own_structure_or_of_all() {
        let bytes = encode(&infos(), Origin::Structure);
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((number(0), number(4), number(8)), (7, 24, 0));
        assert_eq!(&bytes[24..30], b"a\0b\0\0\0");
        assert_eq!((number(12), number(16)), (8, 30 - 12));
        assert_eq!(bytes.len(), 32);
        let bytes = encode(&infos(), Origin::Buffer);
        assert_eq!((bytes[4], bytes[16]), (24, 30));
    }

    // test [MS-RPRN] 3.1.4.1.9
    #[test]
    fn a_buffer_is_filled_if_it_is_long_enough_and_there() {
        let zeros = |size: usize| Some(Array(vec![0; size]));
        let small = Room::new(zeros(31), 31).fill(&infos());
        assert_eq!(small, (zeros(31), 32, 0, 122));
        let (buffer, needed, number, error) = Room::new(zeros(40), 40).fill(&infos());
        assert_eq!((needed, number, error), (32, 2, 0));
        assert_eq!(buffer.unwrap().0.len(), 40);
        assert_eq!(Room::new(None, 0).fill(&[]), (None, 0, 0, 0));
        assert_eq!(Room::new(None, 32).fill(&infos()), (None, 32, 0, 1784));
        assert_eq!(Room::new(zeros(8), 32).fill(&infos()).3, 1784);
    }
}
