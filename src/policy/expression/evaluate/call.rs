//! Functions.

use std::borrow::Cow;

use super::Evaluator;
use crate::indexeddb::iso_date::MAX_DATE_MS;
use crate::indexeddb::number::write_canonical;
use crate::policy::expression::data::{Number, Value};
use crate::policy::expression::error::{Evaluated, EvaluationError};
use crate::policy::expression::functions::Function;
use crate::policy::expression::node::Node;

impl<'a> Evaluator<'a> {
    pub(super) fn call(&mut self, function: Function, parts: &'a [Node]) -> Evaluated<Value<'a>> {
        use Function as F;
        let Some(first) = parts.first() else { return Err(EvaluationError::TYPES) };
        Ok(match function {
            // A value that is not parsed stays unchanged.
            F::Dyn => self.run(first)?,
            F::TypeOf => Value::Type(self.kind(first)?),
            F::Greatest => self.extreme(parts, true)?,
            F::Least => self.extreme(parts, false)?,
            F::Size => Value::Int(self.size(first)? as i64),
            F::Contains | F::StartsWith | F::EndsWith => {
                let (text, part) =
                    (self.text(first)?, self.text(parts.get(1).ok_or(EvaluationError::TYPES)?)?);
                self.work.read(text.len() + part.len())?;
                Value::Bool(match function {
                    F::Contains => text.contains(&*part),
                    F::StartsWith => text.starts_with(&*part),
                    _ => text.ends_with(&*part),
                })
            }
            F::LowerAscii | F::UpperAscii | F::Trim => {
                let text = self.text(first)?;
                self.work.make(text.len())?;
                Value::Text(Cow::Owned(match function {
                    F::LowerAscii => text.to_ascii_lowercase(),
                    F::UpperAscii => text.to_ascii_uppercase(),
                    _ => text.trim().to_owned(),
                }))
            }
            F::ToInt => Value::Int(to_int(&self.opened(first)?)?),
            F::ToDouble => Value::Double(to_double(&self.opened(first)?)?),
            F::ToText => self.printed(first)?,
            F::ToBool => match self.opened(first)? {
                Value::Bool(truth) => Value::Bool(truth),
                Value::Text(text) => {
                    Value::Bool(text.parse().map_err(|_| EvaluationError::CONVERSION)?)
                }
                _ => return Err(EvaluationError::TYPES),
            },
            F::ToBytes => match self.opened(first)? {
                Value::Text(Cow::Borrowed(text)) => Value::Bytes(Cow::Borrowed(text.as_bytes())),
                Value::Text(Cow::Owned(text)) => Value::Bytes(Cow::Owned(text.into_bytes())),
                bytes @ Value::Bytes(_) => bytes,
                _ => return Err(EvaluationError::TYPES),
            },
            F::ToDate => {
                let ms = self.number(first)?.double().trunc() + 0.0;
                if ms.abs() > MAX_DATE_MS as f64 {
                    return Err(EvaluationError::CONVERSION);
                }
                Value::Date(ms)
            }
            F::IsNan => Value::Bool(self.number(first)?.double().is_nan()),
            F::IsInf => Value::Bool(self.number(first)?.double().is_infinite()),
            F::IsFinite => Value::Bool(self.number(first)?.double().is_finite()),
            F::Abs | F::Sign | F::Ceil | F::Floor | F::Round | F::Trunc => {
                match self.number(first)? {
                    Number::Int(int) => Value::Int(match function {
                        F::Abs => int.checked_abs().ok_or(EvaluationError::OVERFLOW)?,
                        F::Sign => int.signum(),
                        _ => int,
                    }),
                    Number::Double(double) => Value::Double(match function {
                        F::Abs => double.abs(),
                        F::Sign if double == 0.0 => double,
                        F::Sign => double.signum(),
                        F::Ceil => double.ceil(),
                        F::Floor => double.floor(),
                        F::Round => double.round(),
                        _ => double.trunc(),
                    }),
                }
            }
        })
    }

    fn text(&mut self, node: &'a Node) -> Evaluated<Cow<'a, str>> {
        match self.opened(node)? {
            Value::Text(text) => Ok(text),
            _ => Err(EvaluationError::TYPES),
        }
    }

    fn number(&mut self, node: &'a Node) -> Evaluated<Number> {
        self.opened(node)?.number().ok_or(EvaluationError::TYPES)
    }

    fn size(&mut self, node: &'a Node) -> Evaluated<usize> {
        match self.opened(node)? {
            Value::Text(text) => {
                self.work.read(text.len())?;
                Ok(text.chars().count())
            }
            Value::Bytes(bytes) => Ok(bytes.len()),
            Value::List(list) => list.size(&mut self.work),
            Value::Map(map) => map.size(&mut self.work),
            Value::Null => Err(EvaluationError::NULL),
            _ => Err(EvaluationError::TYPES),
        }
    }

    fn printed(&mut self, node: &'a Node) -> Evaluated<Value<'a>> {
        let mut out = Vec::new();
        match self.opened(node)? {
            Value::Bool(truth) => {
                return Ok(Value::Text(Cow::Borrowed(if truth { "true" } else { "false" })));
            }
            Value::Int(int) => out = int.to_string().into_bytes(),
            Value::Double(double) if double.is_nan() => out.extend_from_slice(b"NaN"),
            Value::Double(double) if double.is_infinite() => {
                out.extend_from_slice(if double > 0.0 { b"Infinity" } else { b"-Infinity" });
            }
            // This is JavaScript's text of the number; −0 becomes 0.
            Value::Double(double) => write_canonical(double + 0.0, &mut out),
            text @ Value::Text(_) => return Ok(text),
            Value::Bytes(bytes) => out = bytes.into_owned(),
            _ => return Err(EvaluationError::TYPES),
        }
        self.work.make(out.len())?;
        String::from_utf8(out)
            .map(|text| Value::Text(Cow::Owned(text)))
            .map_err(|_| EvaluationError::CONVERSION)
    }

    /// Returns the greatest or least of the arguments, or of the elements of the only argument. It
    /// keeps its kind: a Date stays a Date.
    fn extreme(&mut self, parts: &'a [Node], greatest: bool) -> Evaluated<Value<'a>> {
        let mut best: Option<(Value<'a>, Number)> = None;
        let mut values = Vec::new();
        if let [only] = parts {
            match self.opened(only)? {
                Value::List(list) => {
                    let mut elements = list.elements();
                    while let Some(element) = elements.next(&mut self.work)? {
                        self.work.make_values(1)?;
                        values.push(element);
                    }
                }
                value => values.push(value),
            }
        } else {
            for part in parts {
                values.push(self.run(part)?);
            }
        }
        for value in values {
            let number =
                value.clone().open(&mut self.work)?.number().ok_or(EvaluationError::TYPES)?;
            let nan = number.double().is_nan();
            let better = best.as_ref().is_none_or(|(_, other)| match number.compare(*other) {
                Some(order) => {
                    if greatest {
                        order.is_gt()
                    } else {
                        order.is_lt()
                    }
                }
                // NaN wins over all numbers, as in JavaScript, so that the order of arguments does
                // not matter.
                None => nan,
            });
            if better {
                best = Some((value, number));
            }
        }
        best.map(|(value, _)| value).ok_or(EvaluationError::TYPES)
    }
}

fn to_int(value: &Value<'_>) -> Evaluated<i64> {
    match value {
        Value::Int(int) => Ok(*int),
        Value::Double(double) | Value::Date(double) => {
            let whole = double.trunc();
            let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole);
            if fits { Ok(whole as i64) } else { Err(EvaluationError::OVERFLOW) }
        }
        Value::Text(text) => text.parse().map_err(|_| EvaluationError::CONVERSION),
        _ => Err(EvaluationError::TYPES),
    }
}

fn to_double(value: &Value<'_>) -> Evaluated<f64> {
    match value {
        Value::Text(text) => {
            let good = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
            text.parse().ok().filter(|_| good).ok_or(EvaluationError::CONVERSION)
        }
        value => value.number().map(Number::double).ok_or(EvaluationError::TYPES),
    }
}
