//! A side whose members are read one by one, while its text is scanned only once.

use super::{Name, Value};
use crate::indexeddb::value::{Members, NameValue, each_member, is_tagged};
use crate::policy::expression::error::{Evaluated, EvaluationError};
use crate::policy::expression::work::Work;

/// The most members of a record that are remembered, so that memory does not grow with the record.
const MAX_MET: usize = 256;

/// The members of a record found so far, and the position where the search continues.
pub(in crate::policy::expression) struct Record<'a> {
    rest: Members<'a>,
    met: Vec<NameValue<'a>>,
}

impl<'a> Record<'a> {
    /// Returns the members of a plain object; `None` for other values.
    pub(in crate::policy::expression) fn of(text: &'a [u8]) -> Option<Self> {
        let plain = text.first() == Some(&b'{') && !is_tagged(text);
        // Most records have few members.
        plain.then(|| Self { rest: each_member(text), met: Vec::with_capacity(16) })
    }

    /// Returns the value of a member, or `None` if it does not exist.
    pub(in crate::policy::expression) fn get(
        &mut self,
        name: &Name,
        work: &mut Work,
    ) -> Evaluated<Option<Value<'a>>> {
        let wanted = name.canonical();
        work.read(self.met.len() * 8)?;
        if let Some((_, value)) = self.met.iter().find(|(own, _)| *own == wanted) {
            return Ok(Some(Value::Raw(value)));
        }
        let mut read = 0;
        let mut rest = self.rest.clone();
        while let Some(member) = rest.next() {
            let (own, value) = member.ok_or(EvaluationError::BROKEN)?;
            read += own.len() + value.len();
            if self.met.len() < MAX_MET {
                self.met.push((own, value));
                self.rest = rest.clone();
            }
            if own == wanted {
                work.read(read)?;
                return Ok(Some(Value::Raw(value)));
            }
        }
        work.read(read)?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_in_any_order() {
        let names: Vec<_> = (0..MAX_MET + 50).map(|number| format!("m{number:04}")).collect();
        let members: Vec<_> = names.iter().map(|name| format!("\"{name}\":\"{name}\"")).collect();
        let text = format!("{{{}}}", members.join(","));
        let mut record = Record::of(text.as_bytes()).unwrap();
        let mut work = Work::new(0, 0);
        for place in [5, 3, 290, 0, 299, 100, 255, 256, 290, 1, 305] {
            let found = record.get(&Name::new(&names[place]), &mut work);
            let expected = format!("\"{}\"", names[place]);
            assert!(
                matches!(found, Ok(Some(Value::Raw(value))) if value == expected.as_bytes()),
                "{place}"
            );
            assert!(matches!(record.get(&Name::new("none"), &mut work), Ok(None)));
        }
        assert_eq!(record.met.len(), MAX_MET);
        assert!(Record::of(b"{\"~date\":1}").is_none() && Record::of(b"[]").is_none());
    }
}
