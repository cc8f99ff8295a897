//! The retention of deletions. It uses the batches' times of receipt: marks in `~sources` record
//! when a version was made.

use serde_json::{Value, json};

use super::FlowVersion;

/// Limit on the number of marks; a new one is made when at least a 32nd of the retention has passed
/// since the last.
pub const MARKS: usize = 64;

/// The versions and times in `~sources`, under a policy that forgets deletions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// The version up to which deletions are no longer remembered.
    pub forgotten: Option<FlowVersion>,
    /// Versions and their times of receipt in milliseconds since 1970, both ascending.
    pub marks: Vec<(FlowVersion, i64)>,
}

impl Retention {
    /// Returns the version up to which deletions may be forgotten now, if it is later than before.
    /// Deletions are kept for `keep_ms` milliseconds.
    pub fn due(&self, keep_ms: i64, now: i64) -> Option<FlowVersion> {
        let old = self.marks.iter().rev().find(|(_, at)| at.saturating_add(keep_ms) < now);
        old.map(|(version, _)| *version)
            .filter(|version| self.forgotten.is_none_or(|forgotten| *version > forgotten))
    }

    /// Records the time of a version, and that deletions up to `forgotten` are gone.
    pub fn advance(
        &mut self,
        keep_ms: i64,
        version: FlowVersion,
        now: i64,
        forgotten: Option<FlowVersion>,
    ) {
        self.forgotten = self.forgotten.max(forgotten);
        let step = keep_ms / 32;
        if self.marks.last().is_none_or(|(_, last)| now >= last.saturating_add(step.max(1))) {
            self.marks.push((version, now));
        }
        // Marks of forgotten versions are no longer needed.
        self.marks
            .retain(|(version, _)| self.forgotten.is_none_or(|forgotten| *version > forgotten));
        let surplus = self.marks.len().saturating_sub(MARKS);
        self.marks.drain(..surplus);
    }

    /// Parses the value of the line.
    pub fn from_json(value: &Value) -> Self {
        let version = |value: &Value| value.as_u64().and_then(FlowVersion::new);
        let mark = |mark: &Value| Some((version(&mark[0])?, mark[1].as_i64()?));
        let marks = value["marks"].as_array().into_iter().flatten().filter_map(mark).collect();
        Self { forgotten: version(&value["forgotten"]), marks }
    }

    /// Returns the value of the line.
    pub fn to_json(&self) -> Value {
        let marks: Vec<_> =
            self.marks.iter().map(|(version, at)| json!([version.get(), at])).collect();
        match self.forgotten {
            Some(forgotten) => json!({ "forgotten": forgotten.get(), "marks": marks }),
            None => json!({ "marks": marks }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn version(number: u64) -> FlowVersion {
        FlowVersion::new(number).unwrap()
    }

    #[test]
    fn deletions_are_forgotten_after_the_time_and_not_before() {
        let keep_ms = 32 * DAY;
        let mut retention = Retention::default();
        for day in 1..=40 {
            let now = i64::try_from(day).unwrap() * DAY;
            let due = retention.due(keep_ms, now);
            // A deletion of version n was received on day n. On day n + 33 more than 32 days have
            // passed.
            let expected = (day > 33).then(|| version(day - 33));
            assert_eq!(due, expected, "day {day}");
            retention.advance(keep_ms, version(day), now, due);
            assert_eq!(Retention::from_json(&retention.to_json()), retention);
        }
        assert!(retention.marks.len() <= MARKS);
    }

    #[test]
    fn many_versions_a_day_make_few_marks() {
        let keep_ms = 32 * DAY;
        let mut retention = Retention::default();
        for number in 1..=10_000 {
            retention.advance(
                keep_ms,
                version(number),
                i64::try_from(number).unwrap() * DAY / 100,
                None,
            );
        }
        assert!(retention.marks.len() <= MARKS, "{}", retention.marks.len());
    }
}
