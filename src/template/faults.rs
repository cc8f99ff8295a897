//! Faults of a flow definition, as the checks find them.

/// A fault and its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateFault {
    /// The component, by its visible name.
    pub place: String,
    /// The description of the fault.
    pub message: String,
}

/// A collector of faults.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<TemplateFault>);

impl Faults {
    /// Adds a fault.
    pub(super) fn add(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.0.push(TemplateFault { place: place.into(), message: message.into() });
    }

    /// Returns the faults sorted by place, each once.
    pub(super) fn sorted(mut self) -> Vec<TemplateFault> {
        self.0.sort();
        self.0.dedup();
        self.0
    }
}
