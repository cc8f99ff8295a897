//! Bulletins: the errors that NiFi reports about a group in the first seconds after its start.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::error::NifiError;
use super::install::{list, text};
use super::rest::Nifi;

/// The interval between two reads of the bulletin board.
const POLL: Duration = Duration::from_millis(500);

/// Limit on the bulletins in one response; NiFi keeps bulletins for five minutes.
const LISTED: usize = 100;

/// Limit on the characters of a bulletin in a message.
const SHOWN_CHARS: usize = 300;

/// Limit on the bulletins in a message.
const SHOWN_BULLETINS: usize = 5;

/// The state of the bulletin board before a start, so that old bulletins are not mistaken for new
/// ones.
#[derive(Clone, Copy, Debug)]
pub struct BulletinMark(i64);

impl BulletinMark {
    /// Reads the id of the newest bulletin.
    ///
    /// # Errors
    ///
    /// NiFi refuses the call.
    pub fn read(nifi: &Nifi) -> Result<Self, NifiError> {
        let board = nifi.get(&format!("/flow/bulletin-board?limit={LISTED}"))?;
        let ids =
            list(&board, "/bulletinBoard/bulletins").iter().filter_map(|it| it.get("id")?.as_i64());
        Ok(Self(ids.max().unwrap_or(0)))
    }

    /// Reads the board for `time`, and fails on the first errors of the group.
    ///
    /// # Errors
    ///
    /// The group's errors, each as a hint, with a step that fixes it if the cause is known. Also
    /// fails if NiFi refuses a call.
    pub fn watch(self, nifi: &Nifi, group: &str, time: Duration) -> Result<(), NifiError> {
        let end = Instant::now() + time;
        loop {
            let path =
                format!("/flow/bulletin-board?groupId={group}&after={}&limit={LISTED}", self.0);
            let errors = errors_of(&nifi.get(&path)?, group);
            if !errors.is_empty() {
                return Err(failure(&errors));
            }
            if Instant::now() >= end {
                return Ok(());
            }
            thread::sleep(POLL.min(end.saturating_duration_since(Instant::now())));
        }
    }
}

/// Returns processor and text of each error, without duplicates.
fn errors_of(board: &Value, group: &str) -> Vec<String> {
    let mut errors = Vec::new();
    for entity in list(board, "/bulletinBoard/bulletins") {
        let ours = text(entity, "/groupId") == group && text(entity, "/bulletin/level") == "ERROR";
        let plain = |character: char| if character.is_control() { ' ' } else { character };
        let message: String =
            text(entity, "/bulletin/message").chars().map(plain).take(SHOWN_CHARS).collect();
        let line = format!("{}: {message}", text(entity, "/bulletin/sourceName"));
        if ours && !errors.contains(&line) {
            errors.push(line);
        }
    }
    errors
}

fn failure(errors: &[String]) -> NifiError {
    let failure = NifiError::refused("started, but NiFi reports errors");
    let failure = errors
        .iter()
        .take(SHOWN_BULLETINS)
        .fold(failure, |failure, line| failure.hint(line.clone()));
    let mentions = |part: &str| errors.iter().any(|line| line.contains(part));
    let step = if mentions("Address already in use") || mentions("BindException") {
        "a port is taken: set another (--set NAME=PORT) and install again"
    } else if mentions("Cannot run program") || mentions("No such file or directory") {
        "the program is not where NiFi looks: give its absolute path (--set command=PATH) and \
         install again"
    } else {
        "the group runs on; mend the cause, or stop the group in NiFi"
    };
    failure.hint(step)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn board(messages: &[(&str, &str, &str)]) -> Value {
        let bulletins = messages.iter().map(|(group, level, message)| {
            json!({"id": 7, "groupId": group, "bulletin": {"level": level, "sourceName": "Intake", "message": message}})
        });
        json!({"bulletinBoard": {"bulletins": bulletins.collect::<Vec<_>>()}})
    }

    #[test]
    fn only_errors_of_the_group_count_and_each_once() {
        let board = board(&[
            ("g", "ERROR", "a\nb"),
            ("g", "ERROR", "a\nb"),
            ("g", "WARNING", "w"),
            ("h", "ERROR", "h"),
        ]);
        assert_eq!(errors_of(&board, "g"), ["Intake: a b"]);
    }

    #[test]
    fn known_causes_have_a_step() {
        let step = |text: &str| failure(&[text.to_owned()]).hints.pop().unwrap();
        assert!(
            step("Intake: java.io.IOException: Address already in use")
                .starts_with("a port is taken")
        );
        assert!(step("Sync: Cannot run program \"nifi-idb\"").contains("--set command=PATH"));
        assert!(step("x").starts_with("the group runs on"));
    }
}
