//! Names below a share's root, parsed once: no `..`, no NUL, nothing a file system could misread.

use std::fmt;

use wire::{NtStatus, Utf16String};

const SEPARATOR: u16 = 0x5c;
/// Separates too: no file system here could keep it in a name.
// departs [MS-FSCC] 2.1.5: clients written against Samba send it
const OTHER_SEPARATOR: u16 = 0x2f;
const COLON: u16 = 0x3a;
/// [MS-FSCC] 2.1.5.2, in UTF-16 units.
const LONGEST_COMPONENT: usize = 255;
/// The longest path that a UNICODE_STRING holds, less a share's prefix.
const LONGEST_PATH: usize = 32_760;

/// A name below a share's root: components from the root on, and the stream split off.
///
/// The empty name is the root itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Name {
    components: Vec<Utf16String>,
    stream: Option<StreamName>,
    stream_type: Option<StreamType>,
}

/// The name of a named stream, without colons or type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName(pub Utf16String);

/// The attribute type that a name spelled out. [MS-FSCC] 2.1.5.3
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StreamType {
    /// `$DATA`
    Data,
    /// `$INDEX_ALLOCATION`: a directory's own stream, which is no named stream.
    IndexAllocation,
}

/// Why a name cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// A forbidden character, an empty or over-long component, or a malformed stream.
    Invalid,
    /// A `..` that leads out of the share, or a path over the length limit.
    PathSyntax,
    /// The second component is `..` and more follows.
    LeadingDetour,
    /// The first character is a separator.
    LeadingSeparator,
}

impl From<NameError> for NtStatus {
    fn from(error: NameError) -> Self {
        match error {
            NameError::Invalid => NtStatus::OBJECT_NAME_INVALID,
            NameError::PathSyntax => NtStatus::OBJECT_PATH_SYNTAX_BAD,
            // [MS-SMB2] 3.3.5.9
            NameError::LeadingSeparator | NameError::LeadingDetour => NtStatus::INVALID_PARAMETER,
        }
    }
}

impl Name {
    /// The share's root.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Parses a name as it stands in CREATE: components separated by `\`, then at most one stream.
    ///
    /// # Errors
    /// See [`NameError`].
    pub fn parse(path: &Utf16String) -> Result<Self, NameError> {
        Self::parse_units(path.as_units())
    }

    /// [`Name::parse`] for a text.
    ///
    /// # Errors
    /// See [`NameError`].
    pub fn parse_text(path: &str) -> Result<Self, NameError> {
        Self::parse(&Utf16String::from(path))
    }

    fn parse_units(path: &[u16]) -> Result<Self, NameError> {
        if path.len() > LONGEST_PATH {
            return Err(NameError::PathSyntax);
        }
        if path.first().is_some_and(is_separator) {
            return Err(NameError::LeadingSeparator);
        }
        let path = path.strip_suffix(&[SEPARATOR]).unwrap_or(path);
        let mut name = Self::root();
        if path.is_empty() {
            return Ok(name);
        }
        let mut parts = path.split(is_separator).peekable();
        let mut is_second = false;
        while let Some(part) = parts.next() {
            // [MS-SMB2] 3.3.5.9
            // As Windows does, so that no component that is kept is a dot directory name.
            if equals_text(part, "..") {
                if is_second && parts.peek().is_some() {
                    return Err(NameError::LeadingDetour);
                }
                name.components.pop().ok_or(NameError::PathSyntax)?;
                continue;
            }
            if equals_text(part, ".") {
                continue;
            }
            is_second = name.components.is_empty();
            let component = if parts.peek().is_none() {
                name.split_stream(part)?
            } else {
                part
            };
            // `::$INDEX_ALLOCATION` and `:stream` alone name the root's streams.
            if component.is_empty() && name.components.is_empty() && name.stream_type.is_some() {
                continue;
            }
            name.components.push(check_component(component)?);
        }
        Ok(name)
    }

