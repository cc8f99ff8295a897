//! Merges two records member by member: by comparing with a base, or by taking one side except for
//! fields with rules.

use super::asked::Asked;
use super::collections::{self, Shape, elements};
use super::decide::{ResolverOutcome, Values};
use super::field::at;
use super::sides::Base;
use crate::indexeddb::value::{self, NameValue};
use crate::policy::{Arrays, FieldPath, FieldRule, PathStep, Resolver, ThreeWay, Unresolved};
use crate::snapshot::{FieldDecision, Winner};

/// Limit on the fields of a conflict that the log names; the others can be found in the sides.
pub const MAX_DECISIONS: usize = 100;

/// Limit on the bytes of a field's path in the log.
pub const MAX_PATH_BYTES: usize = 256;

/// The origin of members without a rule.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rest<'a> {
    /// All members come from one side.
    Side(Winner),
    /// Each member comes from the side that changed it.
    ThreeWay(&'a ThreeWay),
}

/// The result of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ThreeWayMerged {
    /// The merged canonical value.
    pub(super) value: Vec<u8>,
    /// Number of members without a rule that both sides changed differently.
    pub(super) contested: usize,
    /// True if the value lacks something of head.
    pub(super) head_lost: bool,
    /// True if the value lacks something of incoming.
    pub(super) incoming_lost: bool,
    /// Decisions about single fields.
    pub(super) fields: Vec<FieldDecision>,
}

/// The reason why there is no merged value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MergeStop {
    /// The values are not plain objects or other values that can be merged by member.
    NotMergeable,
    /// A person must decide, for this reason.
    Park(&'static str),
    /// The batch is refused.
    Fail,
}

/// The way in which a field is decided.
#[derive(Clone, Copy)]
enum How<'a> {
    Resolver(&'a Resolver),
    /// As part of a group whose side has been decided.
    Group(&'a Resolver, Winner),
}

/// A rule for a field, with the remaining steps of its path.
#[derive(Clone, Copy)]
struct Ruled<'a> {
    steps: &'a [PathStep],
    rule: &'a FieldRule,
    how: How<'a>,
}

type ObjectMembers<'a> = Vec<NameValue<'a>>;

/// Merges the two sides. `base` is only used where a comparison needs it.
pub(super) fn merge(
    asked: &Asked<'_>,
    base: Base<'_>,
    rest: Rest<'_>,
) -> Result<ThreeWayMerged, MergeStop> {
    let (Some(head), Some(incoming)) = (asked.head_value, asked.incoming_value()) else {
        return Err(MergeStop::NotMergeable);
    };
    let mut merger = Merger { asked, rest, found: ThreeWayMerged::nothing(), path: Vec::new() };
    let rules = merger.rules(base, head, incoming)?;
    let value = merger.containers(base, head, incoming, &rules)?.ok_or(MergeStop::NotMergeable)?;
    Ok(ThreeWayMerged { value, ..merger.found })
}

impl ThreeWayMerged {
    fn nothing() -> Self {
        Self {
            value: Vec::new(),
            contested: 0,
            head_lost: false,
            incoming_lost: false,
            fields: Vec::new(),
        }
    }
}

struct Merger<'m, 'a> {
    asked: &'m Asked<'a>,
    rest: Rest<'m>,
    found: ThreeWayMerged,
    /// Names of the members on the way to the current one.
    path: Vec<Vec<u8>>,
}

