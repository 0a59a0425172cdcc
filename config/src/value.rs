//! The kinds of value that a setting may have: how each is read from TOML, printed as TOML and
//! described in words.

use std::{net::SocketAddr, ops::Range, path::PathBuf, time::Duration};

use toml::{Spanned, de::DeValue};

/// A value that is not what its setting expects.
#[derive(Debug)]
pub(crate) struct Unfit {
    /// Where it stands in the text, in bytes.
    pub(crate) at: Range<usize>,
    /// The value as it would be shown, such as `"maybe"`.
    pub(crate) shown: String,
}

impl Unfit {
    pub(crate) fn new(value: &Spanned<DeValue<'_>>) -> Self {
        Self {
            at: value.span(),
            shown: shown(value.get_ref()),
        }
    }
}

/// A value that stands behind one key of the file.
pub(crate) trait Value: Clone + PartialEq + 'static {
    /// What the file may say, in words that follow "give".
    fn expects() -> String;

    /// Reads the value, or tells which part of it does not fit.
    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Unfit>;

    /// The value as the file would say it.
    fn write(&self) -> toml::Value;
}

/// A value that is one of a few words.
pub(crate) trait Choice: Copy + PartialEq + 'static {
    /// Every word and what it stands for.
    const CHOICES: &'static [(&'static str, Self)];
}

/// A number of bytes, given as a number or as text with a unit: `65536`, `"64 KiB"`, `"8 MiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u32);

impl Size {
    /// This many bytes.
    pub const fn bytes(bytes: u32) -> Self {
        Self(bytes)
    }

    /// This many KiB; stops at the greatest size.
    pub const fn kib(kib: u32) -> Self {
        Self(kib.saturating_mul(KIB))
    }

    /// This many MiB; stops at the greatest size.
    pub const fn mib(mib: u32) -> Self {
        Self(mib.saturating_mul(MIB))
    }

    /// The size in bytes, as the wire counts them.
    pub const fn to_u32(self) -> u32 {
        self.0
    }

