//! `nifi-idb rejects`: prints the rejected lines of a report, to be corrected and sent again.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::Value;

use super::output::stdout;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::report_line::ReportLineType;

const EXAMPLE: &str = "Example:\n  nifi-idb sync --rejects rejects.ndjson --store \
    git:snapshots.git --database shop --object-store data \
    --key-path id < records.ndjson\n  nifi-idb rejects rejects.ndjson > mended.ndjson\n\nMend the \
    records in \
    mended.ndjson and send them with the same options.";

/// The flags of `rejects`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct PrintRejects {
    /// File of --rejects, or a report that includes the text of rejected lines [default: standard
    /// input]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

impl PrintRejects {
    /// Runs the command.
    pub(super) fn run(self) -> Result<ExitStatus, Failure> {
        let mut out = stdout()?;
        let counts = match &self.file {
            None => print(io::stdin().lock(), &mut out)?,
            Some(path) => {
                let shown = path.display();
                let file = File::open(path)
                    .map_err(|error| Failure::usage(format!("{shown}: {error}")))?;
                print(BufReader::new(file), &mut out)?
            }
        };
        out.flush().map_err(|error| Failure::output(&error))?;
        match counts.without_text {
            0 if counts.with_text == 0 && counts.failed => {
                let what = "no line was rejected: the batch failed as a whole, so there is nothing \
                    to print";
                let hint = "its input is unchanged; for a package give the options that its flow \
                    gives, such as \
                            --object-store and --key-path";
                Err(Failure::new(ExitStatus::Input, what).hint(hint))
            }
            0 => Ok(ExitStatus::Done),
            count => {
                let what = format!(
                    "{count} rejected lines have no text in this report, so they are not printed"
                );
                let hint = "sync with --rejects FILE or --rejected-text keeps it; the input still \
                    has it, at line and offset";
                Err(Failure::new(ExitStatus::Input, what).hint(hint))
            }
        }
    }
}

#[derive(Default)]
struct Printed {
    with_text: u64,
    without_text: u64,
    /// A batch of the report was not done.
    failed: bool,
}

fn print(input: impl BufRead, out: &mut dyn Write) -> Result<Printed, Failure> {
    let mut printed = Printed::default();
    let mut header: Option<String> = None;
    for (place, line) in input.split(b'\n').enumerate() {
        let line = line.map_err(|error| {
            Failure::new(ExitStatus::Input, format!("cannot read the report: {error}"))
        })?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let wrong =
            |what: &str| Failure::new(ExitStatus::Input, format!("line {}: {what}", place + 1));
        let value: Value =
            serde_json::from_slice(&line).map_err(|_| wrong("this is no line of a report"))?;
        let Some(kind) = value["type"].as_str() else {
            return Err(wrong("this is no line of a report"));
        };
        match kind.parse() {
            Ok(ReportLineType::Header) => {
                let text = value["value"].as_str().unwrap_or_default();
                // The end counts the lines of one header, so two batches cannot be printed as one.
                if header.as_ref().is_some_and(|known| known != text)
                    || (header.is_none() && printed.with_text > 0)
                {
                    return Err(wrong(
                        "another batch begins here; give the reports of several batches one at a \
                         time",
                    ));
                }
                header = Some(text.to_owned());
            }
            Ok(ReportLineType::Rejected) => {
                match text_of(&value).map_err(|()| wrong("textBase64 is not base64"))? {
                    None => printed.without_text += 1,
                    Some(text) => {
                        // A batch without lines is not worth sending, so its header waits for one.
                        if let (Some(header), 0) = (&header, printed.with_text) {
                            let header = unnumbered(header)
                                .ok_or_else(|| wrong("the header of the batch is not JSON"))?;
                            writeln!(out, "{header}").map_err(|error| Failure::output(&error))?;
                        }
                        printed.with_text += 1;
                        let written = out.write_all(&text).and_then(|()| out.write_all(b"\n"));
                        written.map_err(|error| Failure::output(&error))?;
                    }
                }
            }
            Ok(ReportLineType::Summary) => {
                printed.failed |=
                    ["failed", "refused"].map(Some).contains(&value["outcome"].as_str())
            }
            // Other lines, also those of later versions of this program.
            Ok(_) | Err(_) => {}
        }
    }
    // Without an end, a batch that has a header counts as cut off.
    if header.is_some() && printed.with_text > 0 {
        let end = writeln!(out, "{{\"op\":\"end\",\"count\":{}}}", printed.with_text);
        end.map_err(|error| Failure::output(&error))?;
    }
    Ok(printed)
}

