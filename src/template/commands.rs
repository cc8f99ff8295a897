//! The command lines that ExecuteStreamCommand would build from a definition, and the check that
//! the program accepts them.

use super::faults::Faults;
use super::parameters::Parameters;
use super::part::TemplatePart;

const CHILD: &str = "org.apache.nifi.processors.standard.ExecuteStreamCommand";

/// The program's name, with or without a path.
const PROGRAM: &str = "nifi-idb";

pub(super) fn check(
    processor: TemplatePart<'_>,
    parameters: &Parameters,
    accepts: &dyn Fn(&[String]) -> Result<(), String>,
    faults: &mut Faults,
) {
    if !runs_program(processor, parameters) {
        return;
    }
    let property = |name: &str| property(processor, name);
    let strategy = property("argumentsStrategy").or_else(|| property("Command Arguments Strategy"));
    if strategy != Some("Dynamic Property Arguments") {
        let message = "the arguments are one text that NiFi splits, whatever an attribute holds: \
            use Dynamic Property Arguments";
        faults.add(processor.place(), message);
        return;
    }
    if let Err(message) = accepts(&words(processor, parameters)) {
        faults.add(processor.place(), format!("nifi-idb does not take its arguments: {message}"));
    }
}

/// True if a processor runs `nifi-idb`.
pub(super) fn runs_program(processor: TemplatePart<'_>, parameters: &Parameters) -> bool {
    let path = property(processor, "Command Path")
        .map(|path| filled(path, parameters))
        .unwrap_or_default();
    processor.text("type") == CHILD && path.rsplit('/').next() == Some(PROGRAM)
}

/// True if a processor runs `nifi-idb sync`, which reads a batch; `nifi-idb rejects` reads a report.
pub(super) fn runs_sync(processor: TemplatePart<'_>, parameters: &Parameters) -> bool {
    let one_text = || {
        let text = filled(property(processor, "Command Arguments").unwrap_or_default(), parameters);
        text.split([';', ' ']).next().map(str::to_owned)
    };
    let first = words(processor, parameters).into_iter().next().or_else(one_text);
    runs_program(processor, parameters) && first.as_deref() == Some("sync")
}

/// The dynamic arguments in their order, as they may be in a run.
fn words(processor: TemplatePart<'_>, parameters: &Parameters) -> Vec<String> {
    let number = |name: &str| name.strip_prefix("command.argument.")?.parse::<u32>().ok();
    let mut words: Vec<_> = processor
        .properties()
        .filter_map(|(name, value)| Some((number(name)?, filled(value, parameters))))
        .collect();
    words.sort();
    words.into_iter().map(|(_, word)| word).collect()
}

fn property<'a>(processor: TemplatePart<'a>, name: &str) -> Option<&'a str> {
    processor.properties().find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Returns a property's text as it may be at run time: parameters are replaced by their values,
/// expressions by a sample.
fn filled(text: &str, parameters: &Parameters) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(place) = rest.find("${").into_iter().chain(rest.find("#{")).min() {
        out.push_str(&rest[..place]);
        let end = place + closing(&rest[place..]);
        let inside = &rest[place..end];
        out.push_str(&sample(inside, parameters));
        rest = &rest[end..];
    }
    out + rest
}

/// Returns the length of the expression at the beginning of the text, including nested brackets.
fn closing(text: &str) -> usize {
    let mut depth = 0_u32;
    for (place, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return place + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

fn sample(expression: &str, parameters: &Parameters) -> String {
    // The parameter inside the expression: `#{p}`, or `${a:replaceEmpty(${#{p}})}`.
    if let Some((name, _)) = expression.split_once("#{").and_then(|(_, rest)| rest.split_once('}'))
    {
        return parameters.get(name).cloned().unwrap_or_default();
    }
    let number = ["fileSize", "entryDate", "received.at", "toNumber()"]
        .iter()
        .any(|word| expression.contains(word));
    if number { "1700000000000".to_owned() } else { "sample-1".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples() {
        let parameters = Parameters::from([
            ("a".to_owned(), "x".to_owned()),
            ("empty".to_owned(), String::new()),
        ]);
        for (text, expected) in [
            ("#{a}", "x"),
            ("#{empty}", ""),
            ("${fileSize}", "1700000000000"),
            ("--source=${http.request.uri:substringAfterLast('/')}", "--source=sample-1"),
            ("${q:replaceEmpty(${#{a}})}y", "xy"),
            ("plain", "plain"),
        ] {
            assert_eq!(filled(text, &parameters), expected, "{text}");
        }
    }
}
