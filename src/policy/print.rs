//! Prints the whole policy as TOML in canonical form: with canonical names, and with all settings
//! that the file left out.

use super::duration::duration_text;
use super::file::scope::{BOTH_VALUES, Scope};
use super::file::{Case, CaseBase, CaseResult, CaseState, PolicyFile};
use super::privacy::Hide;
use super::resolver::{Arrays, Resolver};
use super::rules::{Detect, StorePolicy, Unresolved};
use crate::snapshot::ConflictType;

impl PolicyFile {
    /// Returns the file in canonical form. Reading it again results in the same policy with the
    /// same cases.
    pub fn to_toml(&self) -> String {
        let mut out = "version = 1\n".to_owned();
        if let Some(tombstones) = self.policy.tombstones {
            let text = |ms: i64| string(&duration_text(ms.unsigned_abs()));
            out += "\n[tombstones]\n";
            out += &format!("keep = {}\n", text(tombstones.keep_ms));
            out += &format!("longest-offline = {}\n", text(tombstones.longest_offline_ms));
        }
        if let Some(skew) = self.policy.max_skew_ms {
            out +=
                &format!("\n[clock]\nmax-skew = {}\n", string(&duration_text(skew.unsigned_abs())));
        }
        scope(&mut out, "defaults", &self.defaults, &self.policy.default);
        for own in &self.stores {
            let Some(name) = &own.store else { continue };
            scope(
                &mut out,
                &format!("stores.{}", key(&name.to_string())),
                own,
                self.policy.store(name),
            );
        }
        for one in &self.cases {
            case(&mut out, one);
        }
        out
    }
}

/// Prints a scope: only its own rules, fields and private fields, but the final value of every
/// other setting.
fn scope(out: &mut String, name: &str, own: &Scope, policy: &StorePolicy) {
    *out += &format!("\n[{name}]\n");
    *out += &format!("detect = {}\n", detect(&policy.detect));
    let both = BOTH_VALUES.map(|conflict| policy.resolver(conflict));
    let one = both
        .first()
        .copied()
        .flatten()
        .filter(|first| both.iter().all(|other| *other == Some(*first)));
    if let Some(one) = one {
        *out += &format!("resolve = {}\n", resolver(one));
    }
    *out += &format!("on-unresolved = {}\n", string(unresolved(policy.unresolved)));
    if let Some(path) = &policy.clock_field {
        *out += &format!("clock = {}\n", string(&path.to_string()));
    }
    *out += &format!("commutative = {}\n", policy.commutative);
    *out += &format!("\n[{name}.types]\n");
    for &conflict in ConflictType::ALL {
        // `resolve` already covers some types, and an object store may not set database-wide ones.
        let is_said = one.is_some() && BOTH_VALUES.contains(&conflict);
        let is_wide = own.store.is_some() && super::file::scope::DATABASE_WIDE.contains(&conflict);
        if let Some(decides) = policy.resolver(conflict).filter(|_| !is_said && !is_wide) {
            *out += &format!("{} = {}\n", conflict.name(), resolver(decides));
        }
    }
    let (groups, fields): (Vec<_>, Vec<_>) = own.fields.iter().partition(|field| field.is_group);
    if !fields.is_empty() {
        *out += &format!("\n[{name}.fields]\n");
        for field in fields {
            *out += &format!("{} = {}\n", key(&field.rule.name), resolver(&field.rule.resolver));
        }
    }
    for group in groups {
        let paths: Vec<_> = group.rule.paths.iter().map(|path| string(&path.to_string())).collect();
        *out += &format!("\n[[{name}.groups]]\nname = {}\n", string(&group.rule.name));
        *out += &format!(
            "fields = [{}]\nresolve = {}\n",
            paths.join(", "),
            resolver(&group.rule.resolver)
        );
    }
    for said in &own.rules {
        let types: Vec<_> =
            said.rule.types.iter().map(|conflict| string(conflict.name())).collect();
        *out += &format!(
            "\n[[{name}.rules]]\nname = {}\ntypes = [{}]\n",
            string(&said.rule.name),
            types.join(", ")
        );
        if let Some(when) = &said.rule.when {
            *out += &format!("when = {}\n", string(when.source()));
        }
        *out += &format!("then = {}\n", resolver(&said.rule.then));
    }
    if !own.privacy.is_empty() {
        *out += &format!("\n[{name}.privacy]\n");
        for (list, hide) in
            [("exclude", Hide::Exclude), ("redact", Hide::Redact), ("hash", Hide::Hash)]
        {
            let of = own.privacy.iter().filter(|private| private.hide == hide);
            let paths: Vec<_> = of.map(|private| string(&private.path.to_string())).collect();
            if !paths.is_empty() {
                *out += &format!("{list} = [{}]\n", paths.join(", "));
            }
        }
    }
}

fn detect(detect: &Detect) -> String {
    let with_field = |name, path: &super::path::FieldPath| {
        format!("{{ use = {}, field = {} }}", string(name), string(&path.to_string()))
    };
    match detect {
        Detect::BaseRevision => string("base-revision"),
        Detect::ChangedFields => string("changed-fields"),
        Detect::Clock => string("clock"),
        Detect::VersionField(path) => with_field("version-field", path),
        Detect::TimestampField(path) => with_field("timestamp-field", path),
    }
}

