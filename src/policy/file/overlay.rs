//! Computes a scope's final rules: the built-in values, overridden by the defaults, overridden by
//! the object store's own rules.

use super::scope::Scope;
use crate::policy::privacy::Privacy;
use crate::policy::resolver::Resolver;
use crate::policy::rules::{FieldRule, Policy, Rule, StorePolicy, Tombstones};
use crate::snapshot::ConflictType;

/// Returns the policy that these scopes make.
pub(super) fn policy(
    defaults: &Scope,
    stores: &[Scope],
    tombstones: Option<Tombstones>,
    max_skew_ms: Option<i64>,
) -> Policy {
    let mut unsaid = StorePolicy::unsaid();
    if tombstones.is_some() {
        // A source that was offline for longer than deletions are remembered must not bring them
        // back unnoticed.
        set(&mut unsaid, ConflictType::UpdateMissing, Resolver::Park);
    }
    let default = over(unsaid, defaults);
    let stores = stores
        .iter()
        .filter_map(|scope| Some((scope.store.clone()?, over(default.clone(), scope))));
    Policy { stores: stores.collect(), default, tombstones, max_skew_ms }
}

fn set(policy: &mut StorePolicy, conflict: ConflictType, resolver: Resolver) {
    if let Some(place) = policy.types.get_mut(conflict as usize) {
        *place = Some(resolver);
    }
}

/// Returns `below`, overridden by a scope.
fn over(below: StorePolicy, scope: &Scope) -> StorePolicy {
    let name = scope.name();
    let mut policy = StorePolicy { scope: name.as_str().into(), ..below };
    if let Some(said) = &scope.detect {
        policy.detect = said.value.clone();
    }
    if let Some(said) = &scope.resolve {
        for conflict in super::scope::BOTH_VALUES {
            set(&mut policy, conflict, said.value.clone());
        }
    }
    for (conflict, said) in ConflictType::ALL.iter().copied().zip(&scope.types) {
        if let Some(said) = said {
            set(&mut policy, conflict, said.value.clone());
        }
    }
    if let Some(said) = &scope.unresolved {
        policy.unresolved = said.value;
    }
    if let Some(said) = &scope.clock {
        policy.clock_field = Some(said.value.clone());
    }
    if let Some(said) = &scope.commutative {
        policy.commutative = said.value;
    }
    let own = scope.rules.iter().map(|said| Rule {
        name: format!("{name}/{}", said.rule.name).into(),
        ..said.rule.clone()
    });
    policy.rules = own.chain(policy.rules).collect();
    policy.fields = fields(scope, policy.fields);
    policy.privacy = privacy(scope, policy.privacy);
    policy
}

/// Returns the scope's own fields, followed by those below that do not overlap with any of them.
fn fields(scope: &Scope, below: Vec<FieldRule>) -> Vec<FieldRule> {
    let own: Vec<_> = scope.fields.iter().map(|said| said.rule.clone()).collect();
    let is_free = |rule: &FieldRule| {
        let mut others = own.iter().flat_map(|own| &own.paths);
        !others.any(|own| rule.paths.iter().any(|path| path.is_within(own) || own.is_within(path)))
    };
    let below: Vec<_> = below.into_iter().filter(|rule| is_free(rule)).collect();
    own.into_iter().chain(below).collect()
}

/// Returns both: fields that are private for the whole database are private here, except those that
/// the scope treats differently.
fn privacy(scope: &Scope, below: Privacy) -> Privacy {
    let own: Vec<_> = scope.privacy.iter().map(|said| (said.path.clone(), said.hide)).collect();
    let is_free = |path: &crate::policy::path::FieldPath| {
        own.iter().all(|(own, _)| own.steps() != path.steps())
    };
    let below: Vec<_> = below.fields.into_iter().filter(|(path, _)| is_free(path)).collect();
    Privacy { fields: own.into_iter().chain(below).collect() }
}
