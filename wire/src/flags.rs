//! The two macros behind every set of flags and every open list of values on the wire.
//!
//! `wire_flags!` makes a set of bits, `wire_values!` makes a number with named values. Both keep what
//! they do not know: a peer may send any bits, and it is the command that decides what to answer.

/// Defines a set of flags: a newtype that keeps unknown bits.
///
/// Gives `NONE`, one constant per flag, `from_bits`, `bits`, `contains` (all of them), `intersects`
/// (any of them), `is_empty`, `unknown`, `with`, `without`, `|`, `|=`, `&`, `!` and a `Debug` that
/// names the flags.
macro_rules! wire_flags {
    ($(#[$meta:meta])* pub struct $name:ident: $int:ty {
        $($(#[$flag_meta:meta])* const $flag:ident = $value:expr;)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
        pub struct $name($int);

        impl $name {
            /// No flag at all.
            pub const NONE: Self = Self(0);
            $($(#[$flag_meta])* pub const $flag: Self = Self($value);)*

            /// Takes the bits as they came, unknown ones included.
            #[must_use]
            pub const fn from_bits(bits: $int) -> Self {
                Self(bits)
            }

            /// The bits as they go out, unknown ones included.
            #[must_use]
            pub const fn bits(self) -> $int {
                self.0
            }

            /// Whether every bit of `other` is set.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether any bit of `other` is set.
            #[must_use]
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// Whether no bit is set.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// The bits that have no name here.
            #[must_use]
            pub const fn unknown(self) -> Self {
                Self(self.0 & !(0 $(| $value)*))
            }

            /// These flags and those of `other`.
            #[must_use]
            pub const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// These flags but for those of `other`.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }
        }

        impl std::ops::BitOr for $name {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                self.with(other)
            }
        }

        impl std::ops::BitOrAssign for $name {
            fn bitor_assign(&mut self, other: Self) {
                self.0 |= other.0;
            }
        }

        impl std::ops::BitAnd for $name {
            type Output = Self;

            fn bitand(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }
        }

        impl std::ops::Not for $name {
            type Output = Self;

            fn not(self) -> Self {
                Self(!self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let named: &[(&str, Self)] = &[$((stringify!($flag), Self::$flag),)*];
                $crate::flags::fmt_flags(
                    f,
                    u64::from(self.0),
                    named.iter().map(|(name, flag)| (*name, u64::from(flag.0))),
                )
            }
        }
    };
}

/// Defines a number with named values: a newtype that keeps unknown values.
///
/// Gives one constant per value, `name` (`None` when it has none), `is_known`, `From` both ways and a
/// `Debug` that prints the name, or the number in hexadecimal.
macro_rules! wire_values {
    ($(#[$meta:meta])* pub struct $name:ident: $int:ty {
        $($(#[$value_meta:meta])* const $constant:ident = $value:expr;)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);

        impl $name {
            $($(#[$value_meta])* pub const $constant: Self = Self($value);)*

            /// The name of the value, if it has one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$constant => Some(stringify!($constant)),)*
                    _ => None,
                }
            }

            /// Whether the value is one of those named here.
            #[must_use]
            pub const fn is_known(self) -> bool {
                self.name().is_some()
            }
        }

        impl From<$int> for $name {
            fn from(value: $int) -> Self {
                Self(value)
            }
        }

        impl From<$name> for $int {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, concat!(stringify!($name), "({:#x})"), self.0),
                }
            }
        }
    };
}

pub(crate) use {wire_flags, wire_values};

/// Prints the names of the flags that are set, joined by `|`, then the rest in hexadecimal.
pub(crate) fn fmt_flags(
    f: &mut std::fmt::Formatter<'_>,
    bits: u64,
    named: impl Iterator<Item = (&'static str, u64)>,
) -> std::fmt::Result {
    let mut rest = bits;
    let mut separator = "";
    for (name, flag) in named {
        if flag != 0 && rest & flag == flag {
            write!(f, "{separator}{name}")?;
            separator = "|";
            rest &= !flag;
        }
    }
    if rest != 0 || bits == 0 {
        write!(f, "{separator}{rest:#x}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    wire_flags! {
        /// Flags to test with.
        pub struct Colour: u16 {
            /// Red.
            const RED = 0x1;
            /// Green.
            const GREEN = 0x2;
        }
    }

    wire_values! {
        /// Values to test with.
        pub struct Shape: u8 {
            /// Round.
            const CIRCLE = 1;
        }
    }

    #[test]
    fn unknown_bits_survive_and_are_told_apart() {
        let colour = Colour::from_bits(0x8001);
        assert_eq!(colour.bits(), 0x8001);
        assert_eq!(colour.unknown(), Colour::from_bits(0x8000));
        assert_eq!(colour.without(Colour::RED).bits(), 0x8000);
    }

    #[test]
    fn contains_asks_for_all_and_intersects_for_any() {
        let both = Colour::RED | Colour::GREEN;
        assert!(both.contains(Colour::RED));
        assert!(!Colour::RED.contains(both));
        assert!(Colour::RED.intersects(both));
        assert!(!Colour::NONE.intersects(both));
        assert!((both & !both).is_empty());
    }

    #[test]
    fn debug_names_what_is_known_and_shows_the_rest() {
        assert_eq!(
            format!("{:?}", Colour::from_bits(0x8003)),
            "RED|GREEN|0x8000"
        );
        assert_eq!(format!("{:?}", Colour::NONE), "0x0");
        assert_eq!(format!("{:?}", Shape::CIRCLE), "CIRCLE");
        assert_eq!(format!("{:?}", Shape(9)), "Shape(0x9)");
        assert!(!Shape(9).is_known());
    }
}
