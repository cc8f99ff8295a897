//! Runs the cases of a policy file through the functions of a merge, and finds the rules that no
//! case reaches.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::detect::Standing;
use super::sides::{Base, Incoming};
use super::trace::{Found, Question, Trace, TraceOutcome, clock_of, trace};
use crate::normalize::{Claim, DEFAULT_SKEW_MS};
use crate::policy::{
    Case, CaseBase, CaseResult, CaseState, FieldRule, Policy, Resolver, StorePolicy,
};
use crate::snapshot::{ConflictType, FlowVersion, Line, LineState, Meta};

/// The result of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// The detection and the decision.
    pub trace: Trace,
    /// The differences from the expected result; empty if the case passed.
    pub mismatches: Vec<Mismatch>,
}

/// A difference between the expected and the actual result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// `result`, `type` or `rule`.
    pub what: &'static str,
    /// The expected value.
    pub expected: String,
    /// The actual value.
    pub got: String,
}

/// Runs one case.
pub fn run_case(policy: &Policy, case: &Case) -> Ran {
    let trace = trace_case(policy, case);
    let mut mismatches = Vec::new();
    let mut compare = |what, expected: Option<String>, got: String| {
        if let Some(expected) = expected.filter(|expected| *expected != got) {
            mismatches.push(Mismatch { what, expected, got });
        }
    };
    let expect = &case.expect;
    compare(
        "result",
        expect.result.as_ref().map(|result| shown(&TraceOutcome::from(result))),
        shown(&trace.outcome),
    );
    compare("type", expect.detection.map(|it| it.name().to_owned()), trace.found.name().to_owned());
    let rule =
        trace.resolution.as_ref().map_or_else(|| "none".to_owned(), |it| it.rule.to_string());
    compare("rule", expect.rule.clone(), rule);
    Ran { trace, mismatches }
}

fn trace_case(policy: &Policy, case: &Case) -> Trace {
    let rules = policy.store(&case.store);
    let line_state = |state: &CaseState| match state {
        CaseState::Value(value) => LineState::Put(value.as_slice().into()),
        CaseState::Deleted => LineState::Delete,
    };
    let state = line_state(&case.incoming);
    let mut clock = clock_of(rules, case.incoming_at, &state);
    // Without a time of receipt, no clock is ahead of it, so the skew limits none.
    if let Some(received_at) = case.received_at {
        let latest = received_at.saturating_add(policy.max_skew_ms.unwrap_or(DEFAULT_SKEW_MS));
        clock = clock.map(|clock| clock.min(latest));
    }
    let received_at = case.received_at.unwrap_or_else(|| case.head_at.max(clock.unwrap_or(0)));
    let incoming = Incoming { state, clock, by: case.incoming_by.parse().ok() };
    let head = case.head.as_ref().map(|head| Line {
        key: case.key.clone(),
        meta: Meta { at: case.head_at, by: case.head_by.parse().ok(), rev: FlowVersion::FIRST },
        state: line_state(head),
    });
    // A sync reads the base that the change claims; a case states it.
    let (claim, base) = match &case.base {
        CaseBase::Unknown => (Claim::None, Base::Unknown),
        CaseBase::Absent => (Claim::Absent, Base::Absent),
        CaseBase::Value(value) => (Claim::Value(value.as_slice().into()), Base::Value(value)),
    };
    let head_value = match &case.head {
        Some(CaseState::Value(value)) => Some(value.as_slice()),
        _ => None,
    };
    let question = Question {
        store: &case.store,
        key: &case.key,
        head: head.as_ref(),
        head_value,
        incoming: &incoming,
        claim: &claim,
        base,
        standing: &Standing::default(),
        received_at,
    };
    trace(rules, &question)
}