    /// The size in bytes, as memory counts them.
    pub fn to_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The permissions of a file for owner, group and others, given in octal digits: `"0644"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(u32);

impl Mode {
    /// These permissions; what is beyond them is left out.
    pub const fn new(bits: u32) -> Self {
        Self(bits & PERMISSIONS)
    }

    /// The permissions as the system counts them.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl<T: Choice> Value for T {
    fn expects() -> String {
        let words: Vec<String> = T::CHOICES
            .iter()
            .map(|(word, _)| format!("{word:?}"))
            .collect();
        match words.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => words.concat(),
        }
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Unfit> {
        let said = value.get_ref().as_str();
        let found = T::CHOICES.iter().find(|(word, _)| Some(*word) == said);
        found
            .map(|(_, choice)| *choice)
            .ok_or_else(|| Unfit::new(value))
    }

    fn write(&self) -> toml::Value {
        let found = T::CHOICES.iter().find(|(_, choice)| choice == self);
        found.map_or("", |(word, _)| *word).into()
    }
}

impl Value for bool {
    fn expects() -> String {
        "true or false".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Unfit> {
        value.get_ref().as_bool().ok_or_else(|| Unfit::new(value))
    }

    fn write(&self) -> toml::Value {
        (*self).into()
    }
}

impl Value for u32 {
    fn expects() -> String {
        "a whole number".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Unfit> {
        integer(value.get_ref()).ok_or_else(|| Unfit::new(value))
    }

    fn write(&self) -> toml::Value {
        (*self).into()
    }
}

impl Value for Size {
    fn expects() -> String {
        "a size such as \"64 KiB\" or \"8 MiB\"".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Unfit> {
        let bytes = match value.get_ref() {
            DeValue::String(text) => {
                with_unit(text, &[("B", 1), ("KiB", KIB.into()), ("MiB", MIB.into())])
                    .and_then(|bytes| u32::try_from(bytes).ok())
            }
            other => integer(other),
        };
        bytes.map(Self).ok_or_else(|| Unfit::new(value))
    }

    fn write(&self) -> toml::Value {
        match self.0 {
            bytes if bytes != 0 && bytes.is_multiple_of(MIB) => {
                format!("{} MiB", bytes / MIB).into()
            }
            bytes if bytes != 0 && bytes.is_multiple_of(KIB) => {
                format!("{} KiB", bytes / KIB).into()
            }
            bytes => bytes.into(),
        }
    }
}

impl Value for Mode {
    fn expects() -> String {
        "permissions in octal digits such as \"0644\"".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Unfit> {
        let is_octal = |text: &&str| text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        let digits = value
            .get_ref()
            .as_str()
            .filter(|text| (3..=4).contains(&text.len()));
        let digits = digits.filter(is_octal);
        let bits = digits.and_then(|digits| u32::from_str_radix(digits, 8).ok());
        bits.filter(|bits| *bits <= PERMISSIONS)
            .map(Self)
            .ok_or_else(|| Unfit::new(value))
    }

    fn write(&self) -> toml::Value {
        format!("{:04o}", self.0).into()
    }
}

impl Value for Duration {
    fn expects() -> String {
        "a time such as \"500 ms\", \"45 s\", \"15 min\", \"2 h\" or \"30 d\"".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Unfit> {
        let text = value.get_ref().as_str().unwrap_or_default();
        let milliseconds = with_unit(text, DURATION_UNITS);
        milliseconds
            .map(Duration::from_millis)
            .ok_or_else(|| Unfit::new(value))
    }

    fn write(&self) -> toml::Value {
        let milliseconds = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        let mut units = DURATION_UNITS.iter().rev();
        match units.find(|(_, size)| milliseconds != 0 && milliseconds.is_multiple_of(*size)) {
            Some((unit, size)) => {
                format!("{} {unit}", milliseconds.checked_div(*size).unwrap_or(0)).into()
            }
            None => "0 s".into(),
        }
    }
}

impl Value for String {
    fn expects() -> String {
        "a text".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Unfit> {
        value
            .get_ref()
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Unfit::new(value))
    }

    fn write(&self) -> toml::Value {
        self.clone().into()
    }
}

impl Value for PathBuf {
    fn expects() -> String {
        "a path".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Unfit> {
        let text = value
            .get_ref()
            .as_str()
            .filter(|text| !text.is_empty() && !text.contains('\0'));
        text.map(PathBuf::from).ok_or_else(|| Unfit::new(value))
    }

    fn write(&self) -> toml::Value {
        self.to_string_lossy().into_owned().into()
    }
}

impl Value for SocketAddr {
    fn expects() -> String {
        "an address with its port such as \"127.0.0.1:445\" or \"[::1]:445\"".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Unfit> {
        let address = value.get_ref().as_str().and_then(|text| text.parse().ok());
        address.ok_or_else(|| Unfit::new(value))
    }

    fn write(&self) -> toml::Value {
        self.to_string().into()
    }
}

/// A value that may be left out; the empty text says that it is.
impl<T: Value> Value for Option<T> {
    fn expects() -> String {
        format!("{}, or \"\" for none", T::expects())
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Unfit> {
        match value.get_ref().as_str() {
            Some("") => Ok(None),
            _ => T::read(value).map(Some),
        }
    }

    fn write(&self) -> toml::Value {
        self.as_ref().map_or_else(|| "".into(), Value::write)
    }
}

/// A list of values; a mistake points to the element that does not fit.
impl<T: Value> Value for Vec<T> {
    fn expects() -> String {
        format!("a list, each {}", T::expects())
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Unfit> {
        let list = value
            .get_ref()
            .as_array()
            .ok_or_else(|| Unfit::new(value))?;
        list.iter().map(T::read).collect()
    }

    fn write(&self) -> toml::Value {
        self.iter().map(Value::write).collect::<Vec<_>>().into()
    }
}

/// A value as a mistake shows it.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

/// A whole number of 32 bits.
fn integer(value: &DeValue<'_>) -> Option<u32> {
    let number = value.as_integer()?;
    u32::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A number with one of the units, each given with its worth.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = text.strip_prefix(digits)?.trim();
    let (_, worth) = units.iter().find(|(name, _)| *name == unit)?;
    digits.parse::<u64>().ok()?.checked_mul(*worth)
}

/// Read, write and execute for owner, group and others.
const PERMISSIONS: u32 = 0o777;
const KIB: u32 = 1 << 10;
const MIB: u32 = 1 << 20;

/// The units of time with their worth in milliseconds.
const DURATION_UNITS: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;

    fn read<T: Value>(text: &str) -> Result<T, String> {
        let text = format!("value = {text}");
        let table = DeTable::parse(&text).unwrap();
        T::read(&table.get_ref()["value"]).map_err(|unfit| unfit.shown)
    }

    fn survives<T: Value + std::fmt::Debug>(value: &T) {
        let text = value.write().to_string();
        assert_eq!(read::<T>(&text).as_ref(), Ok(value), "{text}");
    }

    #[test]
    fn every_kind_of_value_survives_printing_and_reading() {
        survives(&true);
        survives(&Mode::new(0o640));
        survives(&Mode::new(0));
        survives(&7_u32);
        survives(&u32::MAX);
        for bytes in [0, 1, 1023, 1024, 65_536, 1 << 20, 16_777_215, u32::MAX] {
            survives(&Size::bytes(bytes));
        }
        for milliseconds in [0, 1, 999, 1_000, 1_500, 60_000, 5_400_000, 7_200_000] {
            survives(&Duration::from_millis(milliseconds));
        }
        survives(&"a \"quoted\" \\ text".to_owned());
        survives(&PathBuf::from("/srv/public"));
        survives(&"[::1]:4450".parse::<SocketAddr>().unwrap());
        survives(&vec!["a".to_owned(), String::new()]);
        survives(&None::<PathBuf>);
        survives(&Some(PathBuf::from("x")));
    }

    #[test]
    fn sizes_and_times_take_their_units() {
        assert_eq!(read("\"64 KiB\""), Ok(Size::kib(64)));
        assert_eq!(read("\"8MiB\""), Ok(Size::mib(8)));
        assert_eq!(read("100"), Ok(Size::bytes(100)));
        assert_eq!(read("\"15 min\""), Ok(Duration::from_secs(900)));
        assert_eq!(read("\"500 ms\""), Ok(Duration::from_millis(500)));
    }

    #[test]
    fn what_does_not_fit_is_shown() {
        assert_eq!(read::<bool>("1"), Err("1".into()));
        assert_eq!(read::<u32>("-1"), Err("-1".into()));
        assert_eq!(read::<u32>("4294967296"), Err("4294967296".into()));
        assert_eq!(read::<Size>("\"64 KB\""), Err("\"64 KB\"".into()));
        assert_eq!(
            read::<Size>("\"9999999 MiB\""),
            Err("\"9999999 MiB\"".into())
        );
        assert_eq!(read::<Duration>("15"), Err("15".into()));
        assert_eq!(read::<Duration>("\"min\""), Err("\"min\"".into()));
        assert_eq!(read::<Vec<String>>("[\"a\", 7]"), Err("7".into()));
        assert_eq!(read::<Vec<String>>("\"a\""), Err("\"a\"".into()));
        assert_eq!(
            read::<SocketAddr>("\"localhost:445\""),
            Err("\"localhost:445\"".into())
        );
        assert_eq!(read::<PathBuf>("\"\""), Err("\"\"".into()));
        for mode in ["\"0999\"", "\"64\"", "\"1755\"", "420", "\"+644\""] {
            assert_eq!(read::<Mode>(mode), Err(mode.into()));
        }
    }
}