impl<'m> Merger<'m, '_> {
    /// Returns the rules for fields. Groups that are taken from one side are decided here, once.
    fn rules(
        &mut self,
        base: Base<'_>,
        head: &[u8],
        incoming: &[u8],
    ) -> Result<Vec<Ruled<'m>>, MergeStop> {
        let mut rules = Vec::new();
        for rule in &self.asked.policy.fields {
            let how = match rule.paths.as_slice() {
                [_] | [] => How::Resolver(&rule.resolver),
                paths => self.group(rule, paths, base, head, incoming)?,
            };
            rules.extend(rule.paths.iter().map(|path| Ruled { steps: path.steps(), rule, how }));
        }
        Ok(rules)
    }

    fn group(
        &mut self,
        rule: &'m FieldRule,
        paths: &[FieldPath],
        base: Base<'_>,
        head: &[u8],
        incoming: &[u8],
    ) -> Result<How<'m>, MergeStop> {
        let resolver = &rule.resolver;
        let by_side = matches!(
            resolver,
            Resolver::LastWriteWins
                | Resolver::FirstWriteWins
                | Resolver::IncomingWins
                | Resolver::HeadWins
                | Resolver::Max { by: Some(_) }
                | Resolver::Min { by: Some(_) }
        );
        if !by_side {
            return Ok(How::Resolver(resolver));
        }
        // Represents the fields of a group as one value, in which an absent member differs from
        // every present one.
        let tuple = |record: &[u8]| {
            let part = |path| at(record, path).unwrap_or_default();
            paths.iter().map(part).collect::<Vec<_>>().join(&b","[..])
        };
        let (ours, theirs) = (tuple(head), tuple(incoming));
        let was = if let Base::Value(base) = base { Some(tuple(base)) } else { None };
        let base = was
            .as_deref()
            .map_or(if base == Base::Absent { Base::Absent } else { Base::Unknown }, Base::Value);
        let values = Values { base, head: Some(&ours), incoming: Some(&theirs) };
        if ours == theirs {
            return Ok(How::Group(resolver, Winner::Head));
        }
        let outcome = self.asked.decide(resolver, values, &rule.name);
        match self.settled(outcome)? {
            ResolverOutcome::Incoming => Ok(How::Group(resolver, Winner::Incoming)),
            _ => Ok(How::Group(resolver, Winner::Head)),
        }
    }

    /// Merges objects, Maps, Sets and arrays by their parts; `None` if these cannot be merged.
    fn containers(
        &mut self,
        base: Base<'_>,
        head: &[u8],
        incoming: &[u8],
        rules: &[Ruled<'m>],
    ) -> Result<Option<Vec<u8>>, MergeStop> {
        if let (Some(head), Some(incoming)) = (value::members(head), value::members(incoming)) {
            let was = match base {
                Base::Value(base) => match value::members(base) {
                    Some(members) => Some(members),
                    None if matches!(self.rest, Rest::Side(_)) => Some(Vec::new()),
                    None => return Ok(None),
                },
                Base::Absent => Some(Vec::new()),
                Base::Unknown => None,
            };
            return self.objects(was.as_ref(), &head, &incoming, rules).map(Some);
        }
        self.collections(base, head, incoming)
    }

    /// Merges Maps, Sets and arrays. Separate from objects, so that deeply nested values need
    /// little stack.
    fn collections(
        &mut self,
        base: Base<'_>,
        head: &[u8],
        incoming: &[u8],
    ) -> Result<Option<Vec<u8>>, MergeStop> {
        let (Rest::ThreeWay(how), Base::Value(base)) = (self.rest, base) else { return Ok(None) };
        let (Some((shape, base)), Some((a, head)), Some((b, incoming))) =
            (elements(base), elements(head), elements(incoming))
        else {
            return Ok(None);
        };
        if shape != a || shape != b {
            return Ok(None);
        }
        match (shape, &how.arrays) {
            (Shape::Set, _) | (Shape::Array, Arrays::Set) => {
                Ok(Some(collections::write(shape, &collections::as_sets(&base, &head, &incoming))))
            }
            (Shape::Map, _) => self.identified(shape, &base, &head, &incoming, &map_key),
            (Shape::Array, Arrays::Whole) => Ok(None),
            (Shape::Array, Arrays::Append) => Ok(collections::appended(&base, &head, &incoming)
                .map(|all| collections::write(shape, &all))),
            (Shape::Array, Arrays::Key(path)) => {
                self.identified(shape, &base, &head, &incoming, &|element| at(element, path))
            }
        }
    }

    fn objects(
        &mut self,
        base: Option<&ObjectMembers<'_>>,
        head: &ObjectMembers<'_>,
        incoming: &ObjectMembers<'_>,
        rules: &[Ruled<'m>],
    ) -> Result<Vec<u8>, MergeStop> {
        // Canonical members are sorted.
        let find = |members: &ObjectMembers<'_>, name: &[u8]| {
            members.binary_search_by(|(found, _)| value::compare_names(found, name)).ok()
        };
        let mut names: Vec<&[u8]> = head.iter().chain(incoming).map(|(name, _)| *name).collect();
        names.sort_by(|a, b| value::compare_names(a, b));
        names.dedup();
        let mut out = vec![b'{'];
        for name in names {
            let was = match base {
                None => Base::Unknown,
                Some(members) => {
                    find(members, name).map_or(Base::Absent, |place| Base::Value(members[place].1))
                }
            };
            let (ours, theirs) = (
                find(head, name).map(|place| head[place].1),
                find(incoming, name).map(|place| incoming[place].1),
            );
            let inner: Vec<Ruled<'m>> = rules
                .iter()
                .filter_map(|rule| match rule.steps.split_first() {
                    Some((PathStep::Member(step), steps)) if step == name => {
                        Some(Ruled { steps, ..*rule })
                    }
                    _ => None,
                })
                .collect();
            self.path.push(name.to_vec());
            let taken = self.value(Values { base: was, head: ours, incoming: theirs }, &inner)?;
            self.path.pop();
            if let Some(taken) = taken {
                out.extend_from_slice(if out.len() > 1 { b",\"" } else { b"\"" });
                out.extend_from_slice(name);
                out.extend_from_slice(b"\":");
                out.extend_from_slice(&taken);
            }
        }
        out.push(b'}');
        Ok(out)
    }

    /// Merges one member; `None` if the result has no such member.
    fn value(
        &mut self,
        values: Values<'_>,
        rules: &[Ruled<'m>],
    ) -> Result<Option<Vec<u8>>, MergeStop> {
        let owned = |value: Option<&[u8]>| value.map(<[u8]>::to_vec);
        // For a sum, the same change on both sides is two changes; for everything else it is one.
        let changed = match values.base {
            Base::Value(base) => values.head != Some(base),
            Base::Absent => values.head.is_some(),
            Base::Unknown => false,
        };
        let twice = changed && rules.iter().any(|rule| rule.rule.resolver == Resolver::Delta);
        if values.head == values.incoming && !twice {
            return Ok(owned(values.head));
        }
        if let Some(rule) = rules.iter().find(|rule| rule.steps.is_empty()) {
            return self.ruled(rule, values);
        }
        let alone = match self.rest {
            Rest::Side(side) => Some(side),
            Rest::ThreeWay(_) => values.only_changed(),
        };
        let contested = alone.is_none();
        // Fields with rules inside this object follow them even if the object is new, or on one
        // side only.
        let absent = if rules.is_empty() { None } else { Some(&b"{}"[..]) };
        if (contested || !rules.is_empty())
            && let (Some(head), Some(incoming)) =
                (values.head.or(absent), values.incoming.or(absent))
            && (!contested || values.base != Base::Absent || !rules.is_empty())
            && let Some(merged) = self.containers(values.base, head, incoming, rules)?
        {
            let gone = merged == b"{}" && (values.head.is_none() || values.incoming.is_none());
            return Ok((!gone).then_some(merged));
        }
        if values.head == values.incoming {
            return Ok(owned(values.head));
        }
        match (alone, self.rest) {
            (Some(Winner::Incoming), _) => Ok(owned(values.incoming)),
            (Some(_), _) | (None, Rest::Side(_)) => Ok(owned(values.head)),
            (None, Rest::ThreeWay(how)) => self.contested(how, values),
        }
    }

    /// Decides a member that both sides changed differently.
    fn contested(
        &mut self,
        how: &ThreeWay,
        values: Values<'_>,
    ) -> Result<Option<Vec<u8>>, MergeStop> {
        self.found.contested += 1;
        let field = self.field();
        let outcome = self.asked.decide(&how.contested, values, &field);
        let outcome = self.settled(outcome)?;
        if !self.asked.policy.builtin {
            self.decided(field.into(), how.contested.kind().name(), &outcome, values);
        }
        Ok(self.take(outcome, values))
    }

    fn ruled(
        &mut self,
        rule: &Ruled<'m>,
        values: Values<'_>,
    ) -> Result<Option<Vec<u8>>, MergeStop> {
        let (resolver, outcome) = match rule.how {
            How::Group(resolver, Winner::Incoming) => (resolver, ResolverOutcome::Incoming),
            How::Group(resolver, _) => (resolver, ResolverOutcome::Head),
            How::Resolver(resolver @ Resolver::ThreeWay(how)) => {
                // The setting applies to members and arrays inside this field only.
                let outer = std::mem::replace(&mut self.rest, Rest::ThreeWay(how));
                let merged = self.value(values, &[]);
                self.rest = outer;
                let merged = merged?;
                let outcome = if merged.as_deref() == values.head {
                    ResolverOutcome::Head
                } else if merged.as_deref() == values.incoming {
                    ResolverOutcome::Incoming
                } else {
                    ResolverOutcome::Value(merged.clone().unwrap_or_default(), false)
                };
                self.decided(rule.rule.name.clone(), resolver.kind().name(), &outcome, values);
                return Ok(merged);
            }
            How::Resolver(resolver) => {
                let field = self.field();
                (resolver, self.asked.decide(resolver, values, &field))
            }
        };
        let outcome = self.settled(outcome)?;
        self.decided(rule.rule.name.clone(), resolver.kind().name(), &outcome, values);
        Ok(self.take(outcome, values))
    }

    /// Merges elements with equal keys; other elements are added or removed. An element that one
    /// side removed and the other changed is kept.
    fn identified(
        &mut self,
        shape: Shape,
        base: &[&[u8]],
        head: &[&[u8]],
        incoming: &[&[u8]],
        key_of: &dyn for<'e> Fn(&'e [u8]) -> Option<&'e [u8]>,
    ) -> Result<Option<Vec<u8>>, MergeStop> {
        let index = |elements| collections::by_identity(elements, &|element| key_of(element));
        let (Some((_, base)), Some((mut keys, ours)), Some((others, theirs))) =
            (index(base), index(head), index(incoming))
        else {
            return Ok(None);
        };
        keys.extend(others.into_iter().filter(|key| !ours.contains_key(key)));
        let mut all: Vec<Vec<u8>> = Vec::with_capacity(keys.len());
        for key in keys {
            let was = base.get(key).map_or(Base::Absent, |value| Base::Value(value));
            let (head, incoming) = (ours.get(key).copied(), theirs.get(key).copied());
            self.path.push(key.to_vec());
            let taken = match (shape, was, head, incoming) {
                // The keys of both entries are equal, so only their values are merged.
                (Shape::Map, _, Some(head), Some(incoming)) => {
                    let value_of = |pair| value::items(pair).and_then(|pair| pair.get(1).copied());
                    let base = if let Base::Value(pair) = was {
                        value_of(pair).map_or(Base::Unknown, Base::Value)
                    } else {
                        was
                    };
                    let values =
                        Values { base, head: value_of(head), incoming: value_of(incoming) };
                    let value = self.value(values, &[])?.unwrap_or_default();
                    Some([b"[", key, b",", &value, b"]"].concat())
                }
                (_, Base::Value(base), None, Some(other))
                | (_, Base::Value(base), Some(other), None)
                    if base != other =>
                {
                    // The removal did not see the change, so the log must name the conflict.
                    self.found.contested += 1;
                    self.found.head_lost |= head.is_none();
                    self.found.incoming_lost |= incoming.is_none();
                    Some(other.to_vec())
                }
                (_, base, head, incoming) => self.value(Values { base, head, incoming }, &[])?,
            };
            self.path.pop();
            all.extend(taken);
        }
        let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
        Ok(Some(collections::write(shape, &all)))
    }

    /// Returns the outcome for a field whose resolver cannot decide.
    fn settled(&self, outcome: ResolverOutcome) -> Result<ResolverOutcome, MergeStop> {
        match outcome {
            ResolverOutcome::Park => Err(MergeStop::Park("the policy leaves it to a person")),
            ResolverOutcome::Fail => Err(MergeStop::Fail),
            ResolverOutcome::Unresolved(reason) => match self.asked.policy.unresolved {
                Unresolved::Park => Err(MergeStop::Park(reason)),
                Unresolved::Fail => Err(MergeStop::Fail),
                Unresolved::HeadWins => Ok(ResolverOutcome::Head),
                Unresolved::IncomingWins => Ok(ResolverOutcome::Incoming),
                Unresolved::LastWriteWins => match self.asked.later() {
                    Winner::Incoming => Ok(ResolverOutcome::Incoming),
                    _ => Ok(ResolverOutcome::Head),
                },
            },
            decided => Ok(decided),
        }
    }

    fn take(&mut self, outcome: ResolverOutcome, values: Values<'_>) -> Option<Vec<u8>> {
        let alone = values.only_changed();
        match outcome {
            ResolverOutcome::Incoming => {
                self.found.head_lost |= alone != Some(Winner::Incoming);
                values.incoming.map(<[u8]>::to_vec)
            }
            ResolverOutcome::Value(value, lossy) => {
                self.found.head_lost |= lossy && values.head != Some(&value);
                self.found.incoming_lost |= lossy && values.incoming != Some(&value);
                Some(value)
            }
            _ => {
                self.found.incoming_lost |= alone != Some(Winner::Head);
                values.head.map(<[u8]>::to_vec)
            }
        }
    }

    fn decided(
        &mut self,
        field: std::sync::Arc<str>,
        resolver: &'static str,
        outcome: &ResolverOutcome,
        values: Values<'_>,
    ) {
        let winner = match outcome {
            ResolverOutcome::Incoming => Winner::Incoming,
            ResolverOutcome::Value(value, _) if values.incoming == Some(value) => Winner::Incoming,
            ResolverOutcome::Value(value, _) if values.head != Some(value) => Winner::Merged,
            _ => Winner::Head,
        };
        let decision = FieldDecision { field, resolver, winner };
        if self.found.fields.len() < MAX_DECISIONS && !self.found.fields.contains(&decision) {
            self.found.fields.push(decision);
        }
    }

    /// Returns the path of the current member, for people.
    fn field(&self) -> String {
        let mut path = Vec::new();
        for name in &self.path {
            path.extend_from_slice(if path.is_empty() { b"" } else { b"." });
            path.extend_from_slice(
                &name[..name.len().min(MAX_PATH_BYTES - path.len().min(MAX_PATH_BYTES))],
            );
        }
        String::from_utf8_lossy(&path).into_owned()
    }
}

/// Returns the key of a Map entry if it is a primitive. Objects have an identity that a text does
/// not contain.
fn map_key(pair: &[u8]) -> Option<&[u8]> {
    let key = *value::items(pair)?.first()?;
    let primitive = !matches!(
        value::kind(key),
        "object" | "array" | "map" | "set" | "buffer" | "view" | "date" | "regexp"
    );
    primitive.then_some(key)
}