impl From<&CaseResult> for TraceOutcome {
    fn from(result: &CaseResult) -> Self {
        match result {
            CaseResult::Value(value) => Self::Value(value.clone()),
            CaseResult::Deleted => Self::Deleted,
            CaseResult::Absent => Self::Nothing,
            CaseResult::Parked => Self::Parked,
            CaseResult::Failed => Self::Failed,
        }
    }
}

/// Formats an outcome for people; a value appears unchanged.
pub fn shown(outcome: &TraceOutcome) -> String {
    match outcome {
        TraceOutcome::Nothing => "nothing stored".to_owned(),
        TraceOutcome::Value(value) => String::from_utf8_lossy(value).into_owned(),
        TraceOutcome::Deleted => "a tombstone".to_owned(),
        TraceOutcome::Parked => "parked".to_owned(),
        TraceOutcome::Failed => "the batch refused".to_owned(),
    }
}

/// The parts of a policy that no case reaches, each list in the order of the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unreached {
    /// Conditional rules, by their names in logs.
    pub rules: Vec<Arc<str>>,
    /// Types of conflict that the policy detects.
    pub types: Vec<ConflictType>,
    /// Fields and groups, each with its scope: `orders: stock`.
    pub fields: Vec<String>,
}

/// Types that no case can reach, because they do not concern a single record.
const NO_CASE: [ConflictType; 3] =
    [ConflictType::UniqueIndex, ConflictType::SchemaNewer, ConflictType::SchemaOlder];

/// Returns the parts of a policy that none of these cases reaches.
pub fn unreached(policy: &Policy, ran: &[(&Case, &Ran)]) -> Unreached {
    let scopes: Vec<&StorePolicy> =
        std::iter::once(&policy.default).chain(policy.stores.values()).collect();
    let (mut rules, mut types, mut fields) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (case, ran) in ran {
        let Found::Conflict { kind, .. } = ran.trace.found else { continue };
        types.insert(kind);
        // Rules are tried until one decides, so only the last one took effect.
        rules.extend(ran.trace.tried.last().map(|decided| decided.rule.clone()));
        let store = policy.store(&case.store);
        for decision in ran.trace.resolution.iter().flat_map(|resolution| &resolution.fields) {
            let found = store
                .fields
                .iter()
                .find(|rule| rule.name == decision.field || reaches(rule, &decision.field));
            fields.extend(found.map(|rule| field_name(policy, store, rule)));
        }
    }
    let mut left = Unreached::default();
    for scope in scopes {
        // Scopes repeat the defaults that they do not override; each is named once.
        for rule in scope.rules.iter().filter(|rule| !rules.contains(&rule.name)) {
            if !left.rules.contains(&rule.name) {
                left.rules.push(rule.name.clone());
            }
        }
        for rule in &scope.fields {
            let name = field_name(policy, scope, rule);
            if !fields.contains(&name) && !left.fields.contains(&name) {
                left.fields.push(name);
            }
        }
        for conflict in ConflictType::ALL
            .iter()
            .copied()
            .filter(|it| !types.contains(it) && !NO_CASE.contains(it))
        {
            let looked_for = |resolver: &Resolver| *resolver != Resolver::Accept;
            if scope.resolver(conflict).is_some_and(looked_for) && !left.types.contains(&conflict) {
                left.types.push(conflict);
            }
        }
    }
    left.types.sort();
    left
}

/// True if the rule decides this field alone or as a member of a group.
fn reaches(rule: &FieldRule, field: &str) -> bool {
    rule.paths.iter().any(|path| path.to_string() == field)
}

/// Returns the name of a field with its scope. A rule that equals one of the defaults is named as
/// theirs.
fn field_name(policy: &Policy, scope: &StorePolicy, rule: &FieldRule) -> String {
    let same = |other: &FieldRule| {
        other.name == rule.name && other.paths == rule.paths && other.resolver == rule.resolver
    };
    let owner =
        if policy.default.fields.iter().any(same) { &policy.default.scope } else { &scope.scope };
    format!("{owner}: {}", rule.name)
}

#[cfg(test)]
mod tests;
