//! Decides a conflict by trying the rules of an object store in their order.

use std::cmp::Ordering;
use std::sync::Arc;

use super::asked::Asked;
use super::decide::{ResolverOutcome, Values};
use super::sides::{Base, Sides};
use super::three_way::{MergeStop, Rest, ThreeWayMerged, merge};
use crate::policy::{Resolver, ResolverKind, StorePolicy, Unresolved};
use crate::snapshot::{FieldDecision, LineState, Winner};

/// The decision of a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The side that wins.
    pub winner: Winner,
    /// Name of the rule that decided or parked it.
    pub rule: Arc<str>,
    /// The merged canonical value, if the winner is [`Winner::Merged`].
    pub merged: Option<Vec<u8>>,
    /// True if head lost something, so that its side must be kept whole.
    pub head_lost: bool,
    /// True if incoming lost something, so that its side must be kept whole.
    pub incoming_lost: bool,
    /// Decisions about single fields.
    pub fields: Vec<FieldDecision>,
    /// The reason why no rule decided, if the winner is [`Winner::Nobody`].
    pub reason: Option<&'static str>,
    /// True if the policy refuses the batch.
    pub refused: bool,
}

/// A rule that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The result.
    pub said: &'static str,
}

/// Decides a conflict, and passes each rule that is tried to `tried`.
pub fn resolve(
    policy: &StorePolicy,
    sides: &Sides<'_>,
    tried: &mut dyn FnMut(Tried),
) -> Resolution {
    let resolution = decided(policy, sides, tried);
    let incoming =
        if let LineState::Put(value) = &sides.incoming.state { Some(&**value) } else { None };
    let is_side = matches!(resolution.winner, Winner::Head | Winner::Incoming);
    if is_side && !policy.commutative && incoming.is_some() && sides.head_value == incoming {
        // Both sides have the same state, so head stays and nothing is lost.
        return Resolution {
            winner: Winner::Head,
            head_lost: false,
            incoming_lost: false,
            ..resolution
        };
    }
    resolution
}

fn decided(policy: &StorePolicy, sides: &Sides<'_>, tried: &mut dyn FnMut(Tried)) -> Resolution {
    let asked = Asked { policy, sides, head_value: sides.head_value };
    for rule in policy.rules.iter().filter(|rule| rule.types.contains(&sides.kind)) {
        let mut said = |said| tried(Tried { rule: rule.name.clone(), said });
        let holds = match &rule.when {
            None => Ok(true),
            Some(when) => asked.with_variables("", |variables| when.holds(variables)),
        };
        match holds {
            Ok(false) => said("its condition does not hold"),
            Ok(true) => {
                said("it decides");
                return asked.by(&rule.then, rule.name.clone());
            }
            Err(error) => {
                said(error.0);
                return asked.unresolved(error.0, rule.name.clone());
            }
        }
    }
    // A type that the policy does not detect never gets here.
    let resolver = policy.resolver(sides.kind).unwrap_or(&Resolver::IncomingWins);
    let name: Arc<str> = format!("{}/{}", policy.scope, resolver.kind().name()).into();
    tried(Tried { rule: name.clone(), said: "it decides" });
    asked.by(resolver, name)
}

