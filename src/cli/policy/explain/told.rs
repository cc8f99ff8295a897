//! The answer of `policy explain`, as text and as JSON.

use serde_json::{Value, json};

use super::super::test::result;
use super::asked::ExplainedChange;
use crate::merge::{Found, Resolution, Trace, TraceOutcome, shown};
use crate::policy::{Rule, StorePolicy};
use crate::snapshot::{ConflictType, Winner};

/// A rule of the policy and its result.
struct ExplainedRule<'a> {
    name: &'a str,
    said: String,
    when: Option<&'a str>,
}

/// Returns all rules in the order in which they are tried, then the fallback that decides if none
/// of them applies.
fn lines<'a>(rules: &'a StorePolicy, traced: &'a Trace) -> Vec<ExplainedRule<'a>> {
    let Found::Conflict { kind, .. } = traced.found else { return Vec::new() };
    let when = |rule: &'a Rule| rule.when.as_ref().map(|when| when.source());
    let mut lines: Vec<_> = Vec::new();
    let mut is_decided = false;
    for rule in &rules.rules {
        let tried = traced.tried.iter().find(|tried| tried.rule == rule.name);
        let said = match tried {
            Some(tried) => tried.said.to_owned(),
            None if is_decided => "not asked any more".to_owned(),
            None => format!("it is not for {}", kind.name()),
        };
        is_decided = is_decided || tried.is_some_and(|tried| Some(tried) == traced.tried.last());
        lines.push(ExplainedRule { name: &rule.name, said, when: when(rule) });
    }
    let others =
        traced.tried.iter().filter(|tried| rules.rules.iter().all(|rule| rule.name != tried.rule));
    lines.extend(others.map(|tried| ExplainedRule {
        name: &tried.rule,
        said: tried.said.to_owned(),
        when: None,
    }));
    lines
}

/// Formats the answer for people.
pub(super) fn text(asked: &ExplainedChange, rules: &StorePolicy, traced: &Trace) -> String {
    let mut out =
        format!("record    {} {}, {}\n", asked.store, asked.key.to_canonical(), asked.from);
    out += &format!("scope     {}\n", rules.scope);
    out += &format!("detected  {}\n", traced.found.sentence());
    if let Found::Conflict { kind, .. } = traced.found {
        out += &format!("type      {}\n", kind.name());
    }
    for (number, line) in lines(rules, traced).iter().enumerate() {
        let title = if number == 0 { "rules" } else { "" };
        out += &format!("{title:<10}{}: {}\n", line.name, line.said);
        if let Some(when) = line.when {
            out += &format!("{:<10}  when {}\n", "", one_line(when));
        }
    }
    if let Some(resolution) = &traced.resolution {
        for (number, field) in resolution.fields.iter().enumerate() {
            let title = if number == 0 { "fields" } else { "" };
            out += &format!(
                "{title:<10}{}: {}, {}\n",
                field.field,
                field.resolver,
                whose(field.winner)
            );
        }
        out += &format!("decided   {}, {}\n", resolution.rule, whose(resolution.winner));
        out += &resolution.reason.map(|reason| format!("reason    {reason}\n")).unwrap_or_default();
        out += &kept(resolution).map(|kept| format!("kept      {kept}\n")).unwrap_or_default();
    }
    out + &format!("result    {}\n", shown(&traced.outcome))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const fn whose(winner: Winner) -> &'static str {
    match winner {
        Winner::Head => "head's stands",
        Winner::Incoming => "incoming's stands",
        Winner::Merged => "of both",
        Winner::Nobody => "nobody decided",
    }
}

/// Returns the side that is kept in the conflict log because it lost something.
fn kept(resolution: &Resolution) -> Option<&'static str> {
    match (resolution.head_lost, resolution.incoming_lost) {
        (true, true) => Some("head and incoming, whole, in the log of conflicts"),
        (true, false) => Some("head, whole, in the log of conflicts"),
        (false, true) => Some("incoming, whole, in the log of conflicts"),
        (false, false) => None,
    }
}

/// Formats the answer as one JSON object.
pub(super) fn json(asked: &ExplainedChange, rules: &StorePolicy, traced: &Trace) -> String {
    let resolution = traced.resolution.as_ref();
    let kind = if let Found::Conflict { kind, .. } = traced.found { Some(kind) } else { None };
    let rule = |line: &ExplainedRule<'_>| json!({ "name": line.name, "said": line.said, "when": line.when });
    let fields = resolution.iter().flat_map(|resolution| &resolution.fields);
    let field = |it: &crate::snapshot::FieldDecision| json!({ "field": it.field.as_ref(), "resolver": it.resolver, "winner": it.winner.name() });
    let key: Value = serde_json::from_str(&asked.key.to_canonical()).unwrap_or_default();
    let lost = resolution.map(|it| json!({ "head": it.head_lost, "incoming": it.incoming_lost }));
    let report = json!({
        "type": "explanation",
        "store": asked.store.to_string(),
        "key": key,
        "scope": rules.scope.as_ref(),
        "found": match traced.found { Found::Conflict { .. } => "conflict", other => other.name() },
        "follows": matches!(traced.found, Found::Conflict { follows: true, .. }),
        "conflict": kind.map(ConflictType::name),
        "rules": lines(rules, traced).iter().map(rule).collect::<Vec<_>>(),
        "fields": fields.map(field).collect::<Vec<_>>(),
        "rule": resolution.map(|it| it.rule.as_ref()),
        "winner": resolution.map(|it| it.winner.name()),
        "reason": resolution.and_then(|it| it.reason),
        "lost": lost,
        "result": match &traced.outcome { TraceOutcome::Nothing => Value::Null, outcome => result(outcome) },
    });
    report.to_string() + "\n"
}
