//! Lists that a client reads in parts: which entries an answer carries, and where the next one begins.

use super::ndr::{Array, ByteOrder, Decoder, Encoder, Malformed, Ndr, Syntax};
use super::win32;

/// A number of entries and a pointer to them: what all lists of [MS-SRVS] and [MS-WKST] lie in.
// [MS-SRVS] 2.2.4.32
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Container<T>(pub Vec<T>);

impl<T> FromIterator<T> for Container<T> {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl<T: Ndr> Ndr for Container<T> {
    /// The number, and whether there is an array.
    type InPlace = (u32, bool);

    fn alignment(syntax: Syntax) -> usize {
        syntax.pointer_size()
    }

    fn encode(&self, out: &mut Encoder) {
        out.align(Self::alignment(out.syntax()));
        out.u32(count(self.0.len()));
        if self.0.is_empty() {
            out.wide(0);
        } else {
            out.referent();
        }
    }

    fn encode_referents(&self, out: &mut Encoder) {
        if !self.0.is_empty() {
            out.count(self.0.len());
            self.0.iter().for_each(|entry| entry.encode(out));
            self.0.iter().for_each(|entry| entry.encode_referents(out));
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self::InPlace, Malformed> {
        from.align(Self::alignment(from.syntax()));
        Ok((from.u32()?, from.wide()? != 0))
    }

    fn decode_referents(
        (number, is_there): Self::InPlace,
        from: &mut Decoder<'_>,
    ) -> Result<Self, Malformed> {
        let entries = Option::<Array<T>>::decode_referents(is_there, from)?;
        let entries = entries.map_or_else(Vec::new, |entries| entries.0);
        if count(entries.len()) != number {
            return Err(Malformed);
        }
        Ok(Self(entries))
    }
}

/// What a client says of how it wants a list.
// [MS-SRVS] 3.1.4.8
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// PreferedMaximumLength in bytes.
    pub room: u32,
    /// ResumeHandle: how many entries the client has; none if it cannot take a list in parts.
    pub resume: Option<u32>,
}

/// A part of a list, and what is told with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part<T> {
    /// The entries.
    pub entries: Container<T>,
    /// How many there are from where the client was on.
    pub total: u32,
    /// ResumeHandle.
    pub resume: Option<u32>,
    /// Whether that was all.
    pub error: u32,
}

impl Wanted {
    /// As many of `entries` as fit, from where the client was on.
    pub(super) fn part<T: Ndr>(self, entries: Vec<T>) -> Part<T> {
        let start = usize::try_from(self.resume.unwrap_or(0)).unwrap_or(usize::MAX);
        let first = start.min(entries.len());
        let left = entries.len() - first;
        let mut used = 0_usize;
        let room = usize::try_from(self.room).unwrap_or(usize::MAX);
        let fits = |entry: &T| {
            used += size(entry);
            self.room == MAX_PREFERRED_LENGTH || used <= room
        };
        let now: Vec<T> = entries.into_iter().skip(first).take_while(fits).collect();
        let is_all = now.len() == left;
        let next = if is_all { 0 } else { count(first + now.len()) };
        // [MS-SRVS] 2.2.2.10
        // Whoever has no room for one entry gets no further by asking again.
        let more = if now.is_empty() {
            win32::BUFFER_TOO_SMALL
        } else {
            win32::MORE_DATA
        };
        Part {
            entries: Container(now),
            total: count(left),
            resume: self.resume.map(|_| next),
            error: if is_all { win32::SUCCESS } else { more },
        }
    }
}

/// About how many bytes an entry takes.
fn size(entry: &impl Ndr) -> usize {
    let mut out = Encoder::new(ByteOrder::Little, Syntax::Ndr32);
    entry.encode_whole(&mut out);
    out.into_bytes().len()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// [MS-SRVS] 2.2.2.2
const MAX_PREFERRED_LENGTH: u32 = u32::MAX;

/// Gives a list as the arm of a union of containers, or refuses; see [`Wanted::part`].
macro_rules! listed {
    ($wanted:expr, $union:ident::$arm:ident, $entries:expr) => {{
        let part = $wanted.part($entries);
        let union = $union::$arm(Some(part.entries));
        (union, part.total, part.resume, part.error)
    }};
}
pub(super) use listed;