const fn unresolved(unresolved: Unresolved) -> &'static str {
    match unresolved {
        Unresolved::Park => "park",
        Unresolved::HeadWins => "head-wins",
        Unresolved::IncomingWins => "incoming-wins",
        Unresolved::LastWriteWins => "last-write-wins",
        Unresolved::Fail => "fail",
    }
}

/// Returns a resolver in canonical form.
pub(crate) fn resolver(resolver: &Resolver) -> String {
    let name = string(resolver.kind().name());
    let parameters = match resolver {
        Resolver::Max { by: Some(by) } | Resolver::Min { by: Some(by) } => {
            format!("by = {}", string(&by.to_string()))
        }
        Resolver::AppendUnique { key, order_by } => {
            let order =
                order_by.as_ref().map(|path| format!(", order-by = {}", string(&path.to_string())));
            format!("key = {}{}", string(&key.to_string()), order.unwrap_or_default())
        }
        Resolver::Order(states) => {
            let states: Vec<_> = states.iter().map(|state| value(state)).collect();
            format!("states = [{}]", states.join(", "))
        }
        Resolver::ThreeWay(three_way) => {
            let arrays = match &three_way.arrays {
                Arrays::Whole => string("whole"),
                Arrays::Set => string("set"),
                Arrays::Append => string("append"),
                Arrays::Key(path) => format!("{{ key = {} }}", string(&path.to_string())),
            };
            format!("arrays = {arrays}, contested = {}", self::resolver(&three_way.contested))
        }
        Resolver::Cel(expression) => format!("value = {}", string(expression.source())),
        _ => return name,
    };
    format!("{{ use = {name}, {parameters} }}")
}

fn case(out: &mut String, case: &Case) {
    *out += &format!(
        "\n[[tests]]\nname = {}\nstore = {}\n",
        string(&case.name),
        string(&case.store.to_string())
    );
    *out += &format!("key = {}\n", value(case.key.to_canonical().as_bytes()));
    let json = |name: &str, value: &[u8]| {
        format!("{name}-json = {}\n", string(&String::from_utf8_lossy(value)))
    };
    match &case.base {
        CaseBase::Unknown => {}
        CaseBase::Absent => *out += "base-absent = true\n",
        CaseBase::Value(value) => *out += &json("base", value),
    }
    match &case.head {
        None => {}
        Some(CaseState::Deleted) => *out += "head-deleted = true\n",
        Some(CaseState::Value(value)) => *out += &json("head", value),
    }
    match &case.incoming {
        CaseState::Deleted => *out += "incoming-deleted = true\n",
        CaseState::Value(value) => *out += &json("incoming", value),
    }
    // These have defaults, which are written out like those of all settings.
    *out += &format!("head-at = {}\n", case.head_at);
    if let Some(at) = case.incoming_at {
        *out += &format!("incoming-at = {at}\n");
    }
    if let Some(at) = case.received_at {
        *out += &format!("received-at = {at}\n");
    }
    *out += &format!(
        "head-by = {}\nincoming-by = {}\n",
        string(&case.head_by),
        string(&case.incoming_by)
    );
    match &case.expect.result {
        None => {}
        Some(CaseResult::Value(value)) => *out += &json("expect", value),
        Some(CaseResult::Deleted) => *out += "expect-deleted = true\n",
        Some(CaseResult::Absent) => *out += "expect-absent = true\n",
        Some(CaseResult::Parked) => *out += "expect-parked = true\n",
        Some(CaseResult::Failed) => *out += "expect-failed = true\n",
    }
    if let Some(detection) = case.expect.detection {
        *out += &format!("type = {}\n", string(detection.name()));
    }
    if let Some(rule) = &case.expect.rule {
        *out += &format!("rule = {}\n", string(rule));
    }
}

/// Returns a canonical value as TOML. TOML has no null, but a value from a policy file cannot
/// contain one.
fn value(canonical: &[u8]) -> String {
    fn toml(value: &serde_json::Value) -> String {
        match value {
            serde_json::Value::Null => "\"\"".to_owned(),
            serde_json::Value::Bool(value) => value.to_string(),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => whole.to_string(),
                (None, Some(float)) => format!("{float:?}"),
                (None, None) => number.to_string(),
            },
            serde_json::Value::String(text) => string(text),
            serde_json::Value::Array(items) => {
                format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", "))
            }
            serde_json::Value::Object(members) => {
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, it)| format!("{} = {}", key(name), toml(it)))
                    .collect();
                format!("{{ {} }}", members.join(", "))
            }
        }
    }
    serde_json::from_slice(canonical).map(|value| toml(&value)).unwrap_or_default()
}

/// Returns a TOML key, without quotes if possible.
fn key(name: &str) -> String {
    let is_bare = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if is_bare { name.to_owned() } else { string(name) }
}

/// Returns a TOML string, in single quotes if that avoids escapes and is possible.
fn string(text: &str) -> String {
    let needs_escape = |c: char| matches!(c, '"' | '\\') || c.is_control();
    if text.contains(needs_escape) && !text.contains(|c: char| c == '\'' || c.is_control()) {
        return format!("'{text}'");
    }
    let mut out = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\t' => out += "\\t",
            '\r' => out += "\\r",
            c if c.is_control() => out += &format!("\\u{:04X}", u32::from(c)),
            c => out.push(c),
        }
    }
    out + "\""
}