    /// Takes the stream off the last component and remembers it. [MS-FSCC] 2.1.5
    fn split_stream<'a>(&mut self, part: &'a [u16]) -> Result<&'a [u16], NameError> {
        let mut pieces = part.split(|unit| *unit == COLON);
        let file = pieces.next().unwrap_or_default();
        let (stream, stream_type, rest) = (pieces.next(), pieces.next(), pieces.next());
        if rest.is_some() {
            return Err(NameError::Invalid);
        }
        let Some(stream) = stream else {
            return Ok(file);
        };
        self.stream_type = Some(match stream_type {
            None if stream.is_empty() => return Err(NameError::Invalid),
            None => StreamType::Data,
            Some(text) => StreamType::parse(text).ok_or(NameError::Invalid)?,
        });
        let is_index = self.stream_type == Some(StreamType::IndexAllocation);
        if stream.is_empty() || (is_index && equals_text(stream, "$I30")) {
            return Ok(file);
        }
        if is_index || stream.len() > LONGEST_COMPONENT || !stream.iter().all(stream_unit_is_legal)
        {
            return Err(NameError::Invalid);
        }
        self.stream = Some(StreamName(Utf16String::from_units(stream.to_vec())));
        Ok(file)
    }

    /// Whether this is the share's root (or a stream of it).
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.components.is_empty()
    }

    /// The components from the root on.
    #[must_use]
    pub fn components(&self) -> &[Utf16String] {
        &self.components
    }

    /// The last component; none for the root.
    #[must_use]
    pub fn file_name(&self) -> Option<&Utf16String> {
        self.components.last()
    }

    /// The named stream.
    #[must_use]
    pub fn stream(&self) -> Option<&StreamName> {
        self.stream.as_ref()
    }

    /// The stream type, where the name spelled a stream.
    #[must_use]
    pub fn stream_type(&self) -> Option<StreamType> {
        self.stream_type
    }

    /// The folder that holds this name, without any stream; none for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, parents) = self.components.split_last()?;
        Some(Self {
            components: parents.to_vec(),
            ..Self::default()
        })
    }

    /// This name with one more component, which the caller knows to be legal (it came from the
    /// file system or from another name).
    #[must_use]
    pub fn child(&self, component: Utf16String) -> Self {
        let mut components = self.components.clone();
        components.push(component);
        Self {
            components,
            ..Self::default()
        }
    }

    /// This name with `stream` instead of its own.
    #[must_use]
    pub fn with_stream(&self, stream: Option<StreamName>) -> Self {
        let stream_type = stream.as_ref().map(|_| StreamType::Data);
        Self {
            components: self.components.clone(),
            stream,
            stream_type,
        }
    }

    /// The name as clients write it: `folder\file:stream`.
    #[must_use]
    pub fn to_utf16(&self) -> Utf16String {
        let mut units = Vec::new();
        for component in &self.components {
            if !units.is_empty() {
                units.push(SEPARATOR);
            }
            units.extend_from_slice(component.as_units());
        }
        if let Some(stream) = &self.stream {
            units.push(COLON);
            units.extend_from_slice(stream.0.as_units());
        }
        Utf16String::from_units(units)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_utf16().fmt(f)
    }
}

impl StreamType {
    fn parse(text: &[u16]) -> Option<Self> {
        if equals_text(text, "$DATA") {
            Some(Self::Data)
        } else if equals_text(text, "$INDEX_ALLOCATION") {
            Some(Self::IndexAllocation)
        } else {
            None
        }
    }
}

/// [MS-FSCC] 2.1.5.2
fn check_component(component: &[u16]) -> Result<Utf16String, NameError> {
    if equals_text(component, "..") {
        return Err(NameError::PathSyntax);
    }
    if component.is_empty()
        || component.len() > LONGEST_COMPONENT
        || equals_text(component, ".")
        || !component.iter().all(unit_is_legal)
    {
        return Err(NameError::Invalid);
    }
    Ok(Utf16String::from_units(component.to_vec()))
}

fn is_separator(unit: &u16) -> bool {
    [SEPARATOR, OTHER_SEPARATOR].contains(unit)
}

/// [MS-FSCC] 2.1.5.2: control characters and `" * / : < > ? \ |` are forbidden.
fn unit_is_legal(unit: &u16) -> bool {
    const FORBIDDEN: [u8; 9] = *b"\"*/:<>?\\|";
    *unit >= 0x20 && !FORBIDDEN.iter().any(|byte| u16::from(*byte) == *unit)
}