fn text_of(value: &Value) -> Result<Option<Vec<u8>>, ()> {
    match (value["text"].as_str(), value["textBase64"].as_str()) {
        (Some(text), _) => Ok(Some(text.as_bytes().to_vec())),
        (None, Some(text)) => STANDARD.decode(text).map(Some).map_err(|_| ()),
        (None, None) => Ok(None),
    }
}

/// Returns the header as that of a delta without a sequence: its numbers have been used, and the
/// remaining lines of a full batch are not all records.
fn unnumbered(header: &str) -> Option<String> {
    let mut value: Value = serde_json::from_str(header).ok()?;
    let members = value.as_object_mut()?;
    for name in ["epoch", "first", "last", "mode"] {
        members.remove(name);
    }
    Some(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(report: &str) -> Result<(String, u64), String> {
        let mut out = Vec::new();
        let counts = print(report.as_bytes(), &mut out).map_err(|failure| failure.message)?;
        Ok((String::from_utf8_lossy(&out).into_owned(), counts.without_text))
    }

    const REJECTED: &str = r#"{"line":2,"message":"x","offset":9,"reason":"syntax","text":"{\"id\":1","type":"rejected"}"#;

    #[test]
    fn texts_are_printed_as_input() {
        let binary = REJECTED.replace("\"text\":\"{\\\"id\\\":1\"", "\"textBase64\":\"/w==\"");
        let report = format!("{REJECTED}\n\n{binary}\n{{\"type\":\"summary\"}}\n");
        assert_eq!(printed(&report), Ok(("{\"id\":1\n\u{fffd}\n".to_owned(), 0)));
        let old = r#"{"line":2,"message":"x","offset":9,"reason":"syntax","type":"rejected"}"#;
        assert_eq!(printed(old), Ok((String::new(), 1)));
    }

    #[test]
    fn a_batch_that_failed_as_a_whole_is_told() {
        for (outcome, failed) in
            [("failed", true), ("refused", true), ("committed", false), ("unchanged", false)]
        {
            let report = format!("{{\"outcome\":\"{outcome}\",\"type\":\"summary\"}}\n");
            let counts = print(report.as_bytes(), &mut Vec::new()).unwrap();
            assert_eq!((counts.with_text, counts.failed), (0, failed), "{outcome}");
        }
    }

    #[test]
    fn changes_are_a_batch_again_without_their_numbers() {
        let header = r#"{"type":"header","value":"{\"format\":\"indexeddb-changes/1\",\"source\":\"s\",\"epoch\":\"e\",\"first\":1,\"last\":2,\"mode\":\"full\"}"}"#;
        let (text, _) = printed(&format!("{header}\n{REJECTED}\n{REJECTED}\n")).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], r#"{"format":"indexeddb-changes/1","source":"s"}"#);
        assert_eq!((lines[1], lines[3]), ("{\"id\":1", "{\"op\":\"end\",\"count\":2}"));
        let other = header.replace("\\\"s\\\"", "\\\"t\\\"");
        assert!(
            printed(&format!("{header}\n{REJECTED}\n{other}\n"))
                .unwrap_err()
                .starts_with("line 3: another batch")
        );
        assert!(printed("no JSON").unwrap_err().contains("no line of a report"));
    }
}
