//! Declarations of structures and unions: what each is made of, in order, and no code.

/// Declares structures with named fields, each of a type that has a representation.
// [C706] 14.3.6
macro_rules! ndr_struct {
    ($(
        $(#[$about:meta])*
        $seen:vis struct $name:ident {
            $($(#[$about_field:meta])* $field_seen:vis $field:ident: $type:ty),+ $(,)?
        }
    )+) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        $seen struct $name {
            $($(#[$about_field])* $field_seen $field: $type),+
        }

        impl $crate::ipc::ndr::Ndr for $name {
            type InPlace = ($(<$type as $crate::ipc::ndr::Ndr>::InPlace,)+);

            fn alignment(syntax: $crate::ipc::ndr::Syntax) -> usize {
                1_usize$(.max(<$type as $crate::ipc::ndr::Ndr>::alignment(syntax)))+
            }

            fn encode(&self, out: &mut $crate::ipc::ndr::Encoder) {
                let alignment = Self::alignment(out.syntax());
                out.align(alignment);
                $($crate::ipc::ndr::Ndr::encode(&self.$field, out);)+
                out.fill_trailing_gap(alignment);
            }

            fn encode_referents(&self, out: &mut $crate::ipc::ndr::Encoder) {
                $($crate::ipc::ndr::Ndr::encode_referents(&self.$field, out);)+
            }

            fn decode(
                from: &mut $crate::ipc::ndr::Decoder<'_>,
            ) -> Result<Self::InPlace, $crate::ipc::ndr::Malformed> {
                let alignment = Self::alignment(from.syntax());
                from.align(alignment);
                let in_place = ($(<$type as $crate::ipc::ndr::Ndr>::decode(from)?,)+);
                from.skip_trailing_gap(alignment);
                Ok(in_place)
            }

            fn decode_referents(
                ($($field,)+): Self::InPlace,
                from: &mut $crate::ipc::ndr::Decoder<'_>,
            ) -> Result<Self, $crate::ipc::ndr::Malformed> {
                Ok(Self {
                    $($field: <$type as $crate::ipc::ndr::Ndr>::decode_referents($field, from)?),+
                })
            }
        }
    )+};
}
pub(in crate::ipc) use ndr_struct;

/// Declares unions: the type of the tag, and for each value of it an arm. A last arm `_ => Other` stands for all
/// other values and holds nothing but the tag; without it they are malformed.
// [C706] 14.3.8
macro_rules! ndr_union {
    ($(
        $(#[$about:meta])*
        $seen:vis enum $name:ident($tag:ident) {
            $($value:literal => $arm:ident($type:ty),)+
            $(_ => $other:ident,)?
        }
    )+) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        $seen enum $name {
            $($arm($type),)+
            $($other($tag),)?
        }

        const _: () = {
            use $crate::ipc::ndr::{Decoder, Encoder, Malformed, Ndr, Syntax, Tag};

            /// The arm that has been read in place.
            pub enum InPlace {
                $($arm(<$type as Ndr>::InPlace),)+
                $($other($tag),)?
            }

            impl $name {
                /// The value that selects the arm.
                #[allow(dead_code, reason = "not everybody asks")]
                $seen fn tag(&self) -> $tag {
                    match self {
                        $(Self::$arm(_) => <$tag as Tag>::of($value),)+
                        $(Self::$other(tag) => *tag,)?
                    }
                }

                fn arms_alignment(syntax: Syntax) -> usize {
                    1_usize$(.max(<$type as Ndr>::alignment(syntax)))+
                }

                // [MS-RPCE] 2.2.5.3.4.4
                fn alignments(syntax: Syntax) -> (usize, usize) {
                    match syntax {
                        Syntax::Ndr32 => (1, 1),
                        Syntax::Ndr64 => (Self::alignment(syntax), Self::arms_alignment(syntax)),
                    }
                }
            }

            impl Ndr for $name {
                type InPlace = InPlace;

                fn alignment(syntax: Syntax) -> usize {
                    <$tag as Ndr>::alignment(syntax).max(Self::arms_alignment(syntax))
                }

                fn encode(&self, out: &mut Encoder) {
                    let (whole, arm) = Self::alignments(out.syntax());
                    out.align(whole);
                    self.tag().encode(out);
                    out.align(arm);
                    match self {
                        $(Self::$arm(value) => value.encode(out),)+
                        $(Self::$other(_) => {})?
                    }
                }

                fn encode_referents(&self, out: &mut Encoder) {
                    match self {
                        $(Self::$arm(value) => value.encode_referents(out),)+
                        $(Self::$other(_) => {})?
                    }
                }

                fn decode(from: &mut Decoder<'_>) -> Result<InPlace, Malformed> {
                    let (whole, arm) = Self::alignments(from.syntax());
                    from.align(whole);
                    let tag = <$tag as Ndr>::decode(from)?;
                    from.align(arm);
                    match tag.number() {
                        $($value => <$type as Ndr>::decode(from).map(InPlace::$arm),)+
                        $(_ => Ok(InPlace::$other(tag)),)?
                        #[allow(unreachable_patterns, reason = "there may be an arm for all others")]
                        _ => Err(Malformed),
                    }
                }

                fn decode_referents(
                    in_place: InPlace,
                    from: &mut Decoder<'_>,
                ) -> Result<Self, Malformed> {
                    match in_place {
                        $(InPlace::$arm(arm) => {
                            <$type as Ndr>::decode_referents(arm, from).map(Self::$arm)
                        })+
                        $(InPlace::$other(tag) => Ok(Self::$other(tag)),)?
                    }
                }
            }
        };
    )+};
}
pub(in crate::ipc) use ndr_union;