/// [MS-FSCC] 2.1.5.3: a stream name may hold what a file name may not, except `\ / :` and NUL.
fn stream_unit_is_legal(unit: &u16) -> bool {
    const FORBIDDEN: [u8; 4] = *b"\0/:\\";
    !FORBIDDEN.iter().any(|byte| u16::from(*byte) == *unit)
}

fn equals_text(units: &[u16], text: &str) -> bool {
    units.len() == text.len()
        && units.iter().zip(text.bytes()).all(|(unit, byte)| {
            u8::try_from(*unit).is_ok_and(|unit| unit.eq_ignore_ascii_case(&byte))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Name, NameError> {
        Name::parse_text(text)
    }

    fn components(name: &Name) -> Vec<String> {
        name.components()
            .iter()
            .map(Utf16String::to_string_lossy)
            .collect()
    }

    #[test]
    fn a_path_is_split_at_separators() {
        let name = parse("folder\\sub\\file.txt").unwrap();
        assert_eq!(components(&name), ["folder", "sub", "file.txt"]);
        assert_eq!(name.parent().unwrap().to_string(), "folder\\sub");
        assert_eq!(name.to_string(), "folder\\sub\\file.txt");
    }

    #[test]
    fn the_empty_name_is_the_root() {
        assert!(parse("").unwrap().is_root());
        assert_eq!(Name::root().parent(), None);
    }

    #[test]
    fn a_trailing_separator_is_dropped_but_an_inner_empty_component_is_refused() {
        assert_eq!(parse("folder\\").unwrap(), parse("folder").unwrap());
        assert_eq!(parse("a\\\\b"), Err(NameError::Invalid));
        assert_eq!(parse("\\a"), Err(NameError::LeadingSeparator));
        assert_eq!(parse("a/b").unwrap(), parse("a\\b").unwrap());
    }

    #[test]
    fn no_name_climbs_or_holds_forbidden_characters() {
        assert_eq!(parse("a\\..\\b"), Err(NameError::LeadingDetour));
        assert_eq!(parse("a\\b\\..\\..\\.."), Err(NameError::PathSyntax));
        assert_eq!(parse(".."), Err(NameError::PathSyntax));
        assert_eq!(parse("a\\.\\b"), parse("a\\b"));
        assert_eq!(parse("a\\b\\..\\c\\.."), parse("a"));
        assert_eq!(parse("a\\.."), Ok(Name::root()));
        for text in [
            "a*", "a?", "a<", "a>", "a|", "a\"", "a\0", "a\x1f", "x:y\\z",
        ] {
            assert_eq!(parse(text), Err(NameError::Invalid), "{text:?}");
        }
    }

    #[test]
    fn streams_are_split_off_in_every_form() {
        let name = parse("file:stream").unwrap();
        assert_eq!(name.stream(), Some(&StreamName("stream".into())));
        assert_eq!(parse("file:stream:$data").unwrap(), name);
        let plain = parse("file::$DATA").unwrap();
        assert_eq!(
            (plain.stream(), plain.stream_type()),
            (None, Some(StreamType::Data))
        );
        let index = parse("folder:$I30:$INDEX_ALLOCATION").unwrap();
        assert_eq!(index.stream_type(), Some(StreamType::IndexAllocation));
        assert_eq!(index.stream(), None);
        let root = parse(":stream").unwrap();
        assert!(root.is_root());
        assert_eq!(root.stream(), Some(&StreamName("stream".into())));
        for text in ["file:", "file:a:b", "file:a:$DATA:x", "file::", "file:a\0"] {
            assert_eq!(parse(text), Err(NameError::Invalid), "{text:?}");
        }
    }

    #[test]
    fn lengths_are_bounded() {
        assert!(parse(&"a".repeat(255)).is_ok());
        assert_eq!(parse(&"a".repeat(256)), Err(NameError::Invalid));
        assert_eq!(parse(&"a\\".repeat(20_000)), Err(NameError::PathSyntax));
    }
}
