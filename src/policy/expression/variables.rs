//! What an expression can see.

/// A side's metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideMeta<'a> {
    /// Its clock, in milliseconds since 1970.
    pub at: Option<i64>,
    /// Its source; `None`: none was named.
    pub by: Option<&'a str>,
    /// The flow version that stored it; `None` for what arrives.
    pub rev: Option<u32>,
}

/// What an expression can see. Values are canonical texts; `None` is CEL's null: no record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variables<'a> {
    /// `base`: what the change started from; null if nothing is known.
    pub base: Option<&'a [u8]>,
    /// `head`: what is stored. For a field's rule the record, not the field.
    pub head: Option<&'a [u8]>,
    /// `incoming`: what came.
    pub incoming: Option<&'a [u8]>,
    /// `meta.head`.
    pub head_meta: SideMeta<'a>,
    /// `meta.incoming`.
    pub incoming_meta: SideMeta<'a>,
    /// `store`: the object store's name.
    pub store: &'a str,
    /// `key`: the record's key, canonical.
    pub key: &'a [u8],
    /// `type`: the conflict's.
    pub conflict: &'a str,
    /// `field`: the field's path; empty for a whole record.
    pub field: &'a str,
    /// `now`: when the batch was received, milliseconds since 1970. There is no other clock.
    pub now: i64,
}
