//! The functions that an expression can call.

use super::types::Type;

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    UpperAscii,
    Trim,
    TypeOf,
    ToInt,
    ToDouble,
    ToText,
    ToBool,
    ToBytes,
    ToDate,
    Dyn,
    Abs,
    Sign,
    Ceil,
    Floor,
    Round,
    Trunc,
    Greatest,
    Least,
    IsNan,
    IsInf,
    IsFinite,
}

/// The ways to call a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallForm {
    /// `f(x)`
    Global,
    /// `x.f()`
    Method,
    /// `f(x)` and `x.f()`
    Both,
    /// `math.f(x)`
    Math,
}

/// The parameters and result of a function.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) form: CallForm,
    pub(super) function: Function,
    /// The kinds of the arguments. For a method, the first one is its target.
    pub(super) takes: &'static [Type],
    /// True if the last argument may be repeated.
    pub(super) more: bool,
    pub(super) gives: Type,
}

const fn signature(
    name: &'static str,
    form: CallForm,
    function: Function,
    takes: &'static [Type],
    gives: Type,
) -> Signature {
    Signature { name, form, function, takes, more: false, gives }
}

const SIZED: Type = Type::TEXT.or(Type::BYTES).or(Type::LIST).or(Type::MAP);
const TO_NUMBER: Type = Type::NUMBER.or(Type::TEXT);
const TO_TEXT: Type = Type::PLAIN.or(Type::BOOL).or(Type::TEXT).or(Type::BYTES);
const EXTREME: Type = Type::NUMBER.or(Type::LIST);

use CallForm::{Both, Global, Math, Method};
use Function as F;

/// All functions, in the order of the page.
pub(super) static ALL: [Signature; 26] = [
    signature("size", Both, F::Size, &[SIZED], Type::INT),
    signature("contains", Method, F::Contains, &[Type::TEXT, Type::TEXT], Type::BOOL),
    signature("startsWith", Method, F::StartsWith, &[Type::TEXT, Type::TEXT], Type::BOOL),
    signature("endsWith", Method, F::EndsWith, &[Type::TEXT, Type::TEXT], Type::BOOL),
    signature("lowerAscii", Method, F::LowerAscii, &[Type::TEXT], Type::TEXT),
    signature("upperAscii", Method, F::UpperAscii, &[Type::TEXT], Type::TEXT),
    signature("trim", Method, F::Trim, &[Type::TEXT], Type::TEXT),
    signature("type", Global, F::TypeOf, &[Type::ANY], Type::TYPE),
    signature("int", Global, F::ToInt, &[TO_NUMBER], Type::INT),
    signature("double", Global, F::ToDouble, &[TO_NUMBER], Type::DOUBLE),
    signature("string", Global, F::ToText, &[TO_TEXT], Type::TEXT),
    signature("bool", Global, F::ToBool, &[Type::BOOL.or(Type::TEXT)], Type::BOOL),
    signature("bytes", Global, F::ToBytes, &[Type::BYTES.or(Type::TEXT)], Type::BYTES),
    signature("date", Global, F::ToDate, &[Type::NUMBER], Type::DATE),
    signature("dyn", Global, F::Dyn, &[Type::ANY], Type::ANY),
    signature("abs", Math, F::Abs, &[Type::NUMBER], Type::PLAIN),
    signature("sign", Math, F::Sign, &[Type::NUMBER], Type::PLAIN),
    signature("ceil", Math, F::Ceil, &[Type::NUMBER], Type::PLAIN),
    signature("floor", Math, F::Floor, &[Type::NUMBER], Type::PLAIN),
    signature("round", Math, F::Round, &[Type::NUMBER], Type::PLAIN),
    signature("trunc", Math, F::Trunc, &[Type::NUMBER], Type::PLAIN),
    Signature { more: true, ..signature("greatest", Math, F::Greatest, &[EXTREME], Type::NUMBER) },
    Signature { more: true, ..signature("least", Math, F::Least, &[EXTREME], Type::NUMBER) },
    signature("isNaN", Math, F::IsNan, &[Type::NUMBER], Type::BOOL),
    signature("isInf", Math, F::IsInf, &[Type::NUMBER], Type::BOOL),
    signature("isFinite", Math, F::IsFinite, &[Type::NUMBER], Type::BOOL),
];

/// The macros over a list, with their possible numbers of arguments.
pub(super) const LOOPS: [(&str, &[usize]); 5] =
    [("all", &[2]), ("exists", &[2]), ("exists_one", &[2]), ("filter", &[2]), ("map", &[2, 3])];

/// Functions of CEL that are not supported, with a replacement.
pub(super) const LEFT_OUT: [(&str, &str); 12] = [
    (
        "matches",
        "there are no regular expressions, whose cost cannot be told: use contains(), startsWith() \
         or endsWith()",
    ),
    ("timestamp", "a Date of a record is its milliseconds since 1970: `head.when > 1700000000000`"),
    ("duration", "durations are milliseconds: `now - head.when > 86400000`"),
    ("uint", "there are no unsigned integers: use int()"),
    ("getFullYear", "a Date is its milliseconds since 1970, without a calendar"),
    ("getMonth", "a Date is its milliseconds since 1970, without a calendar"),
    ("getDate", "a Date is its milliseconds since 1970, without a calendar"),
    ("getDayOfMonth", "a Date is its milliseconds since 1970, without a calendar"),
    ("getDayOfWeek", "a Date is its milliseconds since 1970, without a calendar"),
    ("getHours", "a Date is its milliseconds since 1970, without a calendar"),
    ("getMinutes", "a Date is its milliseconds since 1970, without a calendar"),
    (
        "getMilliseconds",
        "a Date is its milliseconds since 1970 itself: `head.when - incoming.when`",
    ),
];

/// Returns the function with this name and form.
pub(super) fn find(name: &str, form: CallForm) -> Option<&'static Signature> {
    let fits = |own: CallForm| own == form || (own == Both && form != Math);
    ALL.iter().find(|signature| signature.name == name && fits(signature.form))
}
