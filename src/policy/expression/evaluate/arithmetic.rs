//! Arithmetic, concatenation and order. Operations on integers are exact; an operation with a
//! double uses doubles.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::policy::expression::data::{List, Number, Value};
use crate::policy::expression::error::{Evaluated, EvaluationError};
use crate::policy::expression::node::{Arithmetic, Compare};
use crate::policy::expression::work::Work;

/// Applies an operator to two open values.
pub(super) fn apply<'a>(
    operator: Arithmetic,
    a: Value<'a>,
    b: Value<'a>,
    work: &mut Work,
) -> Evaluated<Value<'a>> {
    match (a.number(), b.number()) {
        (Some(Number::Int(a)), Some(Number::Int(b))) => ints(operator, a, b).map(Value::Int),
        (Some(a), Some(b)) => Ok(Value::Double(doubles(operator, a.double(), b.double()))),
        _ if operator == Arithmetic::Add => join(a, b, work),
        _ => Err(EvaluationError::TYPES),
    }
}

fn ints(operator: Arithmetic, a: i64, b: i64) -> Evaluated<i64> {
    let divides = matches!(operator, Arithmetic::Divide | Arithmetic::Remainder);
    if divides && b == 0 {
        return Err(EvaluationError::DIVISION);
    }
    let result = match operator {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide => a.checked_div(b),
        Arithmetic::Remainder => a.checked_rem(b),
    };
    result.ok_or(EvaluationError::OVERFLOW)
}

fn doubles(operator: Arithmetic, a: f64, b: f64) -> f64 {
    match operator {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Remainder => a % b,
    }
}

fn join<'a>(a: Value<'a>, b: Value<'a>, work: &mut Work) -> Evaluated<Value<'a>> {
    Ok(match (a, b) {
        (Value::Text(a), Value::Text(b)) => {
            work.make(a.len() + b.len())?;
            Value::Text(Cow::Owned(a.into_owned() + &b))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            work.make(a.len() + b.len())?;
            Value::Bytes(Cow::Owned([a, b].concat()))
        }
        (Value::List(a), Value::List(b)) => {
            let size = a.size(work)? + b.size(work)?;
            work.make_values(size)?;
            let mut all = Vec::with_capacity(size);
            for list in [&a, &b] {
                let mut elements = list.elements();
                while let Some(element) = elements.next(work)? {
                    all.push(element);
                }
            }
            Value::List(List::Made(all.into()))
        }
        _ => return Err(EvaluationError::TYPES),
    })
}

/// Negates an open value.
pub(super) fn negate<'a>(value: &Value<'a>) -> Evaluated<Value<'a>> {
    match value.number() {
        Some(Number::Int(int)) => {
            int.checked_neg().map(Value::Int).ok_or(EvaluationError::OVERFLOW)
        }
        Some(Number::Double(double)) => Ok(Value::Double(-double)),
        None => Err(EvaluationError::TYPES),
    }
}

/// True if two open values are in this order. NaN is in none.
pub(super) fn compare(
    wanted: Compare,
    a: &Value<'_>,
    b: &Value<'_>,
    work: &mut Work,
) -> Evaluated<bool> {
    let order = match (a, b) {
        (Value::Text(a), Value::Text(b)) => {
            work.read(a.len().min(b.len()))?;
            Some(a.cmp(b))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            work.read(a.len().min(b.len()))?;
            Some(a.cmp(b))
        }
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => match (a.number(), b.number()) {
            (Some(a), Some(b)) => a.compare(b),
            _ => return Err(EvaluationError::TYPES),
        },
    };
    Ok(match wanted {
        Compare::Less => order == Some(Ordering::Less),
        Compare::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Compare::Greater => order == Some(Ordering::Greater),
        Compare::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    })
}
