//! The variables of an expression.

/// The metadata of a side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideMeta<'a> {
    /// The clock, in milliseconds since 1970.
    pub at: Option<i64>,
    /// The source; `None` if none was named.
    pub by: Option<&'a str>,
    /// The flow version that stored it; `None` for the incoming change.
    pub rev: Option<u32>,
}

/// The variables of an expression. Values are canonical texts; `None` is CEL's null and means that
/// there is no record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variables<'a> {
    /// `base`: the value that the change started from; null if it is unknown.
    pub base: Option<&'a [u8]>,
    /// `head`: the stored value. In a field's rule, this is the whole record, not the field.
    pub head: Option<&'a [u8]>,
    /// `incoming`: the value of the change.
    pub incoming: Option<&'a [u8]>,
    /// `meta.head`.
    pub head_meta: SideMeta<'a>,
    /// `meta.incoming`.
    pub incoming_meta: SideMeta<'a>,
    /// `store`: the object store's name.
    pub store: &'a str,
    /// `key`: the record's key, in canonical form.
    pub key: &'a [u8],
    /// `type`: the type of the conflict.
    pub conflict: &'a str,
    /// `field`: the field's path; empty for a whole record.
    pub field: &'a str,
    /// `now`: the time of receipt of the batch, in milliseconds since 1970. This is the only clock.
    pub now: i64,
}
