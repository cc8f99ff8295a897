//! Bare records: JSON values in lines, in an array, or joined in any other way.

use super::{DialectSpec, ValueSyntax};

pub(crate) const SPEC: DialectSpec = DialectSpec {
    name: "records",
    summary: "JSON values: NDJSON, an array, or joined in any other way; needs --object-store and \
        --key-path or --key-field",
    values: ValueSyntax::AsOptions,
    ..DialectSpec::NONE
};
