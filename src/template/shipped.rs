//! The flow definitions that are part of the program.

/// A shipped flow definition.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// The name on the command line.
    pub name: &'static str,
    /// The versions of NiFi that can run it.
    pub lines: &'static str,
    /// The purpose.
    pub summary: &'static str,
    /// The definition, as JSON.
    pub text: &'static str,
}

/// All shipped definitions.
pub const SHIPPED: [Shipped; 5] = [
    Shipped {
        name: "scheduled-sync",
        lines: "1.28, 2.x",
        summary: "batches are kept by NiFi and synced together on a schedule",
        text: include_str!("../../nifi-templates/scheduled-sync.json"),
    },
    Shipped {
        name: "live-sync",
        lines: "1.28, 2.x",
        summary: "a client posts a batch and gets the report in the answer",
        text: include_str!("../../nifi-templates/live-sync.json"),
    },
    Shipped {
        name: "http-sync",
        lines: "1.28, 2.x",
        summary: "batches are posted to a running nifi-idb serve",
        text: include_str!("../../nifi-templates/http-sync.json"),
    },
    Shipped {
        name: "scheduled-restore",
        lines: "1.28, 2.x",
        summary: "a version comes out as FlowFiles, on a schedule or on demand",
        text: include_str!("../../nifi-templates/scheduled-restore.json"),
    },
    Shipped {
        name: "grpc-sync",
        lines: "1.28",
        summary: "not recommended: as http-sync over gRPC, where a tenth of the calls fail under \
            load",
        text: include_str!("../../nifi-templates/grpc-sync.json"),
    },
];

/// Returns the definition with that name.
pub fn find(name: &str) -> Option<Shipped> {
    SHIPPED.into_iter().find(|shipped| shipped.name == name)
}