impl Asked<'_> {
    fn by(&self, resolver: &Resolver, rule: Arc<str>) -> Resolution {
        let values = Values {
            base: self.sides.base,
            head: self.head_value,
            incoming: self.incoming_value(),
        };
        let both = values.head.is_some() && values.incoming.is_some();
        match resolver {
            Resolver::Park => parked("the policy leaves it to a person", rule),
            Resolver::Fail => Resolution { refused: true, ..parked("the policy refuses it", rule) },
            Resolver::ThreeWay(how) => self.three_way(how, values, rule),
            Resolver::LastWriteWins
            | Resolver::FirstWriteWins
            | Resolver::IncomingWins
            | Resolver::HeadWins
            | Resolver::Skip
            | Resolver::Accept => match self.side(resolver) {
                Ok(side) => {
                    self.whole(side, both && resolver.kind() != ResolverKind::Skip, resolver, rule)
                }
                Err(reason) => self.unresolved(reason, rule),
            },
            Resolver::Max { by: Some(by) } => {
                self.whole_by(by, values, Ordering::Greater, resolver, rule)
            }
            Resolver::Min { by: Some(by) } => {
                self.whole_by(by, values, Ordering::Less, resolver, rule)
            }
            _ => match self.decide(resolver, values, "") {
                ResolverOutcome::Head => side(Winner::Head, rule),
                ResolverOutcome::Incoming => side(Winner::Incoming, rule),
                ResolverOutcome::Value(value, lossy) => self.value(value, lossy, rule),
                ResolverOutcome::Unresolved(reason) => self.unresolved(reason, rule),
                ResolverOutcome::Park | ResolverOutcome::Fail => {
                    parked("the policy leaves it to a person", rule)
                }
            },
        }
    }

    fn whole_by(
        &self,
        by: &crate::policy::FieldPath,
        values: Values<'_>,
        wanted: Ordering,
        resolver: &Resolver,
        rule: Arc<str>,
    ) -> Resolution {
        match self.side_by(by, values, wanted) {
            Some(side) => self.whole(side, true, resolver, rule),
            None => self.unresolved(
                "the member that max or min compares by has no order, or is on no side",
                rule,
            ),
        }
    }

    /// Decides for a whole side, except fields that have rules.
    fn whole(
        &self,
        winner: Winner,
        fields: bool,
        resolver: &Resolver,
        rule: Arc<str>,
    ) -> Resolution {
        let rule = self.renamed(resolver, rule);
        if fields && !self.policy.fields.is_empty() {
            match merge(self, self.sides.base, Rest::Side(winner)) {
                Ok(merged) => {
                    let mut resolution = self.merged(merged, rule);
                    // The other side lost everything except its fields with rules.
                    resolution.head_lost |= winner == Winner::Incoming;
                    resolution.incoming_lost |= winner == Winner::Head;
                    return resolution;
                }
                Err(MergeStop::NotMergeable) => {}
                Err(MergeStop::Park(reason)) => return parked(reason, rule),
                Err(MergeStop::Fail) => {
                    return Resolution { refused: true, ..parked("the policy refuses it", rule) };
                }
            }
        }
        side(winner, rule)
    }

    fn three_way(
        &self,
        how: &crate::policy::ThreeWay,
        values: Values<'_>,
        rule: Arc<str>,
    ) -> Resolution {
        if values.base != Base::Unknown {
            match merge(self, values.base, Rest::ThreeWay(how)) {
                Ok(merged) => {
                    let contested = merged.contested > 0;
                    let rule = if contested { format!("{rule}-contested").into() } else { rule };
                    return self.merged(merged, rule);
                }
                Err(MergeStop::NotMergeable) => {
                    // The values have no members. If one side equals the base, only the other
                    // changed.
                    if let (Base::Value(_), Some(head), Some(incoming)) =
                        (values.base, values.head, values.incoming)
                        && let Some(alone) = values.only_changed()
                    {
                        let taken = if alone == Winner::Incoming { incoming } else { head };
                        return self.value(taken.to_vec(), false, rule);
                    }
                }
                Err(MergeStop::Park(reason)) => return parked(reason, rule),
                Err(MergeStop::Fail) => {
                    return Resolution { refused: true, ..parked("the policy refuses it", rule) };
                }
            }
        }
        // Without a base every member would be contested, so the resolver for contested members
        // decides the whole record.
        let name: Arc<str> =
            format!("{}/{}", self.policy.scope, how.contested.kind().name()).into();
        match &*how.contested {
            Resolver::ThreeWay(_) => {
                self.unresolved("three-way needs to know what the change started from", rule)
            }
            contested => self.by(contested, name),
        }
    }

    fn merged(&self, merged: ThreeWayMerged, rule: Arc<str>) -> Resolution {
        let ThreeWayMerged { value, head_lost, incoming_lost, fields, .. } = merged;
        Resolution { head_lost, incoming_lost, fields, ..self.value(value, false, rule) }
    }

    /// Decides for a merged value. If it equals a side, that side wins and nothing new is stored.
    fn value(&self, value: Vec<u8>, lossy: bool, rule: Arc<str>) -> Resolution {
        let winner = if self.head_value == Some(&value) {
            Winner::Head
        } else if self.incoming_value() == Some(&value) {
            Winner::Incoming
        } else {
            Winner::Merged
        };
        Resolution {
            winner,
            rule,
            merged: (winner == Winner::Merged).then_some(value),
            head_lost: lossy && winner != Winner::Head,
            incoming_lost: lossy && winner != Winner::Incoming,
            fields: Vec::new(),
            reason: None,
            refused: false,
        }
    }

    fn unresolved(&self, reason: &'static str, rule: Arc<str>) -> Resolution {
        match self.policy.unresolved {
            Unresolved::Park => parked(reason, rule),
            Unresolved::Fail => Resolution { refused: true, ..parked(reason, rule) },
            Unresolved::HeadWins => Resolution { reason: Some(reason), ..side(Winner::Head, rule) },
            Unresolved::IncomingWins => {
                Resolution { reason: Some(reason), ..side(Winner::Incoming, rule) }
            }
            Unresolved::LastWriteWins => {
                Resolution { reason: Some(reason), ..side(self.later(), rule) }
            }
        }
    }

    /// Returns the rule's name. The built-in default names how it determined the last write.
    fn renamed(&self, resolver: &Resolver, rule: Arc<str>) -> Arc<str> {
        match (self.policy.builtin, resolver.kind(), self.sides.incoming.clock) {
            (true, ResolverKind::LastWriteWins, Some(_)) => "default/newer".into(),
            (true, ResolverKind::LastWriteWins, None) => "default/incoming".into(),
            _ => rule,
        }
    }
}

/// Decides for a whole side; the other one is kept.
fn side(winner: Winner, rule: Arc<str>) -> Resolution {
    let (head_lost, incoming_lost) = (winner == Winner::Incoming, winner == Winner::Head);
    Resolution {
        winner,
        rule,
        merged: None,
        head_lost,
        incoming_lost,
        fields: Vec::new(),
        reason: None,
        refused: false,
    }
}

fn parked(reason: &'static str, rule: Arc<str>) -> Resolution {
    let nobody = side(Winner::Head, rule);
    Resolution { winner: Winner::Nobody, reason: Some(reason), ..nobody }
}
