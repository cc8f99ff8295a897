//! The closed set of tags, and their one spelling.
//!
//! No other part of the library spells a tag. Every decision about tags is an exhaustive `match`,
//! so that the compiler names each place that a new kind of value concerns.

use memchr::memmem;

/// Defines [`ValueTag`] with the name of each tag, so that no list can lack one.
macro_rules! value_tags {
    ($($(#[$doc:meta])* $tag:ident = $name:literal,)*) => {
        /// A tag: the only member name of the object that represents a value that JSON lacks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ValueTag {
            $($(#[$doc])* $tag,)*
        }

        impl ValueTag {
            /// All tags.
            pub const ALL: &[Self] = &[$(Self::$tag,)*];

            /// Returns the tag with this name, which includes the `~`.
            pub fn from_name(name: &[u8]) -> Option<Self> {
                match std::str::from_utf8(name).ok()? {
                    $($name => Some(Self::$tag),)*
                    _ => None,
                }
            }

            /// Returns the tag's name, with its `~`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$tag => $name,)*
                }
            }

            /// Returns the canonical text before the tag's content.
            pub const fn opening(self) -> &'static [u8] {
                match self {
                    $(Self::$tag => concat!("{\"", $name, "\":").as_bytes(),)*
                }
            }
        }
    };
}

value_tags! {
    /// `undefined`.
    Undefined = "~undefined",
    /// −0, NaN or an infinity.
    Number = "~number",
    /// A BigInt.
    BigInt = "~bigint",
    /// A Date.
    Date = "~date",
    /// A string with lone surrogates.
    Utf16 = "~utf16",
    /// An object with lone surrogates in a member name.
    Entries = "~entries",
    /// A regular expression.
    RegExp = "~regexp",
    /// An object that wraps a primitive.
    Boxed = "~boxed",
    /// An array with holes or named members.
    Array = "~array",
    /// A Map.
    Map = "~map",
    /// A Set.
    Set = "~set",
    /// An ArrayBuffer.
    Buffer = "~buffer",
    /// A typed array or DataView.
    View = "~view",
    /// A binary key.
    Binary = "~binary",
    /// An Error or DOMException.
    Error = "~error",
    /// A Blob or File.
    Blob = "~blob",
    /// Another object of the platform, such as ImageData.
    Dom = "~dom",
    /// An object whose inside is not known.
    Opaque = "~opaque",
    /// The first place of a shared value.
    Id = "~id",
    /// A further place of a shared value.
    Ref = "~ref",
}

impl ValueTag {
    /// True if a value with this tag is in the canonical text, at any depth.
    pub fn occurs_in(self, canonical: &[u8]) -> bool {
        // Inside a string the quotes would be escaped, so this can only be the tag.
        memmem::find(canonical, self.opening()).is_some()
    }

    /// True if values with this tag are primitives: they have no identity, and occur only once in a
    /// Map or Set.
    pub fn is_primitive(self) -> bool {
        match self {
            Self::Undefined | Self::Number | Self::BigInt | Self::Utf16 => true,
            Self::Date
            | Self::Entries
            | Self::RegExp
            | Self::Boxed
            | Self::Array
            | Self::Map
            | Self::Set
            | Self::Buffer
            | Self::View
            | Self::Binary
            | Self::Error
            | Self::Blob
            | Self::Dom
            | Self::Opaque
            | Self::Id
            | Self::Ref => false,
        }
    }

    /// True if values with this tag consist of elements: arrays, Maps and Sets.
    pub fn has_elements(self) -> bool {
        match self {
            Self::Array | Self::Map | Self::Set => true,
            Self::Undefined
            | Self::Number
            | Self::BigInt
            | Self::Date
            | Self::Utf16
            | Self::Entries
            | Self::RegExp
            | Self::Boxed
            | Self::Buffer
            | Self::View
            | Self::Binary
            | Self::Error
            | Self::Blob
            | Self::Dom
            | Self::Opaque
            | Self::Id
            | Self::Ref => false,
        }
    }

    /// True if the canonical text is a value with this tag.
    pub fn begins(self, canonical: &[u8]) -> bool {
        canonical.starts_with(self.opening())
    }
}

/// True if the canonical text contains a tag, or a member whose name has the `~` escape.
pub(crate) fn may_have_tags(canonical: &[u8]) -> bool {
    // Inside a string the quote would be escaped.
    memmem::find(canonical, b"{\"~").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_openings_belong_together() {
        for tag in ValueTag::ALL {
            assert_eq!(ValueTag::from_name(tag.name().as_bytes()), Some(*tag));
            assert_eq!(tag.opening(), format!("{{\"{}\":", tag.name()).as_bytes());
        }
        assert_eq!(ValueTag::from_name(b"~dates"), None);
        assert_eq!(ValueTag::from_name(b"date"), None);
        assert_eq!(ValueTag::from_name(b"\xff"), None);
    }

    #[test]
    fn tags_are_found_at_any_depth() {
        let text = br#"{"a":[{"~date":1}],"b":"{\"~id\":1}"}"#;
        assert!(ValueTag::Date.occurs_in(text) && !ValueTag::Date.begins(text));
        assert!(!ValueTag::Id.occurs_in(text));
        assert!(ValueTag::Date.begins(br#"{"~date":1}"#));
        assert!(may_have_tags(text) && !may_have_tags(br#"{"a":"{\"~id\":1}"}"#));
    }
}
