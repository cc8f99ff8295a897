//! A conflict with the policy that decides it: the variables of expressions, and whole sides.

use std::cmp::Ordering;

use super::field::without;
use super::sides::{Base, Sides};
use crate::policy::{EvaluationError, Resolver, SideMeta, StorePolicy, Variables};
use crate::snapshot::{Digest, Line, LineState, Winner};

/// A conflict, and the policy that decides it.
pub(super) struct Asked<'a> {
    pub(super) policy: &'a StorePolicy,
    pub(super) sides: &'a Sides<'a>,
    pub(super) head_value: Option<&'a [u8]>,
}

impl<'a> Asked<'a> {
    /// Returns incoming's canonical value; `None` for a deletion.
    pub(super) fn incoming_value(&self) -> Option<&'a [u8]> {
        if let LineState::Put(value) = &self.sides.incoming.state { Some(value) } else { None }
    }

    /// Calls `evaluate` with the variables of an expression.
    pub(super) fn with_variables<T>(
        &self,
        field: &str,
        evaluate: impl FnOnce(&Variables<'_>) -> Result<T, EvaluationError>,
    ) -> Result<T, EvaluationError> {
        let Sides { store, key, head, incoming, base, received_at, kind, .. } = self.sides;
        let (store, key) =
            (store.to_text().unwrap_or_else(|| store.to_canonical()), key.to_canonical());
        let meta = head.map(|head| &head.meta);
        let by = |source: &'a Option<crate::snapshot::SourceId>| {
            source.as_ref().map(|source| source.as_str())
        };
        evaluate(&Variables {
            base: if let Base::Value(base) = base { Some(base) } else { None },
            head: self.head_value,
            incoming: self.incoming_value(),
            head_meta: SideMeta {
                at: meta.map(|meta| meta.at),
                by: meta.and_then(|meta| by(&meta.by)),
                rev: meta.map(|meta| meta.rev.get()),
            },
            incoming_meta: SideMeta { at: incoming.clock, by: by(&incoming.by), rev: None },
            store: &store,
            key: key.as_bytes(),
            conflict: kind.name(),
            field,
            now: *received_at,
        })
    }

    /// Returns the side with the later clock; ties are broken by source, then by digest. A change
    /// without a clock is later than head.
    pub(super) fn later(&self) -> Winner {
        let Sides { head: Some(head), incoming, .. } = self.sides else { return Winner::Incoming };
        let Some(clock) = incoming.clock else { return Winner::Incoming };
        let order = clock.cmp(&head.meta.at).then_with(|| self.ties(head));
        if order == Ordering::Less { Winner::Head } else { Winner::Incoming }
    }

    fn ties(&self, head: &Line) -> Ordering {
        let incoming = self.sides.incoming;
        if self.policy.commutative && !self.policy.fields.is_empty() {
            // Source and fields with rules depend on earlier merges, so they must not break ties.
            return self.rest_of(&incoming.state).cmp(&self.rest_of(&head.state));
        }
        let sources = incoming.by.cmp(&head.meta.by);
        sources.then_with(|| incoming.state.content_digest().cmp(&head.state.content_digest()))
    }

    /// Returns the digest of a value without the fields that have rules.
    fn rest_of(&self, state: &LineState) -> Option<Digest> {
        let value = match state {
            LineState::Delete => return None,
            LineState::Put(value) => value,
            LineState::Spilled(_) => self.head_value?,
        };
        let mut rest = value.to_vec();
        let by_clock = |rule: &&crate::policy::FieldRule| rule.resolver != Resolver::LastWriteWins;
        for path in self.policy.fields.iter().filter(by_clock).flat_map(|rule| &rule.paths) {
            rest = without(&rest, path.steps()).unwrap_or(rest);
        }
        Some(Digest::of(&rest))
    }

    /// Returns the side that a resolver for whole sides picks.
    pub(super) fn side(&self, resolver: &Resolver) -> Result<Winner, &'static str> {
        let clock = self.sides.incoming.clock;
        match resolver {
            Resolver::LastWriteWins | Resolver::FirstWriteWins
                if self.policy.commutative && clock.is_none() =>
            {
                Err("the change has no clock, and without one the order of arrival would decide")
            }
            Resolver::LastWriteWins => Ok(self.later()),
            Resolver::FirstWriteWins => {
                Ok(if self.later() == Winner::Incoming && self.sides.head.is_some() {
                    Winner::Head
                } else {
                    Winner::Incoming
                })
            }
            Resolver::HeadWins | Resolver::Skip => Ok(Winner::Head),
            _ => Ok(Winner::Incoming),
        }
    }
}
